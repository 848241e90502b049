//! The engine with real Python workers: one binary, one file per subject.
//! Knows the outside only through the same ports as the server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod handover;
mod predictions;
mod probation;
mod rollout;
mod room;
mod world;

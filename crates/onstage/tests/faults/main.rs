//! Fault experiments on the real binary with real Python workers: one test each, named after its row in the table.
//! Few rounds in `make test`; all of them, with the numbers judged, in `make faults`.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![expect(
    clippy::disallowed_methods,
    reason = "outside of Onstage, a test has a clock and an environment of its own"
)]

mod actor;
mod batching;
mod buckets;
mod callers;
mod clocks;
mod crashes;
#[path = "../e2e/databases.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest of it")]
mod databases;
mod deaths;
mod experiment;
mod failover;
mod frames;
mod fronts;
mod gauges;
mod halves;
mod handles;
mod hangs;
mod kills;
mod load;
mod memory;
mod outage;
mod postgres;
mod power;
mod prints;
mod restarts;
mod rolls;
mod soak;
mod sockets;
mod stops;
mod streams;
#[path = "../e2e/world.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest of it")]
mod world;

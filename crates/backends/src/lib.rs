//! The outside things of Onstage behind the ports of `onstage-core`: stores, blobs, processes, environments, tables.
//! Never knows the engine or the gateway.

pub mod archive;
pub mod backup;
pub mod blobs;
pub mod bundle;
pub mod clock;
pub mod datasets;
mod durable;
pub mod environment;
pub mod fail;
mod hex;
pub mod parcels;
pub mod process;
mod shelf;
mod spawn;
pub mod store;
pub mod tables;

//! The worker protocol, version 1, as data: frames and messages. Documented in `docs/worker-protocol.md`.
//! Does no IO; the engine reads and writes the bytes.

pub mod frame;
pub mod from_worker;
pub mod to_worker;

pub use frame::Frame;
pub use from_worker::FromWorker;
pub use to_worker::ToWorker;

/// The protocol version this host speaks.
pub const PROTOCOL: u32 = 1;

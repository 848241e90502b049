//! The loops of Onstage: pools of workers, batching, scaling, dispatch of tasks, the task itself, the reaper.
//! Never knows axum, SQL, a cloud, config files, or which store and driver it has.

mod adopt;
mod arrivals;
pub mod ask;
pub mod batcher;
pub mod builder;
mod catalog;
mod curve;
pub mod datasets;
mod demand;
pub mod dispatch;
pub mod engine;
mod folder_schedules;
pub mod gauges;
mod gpus;
mod house;
pub mod inputs;
mod junction;
mod lazy;
pub mod logs;
mod meter;
mod packing;
pub mod parts;
mod pool;
mod probation;
mod queue;
pub mod reaper;
mod recorder;
mod registry;
mod rota;
pub mod scaler;
pub mod schedules;
mod service;
pub mod sim;
pub mod spawn;
pub mod task;
pub mod ticket;
pub mod values;
mod watchdog;
pub mod webhooks;
pub mod worker;

pub use ask::{Ask, Keep, Loaded, Readiness, Refused};
pub use engine::Engine;
pub use gauges::{Gauges, PoolGauges};
pub use parts::{Checks, Parts, Settings};
pub use ticket::{Finished, Snapshot, Ticket};

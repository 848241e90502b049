//! The nouns, pure rules and ports of Onstage: what every other crate agrees on.
//! Knows nothing of tokio, sockets, files, HTTP, SQL or environment variables; time is passed in.

pub mod alias;
pub mod batch;
pub mod config;
pub mod dataset;
pub mod error;
pub mod event;
pub mod fair;
pub mod feedback;
pub mod file;
pub mod gpu;
pub mod id;
pub mod job;
pub mod lifecycle;
pub mod limits;
pub mod model;
pub mod name;
pub mod outcome;
pub mod parcel;
pub mod people;
pub mod ports;
pub mod prediction;
pub mod schedule;
pub mod schema;
pub mod shares;
pub mod task;
pub mod tensor;
pub mod time;
pub mod training;
pub mod upload;
pub mod usage;
pub mod value;
pub mod webhook;
pub mod wire;

pub use error::{Error, Kind, Result};
pub use id::{Id, Ids};
pub use name::ModelName;
pub use time::{Clock, Timestamp};

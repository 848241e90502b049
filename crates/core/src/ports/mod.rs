//! The ports: one minimal trait per kind of outside thing. Implementations live in `onstage-backends`.
//! Every call has a deadline inside its implementation, which for what is large, as a dataset on its way to a host, is hours; every
//! error is `crate::Error`.

mod blobs;
mod check;
mod driver;
mod launcher;
mod page;
mod parcels;
mod place;
mod post;
mod store;
mod submitter;
mod tables;

pub use blobs::{BlobReader, BlobWriter, Blobs, PutLink};
pub use check::{CheckError, InputCheck, OutputCheck};
pub use driver::{Capabilities, Driver, RunState, Running, TaskSpec};
pub use launcher::{
    Attached, Exit, HostMemory, Launcher, Preparing, WorkerProcess, WorkerSpec, not_ready,
};
pub use page::{Cursor, Listed, Page};
pub use parcels::Parcels;
pub use place::{DatasetPlace, Placed};
pub use post::Post;
pub use store::{
    AppState, Catalog, Datasets, Demand, FeedbackBook, Files, Finished, Jobs, Outbox, People,
    Predictions, RunningJob, Schedules, StateOp, Store, Submitted, Tasks, Uploads, UsageBook,
};
pub use submitter::Submitter;
pub use tables::{ArchiveList, ArchivedFile, ByteSource, Row, TableReader, TableWriter, Tables};

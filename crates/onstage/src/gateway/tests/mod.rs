//! The gateway as a client sees it, without sockets: the real router, a real engine, a memory store, real Python.

mod access;
mod aliases;
mod ask;
mod batch_files;
mod batches;
mod bodies;
mod browser;
mod data_inputs;
mod datasets;
mod description;
mod feedback;
mod files;
mod hand_over;
mod leavings;
mod limits;
mod lists;
mod methods;
mod models;
mod people;
mod predictions;
mod schedules;
mod streams;
mod templates;
mod trainings;
mod uploads;
pub(super) mod world;

//! Kills of the front, of tasks and of workers under load, and what must hold afterwards.

mod alone;
mod at_points;
mod at_random;
mod backups;
pub(crate) mod caller;
mod cancels;
mod errands;
mod full_disk;
mod judge;
mod judge_tests;
mod load;
mod locked;
pub(crate) mod models;
mod stage;

//! Tasks, dispatch and the reaper against real stores and blobs, with workers that follow a script.
//! What a real worker does is tested where workers are.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod batches;
mod clocks;
mod crew;
mod cutting;
mod fronts;
mod kills;
mod predictions;
mod python;
mod results;
mod schedules;
mod sharing;
mod sweeps;
mod throughput;
mod training;
mod trainings;
mod world;

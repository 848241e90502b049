//! End to end: the real binary, real Python, real HTTP. Each test owns its world and leaves nothing running.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![expect(
    clippy::disallowed_methods,
    reason = "outside of Onstage, a test has a clock and an environment of its own"
)]

mod aliases;
mod backups;
mod bad_models;
mod bad_requests;
mod bad_tables;
mod batches;
mod builds;
mod cancel;
mod cell_files;
mod databases;
mod datasets;
mod dev;
mod disks;
mod docs;
mod effects;
mod entrance;
mod environments;
mod examples;
mod fronts;
mod gpus;
mod inference;
mod jobs;
mod keeps;
mod kills;
mod logs;
mod many_models;
mod money;
mod plan;
mod quickstart;
mod realtime;
mod results;
mod rollout;
mod s3;
mod schedules;
mod sharing;
mod stores;
mod streams;
mod templates;
mod tls;
mod trainings;
mod verb;
mod waiting;
mod webhooks;
mod world;

//! Checkpoints of trainings in memory, and the end that makes a version.
//! Must not know what lies in the blobs.

use super::State;
use crate::store::rules;
use onstage_core::{
    Id, Result, Timestamp,
    job::{Job, Lease},
    lifecycle::{RetryPolicy, RunEnd},
    training::{Checkpoint, Trained},
};

impl State {
    pub(super) fn commit_checkpoint(
        &mut self,
        lease: &Lease,
        checkpoint: Checkpoint,
        keep: u32,
    ) -> Result<Vec<Checkpoint>> {
        self.leased(lease)?.check_lease(lease)?;
        let place = (lease.job.clone(), checkpoint.number);
        self.checkpoints.entry(place).or_insert(checkpoint);
        let forgotten = rules::forgotten(self.checkpoints_of(&lease.job), keep);
        for gone in &forgotten {
            self.checkpoints.remove(&(lease.job.clone(), gone.number));
        }
        Ok(forgotten)
    }

    pub(super) fn checkpoints_of(&self, job: &Id) -> Vec<Checkpoint> {
        let of_job = (job.clone(), 0)..=(job.clone(), u32::MAX);
        let found = self.checkpoints.range(of_job);
        found.map(|(_, checkpoint)| checkpoint.clone()).collect()
    }

    pub(super) fn finish_training(
        &mut self,
        lease: &Lease,
        trained: &Trained,
        now: Timestamp,
    ) -> Result<Job> {
        self.leased(lease)?.check_lease(lease)?;
        let (version, _) = self.add_version(trained.version.clone())?;
        let end = RunEnd::Succeeded(trained.output(version.number));
        self.finish(lease, end, &RetryPolicy::none(), 0.0, now)
    }
}

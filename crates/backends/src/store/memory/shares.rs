//! How rows of batch jobs are shared out, in memory.
//! Must not decide who gets what; `onstage_core::shares` does.

use super::State;
use onstage_core::{
    Id, Result,
    job::{Job, JobState, Lease},
    model::VersionId,
    ports::RunningJob,
    shares::{self, ShareStep, Shares},
    task::Incarnation,
};

impl State {
    /// Whether a lease is in force, the job's own or a helper's.
    pub(super) fn check_lease(&mut self, lease: &Lease) -> Result<()> {
        let job = self.leased(lease)?.clone();
        shares::check_lease(&job, self.shares.get(&lease.job), lease)
    }

    pub(super) fn help(
        &mut self,
        version: &VersionId,
        owner: &Incarnation,
    ) -> Option<(Job, Lease)> {
        self.shares.iter_mut().find_map(|(id, shares)| {
            let job = self.jobs.get(id).filter(|job| job.version == *version)?;
            let lease = shares.join(job, owner)?;
            Some((job.clone(), lease))
        })
    }

    pub(super) fn share(&mut self, lease: &Lease, step: ShareStep) -> Result<Option<Shares>> {
        let before = self.shares.get(&lease.job).cloned();
        let after = shares::step(self.leased(lease)?, before, lease, step)?;
        if let Some(after) = &after {
            self.shares.insert(lease.job.clone(), after.clone());
        }
        Ok(after)
    }

    /// Answers whether cancelling was asked for.
    pub(super) fn helper_beat(&mut self, lease: &Lease) -> Result<bool> {
        self.check_lease(lease)?;
        if let Some(shares) = self.shares.get_mut(&lease.job) {
            shares.beat(lease)?;
        }
        let state = &self.leased(lease)?.state;
        Ok(matches!(
            state,
            JobState::Running {
                cancel_requested: true,
                ..
            }
        ))
    }

    pub(super) fn expire_helper(&mut self, lease: &Lease, observed: u64) -> Result<()> {
        self.check_lease(lease)?;
        match self.shares.get_mut(&lease.job) {
            Some(shares) => shares.expire(lease, observed),
            None => Ok(()),
        }
    }

    /// A run that is over shares nothing, and whoever wants to know is told.
    pub(super) fn moved(&mut self, id: &Id, before: &JobState) {
        self.tell(id, before);
        let runs = |job: &Job| matches!(job.state, JobState::Running { .. });
        if !self.jobs.get(id).is_some_and(runs) {
            self.shares.remove(id);
        }
    }

    pub(super) fn helping(&self) -> impl Iterator<Item = RunningJob> + '_ {
        self.shares.iter().flat_map(|(id, shares)| {
            let version = self.jobs.get(id).map(|job| job.version.clone());
            shares.helpers.iter().filter_map(move |helper| {
                Some(RunningJob {
                    lease: Lease {
                        job: id.clone(),
                        run: shares.run,
                        owner: helper.owner.clone(),
                    },
                    version: version.clone()?,
                    beat: helper.beat,
                })
            })
        })
    }
}

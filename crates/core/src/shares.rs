//! How the rows of one running batch job are shared out among tasks: what nobody has, who computes what, who helps.
//! Pure: changes only the record it is given. Stores keep it as one record beside the job and change it by compare-and-set.

use crate::{
    Error, Result,
    batch::{Chunk, Counts},
    job::{Job, JobState, Lease},
    task::Incarnation,
};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The record. It is there while the run that made it lasts and has helpers or may get some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// The run of the job that shares out: its task assembles, all others help under leases on the same run.
    pub run: u32,
    /// Rows of one share at most.
    pub share_rows: u64,
    /// How many helpers there is use for.
    pub wanted: u32,
    /// Rows that nobody has; ascending, and none touches the next.
    pub free: Vec<Range<u64>>,
    pub taken: Vec<Share>,
    pub helpers: Vec<Helper>,
    /// Tasks that helped and could not: they are not asked again.
    pub refused: Vec<Incarnation>,
    /// What helpers have committed.
    pub helped: Counts,
}

/// Rows that one task computes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub owner: Incarnation,
    /// What is not committed of it; its end never moves and so names it.
    pub rows: Range<u64>,
}

/// A task that helps, watched by its beat as the job's own is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Helper {
    pub owner: Incarnation,
    pub beat: u64,
}

/// What a task that computes for the job does to the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareStep {
    /// The job's own run begins to share what it has not begun.
    Open {
        free: Vec<Range<u64>>,
        share_rows: u64,
        wanted: u32,
    },
    /// The job's own run has use for another number of helpers.
    Want(u32),
    /// The next share. One that the task has and does not know of (an answer that got lost) is given before a new one;
    /// `known` are the ends of those it knows.
    Take { known: Vec<u64> },
    /// Every row of the share with this end is committed, or was not chosen.
    Done { end: u64 },
    /// The helper goes; what it has not committed is free again. One that could not help is not asked again.
    Leave { unable: bool },
}

impl Shares {
    /// Places for helpers that nobody has.
    pub fn seats(&self) -> u32 {
        self.wanted.saturating_sub(self.helpers.len() as u32)
    }

    /// The share of a task that it does not know of.
    pub fn unknown_share(&self, owner: &Incarnation, known: &[u64]) -> Option<&Share> {
        self.taken
            .iter()
            .find(|share| share.owner == *owner && !known.contains(&share.rows.end))
    }

    /// Whether others than `owner` still compute.
    pub fn others_compute(&self, owner: &Incarnation) -> bool {
        self.taken.iter().any(|share| share.owner != *owner)
    }

    fn helper(&mut self, owner: &Incarnation) -> Option<&mut Helper> {
        self.helpers
            .iter_mut()
            .find(|helper| helper.owner == *owner)
    }

    /// Whether `lease` is a helper's that is in force.
    pub fn is_helper(&self, lease: &Lease) -> bool {
        self.run == lease.run && self.helpers.iter().any(|one| one.owner == lease.owner)
    }

    /// Whether a task may come in; one that is in already may, its answer got lost.
    pub fn is_open_to(&self, owner: &Incarnation) -> bool {
        let is_in = self.helpers.iter().any(|one| one.owner == *owner);
        let has_use = self.seats() > 0 && !self.free.is_empty();
        (is_in || has_use) && !self.refused.contains(owner)
    }

    /// Takes a helper in, where there is use for one. A task that is in already stays.
    pub fn join(&mut self, job: &Job, owner: &Incarnation) -> Option<Lease> {
        let runs = matches!(&job.state, JobState::Running { owner: own, cancel_requested: false, .. } if own != owner);
        if !runs || job.run != self.run || !self.is_open_to(owner) {
            return None;
        }
        if self.helper(owner).is_none() {
            self.helpers.push(Helper {
                owner: owner.clone(),
                beat: 0,
            });
        }
        Some(Lease {
            job: job.id.clone(),
            run: job.run,
            owner: owner.clone(),
        })
    }

    /// A helper's sign of life. Errors: lost.
    pub fn beat(&mut self, lease: &Lease) -> Result<()> {
        let is_ours = self.is_helper(lease);
        match self.helper(&lease.owner).filter(|_| is_ours) {
            Some(helper) => {
                helper.beat += 1;
                Ok(())
            }
            None => Err(lost(lease)),
        }
    }

    /// A helper is gone, as a reaper saw it: `observed` is the beat that stood still. Conflict when it moved meanwhile.
    pub fn expire(&mut self, lease: &Lease, observed: u64) -> Result<()> {
        if !self.is_helper(lease) {
            return Err(lost(lease));
        }
        let beat = self.helper(&lease.owner).map(|helper| helper.beat);
        if beat != Some(observed) {
            return Err(Error::conflict(format!(
                "a helper of job `{}` is alive: its beat moved from {observed}",
                lease.job
            )));
        }
        self.remove(&lease.owner);
        Ok(())
    }

    /// A chunk is being committed. A helper commits only the beginning of what it has; the job's own run answers for itself.
    pub fn committed(&mut self, lease: &Lease, chunk: &Chunk) -> Result<()> {
        let (begin, end) = (chunk.first_row, chunk.first_row + chunk.rows);
        let is_helper = self.is_helper(lease);
        let share = self.taken.iter_mut().find(|share| {
            share.owner == lease.owner && share.rows.start == begin && end <= share.rows.end
        });
        match share {
            Some(share) => share.rows.start = end,
            None if is_helper => {
                return Err(Error::lost(format!(
                    "rows {begin} to {end} of job `{}` are not this task's",
                    lease.job
                )));
            }
            None => {}
        }
        self.taken.retain(|share| !share.rows.is_empty());
        if is_helper {
            self.helped = self.helped.plus(chunk.counts);
        }
        Ok(())
    }

    fn remove(&mut self, owner: &Incarnation) {
        self.helpers.retain(|helper| helper.owner != *owner);
        let (theirs, others): (Vec<Share>, Vec<Share>) = std::mem::take(&mut self.taken)
            .into_iter()
            .partition(|share| share.owner == *owner);
        self.taken = others;
        for share in theirs {
            self.give_back(share.rows);
        }
    }

    fn give_back(&mut self, rows: Range<u64>) {
        if !rows.is_empty() {
            self.free.push(rows);
            self.free = joined(std::mem::take(&mut self.free));
        }
    }

    fn take(&mut self, owner: &Incarnation, known: &[u64]) {
        if self.unknown_share(owner, known).is_some() {
            return;
        }
        if let Some(rows) = take_rows(&mut self.free, self.share_rows) {
            let owner = owner.clone();
            self.taken.push(Share { owner, rows });
        }
    }
}

/// Does a step to the record of a job. Errors: lost.
pub fn step(
    job: &Job,
    shares: Option<Shares>,
    lease: &Lease,
    step: ShareStep,
) -> Result<Option<Shares>> {
    let shares = shares.filter(|shares| shares.run == job.run);
    let own = job.check_lease(lease);
    match (step, shares) {
        (
            ShareStep::Open {
                free,
                share_rows,
                wanted,
            },
            before,
        ) => {
            own?;
            // An answer that got lost: what helpers have taken meanwhile is theirs.
            Ok(Some(before.unwrap_or_else(|| Shares {
                run: job.run,
                share_rows: share_rows.max(1),
                wanted,
                free: joined(free),
                taken: Vec::new(),
                helpers: Vec::new(),
                refused: Vec::new(),
                helped: Counts::default(),
            })))
        }
        (_, None) => {
            own?;
            Ok(None)
        }
        (step, Some(mut shares)) => {
            if own.is_err() && !(is_running(job) && shares.is_helper(lease)) {
                own?;
            }
            match step {
                ShareStep::Want(wanted) => shares.wanted = wanted,
                ShareStep::Take { known } => shares.take(&lease.owner, &known),
                ShareStep::Done { end } => shares
                    .taken
                    .retain(|share| share.owner != lease.owner || share.rows.end != end),
                ShareStep::Leave { unable } => {
                    shares.remove(&lease.owner);
                    if unable {
                        shares.refused.push(lease.owner.clone());
                    }
                }
                ShareStep::Open { .. } => {}
            }
            Ok(Some(shares))
        }
    }
}

/// Whether `lease` may write for the job: its own run's, or a helper's. Errors: lost.
pub fn check_lease(job: &Job, shares: Option<&Shares>, lease: &Lease) -> Result<()> {
    let helps = shares.is_some_and(|shares| shares.run == job.run && shares.is_helper(lease));
    if helps && is_running(job) {
        return Ok(());
    }
    job.check_lease(lease)
}

fn is_running(job: &Job) -> bool {
    matches!(job.state, JobState::Running { .. })
}

/// The first `most` rows of what is free, taken out.
pub fn take_rows(free: &mut Vec<Range<u64>>, most: u64) -> Option<Range<u64>> {
    let first = free.first_mut()?;
    let rows = first.start..first.end.min(first.start.saturating_add(most.max(1)));
    first.start = rows.end;
    free.retain(|rows| !rows.is_empty());
    Some(rows)
}

/// The rows before `end` that no chunk covers, ascending.
pub fn gaps(chunks: &[Chunk], end: u64) -> Vec<Range<u64>> {
    let covered = chunks
        .iter()
        .map(|chunk| chunk.first_row..chunk.first_row + chunk.rows);
    let mut gaps = Vec::new();
    let mut at = 0;
    for rows in joined(covered.collect()) {
        if at < rows.start.min(end) {
            gaps.push(at..rows.start.min(end));
        }
        at = at.max(rows.end);
    }
    if at < end {
        gaps.push(at..end);
    }
    gaps
}

/// Ascending, with those that touch made one.
fn joined(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|rows| !rows.is_empty());
    ranges.sort_by_key(|rows| rows.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for rows in ranges {
        match joined.last_mut() {
            Some(last) if rows.start <= last.end => last.end = last.end.max(rows.end),
            _ => joined.push(rows),
        }
    }
    joined
}

fn lost(lease: &Lease) -> Error {
    Error::lost(format!(
        "this task does not help with run {} of job `{}` any more",
        lease.run, lease.job
    ))
}

#[cfg(test)]
#[expect(
    clippy::single_range_in_vec_init,
    reason = "lists of ranges are what is tested"
)]
mod tests;

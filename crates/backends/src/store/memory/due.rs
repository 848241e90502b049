//! Which queued jobs are due, and where they stand. Pure.
//! Must not know who asks.

use onstage_core::{
    Id, Timestamp,
    fair::Urgency,
    job::{Job, JobState},
    model::VersionId,
    task::Lane,
};

pub(super) fn is_of(job: &Job, version: &VersionId, lane: Lane) -> bool {
    job.version == *version && Lane::of(job.spec.kind()) == lane
}

pub(super) fn is_due(job: &Job, now: Timestamp) -> bool {
    matches!(job.state, JobState::Queued { not_before } if not_before <= now)
}

/// When a queued job is due that is not yet.
pub(super) fn due_after(job: &Job, now: Timestamp) -> Option<Timestamp> {
    match job.state {
        JobState::Queued { not_before } if not_before > now => Some(not_before),
        _ => None,
    }
}

/// Where a job stands among those of the same person.
pub(super) fn place(job: &Job) -> (Urgency, Timestamp, &Id) {
    (job.urgency, job.created_at, &job.id)
}

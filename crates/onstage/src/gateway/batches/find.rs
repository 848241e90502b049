//! Finding a batch job, and how many of its rows are done.
//! Does not change anything.

use crate::gateway::{
    call::{self, Call},
    predictions::find::queue,
    problem::{Answer, Problem},
    wire::batch::{Batch, show},
};
use http::StatusCode;
use onstage_core::{
    Id,
    batch::{BatchSpec, Counts},
    job::{Job, JobSpec, JobState},
};

/// A batch job with what only it has.
pub(crate) struct Found {
    pub(crate) job: Job,
    pub(crate) spec: BatchSpec,
}

/// Errors: 404.
pub(crate) async fn find(call: &Call, id: &Id) -> Result<Found, Problem> {
    let job = call.state.parts.store.job(id).await?;
    match job {
        Some(job) => of_job(job).ok_or_else(|| missing(id)),
        None => Err(missing(id)),
    }
}

pub(crate) fn of_job(job: Job) -> Option<Found> {
    match &job.spec {
        JobSpec::Batch(spec) => Some(Found {
            spec: spec.clone(),
            job,
        }),
        JobSpec::Prediction { .. } | JobSpec::Training(_) => None,
    }
}

fn missing(id: &Id) -> Problem {
    Problem::not_found(format!("There is no batch job `{id}`."))
}

/// Rows in chunks that are committed.
pub(crate) async fn done(call: &Call, job: &Job) -> Result<Counts, Problem> {
    if matches!(job.state, JobState::Queued { .. }) && job.run == 0 {
        return Ok(Counts::default());
    }
    let chunks = call.state.parts.store.chunks(&job.id).await?;
    Ok(chunks
        .iter()
        .fold(Counts::default(), |sum, chunk| sum.plus(chunk.counts)))
}

pub(crate) async fn shown(call: &Call, found: &Found) -> Result<Batch, Problem> {
    let counts = done(call, &found.job).await?;
    let queue = match found.job.state {
        JobState::Queued { .. } => Some(queue(call, &found.job).await?),
        _ => None,
    };
    Ok(show(call, &found.job, &found.spec, counts, queue))
}

pub(crate) async fn answer(call: &Call, status: StatusCode, found: &Found) -> Answer {
    call::json(status, &shown(call, found).await?)
}

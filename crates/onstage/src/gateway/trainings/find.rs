//! Finding a training, and all that is shown of it.
//! Does not change anything.

use crate::gateway::{
    call::{self, Call},
    predictions::find::queue,
    problem::{Answer, Problem},
    said,
    wire::training::{Around, Training, show},
};
use http::StatusCode;
use onstage_core::{
    Id,
    job::{Job, JobSpec, JobState},
    training::TrainingSpec,
};

/// A training with what only it has.
pub(crate) struct Found {
    pub(crate) job: Job,
    pub(crate) spec: TrainingSpec,
}

/// Errors: 404.
pub(crate) async fn find(call: &Call, id: &Id) -> Result<Found, Problem> {
    let job = call.state.parts.store.job(id).await?;
    job.and_then(of_job)
        .ok_or_else(|| Problem::not_found(format!("There is no training `{id}`.")))
}

pub(crate) fn of_job(job: Job) -> Option<Found> {
    match &job.spec {
        JobSpec::Training(spec) => Some(Found {
            spec: TrainingSpec::clone(spec),
            job,
        }),
        JobSpec::Prediction { .. } | JobSpec::Batch(_) => None,
    }
}

pub(crate) async fn shown(
    call: &Call,
    job: &Job,
    spec: &TrainingSpec,
) -> Result<Training, Problem> {
    let queue = match job.state {
        JobState::Queued { .. } => Some(queue(call, job).await?),
        _ => None,
    };
    let around = Around {
        queue,
        logs: said::of_job(&*call.state.parts.store, &job.id).await?.logs,
        checkpoints: call.state.parts.store.checkpoints(&job.id).await?,
    };
    Ok(show(call, job, spec, around))
}

pub(crate) async fn answer(call: &Call, status: StatusCode, found: &Found) -> Answer {
    call::json(status, &shown(call, &found.job, &found.spec).await?)
}

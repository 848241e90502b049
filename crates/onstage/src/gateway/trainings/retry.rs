//! `POST /v1/trainings/{id}/retry`: the same training on the same version, from the last checkpoint where it was broken off.
//! Does not touch the old one.

use super::{create, find};
use crate::gateway::{
    call::Call,
    problem::{Answer, Problem},
};
use http::StatusCode;
use onstage_core::{
    job::{Job, JobState},
    training::{Resume, TrainingSpec},
};

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let found = find::find(&call, &id).await?;
    let spec = again(&call, &found.job, found.spec).await?;
    let store = &call.state.parts.store;
    let version = store.version(&found.job.version).await?.ok_or_else(|| {
        Problem::not_found(format!("The version that training `{id}` ran is gone."))
    })?;
    let new = call.state.parts.new_id();
    let asked = create::Asked {
        spec,
        webhook: found.job.webhook.clone(),
        body_sha256: format!("retry {id}"),
    };
    create::submit(&call, &version, new, asked).await
}

/// What is to be done again of a training that has ended. Errors: 409 while it runs.
pub(crate) async fn again(
    call: &Call,
    job: &Job,
    spec: TrainingSpec,
) -> Result<TrainingSpec, Problem> {
    if !job.state.is_final() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "still_running",
            format!("The training `{}` has not ended.", job.id),
        ));
    }
    if matches!(job.state, JobState::Succeeded { .. }) {
        // It was done; again means from the beginning.
        return Ok(TrainingSpec {
            resume: None,
            ..spec
        });
    }
    let last = call.state.parts.store.checkpoints(&job.id).await?.pop();
    let own = last.map(|checkpoint| Resume {
        training: job.id.clone(),
        checkpoint,
    });
    Ok(TrainingSpec {
        resume: own.or(spec.resume),
        ..spec
    })
}

//! `POST /v1/jobs/{id}/retry`: the same work on the same version, as a new job.
//! Does not touch the old one.

use super::get;
use crate::gateway::{
    batches, blobs,
    call::{self, Call, set},
    input::folder_of,
    predictions::start::source,
    problem::{Answer, Problem},
    trainings,
    usage::limit,
    wire,
};
use http::{StatusCode, header};
use onstage_core::{
    Id,
    job::{Job, JobSpec, NewJob},
    training::TrainingSpec,
    usage::UsageKind,
};
use onstage_engine::values::{load_value, store_value};

pub(crate) async fn run(call: Call) -> Answer {
    let old = get::find(&call, &call.id()?).await?;
    if !old.state.is_final() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "still_running",
            format!("The job `{}` has not ended.", old.id),
        ));
    }
    let parts = &call.state.parts;
    if let Some(version) = parts.store.version(&old.version).await? {
        let (kind, items) = worth(&call, &old).await?;
        limit::check(&call, &version, kind, items).await?;
    }
    let id = parts.new_id();
    let spec = again(&call, &old, &id).await?;
    let submitted = parts
        .store
        .submit(NewJob {
            id: id.clone(),
            model: old.model,
            version: old.version,
            version_number: old.version_number,
            spec,
            urgency: old.urgency,
            webhook: old.webhook,
            by: call.principal()?.id.clone(),
            source: source(&call).to_owned(),
            created_at: parts.clock.now(),
            claimed_by: None,
            idempotency: None,
        })
        .await;
    if submitted
        .as_ref()
        .is_err_and(|error| !error.kind.retryable())
    {
        blobs::remove_all(&call, &folder_of(&id)).await;
    }
    let submitted = submitted?;
    call.state.engine.nudge();
    let mut response = call::json(
        StatusCode::ACCEPTED,
        &wire::job::show(&call, &submitted.job),
    )?;
    let path = call.link(&format!("/v1/jobs/{}", submitted.job.id));
    set(&mut response, header::LOCATION, &path);
    Ok(response)
}

/// What it will cost, as limits count it.
async fn worth(call: &Call, old: &Job) -> Result<(UsageKind, Option<u64>), Problem> {
    Ok(match &old.spec {
        JobSpec::Prediction { .. } => (UsageKind::Background, Some(1)),
        JobSpec::Training(_) => (UsageKind::Training, Some(1)),
        JobSpec::Batch(_) => {
            let total = old.progress.as_ref().and_then(|progress| progress.total);
            let done = batches::find::done(call, old).await?;
            let rows = (total.unwrap_or(0.0) as u64).max(done.done + done.failed);
            (UsageKind::Batch, Some(rows))
        }
    })
}

/// The same work for the new job. Its input gets blobs of its own, because those of the old one go with it.
async fn again(call: &Call, old: &Job, id: &Id) -> Result<JobSpec, Problem> {
    Ok(match &old.spec {
        JobSpec::Training(spec) => {
            let again = trainings::again(call, old, TrainingSpec::clone(spec));
            JobSpec::Training(Box::new(again.await?))
        }
        JobSpec::Prediction { input, datasets } if input.has_blobs() => {
            let blobs = &*call.state.parts.blobs;
            let value = load_value(blobs, input).await?;
            call.hold(value.len())?;
            let folder = format!("{}input", folder_of(id));
            JobSpec::Prediction {
                input: store_value(blobs, &folder, &value).await?,
                datasets: datasets.clone(),
            }
        }
        other => other.clone(),
    })
}

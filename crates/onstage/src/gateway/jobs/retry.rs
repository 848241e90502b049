//! `POST /v1/jobs/{id}/retry`: the same work on the same version, as a new job.
//! Does not touch the old one.

use super::get;
use crate::gateway::{
    call::{self, Call, set},
    predictions::start::source,
    problem::{Answer, Problem},
    trainings, wire,
};
use http::{StatusCode, header};
use onstage_core::{
    job::{JobSpec, NewJob},
    training::TrainingSpec,
};

pub(crate) async fn run(call: Call) -> Answer {
    let old = get::find(&call, &call.id()?).await?;
    if !old.state.is_final() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "still_running",
            format!("The job `{}` has not ended.", old.id),
        ));
    }
    let spec = match &old.spec {
        JobSpec::Training(spec) => {
            let again = trainings::again(&call, &old, TrainingSpec::clone(spec));
            JobSpec::Training(Box::new(again.await?))
        }
        other => other.clone(),
    };
    let parts = &call.state.parts;
    let submitted = parts
        .store
        .submit(NewJob {
            id: parts.new_id(),
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
        .await?;
    call.state.engine.nudge();
    let mut response = call::json(
        StatusCode::ACCEPTED,
        &wire::job::show(&call, &submitted.job),
    )?;
    let path = call.link(&format!("/v1/jobs/{}", submitted.job.id));
    set(&mut response, header::LOCATION, &path);
    Ok(response)
}

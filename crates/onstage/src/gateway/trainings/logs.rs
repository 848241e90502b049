//! `GET /v1/trainings/{id}/logs`.
//! Does not change anything.

use super::find;
use crate::gateway::{
    call::{self, Call},
    predictions::logs_of_job,
    problem::Answer,
};

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    find::find(&call, &id).await?;
    Ok(call::text(logs_of_job(&call, &id).await?))
}

//! `GET /v1/batches/{id}/logs`.
//! Does not change anything.

use super::find;
use crate::gateway::{
    call::{self, Call},
    problem::Answer,
    said,
};

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    find::find(&call, &id).await?;
    let said = said::of_job(&*call.state.parts.store, &id).await?;
    Ok(call::text(said.logs))
}

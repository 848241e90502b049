//! `GET /v1/predictions/{id}/logs`: what the model printed, as text.
//! Does not change anything.

use super::find;
use crate::gateway::{
    call::{self, Call},
    problem::Answer,
};

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let place = find::find(&call, &id).await?;
    let known = find::known(&call, &place).await?;
    Ok(call::text(known.logs))
}

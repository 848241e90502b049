//! `GET /v1/files/{id}`.
//! Does not change anything.

use super::find;
use crate::gateway::{
    call::{self, Call},
    problem::Answer,
    wire,
};
use http::StatusCode;

pub(crate) async fn run(call: Call) -> Answer {
    let file = find(&call, &call.id()?).await?;
    call::json(StatusCode::OK, &wire::file::show(&call, &file))
}

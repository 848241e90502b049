//! `GET /v1/datasets/{name}` and `GET …/versions/{version}`.
//! Does not change anything.

use super::{in_path, name, none};
use crate::gateway::{
    call::{self, Call},
    problem::Answer,
    wire::dataset,
};
use http::StatusCode;

pub(crate) async fn dataset(call: Call) -> Answer {
    let name = name(&call)?;
    let found = call.state.parts.store.dataset(&name).await?;
    let found = found.ok_or_else(|| none(name.as_str()))?;
    call::json(StatusCode::OK, &dataset::show(&call, &found))
}

pub(crate) async fn version(call: Call) -> Answer {
    let version = in_path(&call).await?;
    call::json(StatusCode::OK, &dataset::version(&call, &version))
}

//! `DELETE /v1/models/{owner}/{name}`: with everything that belongs to it.
//! Does not stop jobs: while some run, it is refused.

use super::get;
use crate::gateway::{
    call::{self, Call},
    problem::Answer,
};

pub(crate) async fn run(call: Call) -> Answer {
    let name = call.model_name()?;
    get::find(&call, &name).await?;
    call.state.parts.store.delete_model(&name).await?;
    call.state.engine.nudge();
    Ok(call::no_content())
}

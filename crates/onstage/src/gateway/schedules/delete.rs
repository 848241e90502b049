//! `DELETE /v1/schedules/{id}`.
//! Does not touch jobs.

use super::{get, refuse_of_folder};
use crate::gateway::{
    call::{self, Call},
    problem::Answer,
};

pub(crate) async fn run(call: Call) -> Answer {
    let schedule = get::find(&call).await?;
    refuse_of_folder(&schedule)?;
    let store = &call.state.parts.store;
    store.remove_schedule(&schedule.id).await?;
    Ok(call::no_content())
}

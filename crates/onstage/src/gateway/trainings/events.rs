//! `GET /v1/trainings/{id}/events`.
//! Does not read logs; `gateway::events` does.

use super::find;
use crate::gateway::{
    call::Call,
    events::{self, Subject},
    problem::Answer,
};

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    find::find(&call, &id).await?;
    events::answer(call, Subject::Job(id)).await
}

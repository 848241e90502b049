//! `GET /v1/predictions/{id}/stream`: the output as stock clients read it: `output` as plain text, `logs`, `error`, `done`.
//! Does not read stores or tickets; `gateway::events` does.

use super::{events::subject, find};
use crate::gateway::{call::Call, events, problem::Answer};

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let place = find::find(&call, &id).await?;
    let subject = subject(&call, id, place).await?;
    let after = events::last_event_id(&call);
    Ok(events::plain::stream(call, subject, after))
}

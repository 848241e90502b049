//! `GET /v1/predictions/{id}/stream`: the output as stock clients read it: `output` as plain text, `logs`, `error`, `done`.
//! Does not read stores or tickets; `gateway::events` does.

use super::{
    events::subject,
    find::{self, Place},
};
use crate::gateway::{
    call::Call,
    events::{self, plain::Had},
    problem::{Answer, Problem},
};

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let place = find::find(&call, &id).await?;
    let after = events::last_event_id(&call);
    let had = Had {
        after,
        // Log lines have numbers as well.
        output: after > 0 && streams(&call, &place).await?,
    };
    let subject = subject(&call, id, place).await?;
    Ok(events::plain::stream(call, subject, &had))
}

/// Whether the output comes in pieces.
async fn streams(call: &Call, place: &Place) -> Result<bool, Problem> {
    let version = match place {
        Place::Flight(ticket) => return Ok(ticket.loaded().schema.streams),
        Place::Job(job) => &job.version,
        Place::Record(record) => &record.version,
    };
    let version = call.state.parts.store.version(version).await?;
    let schema = version.as_ref().and_then(|version| version.schema());
    Ok(schema.is_some_and(|schema| schema.streams))
}

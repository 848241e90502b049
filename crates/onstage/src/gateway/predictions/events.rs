//! `GET /v1/predictions/{id}/events`: the numbered log of what happens, as a stream or by long poll.
//! Does not read stores or tickets; `gateway::events` does.

use super::find::{self, Place};
use crate::gateway::{
    call::Call,
    events::{self, Subject},
    problem::Answer,
};
use onstage_core::Id;
use onstage_engine::Ticket;

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let place = find::find(&call, &id).await?;
    let subject = subject(&call, id, place).await?;
    events::answer(call, subject).await
}

/// Where the events of a prediction are read.
pub(crate) async fn subject(
    call: &Call,
    id: Id,
    place: Place,
) -> Result<Subject, crate::gateway::problem::Problem> {
    Ok(match place {
        // One that was handed over has its events in the store, on whatever front it is asked for.
        Place::Flight(ticket) => match call.state.parts.store.job(&id).await? {
            Some(_) if ticket.finished().is_some() => Subject::Job(id),
            _ => Subject::Flight(ticket),
        },
        Place::Job(_) => Subject::Job(id),
        Place::Record(_) => Subject::Record(id),
    })
}

pub(crate) fn stream(call: &Call, id: Id, place: Place, after: u64) -> Answer {
    let subject = match place {
        Place::Flight(ticket) => Subject::Flight(ticket),
        Place::Job(_) => Subject::Job(id),
        Place::Record(_) => Subject::Record(id),
    };
    Ok(events::stream(call.again(), subject, after))
}

pub(crate) fn stream_ticket(call: &Call, ticket: Ticket) -> Answer {
    Ok(events::stream(call.again(), Subject::Flight(ticket), 0))
}

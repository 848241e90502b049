//! `POST /v1/predictions/{id}/cancel`: answers the whole record, also when it had ended.
//! Does not wait for the model to stop.

use super::{
    find::{self, Place},
    get,
};
use crate::gateway::{
    call::Call,
    problem::{Answer, Problem},
};
use onstage_core::Id;
use std::time::Duration;

/// How long the end is waited for, so that the answer usually says `canceled`.
const SETTLE: Duration = Duration::from_millis(500);

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let place = cancel(&call, &id).await?;
    get::answer(&call, &place).await
}

pub(crate) async fn cancel(call: &Call, id: &Id) -> Result<Place, Problem> {
    let place = find::find(call, id).await?;
    find::own(call, place.by())?;
    if place.is_final() {
        return Ok(place);
    }
    let here = call.state.engine.cancel(id);
    let store = &call.state.parts.store;
    if !here || store.job(id).await?.is_some() {
        match store.request_cancel(id, call.state.parts.clock.now()).await {
            Ok(_) => {}
            // It ended and its record is on the way; there is nothing to cancel.
            Err(error) if error.kind == onstage_core::Kind::NotFound && here => {}
            Err(error) => return Err(error.into()),
        }
        call.state.engine.nudge();
    }
    let place = find::find(call, id).await?;
    get::wait(call, id, place, SETTLE).await
}

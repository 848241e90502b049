//! `GET /v1/predictions/{id}`, with `?wait=` until it ends.
//! Does not change anything.

use super::find::{self, Place};
use crate::gateway::{
    call::{self, Call, bounded_wait},
    problem::{Answer, Problem},
    wire::feedback,
};
use http::StatusCode;
use onstage_core::{Id, feedback::FeedbackFilter, ports::Page};
use serde::Deserialize;
use std::time::Duration;

/// How often a job is looked at that runs elsewhere, or that ends here: soon at first, calmer while nothing happens.
const LOOK_FIRST: Duration = Duration::from_millis(2);
const LOOK_MAX: Duration = Duration::from_millis(250);

#[derive(Deserialize)]
struct Query {
    wait: Option<f64>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let query: Query = call.query()?;
    let place = find::find(&call, &id).await?;
    let place = wait(&call, &id, place, bounded_wait(&call.state, query.wait)).await?;
    answer(&call, &place).await
}

pub(crate) async fn answer(call: &Call, place: &Place) -> Answer {
    let known = find::known(call, place).await?;
    let feedback = own_feedback(call, &known.id).await?;
    Ok(call::bytes(
        StatusCode::OK,
        "application/json",
        known.text(call, feedback),
    ))
}

/// Waits until it ends, at most so long.
pub(crate) async fn wait(
    call: &Call,
    id: &Id,
    mut place: Place,
    patience: Duration,
) -> Result<Place, Problem> {
    let clock = &call.state.parts.clock;
    let until = clock.monotonic() + patience;
    let mut pause = LOOK_FIRST;
    loop {
        let left = until.saturating_sub(clock.monotonic());
        if left.is_zero() || place.is_final() || call.state.shutdown.is_cancelled() {
            return Ok(place);
        }
        let change = async {
            match &place {
                Place::Flight(ticket) => {
                    ticket.done().await;
                }
                _ => tokio::time::sleep(pause).await,
            }
        };
        tokio::select! {
            () = change => {}
            () = tokio::time::sleep(left) => {}
            () = call.state.shutdown.cancelled() => {}
        }
        if !matches!(place, Place::Flight(_)) {
            pause = (pause * 2).min(LOOK_MAX);
        }
        place = find::find(call, id).await?;
    }
}

/// What this person said about it; for the owner, what anybody said last.
async fn own_feedback(call: &Call, id: &Id) -> Result<Option<feedback::Feedback>, Problem> {
    let filter = FeedbackFilter {
        prediction: Some(id.clone()),
        ..FeedbackFilter::default()
    };
    let page = Page {
        after: None,
        limit: onstage_core::limits::PAGE_ROWS_MAX,
    };
    let all = call.state.parts.store.feedback(&filter, page).await?;
    let who = &call.principal()?.id;
    let own = all.rows.iter().find(|feedback| feedback.who == *who);
    let shown = own.or_else(|| all.rows.first().filter(|_| call.is_owner()));
    Ok(shown.map(|found| feedback::show(found, false)))
}

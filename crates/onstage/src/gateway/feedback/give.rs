//! `POST /v1/predictions/{id}/feedback`: kept with the prediction's input and output, so that it outlives them.
//! Does not judge it.

use crate::gateway::{
    body,
    call::{self, Call},
    predictions::find,
    problem::{Answer, Problem},
    wire::feedback::{self, NewFeedback},
};
use bytes::Bytes;
use http::StatusCode;
use onstage_core::{
    Id,
    feedback::{Feedback, FeedbackFilter},
    limits::{INLINE_BYTES_MAX, PAGE_ROWS_MAX},
    ports::Page,
};
use serde_json::value::RawValue;

const COMMENT_CHARS_MAX: usize = 10_000;
const REASON_CHARS_MAX: usize = 200;

pub(crate) async fn run(mut call: Call) -> Answer {
    let id = call.id()?;
    let new: NewFeedback = body::json(&mut call).await?;
    check(&new)?;
    let place = find::find(&call, &id).await?;
    let known = find::known(&call, &place).await?;
    let parts = &call.state.parts;
    let earlier = said_before(&call, &known.id).await?;
    let (rating, reason, comment, correction) = match earlier {
        None => (
            new.rating,
            new.reason,
            comment(new.comment),
            raw(new.correction),
        ),
        // Who adds a word does not take the others back.
        Some(earlier) => (
            new.rating.or(earlier.rating),
            new.reason.or(earlier.reason),
            comment(new.comment).or(earlier.comment),
            raw(new.correction).or(earlier.correction),
        ),
    };
    let given = Feedback {
        id: parts.new_id(),
        prediction: known.id.clone(),
        model: known.model.clone(),
        version_number: known.version_number,
        rating,
        reason,
        comment,
        correction,
        who: call.principal()?.id.clone(),
        input: kept(Some(&known.input)),
        // What is still streamed is no answer yet.
        output: kept(known.output.as_ref().filter(|_| known.status.is_final())),
        created_at: parts.clock.now(),
    };
    let stored = parts.store.put_feedback(given).await?;
    call::json(
        StatusCode::CREATED,
        &feedback::show(&stored, call.is_owner()),
    )
}

/// What the same person said about this prediction before.
async fn said_before(call: &Call, prediction: &Id) -> Result<Option<Feedback>, Problem> {
    let filter = FeedbackFilter {
        prediction: Some(prediction.clone()),
        ..FeedbackFilter::default()
    };
    let page = Page {
        after: None,
        limit: PAGE_ROWS_MAX,
    };
    let who = &call.principal()?.id;
    let all = call.state.parts.store.feedback(&filter, page).await?;
    Ok(all.rows.into_iter().find(|feedback| feedback.who == *who))
}

fn comment(text: Option<String>) -> Option<String> {
    text.filter(|comment| !comment.trim().is_empty())
}

fn raw(json: Option<Box<RawValue>>) -> Option<String> {
    json.map(|raw| raw.get().to_owned())
}

/// What is too large to ride along stays with the prediction only.
fn kept(json: Option<&Bytes>) -> Option<String> {
    json.filter(|json| json.len() <= INLINE_BYTES_MAX)
        .map(|json| String::from_utf8_lossy(json).into_owned())
}

fn check(new: &NewFeedback) -> Result<(), Problem> {
    let too_long = |text: &Option<String>, max: usize| {
        text.as_deref()
            .is_some_and(|text| text.chars().count() > max)
    };
    if !matches!(new.rating, None | Some(1 | -1)) {
        let got = new.rating.unwrap_or_default().to_string();
        return Err(Problem::field("/rating", "1, -1 or null", got));
    }
    if too_long(&new.comment, COMMENT_CHARS_MAX) {
        return Err(Problem::field(
            "/comment",
            "a text of at most 10000 characters",
            "longer",
        ));
    }
    if too_long(&new.reason, REASON_CHARS_MAX) {
        return Err(Problem::field(
            "/reason",
            "a text of at most 200 characters",
            "longer",
        ));
    }
    let correction = new.correction.as_deref().map_or(0, |raw| raw.get().len());
    if correction > INLINE_BYTES_MAX {
        return Err(Problem::field(
            "/correction",
            "JSON of at most 64 KiB",
            "larger",
        ));
    }
    let said_something = new.rating.is_some()
        || new.comment.is_some()
        || new.correction.is_some()
        || new.reason.is_some();
    if !said_something {
        return Err(Problem::field(
            "/rating",
            "given, or a comment or correction",
            "missing",
        ));
    }
    Ok(())
}

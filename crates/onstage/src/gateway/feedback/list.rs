//! `GET /v1/feedback`: a page, or everything as a table.
//! Does not change anything.

use crate::gateway::{
    call::{self, Call, Paging, set, shortened},
    predictions::model_of,
    problem::{Answer, Problem},
    wire::{feedback, page, parse_time},
};
use http::{StatusCode, header};
use onstage_core::{Error, feedback::FeedbackFilter, limits::PAGE_ROWS_MAX, ports::Page};
use serde::Deserialize;

#[derive(Deserialize)]
struct Query {
    cursor: Option<String>,
    limit: Option<u32>,
    model: Option<String>,
    since: Option<String>,
    format: Option<String>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let query: Query = call.query()?;
    let since = match query.since.as_deref() {
        None => None,
        Some(text) => Some(parse_time(text).ok_or_else(|| {
            Problem::invalid(
                "invalid_query",
                format!(
                    "The time `{}` should be like `2026-01-31`.",
                    shortened(text)
                ),
            )
        })?),
    };
    let filter = FeedbackFilter {
        model: query.model.as_deref().map(model_of).transpose()?,
        prediction: None,
        since,
    };
    if query.format.as_deref() == Some("csv") {
        return table(&call, &filter).await;
    }
    let paging = Paging {
        cursor: query.cursor,
        limit: query.limit,
    };
    let listed = call
        .state
        .parts
        .store
        .feedback(&filter, paging.page()?)
        .await?;
    let next = page::link(&call, listed.next.as_ref());
    let results = listed
        .rows
        .iter()
        .map(|row| feedback::show(row, true))
        .collect();
    page::answer(results, next)
}

async fn table(call: &Call, filter: &FeedbackFilter) -> Answer {
    let broken = |error: csv::Error| Error::internal("a table cannot be written").because(error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(feedback::COLUMNS).map_err(broken)?;
    let mut after = None;
    loop {
        let page = Page {
            after,
            limit: PAGE_ROWS_MAX,
        };
        let listed = call.state.parts.store.feedback(filter, page).await?;
        for row in &listed.rows {
            writer.write_record(feedback::cells(row)).map_err(broken)?;
        }
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    let text = writer
        .into_inner()
        .map_err(|error| Error::internal("a table cannot be written").because(error.to_string()))?;
    let mut response = call::bytes(StatusCode::OK, "text/csv; charset=utf-8", text);
    set(
        &mut response,
        header::CONTENT_DISPOSITION,
        "attachment; filename=\"feedback.csv\"",
    );
    Ok(response)
}

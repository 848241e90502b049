//! `GET /v1/usage`.
//! Does not add up: the store does.

use crate::gateway::{
    call::{self, Call, shortened},
    predictions::model_of,
    problem::{Answer, Problem},
    wire::{
        parse_time, time,
        usage::{UsageLine, UsageReport, amounts},
    },
};
use http::StatusCode;
use onstage_core::{
    Timestamp,
    limits::USAGE_ROWS_MAX,
    usage::{Amounts, Dimension, UsageFilter, day_of, month_of},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Query {
    since: Option<String>,
    until: Option<String>,
    model: Option<String>,
    by: Option<String>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let query: Query = call.query()?;
    let since = match query.since.as_deref() {
        None => month_of(call.state.parts.clock.now()),
        Some(text) => day(text)?,
    };
    let until = query.until.as_deref().map(day).transpose()?;
    let by = dimensions(query.by.as_deref().unwrap_or("model"))?;
    let filter = UsageFilter {
        since: Some(since),
        until,
        model: query.model.as_deref().map(model_of).transpose()?,
    };
    let sums = call.state.parts.store.usage(&filter, &by).await?;
    let prices = call.state.engine.prices();
    let mut all = Amounts::default();
    for sum in &sums {
        all += sum.amounts;
    }
    let report = UsageReport {
        since: time(since),
        until: until.map(time),
        complete: sums.len() < USAGE_ROWS_MAX,
        results: sums.iter().map(|sum| UsageLine::of(sum, prices)).collect(),
        total: amounts(&all, prices),
        prices: prices.into(),
    };
    call::json(StatusCode::OK, &report)
}

fn day(text: &str) -> Result<Timestamp, Problem> {
    let wrong = || {
        let message = format!("The day `{}` should be like `2026-01-31`.", shortened(text));
        Problem::invalid("invalid_query", message)
    };
    parse_time(text).map(day_of).ok_or_else(wrong)
}

fn dimensions(text: &str) -> Result<Vec<Dimension>, Problem> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for word in text.split(',').map(str::trim) {
        let dimension = Dimension::parse(word).ok_or_else(|| {
            let known = Dimension::ALL.map(Dimension::name).join("`, `");
            let message = format!(
                "Sums are told apart by `{known}` or `none`, not by `{}`.",
                shortened(word)
            );
            Problem::invalid("invalid_query", message)
        })?;
        if !found.contains(&dimension) {
            found.push(dimension);
        }
    }
    Ok(found)
}

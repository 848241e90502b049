//! What a schedule is made of, read from what people write.
//! Does not make one.

use crate::gateway::{call::shortened, problem::Problem};
use onstage_core::{
    Timestamp,
    config::Span,
    job::JobKind,
    schedule::{Cron, Overlap, REQUEST_BYTES_MAX, When, Zone},
};
use serde_json::{Map, Value};

/// When the ticks are: either `cron`, with a zone, or `every`.
pub(super) fn when(
    cron: Option<&str>,
    zone: Option<&str>,
    every: Option<&str>,
    now: Timestamp,
) -> Result<When, Problem> {
    match (cron, every) {
        (Some(cron), None) => {
            let cron: Cron = cron.parse().map_err(|error: onstage_core::Error| {
                let wanted = "minute, hour, day, month and weekday, like `30 6 * * mon-fri`";
                Problem::field("/cron", wanted, shortened(cron)).hint(error.message)
            })?;
            let zone = zone.unwrap_or("UTC");
            let zone: Zone = zone.parse().map_err(|_| {
                Problem::field(
                    "/timezone",
                    "a time zone, like `Europe/Zurich`",
                    shortened(zone),
                )
            })?;
            Ok(When::Cron { cron, zone })
        }
        (None, Some(every)) => {
            let wrong = || Problem::field("/every", "a time from `1s` to `366d`", shortened(every));
            let span: Span = every.parse().map_err(|_| wrong())?;
            When::every(span.0, now).map_err(|_| wrong())
        }
        (None, None) => Err(Problem::field("/cron", "`cron` or `every`", "missing")),
        (Some(_), Some(_)) => Err(Problem::field("/every", "`cron` or `every`", "both")),
    }
}

pub(super) fn kind(text: &str) -> Result<JobKind, Problem> {
    let wrong = || {
        Problem::field(
            "/kind",
            "`prediction`, `batch` or `training`",
            shortened(text),
        )
    };
    JobKind::parse(text).ok_or_else(wrong)
}

pub(super) fn overlap(text: &str) -> Result<Overlap, Problem> {
    match text {
        "skip" => Ok(Overlap::Skip),
        "queue" => Ok(Overlap::Queue),
        _ => Err(Problem::field(
            "/overlap",
            "`skip` or `queue`",
            shortened(text),
        )),
    }
}

/// JSON text of a request, which is checked against the model at every tick.
pub(super) fn request(kind: JobKind, wish: &Map<String, Value>) -> Result<String, Problem> {
    let (field, wanted) = match kind {
        JobKind::Batch => (
            "table",
            "`onstage://datasets/<name>` or `onstage://files/<id>`",
        ),
        JobKind::Prediction | JobKind::Training => ("input", "an object"),
    };
    let fits = match (kind, wish.get(field)) {
        (JobKind::Batch, Some(table)) => table.is_string(),
        (JobKind::Batch, None) => false,
        (_, input) => input.is_none_or(Value::is_object),
    };
    if !fits {
        return Err(Problem::field(
            &format!("/request/{field}"),
            wanted,
            "missing or another type",
        ));
    }
    for taken in ["version", "model"] {
        if wish.contains_key(taken) {
            let pointer = format!("/request/{taken}");
            return Err(Problem::field(
                &pointer,
                "nothing: it stands beside the request",
                "there",
            ));
        }
    }
    let text = Value::Object(wish.clone()).to_string();
    if text.len() > REQUEST_BYTES_MAX {
        let most = format!("{REQUEST_BYTES_MAX} bytes at most");
        return Err(
            Problem::field("/request", &most, format!("{} bytes", text.len()))
                .hint("upload files first and name them as `onstage://files/<id>`"),
        );
    }
    Ok(text)
}

//! `POST /v1/feedback/export`: what people said about a model's predictions as a version of a dataset, page by page into a blob.
//! Does not hold more than a page.

use crate::gateway::{
    body,
    call::{Call, shortened},
    datasets::{self, Coming},
    predictions::model_of,
    problem::{Answer, Problem},
    wire::{
        feedback::{ExportColumns, NewExport, export_line},
        lessons::Lessons,
        parse_time,
    },
};
use bytes::Bytes;
use http::StatusCode;
use onstage_core::{
    ModelName, Result,
    dataset::{DatasetFormat, DatasetSource},
    feedback::{Feedback, FeedbackFilter},
    limits::PAGE_ROWS_MAX,
    ports::{Cursor, Listed, Page},
};

pub(crate) async fn run(mut call: Call) -> Answer {
    let wish: NewExport = body::json(&mut call).await?;
    let model = model_of(&wish.model)?;
    let format = match wish.format.as_deref().unwrap_or("jsonl") {
        "jsonl" => DatasetFormat::Jsonl,
        "csv" => DatasetFormat::Csv,
        other => return Err(Problem::field("/format", "jsonl or csv", shortened(other))),
    };
    let coming = Coming {
        dataset: wish.dataset.parse()?,
        file_name: Some(format!("{}-feedback.{}", model.name(), format.name())),
        media_type: String::new(),
        format: Some(format),
        source: DatasetSource::Feedback {
            model: model.clone(),
        },
    };
    let filter = FeedbackFilter {
        model: Some(model.clone()),
        prediction: None,
        since: wish.since.as_deref().map(since).transpose()?,
    };
    let mut rows = Rows {
        call: &call,
        filter,
        after: None,
        ended: false,
    };
    if !rows.any().await? {
        return Err(none(&model));
    }
    let key = format!("datasets/{}", call.state.parts.new_id());
    let lessons = match wish.target {
        Some(target) => Some(lessons(&mut rows, target, &model).await?),
        None => None,
    };
    let mut writer = call.state.parts.blobs.writer(&key).await?;
    // The columns of a CSV are known when all rows were seen.
    let mut columns = ExportColumns::default();
    if let Some(lessons) = lessons.as_ref().filter(|_| format == DatasetFormat::Csv) {
        writer.write(Bytes::from(lessons.header()?)).await?;
    } else if format == DatasetFormat::Csv {
        rows.rewind();
        while let Some(page) = rows.next().await? {
            page.iter().for_each(|row| columns.see(row));
        }
        writer.write(Bytes::from(columns.header()?)).await?;
    }
    rows.rewind();
    while let Some(page) = rows.next().await? {
        let mut text = Vec::new();
        for row in &page {
            match (format, &lessons) {
                (DatasetFormat::Csv, Some(lessons)) => lessons.write_csv(row, &mut text)?,
                (_, Some(lessons)) => lessons.write_line(row, &mut text)?,
                (DatasetFormat::Csv, None) => columns.write(row, &mut text)?,
                (_, None) => export_line(row, &mut text)?,
            }
        }
        writer.write(Bytes::from(text)).await?;
    }
    let blob = writer.finish().await?;
    let (version, new) = datasets::add(&call, coming, blob, &[]).await?;
    datasets::answer(&call, &version, new)
}

/// Looks through all of it. Errors: 422, when nobody said what is right, or an input has the target's name.
async fn lessons(
    rows: &mut Rows<'_>,
    target: String,
    model: &ModelName,
) -> Result<Lessons, Problem> {
    let (mut lessons, mut any) = (Lessons::new(target), false);
    rows.rewind();
    while let Some(page) = rows.next().await? {
        for row in &page {
            any |= lessons.see(row);
        }
    }
    if !any {
        return Err(none(model).hint("a row to train with has a 👍 or a correction"));
    }
    if lessons.is_ambiguous() {
        return Err(Problem::field(
            "/target",
            "a name that no input has",
            "an input's name",
        ));
    }
    Ok(lessons)
}

/// The feedback, newest first, a page at a time.
struct Rows<'a> {
    call: &'a Call,
    filter: FeedbackFilter,
    after: Option<Cursor>,
    ended: bool,
}

impl Rows<'_> {
    async fn next(&mut self) -> Result<Option<Vec<Feedback>>> {
        if self.ended {
            return Ok(None);
        }
        let page = Page {
            after: self.after.take(),
            limit: PAGE_ROWS_MAX,
        };
        let store = &self.call.state.parts.store;
        let Listed { rows, next } = store.feedback(&self.filter, page).await?;
        self.ended = next.is_none();
        self.after = next;
        Ok(Some(rows))
    }

    /// Whether there are any: of a page, all may be damaged.
    async fn any(&mut self) -> Result<bool> {
        while let Some(page) = self.next().await? {
            if !page.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn rewind(&mut self) {
        (self.after, self.ended) = (None, false);
    }
}

fn since(text: &str) -> Result<onstage_core::Timestamp, Problem> {
    parse_time(text)
        .ok_or_else(|| Problem::field("/since", "a time like `2026-01-31`", shortened(text)))
}

fn none(model: &ModelName) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "no_feedback",
        format!("There is no such feedback about `{model}`."),
    )
    .hint("people give it under each result on the model's page")
}

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
    let mut sheet = match wish.target {
        Some(target) => Sheet::Lessons(Lessons::new(target)),
        None => Sheet::Said(ExportColumns::default()),
    };
    if sheet.must_see(format) {
        rows.rewind();
        while let Some(page) = rows.next().await? {
            page.iter().for_each(|row| sheet.see(row));
        }
        sheet.check(&model)?;
    }
    let key = format!("datasets/{}", call.state.parts.new_id());
    let mut writer = call.state.parts.blobs.writer(&key).await?;
    if format == DatasetFormat::Csv {
        writer.write(Bytes::from(sheet.header()?)).await?;
    }
    rows.rewind();
    while let Some(page) = rows.next().await? {
        let mut text = Vec::new();
        for row in &page {
            sheet.write(row, format, &mut text)?;
        }
        writer.write(Bytes::from(text)).await?;
    }
    let blob = writer.finish().await?;
    let (version, new) = datasets::add(&call, coming, blob, &[]).await?;
    datasets::answer(&call, &version, new)
}

/// What is written: all that was said, or what there is to learn from it.
enum Sheet {
    Said(ExportColumns),
    Lessons(Lessons),
}

impl Sheet {
    /// The columns of a CSV are known when all rows were seen, and so is whether there is anything to learn.
    fn must_see(&self, format: DatasetFormat) -> bool {
        format == DatasetFormat::Csv || matches!(self, Self::Lessons(_))
    }

    fn see(&mut self, row: &Feedback) {
        match self {
            Self::Said(columns) => columns.see(row),
            Self::Lessons(lessons) => lessons.see(row),
        }
    }

    /// Errors: 422, when nobody said what is right, or an input has the target's name.
    fn check(&self, model: &ModelName) -> Result<(), Problem> {
        match self {
            Self::Lessons(lessons) if lessons.are_none() => {
                Err(none(model).hint("a row to train with has a 👍 or a correction"))
            }
            Self::Lessons(lessons) if lessons.is_ambiguous() => Err(Problem::field(
                "/target",
                "a name that no input has",
                "an input's name",
            )),
            _ => Ok(()),
        }
    }

    fn header(&self) -> Result<Vec<u8>> {
        match self {
            Self::Said(columns) => columns.header(),
            Self::Lessons(lessons) => lessons.header(),
        }
    }

    fn write(&self, row: &Feedback, format: DatasetFormat, to: &mut Vec<u8>) -> Result<()> {
        match (self, format) {
            (Self::Said(columns), DatasetFormat::Csv) => columns.write(row, to),
            (Self::Said(_), _) => export_line(row, to),
            (Self::Lessons(lessons), DatasetFormat::Csv) => lessons.write_csv(row, to),
            (Self::Lessons(lessons), _) => lessons.write_line(row, to),
        }
    }
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

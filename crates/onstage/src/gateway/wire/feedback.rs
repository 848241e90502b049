//! Feedback as the wire has it, and as a table that a spreadsheet opens safely.
//! Does not fetch.

use super::time;
use onstage_core::{Error, feedback};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Feedback {
    id: String,
    prediction: String,
    model: String,
    version_number: u32,
    rating: Option<i8>,
    comment: Option<String>,
    #[schema(value_type = serde_json::Value)]
    correction: Option<Box<RawValue>>,
    reason: Option<String>,
    who: String,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    input: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value)]
    output: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewFeedback {
    /// 1 for 👍, -1 for 👎.
    pub(crate) rating: Option<i8>,
    pub(crate) comment: Option<String>,
    /// What the answer should have been.
    #[schema(value_type = serde_json::Value)]
    pub(crate) correction: Option<Box<RawValue>>,
    pub(crate) reason: Option<String>,
}

/// `whole` adds the prediction's input and output.
pub(crate) fn show(feedback: &feedback::Feedback, whole: bool) -> Feedback {
    let raw = |text: &Option<String>| {
        text.as_deref()
            .map(|text| super::value::raw(text.as_bytes()).to_owned())
    };
    Feedback {
        id: feedback.id.to_string(),
        prediction: feedback.prediction.to_string(),
        model: feedback.model.to_string(),
        version_number: feedback.version_number,
        rating: feedback.rating,
        comment: feedback.comment.clone(),
        correction: raw(&feedback.correction),
        reason: feedback.reason.clone(),
        who: feedback.who.to_string(),
        created_at: time(feedback.created_at),
        input: raw(&feedback.input).filter(|_| whole),
        output: raw(&feedback.output).filter(|_| whole),
    }
}

pub(crate) const COLUMNS: [&str; 11] = [
    "created_at",
    "model",
    "version",
    "rating",
    "reason",
    "comment",
    "correction",
    "input",
    "output",
    "prediction",
    "who",
];

/// One line of the table.
pub(crate) fn cells(feedback: &feedback::Feedback) -> [String; 11] {
    let text = |cell: &Option<String>| harmless(cell.as_deref().unwrap_or_default());
    [
        time(feedback.created_at),
        feedback.model.to_string(),
        format!("v{}", feedback.version_number),
        feedback
            .rating
            .map(|rating| rating.to_string())
            .unwrap_or_default(),
        text(&feedback.reason),
        text(&feedback.comment),
        text(&feedback.correction),
        text(&feedback.input),
        text(&feedback.output),
        feedback.prediction.to_string(),
        feedback.who.to_string(),
    ]
}

/// A spreadsheet runs a cell that begins like a formula: such a cell gets an apostrophe in front.
pub(super) fn harmless(cell: &str) -> String {
    let number = cell.parse::<f64>().is_ok();
    if !number && cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

/// What makes feedback a version of a dataset.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewExport {
    /// `owner/name`
    pub(crate) model: String,
    pub(crate) dataset: String,
    /// Only what was said since a date or time.
    pub(crate) since: Option<String>,
    /// `jsonl`, which is as it was said, or `csv`, which is harmless in a spreadsheet.
    pub(crate) format: Option<String>,
    /// A column's name: then the rows are the inputs by their names and this column with what to learn, for training with.
    /// What nobody corrected or found right is left out.
    pub(crate) target: Option<String>,
}

/// One row of an export. `target` is what to learn: the correction, or the output that was found right.
#[derive(Serialize)]
struct Exported<'a> {
    input: Option<&'a RawValue>,
    output: Option<&'a RawValue>,
    correction: Option<&'a RawValue>,
    target: Option<&'a RawValue>,
    rating: Option<i8>,
    reason: Option<&'a str>,
    comment: Option<&'a str>,
    version: u32,
    prediction: &'a str,
    who: &'a str,
    created_at: String,
}

fn exported(row: &feedback::Feedback) -> Exported<'_> {
    let output = row.output.as_deref().and_then(raw);
    let correction = row.correction.as_deref().and_then(raw);
    Exported {
        input: row.input.as_deref().and_then(raw),
        output,
        correction,
        target: correction.or_else(|| output.filter(|_| row.rating == Some(1))),
        rating: row.rating,
        reason: row.reason.as_deref(),
        comment: row.comment.as_deref(),
        version: row.version_number,
        prediction: row.prediction.as_str(),
        who: row.who.as_str(),
        created_at: time(row.created_at),
    }
}

pub(super) fn raw(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}

/// As a line of JSON.
pub(crate) fn export_line(row: &feedback::Feedback, to: &mut Vec<u8>) -> Result<(), Error> {
    line(&exported(row), to)
}

/// Inputs and outputs are as they came, line breaks between their tokens included: in a line these are spaces.
pub(super) fn line(value: &impl Serialize, to: &mut Vec<u8>) -> Result<(), Error> {
    let from = to.len();
    serde_json::to_writer(&mut *to, value)
        .map_err(|error| Error::internal("feedback cannot be written as JSON").because(error))?;
    for byte in &mut to[from..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    to.push(b'\n');
    Ok(())
}

const EXPORT_COLUMNS: [&str; 10] = [
    "output",
    "correction",
    "target",
    "rating",
    "reason",
    "comment",
    "version",
    "prediction",
    "who",
    "created_at",
];

/// The columns of an export as CSV: `input.<name>` for every input that any row has, then what was said.
#[derive(Default)]
pub(crate) struct ExportColumns(BTreeSet<String>);

impl ExportColumns {
    pub(crate) fn see(&mut self, row: &feedback::Feedback) {
        self.0.extend(inputs(row).into_keys());
    }

    pub(crate) fn header(&self) -> Result<Vec<u8>, Error> {
        let names = self.0.iter().map(|name| harmless(&format!("input.{name}")));
        let names = names.chain(EXPORT_COLUMNS.map(str::to_owned));
        let mut text = Vec::new();
        record(names, &mut text)?;
        Ok(text)
    }

    pub(crate) fn write(&self, row: &feedback::Feedback, to: &mut Vec<u8>) -> Result<(), Error> {
        let inputs = inputs(row);
        let said = exported(row);
        let cell = |raw: Option<&RawValue>| raw.map(plain).unwrap_or_default();
        let cells = [
            cell(said.output),
            cell(said.correction),
            cell(said.target),
            said.rating
                .map(|rating| rating.to_string())
                .unwrap_or_default(),
            said.reason.unwrap_or_default().to_owned(),
            said.comment.unwrap_or_default().to_owned(),
            format!("v{}", said.version),
            said.prediction.to_owned(),
            said.who.to_owned(),
            said.created_at.clone(),
        ];
        let given = self
            .0
            .iter()
            .map(|name| inputs.get(name).map(|raw| plain(raw)).unwrap_or_default());
        record(given.chain(cells).map(|cell| harmless(&cell)), to)
    }
}

pub(super) fn inputs(row: &feedback::Feedback) -> BTreeMap<String, Box<RawValue>> {
    let text = row.input.as_deref().unwrap_or_default();
    serde_json::from_str(text).unwrap_or_default()
}

/// Text as itself, nothing as nothing, everything else as JSON.
pub(super) fn plain(raw: &RawValue) -> String {
    match serde_json::from_str(raw.get()) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(serde_json::Value::Null) => String::new(),
        _ => raw.get().to_owned(),
    }
}

pub(super) fn record(cells: impl Iterator<Item = String>, to: &mut Vec<u8>) -> Result<(), Error> {
    let mut writer = csv::Writer::from_writer(to);
    let cells: Vec<String> = cells.collect();
    let written = writer.write_record(&cells).map_err(Into::into);
    written
        .and_then(|()| writer.flush())
        .map_err(|error: std::io::Error| {
            Error::internal("a table cannot be written").because(error)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_do_not_reach_a_spreadsheet() {
        for cell in ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1"] {
            assert!(harmless(cell).starts_with('\''), "{cell}");
        }
        for cell in ["-2.5", "+3", "plain", ""] {
            assert_eq!(harmless(cell), cell);
        }
    }
}

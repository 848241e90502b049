//! Feedback as the wire has it, and as a table that a spreadsheet opens safely.
//! Does not fetch.

use super::time;
use onstage_core::feedback;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
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
fn harmless(cell: &str) -> String {
    let number = cell.parse::<f64>().is_ok();
    if !number && cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
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

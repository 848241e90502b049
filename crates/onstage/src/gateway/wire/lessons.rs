//! Feedback as rows to train with: the inputs by their names, and what the answer should have been.
//! Does not fetch.

use super::feedback::{harmless, inputs, line, plain, raw, record};
use onstage_core::{Error, feedback::Feedback};
use serde_json::{Value, value::RawValue};
use std::collections::{BTreeMap, BTreeSet};

/// The columns, once all rows were seen: inputs that any of them has, then the target.
pub(crate) struct Lessons {
    inputs: BTreeSet<String>,
    target: String,
    any: bool,
}

impl Lessons {
    pub(crate) fn new(target: String) -> Self {
        Self {
            inputs: BTreeSet::new(),
            target,
            any: false,
        }
    }

    pub(crate) fn see(&mut self, row: &Feedback) {
        if target_of(row).is_some() {
            self.any = true;
            self.inputs.extend(inputs(row).into_keys());
        }
    }

    /// Whether there is nothing to learn from all that was seen.
    pub(crate) fn are_none(&self) -> bool {
        !self.any
    }

    /// Whether an input has the target's name.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.inputs.contains(&self.target)
    }

    pub(crate) fn header(&self) -> Result<Vec<u8>, Error> {
        let names = self.inputs.iter().chain([&self.target]);
        let mut text = Vec::new();
        record(names.map(|name| harmless(name)), &mut text)?;
        Ok(text)
    }

    pub(crate) fn write_csv(&self, row: &Feedback, to: &mut Vec<u8>) -> Result<(), Error> {
        let Some(target) = target_of(row) else {
            return Ok(());
        };
        let given = inputs(row);
        let cell = |name: &String| given.get(name).map(|raw| plain(raw)).unwrap_or_default();
        let cells = self.inputs.iter().map(cell).chain([plain(&target)]);
        record(cells.map(|cell| harmless(&cell)), to)
    }

    pub(crate) fn write_line(&self, row: &Feedback, to: &mut Vec<u8>) -> Result<(), Error> {
        let Some(target) = target_of(row) else {
            return Ok(());
        };
        let mut cells: BTreeMap<String, Box<RawValue>> = inputs(row);
        cells.insert(self.target.clone(), target);
        line(&cells, to)
    }
}

/// The correction, or the output that was found right; of scores the best, since a correction is a label as well.
fn target_of(row: &Feedback) -> Option<Box<RawValue>> {
    let correction = row.correction.as_deref().and_then(raw);
    let right = || row.output.as_deref().filter(|_| row.rating == Some(1));
    let said = correction.or_else(|| right().and_then(raw))?;
    match best_of(said) {
        Some(label) => serde_json::value::to_raw_value(&label).ok(),
        None => Some(said.to_owned()),
    }
    .filter(|target| target.get() != "null")
}

/// The label with the highest score, when these are scores.
fn best_of(said: &RawValue) -> Option<String> {
    let scores: BTreeMap<String, Value> = serde_json::from_str(said.get()).ok()?;
    let scores: Option<Vec<(String, f64)>> = scores
        .into_iter()
        .map(|(label, score)| Some((label, score.as_f64()?)))
        .collect();
    let best = scores?.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(best.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::Timestamp;

    fn said(rating: Option<i8>, correction: Option<&str>, output: &str) -> Feedback {
        let id = || "feedback-1".parse().unwrap();
        Feedback {
            id: id(),
            prediction: id(),
            model: "lab/iris".parse().unwrap(),
            version_number: 1,
            rating,
            comment: None,
            correction: correction.map(str::to_owned),
            reason: None,
            who: id(),
            created_at: Timestamp(0),
            input: Some("{\n  \"width\": 1.5,\r\n  \"name\": \"=a\"\n}".to_owned()),
            output: Some(output.to_owned()),
        }
    }

    #[test]
    fn rows_are_what_a_training_takes() {
        let scores = r#"{"setosa": 0.1, "virginica": 0.9}"#;
        let rows = [
            said(Some(1), None, scores),
            said(Some(-1), Some("\"setosa\""), scores),
            said(Some(-1), None, scores),
            said(None, Some("null"), scores),
        ];
        let mut lessons = Lessons::new("species".to_owned());
        rows[2..].iter().for_each(|row| lessons.see(row));
        assert!(lessons.are_none());
        rows.iter().for_each(|row| lessons.see(row));
        assert!(!lessons.are_none() && !lessons.is_ambiguous());
        let (mut csv, mut lines) = (lessons.header().unwrap(), Vec::new());
        for row in &rows {
            lessons.write_csv(row, &mut csv).unwrap();
            lessons.write_line(row, &mut lines).unwrap();
        }
        let csv = String::from_utf8(csv).unwrap();
        assert_eq!(
            csv,
            "name,width,species\n'=a,1.5,virginica\n'=a,1.5,setosa\n"
        );
        let lines = String::from_utf8(lines).unwrap();
        let first = r#"{"name":"=a","species":"virginica","width":1.5}"#;
        assert_eq!(lines.lines().next(), Some(first));
        assert_eq!(lines.lines().count(), 2);
        let mut ambiguous = Lessons::new("width".to_owned());
        ambiguous.see(&rows[0]);
        assert!(ambiguous.is_ambiguous());
    }
}

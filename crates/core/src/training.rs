//! Trainings: a dataset and parameters in, a new version with weights and lineage out.
//! Does not run anything.

use crate::{
    Error, Id, ModelName, Result, Timestamp,
    dataset::DatasetRef,
    job::JobOutput,
    model::{NewVersion, VersionId},
    parcel::Parcel,
    value::Stored,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// What a training computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSpec {
    /// At rest: files as `$blob` objects, datasets as `{"$dataset": "labels@v3"}`.
    pub input: Stored,
    /// JSON text of the input as it was given, without what is secret.
    #[serde(default)]
    pub parameters: String,
    /// The datasets that the input names, each with its number: what was the newest at the submission.
    #[serde(default)]
    pub datasets: Vec<DatasetRef>,
    /// The model that gets the new version.
    pub destination: ModelName,
    /// Whether the new version goes live when it is ready and reaches its gates.
    #[serde(default)]
    pub promote: bool,
    /// Gates of this training alone, beside those of the model.
    #[serde(default)]
    pub gates: Vec<Gate>,
    pub seed: u64,
    /// Where an earlier training was broken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
}

/// The last checkpoint of another training, from which this one goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    pub training: Id,
    pub checkpoint: Checkpoint,
}

/// Something from which a training that was interrupted can go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// From 1, counted over all runs.
    pub number: u32,
    /// The run that committed it.
    pub run: u32,
    pub parcel: Parcel,
    pub created_at: Timestamp,
}

/// How a version came to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    pub training: Id,
    /// The version whose code trained.
    pub trainer: VersionId,
    pub trainer_model: ModelName,
    pub trainer_number: u32,
    /// Those of the input, and those that the code asked for by name.
    #[serde(default)]
    pub datasets: Vec<DatasetRef>,
    /// JSON text of the parameters, with those that were left at their defaults.
    pub parameters: String,
    pub seed: u64,
    /// Of the trainer's bundle.
    pub code_sha256: String,
    /// Of the packages it ran with, where they are known.
    #[serde(default)]
    /// Of the environment that it ran in.
    pub environment_sha256: Option<String>,
    /// The other training that this one went on from.
    #[serde(default)]
    pub resumed: Option<Id>,
    /// Runs that it took.
    pub runs: u32,
    /// Of the run that finished.
    pub seconds: f64,
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
}

/// What a training that succeeded brings: the commit that ends it makes the version.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    pub version: NewVersion,
    pub weights: Parcel,
    pub metrics: BTreeMap<String, f64>,
    /// Why the version will not go live although that was asked for.
    pub held_back: Option<String>,
}

impl Trained {
    /// What the job keeps of it, once the version has its number.
    pub fn output(&self, number: u32) -> JobOutput {
        JobOutput::Training {
            version: self.version.id.clone(),
            version_number: number,
            weights: self.weights.clone(),
            metrics: self.metrics.clone(),
            held_back: self.held_back.clone(),
        }
    }
}

/// What a metric must reach before a version goes live: `accuracy >= 0.95`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Gate {
    metric: String,
    compare: Compare,
    value: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    AtLeast,
    AtMost,
    Above,
    Below,
}

impl Compare {
    /// Longer ones first, because they begin like the shorter.
    const ALL: [(&'static str, Self); 4] = [
        (">=", Self::AtLeast),
        ("<=", Self::AtMost),
        (">", Self::Above),
        ("<", Self::Below),
    ];
}

impl Gate {
    /// Why it is not passed; nothing when it is.
    pub fn refusal(&self, metrics: &BTreeMap<String, f64>) -> Option<String> {
        let Some(got) = metrics.get(&self.metric) else {
            return Some(format!(
                "the gate is `{self}`, and `{}` was not measured",
                self.metric
            ));
        };
        let passed = match self.compare {
            Compare::AtLeast => *got >= self.value,
            Compare::AtMost => *got <= self.value,
            Compare::Above => *got > self.value,
            Compare::Below => *got < self.value,
        };
        (!passed).then(|| format!("`{}` is {got}, and the gate is `{self}`", self.metric))
    }
}

/// Why any of the gates is not passed; nothing when all are.
pub fn refusals(gates: &[Gate], metrics: &BTreeMap<String, f64>) -> Option<String> {
    let all: Vec<String> = gates.iter().filter_map(|it| it.refusal(metrics)).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

impl FromStr for Gate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = Compare::ALL.into_iter().find_map(|(sign, compare)| {
            let (metric, value) = text.split_once(sign)?;
            let metric = metric.trim();
            let value: f64 = value.trim().parse().ok()?;
            (!metric.is_empty() && value.is_finite()).then(|| Self {
                metric: metric.to_owned(),
                compare,
                value,
            })
        });
        parsed.ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            Error::invalid(format!("`{shown}` is not a gate"))
                .hint("write it like `accuracy >= 0.95`, with `>=`, `<=`, `>` or `<`")
        })
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = Compare::ALL
            .iter()
            .find(|(_, compare)| *compare == self.compare)
            .map_or("", |(sign, _)| sign);
        write!(f, "{} {sign} {}", self.metric, self.value)
    }
}

impl TryFrom<String> for Gate {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Gate> for String {
    fn from(gate: Gate) -> Self {
        gate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_read_back_and_judge() {
        let metrics = BTreeMap::from([("accuracy".to_owned(), 0.9), ("loss".to_owned(), 0.3)]);
        for (text, passes) in [
            ("accuracy >= 0.9", true),
            ("accuracy>0.9", false),
            ("loss <= 0.3", true),
            ("loss < 0.3", false),
            ("recall >= 0.1", false),
        ] {
            let gate: Gate = text.parse().unwrap();
            assert_eq!(gate.to_string().parse::<Gate>().unwrap(), gate);
            assert_eq!(gate.refusal(&metrics).is_none(), passes, "{text}");
        }
        for text in [
            "",
            "accuracy",
            ">= 1",
            "accuracy >= much",
            "a = 1",
            "a > NaN",
        ] {
            assert!(text.parse::<Gate>().is_err(), "{text}");
        }
        let gates = ["accuracy >= 0.95".parse().unwrap()];
        assert_eq!(
            refusals(&gates, &metrics).unwrap(),
            "`accuracy` is 0.9, and the gate is `accuracy >= 0.95`"
        );
    }
}

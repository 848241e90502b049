//! `onstage.toml`: what an author may set about a model, with its defaults.
//! Does not read the file; unknown keys are refused by name here and explained by the reader.

mod effect;
mod lane;
mod schedules;

pub use lane::LaneLimits;
pub use schedules::{ScheduleTable, SchedulesSection, check as check_schedules};

use crate::{prediction::RecordPart, training::Gate, usage::AtLimit};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{collections::BTreeMap, str::FromStr, time::Duration};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    pub model: ModelSection,
    #[serde(default)]
    pub environment: EnvironmentSection,
    #[serde(default)]
    pub realtime: RealtimeSection,
    #[serde(default)]
    pub jobs: JobsSection,
    #[serde(default)]
    pub training: TrainingSection,
    #[serde(default)]
    pub access: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    pub feedback: FeedbackSection,
    #[serde(default)]
    pub keep: KeepSection,
    #[serde(default)]
    pub money: MoneySection,
    #[serde(default)]
    pub secrets: SecretsSection,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schedules: SchedulesSection,
    #[serde(default)]
    pub page: BTreeMap<String, serde_json::Value>,
}

impl ModelConfig {
    /// Reads a config out of a record. Earlier versions kept whatever stood in `[training]`, which had no effect: what is not understood there still has none.
    pub fn of_record(json: &str) -> serde_json::Result<Self> {
        let error = match serde_json::from_str(json) {
            Err(error) => error,
            read => return read,
        };
        let mut tree: serde_json::Value = serde_json::from_str(json)?;
        let training = tree.as_object_mut().and_then(|it| it.remove("training"));
        match training {
            Some(_) => serde_json::from_value(tree),
            None => Err(error),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSection {
    pub name: String,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub owner: Option<String>,
    #[serde(default)]
    pub about: Option<String>,
    /// The Python file with the functions.
    #[serde(default = "default_entry")]
    pub entry: String,
    /// A worker that is not Python: the program and its arguments, run in the model's folder.
    #[serde(default)]
    pub command: Option<Vec<String>>,
}

fn default_entry() -> String {
    "model.py".to_owned()
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnvironmentSection {
    /// For example `3.11`; the newest one found when absent.
    pub python: Option<String>,
    /// Requirement lines, or the name of a requirements file in the folder. Absent: `requirements.txt` when there is one.
    pub requirements: Option<Requirements>,
    pub system: Vec<String>,
    pub dockerfile: Option<String>,
    /// Names of environment variables that workers get from Onstage's own environment when they are set there; unlike secrets they may be absent.
    pub variables: Vec<String>,
    pub include: Vec<String>,
    pub exclude: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Requirements {
    File(String),
    Lines(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RealtimeSection {
    pub on: String,
    pub cpu: Option<f64>,
    pub memory: Option<Size>,
    pub gpu: Option<f64>,
    /// How long one prediction may take.
    pub timeout: Span,
    /// How long import and setup may take.
    pub startup_timeout: Span,
    pub workers: Workers,
    /// After how long without a request workers above `workers.min` go to sleep.
    pub idle: Span,
    /// How many requests may wait.
    pub queue: Option<u32>,
    /// Under which 99 of 100 answers should stay: decides windows of `wait_ms = "auto"` and how many workers are started.
    pub latency_goal: Option<Span>,
    /// How many microbatches are on their way to a worker while it computes one; one, for short ones, when absent.
    pub ahead: Option<u32>,
    /// What workers have in common: `import`, `setup` or `none`; see `shared`.
    pub share: String,
}

/// What the workers of a version have in common, because they are forked from one process that has done it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Share {
    Import,
    Setup,
    Nothing,
}

impl RealtimeSection {
    /// Records of earlier versions may hold a word that means nothing: then it is what it is by default.
    pub fn shared(&self) -> Share {
        match self.share.as_str() {
            "setup" => Share::Setup,
            "none" => Share::Nothing,
            _ => Share::Import,
        }
    }
}

impl Default for RealtimeSection {
    fn default() -> Self {
        Self {
            on: "here".to_owned(),
            cpu: None,
            memory: None,
            gpu: None,
            timeout: Span::from_secs(60),
            startup_timeout: Span::from_secs(120),
            workers: Workers::default(),
            idle: Span::from_secs(300),
            queue: None,
            latency_goal: None,
            ahead: None,
            share: "import".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workers {
    pub min: u32,
    pub max: u32,
}

impl Default for Workers {
    fn default() -> Self {
        Self { min: 0, max: 2 }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobsSection {
    pub cpu: Option<f64>,
    pub memory: Option<Size>,
    pub gpu: Option<f64>,
    /// Tasks of this model at once.
    pub tasks: u32,
    /// How long a task waits for more work before it ends itself.
    pub linger: Span,
    /// How long one job may run.
    pub stop_after: Span,
    /// How often a failed run is repeated, for reasons in `retry_on`.
    pub retries: u32,
    pub retry_on: Vec<String>,
}

impl Default for JobsSection {
    fn default() -> Self {
        Self {
            cpu: None,
            memory: None,
            gpu: None,
            tasks: 1,
            linger: Span::from_secs(10),
            stop_after: Span::from_secs(24 * 3600),
            retries: 2,
            retry_on: vec!["worker_lost".to_owned(), "no_capacity".to_owned()],
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSection {
    pub cpu: Option<f64>,
    pub memory: Option<Size>,
    pub gpu: Option<f64>,
    /// Trainings of this version at once.
    pub tasks: u32,
    /// How long a task waits for another training before it ends itself.
    pub linger: Span,
    /// How long one run of a training may take.
    pub stop_after: Span,
    /// How often a failed run is repeated, for reasons in `retry_on`.
    pub retries: u32,
    pub retry_on: Vec<String>,
    /// Checkpoints of one training that are kept.
    pub keep_checkpoints: u32,
    /// What metrics must reach before a trained version goes live.
    pub gates: Vec<Gate>,
}

impl Default for TrainingSection {
    fn default() -> Self {
        let jobs = JobsSection::default();
        Self {
            cpu: None,
            memory: None,
            gpu: None,
            tasks: 1,
            linger: jobs.linger,
            stop_after: Span::from_secs(7 * 24 * 3600),
            retries: jobs.retries,
            retry_on: jobs.retry_on,
            keep_checkpoints: 2,
            gates: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeedbackSection {
    /// Reasons offered with a thumb.
    pub ask: Vec<String>,
    pub required: bool,
}

/// What a model may cost by the server's price table, in USD. Absent: any amount.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MoneySection {
    /// In a calendar month, in UTC.
    pub month: Option<f64>,
    /// One batch job, training or background prediction, by estimate.
    pub run: Option<f64>,
    /// What happens where `month` is reached.
    pub at_limit: AtLimit,
}

/// For how long the parts of a realtime prediction's record are kept; as long as the record when absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeepSection {
    pub inputs: Option<Span>,
    pub outputs: Option<Span>,
    pub logs: Option<Span>,
    pub redact: Vec<String>,
}

impl KeepSection {
    /// The parts that are not kept for ever, and for how long they are.
    pub fn spans(&self) -> impl Iterator<Item = (RecordPart, Duration)> {
        [
            (RecordPart::Input, self.inputs),
            (RecordPart::Output, self.outputs),
            (RecordPart::Logs, self.logs),
        ]
        .into_iter()
        .filter_map(|(part, span)| Some((part, span?.0)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretsSection {
    pub names: Vec<String>,
}

/// A duration as people write it: `250ms`, `10s`, `10m`, `2h`, `7d`, or a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text);
        let scale = match unit {
            "ms" => 0.001,
            "s" | "" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => {
                return Err(format!(
                    "`{text}` is not a duration; write it like `250ms`, `30s`, `10m`, `2h` or `7d`"
                ));
            }
        };
        parse_scaled(number, scale)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(Self)
            .ok_or_else(|| {
                format!(
                    "`{text}` is not a duration; write it like `250ms`, `30s`, `10m`, `2h` or `7d`"
                )
            })
    }
}

/// A size in bytes as people write it: `512MB`, `2GiB`, or a number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text);
        let scale: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "kib" | "k" => 1 << 10,
            "mib" | "m" => 1 << 20,
            "gib" | "g" => 1 << 30,
            "tib" | "t" => 1 << 40,
            _ => {
                return Err(format!(
                    "`{text}` is not a size; write it like `512MiB` or `2GB`"
                ));
            }
        };
        parse_scaled(number, scale as f64)
            .map(|bytes| Self(bytes as u64))
            .ok_or_else(|| format!("`{text}` is not a size; write it like `512MiB` or `2GB`"))
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    (&text[..at], text[at..].trim())
}

fn parse_scaled(number: &str, scale: f64) -> Option<f64> {
    let value = number.parse::<f64>().ok()? * scale;
    (value.is_finite() && value >= 0.0).then_some(value)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrNumber {
    Text(String),
    Number(f64),
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match TextOrNumber::deserialize(deserializer)? {
            TextOrNumber::Text(text) => text.parse().map_err(D::Error::custom),
            TextOrNumber::Number(seconds) => Duration::try_from_secs_f64(seconds)
                .map(Self)
                .map_err(D::Error::custom),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = self.0.as_millis();
        if millis.is_multiple_of(1000) {
            format!("{}s", millis / 1000)
        } else {
            format!("{millis}ms")
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match TextOrNumber::deserialize(deserializer)? {
            TextOrNumber::Text(text) => text.parse().map_err(D::Error::custom),
            TextOrNumber::Number(bytes) => Ok(Self(bytes as u64)),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_as_people_write_them() {
        for (text, millis) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("1.5m", 90_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("3", 3_000),
        ] {
            assert_eq!(
                text.parse::<Span>().unwrap().0.as_millis(),
                millis,
                "{text}"
            );
        }
        for (text, bytes) in [
            ("512MB", 512_000_000),
            ("2GiB", 2 << 30),
            ("100", 100),
            ("1.5k", 1536),
        ] {
            assert_eq!(text.parse::<Size>().unwrap().0, bytes, "{text}");
        }
        for text in ["ten minutes", "-5s", "5 parsecs", "", "1e400s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_old_record_is_read_whatever_it_says_of_training() {
        let old = r#"{"model": {"name": "age"}, "training": {"epochs": 3}}"#;
        assert!(serde_json::from_str::<ModelConfig>(old).is_err());
        let read = ModelConfig::of_record(old).unwrap();
        assert_eq!(read.training, TrainingSection::default());
        let kept = r#"{"model": {"name": "age"}, "training": {"keep_checkpoints": 9}}"#;
        let read = ModelConfig::of_record(kept).unwrap();
        assert_eq!(read.training.keep_checkpoints, 9);
        assert!(ModelConfig::of_record(r#"{"training": {}}"#).is_err());
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = serde_json::from_str::<ModelConfig>(
            r#"{"model": {"name": "age"}, "realtime": {"worker": 3}}"#,
        )
        .unwrap_err();
        assert!(error.to_string().contains("worker"), "{error}");
    }
}

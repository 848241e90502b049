//! `[schedules.NAME]`: a job that a model's folder asks for again and again.
//! Does not know what becomes of it; `schedule::folder` does.

use super::Span;
use crate::{
    Error, Result,
    dataset::DatasetRef,
    job::JobKind,
    name,
    schedule::{Cron, EVERY_MAX, EVERY_MIN, Overlap, REQUEST_BYTES_MAX, SCHEDULES_MAX, Zone},
    training::Gate,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub type SchedulesSection = BTreeMap<String, ScheduleTable>;

/// One table. A batch job where it names a `table`, a training where it says `train`, else a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleTable {
    pub cron: Option<Cron>,
    /// Whose clocks those are; UTC when absent.
    pub zone: Option<Zone>,
    pub every: Option<Span>,
    /// A dataset, of which each tick takes the newest version unless one is named.
    pub table: Option<DatasetRef>,
    pub train: bool,
    pub input: Map<String, Value>,
    pub promote: bool,
    pub gates: Vec<Gate>,
    /// A number or an alias, looked up at every tick; the live one when absent.
    pub version: Option<String>,
    pub catch_up: bool,
    pub overlap: Overlap,
}

impl Default for ScheduleTable {
    fn default() -> Self {
        Self {
            cron: None,
            zone: None,
            every: None,
            table: None,
            train: false,
            input: Map::new(),
            promote: false,
            gates: Vec::new(),
            version: None,
            catch_up: true,
            overlap: Overlap::Skip,
        }
    }
}

impl ScheduleTable {
    pub fn kind(&self) -> JobKind {
        match (&self.table, self.train) {
            (Some(_), _) => JobKind::Batch,
            (None, true) => JobKind::Training,
            (None, false) => JobKind::Prediction,
        }
    }

    /// JSON text, as the route takes it that makes such jobs.
    pub fn request(&self) -> String {
        let request = match (&self.table, self.train) {
            (Some(table), _) => json!({ "table": format!("onstage://datasets/{table}") }),
            (None, true) => {
                let gates: Vec<String> = self.gates.iter().map(ToString::to_string).collect();
                json!({ "input": self.input, "promote": self.promote, "gates": gates })
            }
            (None, false) => json!({ "input": self.input }),
        };
        request.to_string()
    }

    /// Errors: invalid, what its keys do not say together.
    fn check(&self) -> Result<(), &'static str> {
        let span = EVERY_MIN..=EVERY_MAX;
        match (&self.cron, &self.every) {
            (None, None) => return Err("when is missing: write `cron` or `every`"),
            (Some(_), Some(_)) => return Err("write `cron` or `every`, not both"),
            (None, Some(every)) if !span.contains(&every.0) => {
                return Err("`every` is a time from `1s` to `366d`");
            }
            (None, Some(_)) if self.zone.is_some() => return Err("`zone` belongs to `cron`"),
            _ => {}
        }
        match (&self.table, self.train) {
            (Some(_), true) => Err("write `table` or `train`, not both"),
            (Some(_), false) if !self.input.is_empty() => {
                Err("the rows of `table` are the inputs: leave `input` out")
            }
            (_, false) if self.promote || !self.gates.is_empty() => {
                Err("`promote` and `gates` are for trainings: write `train = true`")
            }
            _ if self.request().len() > REQUEST_BYTES_MAX => {
                Err("what is asked for is too large: upload files and name them")
            }
            _ => Ok(()),
        }
    }
}

/// Errors: invalid, with the name of the table.
pub fn check(section: &SchedulesSection) -> Result<()> {
    if section.len() > SCHEDULES_MAX as usize {
        return Err(Error::invalid(format!(
            "[schedules] has more than {SCHEDULES_MAX} tables"
        )));
    }
    for (name, table) in section {
        name::check("schedule", name)?;
        table
            .check()
            .map_err(|why| Error::invalid(format!("[schedules.{name}]: {why}")))?;
    }
    Ok(())
}

//! What one experiment counts, measures and reports: a line of JSON, into a folder when one is named.
//! Failures always fail the test; numbers that are missed do so only in the full run, on a machine that is theirs.

use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Failures told in words; the rest is only counted.
const FAILURES_TOLD_MAX: usize = 8;

/// `make faults` asks for all rounds.
pub(crate) fn is_full() -> bool {
    std::env::var("FAULTS").is_ok_and(|value| value == "full")
}

pub(crate) struct Experiment {
    name: &'static str,
    title: &'static str,
    rounds: usize,
    seed: u64,
    random: u64,
    checks: u64,
    failures: Vec<String>,
    failed: u64,
    measured: BTreeMap<String, Value>,
    missed: Vec<String>,
}

impl Experiment {
    pub(crate) fn new(
        name: &'static str,
        title: &'static str,
        full: usize,
        reduced: usize,
    ) -> Self {
        let given = std::env::var("FAULTS_SEED").ok();
        let seed = given.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.unwrap().as_nanos() as u64
        });
        Self {
            name,
            title,
            rounds: if is_full() { full } else { reduced },
            seed,
            random: seed | 1,
            checks: 0,
            failures: Vec::new(),
            failed: 0,
            measured: BTreeMap::new(),
            missed: Vec::new(),
        }
    }

    pub(crate) fn rounds(&self) -> usize {
        self.rounds
    }

    /// 0..below, the same again for the same seed.
    pub(crate) fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    /// Counts one thing that must be so.
    pub(crate) fn check(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        self.checks += 1;
        if holds {
            return;
        }
        self.failed += 1;
        if self.failures.len() < FAILURES_TOLD_MAX {
            self.failures.push(otherwise());
        }
    }

    pub(crate) fn measured(&mut self, what: &str, value: impl Into<Value>) {
        self.measured.insert(what.to_owned(), value.into());
    }

    /// One more, or so many, of what is counted over all rounds.
    pub(crate) fn counted(&mut self, what: &str, more: usize) {
        let before = self.measured.get(what).and_then(Value::as_u64);
        self.measured(what, before.unwrap_or(0) + more as u64);
    }

    /// A number with a limit; over it is a failure of the full run. Of several, the largest is told.
    pub(crate) fn at_most(&mut self, what: &str, value: f64, limit: f64) {
        let rounded = (value * 100.0).round() / 100.0;
        let before = self.measured.get(what).and_then(Value::as_f64);
        self.measured(what, before.map_or(rounded, |before| before.max(rounded)));
        if value > limit {
            self.missed
                .push(format!("{what} is {rounded}, over {limit}"));
        }
    }

    pub(crate) fn ms_at_most(&mut self, what: &str, time: Duration, limit_ms: f64) {
        self.at_most(&format!("{what}_ms"), time.as_secs_f64() * 1000.0, limit_ms);
    }

    /// Reports, and fails the test when the experiment did.
    #[expect(clippy::print_stdout, reason = "the line is the report")]
    pub(crate) fn end(self) {
        let missed = if is_full() {
            self.missed.len() as u64
        } else {
            0
        };
        let pass = self.failed + missed == 0;
        let line = json!({
            "experiment": self.name,
            "title": self.title,
            "n": self.rounds,
            "checks": self.checks,
            "failures": self.failed,
            "told": self.failures,
            "measured": self.measured,
            "missed": self.missed,
            "seed": self.seed,
            "full": is_full(),
            "pass": pass,
        });
        match std::env::var_os("FAULTS_RESULTS").map(PathBuf::from) {
            Some(folder) => {
                std::fs::create_dir_all(&folder).unwrap();
                let file = folder.join(format!("{}.json", self.name));
                std::fs::write(file, format!("{line}\n")).unwrap();
            }
            None => println!("{line}"),
        }
        assert!(pass, "{} failed: {line:#}", self.name);
    }
}

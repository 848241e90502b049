//! What must hold of the jobs of a server whose processes were killed, by what clients were told and what the store has: I1–I7 of the
//! fault experiments, one breach a line. Pure: reads no clock, no file and no network.

use serde::Deserialize;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// How often a job is repeated when its model says nothing.
const RETRIES: u32 = 2;
/// Runs lost to infrastructure before a job is given up.
const RESTARTS_MAX: u32 = 10;
/// Deaths in a row before it is set aside.
const DEATHS_MAX: usize = 3;
const ENDS: [&str; 3] = ["succeeded", "failed", "canceled"];

/// A job that was acknowledged, and what its client saw of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) id: String,
    /// `prediction`, `batch`, `training`, or `call`: a realtime prediction that became a job.
    pub(crate) kind: &'static str,
    /// What it was to compute: a number, or how many rows.
    pub(crate) n: u64,
    /// Its states in the order in which they were seen, each once in a row.
    pub(crate) seen: Vec<String>,
    /// What was wrong with the result that the client fetched.
    pub(crate) wrong: Option<String>,
}

/// A job as the store has it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) run: u32,
    pub(crate) attempts: u32,
    pub(crate) restarts: u32,
    pub(crate) dead: Option<String>,
    /// Runs that ended without ending the job, each with why.
    pub(crate) history: Vec<(u32, String)>,
    /// Shown with a breach.
    #[expect(dead_code, reason = "a breach is told by the whole row")]
    pub(crate) failure: Value,
    pub(crate) output: Value,
    /// Of the blobs that the output names.
    pub(crate) keys: Vec<String>,
    /// The status of every end that its events tell.
    pub(crate) ends: Vec<String>,
    /// Of its events.
    pub(crate) numbers: Vec<u64>,
    /// First row, rows and run.
    pub(crate) chunks: Vec<(u64, u64, u32)>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Blob {
    pub(crate) key: String,
    /// `right`, `gone` or `other`: by its size and digest.
    pub(crate) is: String,
}

/// Everything that was left.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Record {
    pub(crate) jobs: Vec<Row>,
    /// The training of every version that a training made.
    pub(crate) lineages: Vec<String>,
    pub(crate) blobs: Vec<Blob>,
    /// The database's own check.
    pub(crate) whole: bool,
    /// Files of processes that are gone.
    pub(crate) left: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) told: Vec<Told>,
    /// Jobs that nobody acknowledged may be there at most so often: requests without a key whose answer did not come.
    pub(crate) unknown: usize,
    /// Tokens of the runs that really were, by what they computed.
    pub(crate) tokens: HashMap<u64, Vec<String>>,
    pub(crate) record: Record,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) rule: &'static str,
    pub(crate) what: String,
}

fn breach(rule: &'static str, what: String) -> Breach {
    Breach { rule, what }
}

pub(crate) fn judge(history: &History) -> Vec<Breach> {
    let record = &history.record;
    let rows: HashMap<&str, &Row> = record.jobs.iter().map(|row| (&*row.id, row)).collect();
    let mut found = Vec::new();
    for told in &history.told {
        match rows.get(&*told.id) {
            // One that ended before the front wrote it down as a job has only its record, which its client has read.
            None if told.kind == "call"
                && told.seen.iter().any(|state| ENDS.contains(&&**state)) => {}
            None => found.push(breach("I1", format!("{told:?} is lost"))),
            Some(row) => found.extend(kept(told, row, history)),
        }
    }
    for row in &record.jobs {
        found.extend(consistent(row, &record.lineages));
    }
    found.extend(uninvited(history));
    let bad = record.blobs.iter().filter(|blob| blob.is != "right");
    found.extend(bad.map(|blob| breach("I6", format!("blob `{}` is {}", blob.key, blob.is))));
    if !record.whole {
        found.push(breach("I6", "the database is damaged".to_owned()));
    }
    let left = record.left.iter();
    found.extend(left.map(|file| breach("I8", format!("`{file}` was left behind"))));
    found
}

/// How many breaches are of one rule.
pub(crate) fn count(breaches: &[Breach], rule: &str) -> usize {
    breaches.iter().filter(|breach| breach.rule == rule).count()
}

/// Jobs that were set aside because process after process died of them.
pub(crate) fn set_aside(record: &Record) -> usize {
    record.jobs.iter().filter(|row| row.dead.is_some()).count()
}

/// What was promised of an acknowledged job.
fn kept(told: &Told, row: &Row, history: &History) -> Vec<Breach> {
    let mut found = Vec::new();
    let mut say = |rule, what: &str| found.push(breach(rule, format!("{what}: {told:?} {row:?}")));
    if row.kind != told.kind && (told.kind, &*row.kind) != ("call", "prediction") {
        say("I1", "it is of another kind");
    }
    if !ENDS.contains(&&*row.state) {
        say("I5", "it has not ended");
    }
    if has_changed(told, row) {
        say("I7", "it ended and was something else later");
    }
    if told.kind != "call" && row.state == "failed" && !may_fail(row) {
        say("I1", "it failed though nothing was wrong with it");
    }
    if let Some(wrong) = &told.wrong {
        say("I2", wrong);
    }
    match (told.kind, &*row.state) {
        ("prediction", "succeeded") if !is_of_a_run(told.n, &row.output, &history.tokens) => {
            say("I3", "its output is of no run");
        }
        ("batch", "succeeded") if !is_covered(&row.chunks, told.n) => {
            say("I2", "its chunks do not hold each row once");
        }
        _ => {}
    }
    found
}

/// Its client saw an end, and later something else.
fn has_changed(told: &Told, row: &Row) -> bool {
    let first_end = told.seen.iter().position(|state| ENDS.contains(&&**state));
    first_end
        .is_some_and(|place| place + 1 != told.seen.len() || told.seen[place] != status(&row.state))
}

/// What must hold of any job.
fn consistent(row: &Row, lineages: &[String]) -> Vec<Breach> {
    let mut found = Vec::new();
    let mut say = |rule, what: &str| found.push(breach(rule, format!("{what}: {row:?}")));
    if row.ends.len() > 1 {
        say("I2", "it ended more than once");
    }
    if row.ends.iter().any(|end| end != status(&row.state)) {
        say("I2", "its events tell another end");
    }
    if row.state != "succeeded" && !row.output.is_null() {
        say("I2", "it has a result and did not succeed");
    }
    let made = lineages
        .iter()
        .filter(|training| **training == row.id)
        .count();
    if made != usize::from(row.kind == "training" && row.state == "succeeded") {
        say(
            "I2",
            "a training makes one version when it succeeds, and else none",
        );
    }
    let mine = format!("/run-{}/", row.run);
    if row
        .keys
        .iter()
        .any(|key| key.contains("/run-") && !key.contains(&mine))
    {
        say("I3", "its result is of another run");
    }
    let before = row.history.len() as u32;
    let last_ended_it = row.run == before + 1;
    let between = row.run == before;
    if !last_ended_it && (row.state == "succeeded" || !between) {
        say("I3", "its run number is not the number of its runs");
    }
    let runs = row.history.iter().map(|(run, _)| *run);
    if !runs.eq(1..=before) {
        say("I3", "a run number was used twice or left out");
    }
    if row.chunks.iter().any(|(_, _, run)| *run > row.run) {
        say("I3", "a chunk is of a run that never was");
    }
    if row.attempts > RETRIES + 1 || row.restarts > RESTARTS_MAX + 1 {
        say("I4", "it was repeated too often");
    }
    if !row.numbers.iter().copied().eq(1..=row.numbers.len() as u64) {
        say("I7", "its events are not numbered without gaps");
    }
    found
}

/// Jobs that nobody was told of.
fn uninvited(history: &History) -> Option<Breach> {
    let told: HashSet<&str> = history.told.iter().map(|told| &*told.id).collect();
    let jobs = history.record.jobs.iter();
    let more: Vec<&str> = jobs
        .map(|row| &*row.id)
        .filter(|id| !told.contains(id))
        .collect();
    let is_explained = more.len() <= history.unknown && told.len() == history.told.len();
    let text = || {
        let (jobs, unknown, twice) = (more.len(), history.unknown, history.told.len() - told.len());
        format!(
            "{jobs} jobs that nobody was told of for {unknown} open requests, {twice} told of twice: {more:?}"
        )
    };
    (!is_explained).then(|| breach("I1", text()))
}

fn status(state: &str) -> &str {
    match state {
        "queued" => "starting",
        "running" => "processing",
        end => end,
    }
}

/// Only after so many deaths may a job be given up that is right in itself.
fn may_fail(row: &Row) -> bool {
    let died = |reason: &str| matches!(reason, "worker_lost" | "out_of_memory");
    let deaths = row
        .history
        .iter()
        .filter(|(_, reason)| died(reason))
        .count();
    // The last run may have ended the job instead of being noted among those before.
    let deaths = deaths + usize::from(row.run as usize == row.history.len() + 1);
    row.dead.is_some() && deaths >= DEATHS_MAX
}

fn is_of_a_run(n: u64, output: &Value, tokens: &HashMap<u64, Vec<String>>) -> bool {
    let inline = output["output"]["inline"].as_str().unwrap_or_default();
    let Ok(answer) = serde_json::from_str::<Value>(inline) else {
        return false;
    };
    let token = answer["token"].as_str().unwrap_or_default();
    let runs = tokens.get(&n).map_or(&[][..], Vec::as_slice);
    answer["n"] == n && runs.iter().any(|run| run == token)
}

/// The chunks hold each of so many rows once.
fn is_covered(chunks: &[(u64, u64, u32)], rows: u64) -> bool {
    let mut next = 0;
    for (first, count, _) in chunks {
        if *first != next {
            return false;
        }
        next += count;
    }
    next == rows
}

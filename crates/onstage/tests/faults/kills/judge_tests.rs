//! The judge of the kill loop finds what is wrong in bad histories, and nothing in good ones.

#![expect(
    clippy::semicolon_if_nothing_returned,
    reason = "what is spoilt is one expression"
)]

use super::judge::{Blob, History, Record, Row, Told, judge};
use serde_json::{Value, json};
use std::collections::HashMap;

fn row(id: &str, kind: &str, state: &str) -> Row {
    Row {
        id: id.to_owned(),
        kind: kind.to_owned(),
        state: state.to_owned(),
        run: 2,
        attempts: 0,
        restarts: 1,
        dead: None,
        history: vec![(1, "worker_lost".to_owned())],
        failure: Value::Null,
        output: Value::Null,
        keys: Vec::new(),
        ends: vec![state.to_owned()],
        numbers: vec![1, 2, 3],
        chunks: Vec::new(),
    }
}

fn told(id: &str, kind: &'static str, n: u64, seen: &[&str]) -> Told {
    Told {
        id: id.to_owned(),
        kind,
        n,
        seen: seen.iter().map(|state| (*state).to_owned()).collect(),
        wrong: None,
    }
}

/// A prediction, a batch job, a training and a cancelled one; all well.
fn good() -> History {
    let output = json!({"kind": "prediction", "output": {"inline": "{\"n\":7,\"token\":\"1-1\"}"}});
    let mut prediction = row("p", "prediction", "succeeded");
    prediction.output = output;
    let mut batch = row("b", "batch", "succeeded");
    batch.output = json!({"kind": "batch"});
    batch.keys = vec!["jobs/b/run-2/result".to_owned()];
    batch.chunks = vec![(0, 250, 1), (250, 250, 2)];
    let mut training = row("t", "training", "succeeded");
    training.output = json!({"kind": "training"});
    let mut canceled = row("c", "prediction", "canceled");
    canceled.run = 1;
    History {
        told: vec![
            told(
                "p",
                "prediction",
                7,
                &["starting", "processing", "succeeded"],
            ),
            told("b", "batch", 500, &["processing", "starting", "succeeded"]),
            told("t", "training", 0, &["succeeded"]),
            told("c", "prediction", 8, &["starting", "canceled"]),
        ],
        unknown: 0,
        tokens: HashMap::from([(7, vec!["0-0".to_owned(), "1-1".to_owned()])]),
        record: Record {
            jobs: vec![prediction, batch, training, canceled],
            lineages: vec!["t".to_owned()],
            blobs: vec![Blob {
                key: "jobs/b/run-2/result".to_owned(),
                is: "right".to_owned(),
            }],
            whole: true,
            left: Vec::new(),
        },
    }
}

#[test]
fn a_good_history_has_no_breach() {
    assert_eq!(judge(&good()), []);
}

/// What is spoilt, by whom it must be found, and how.
type Bad = (&'static str, &'static str, fn(&mut History));

const BAD: [Bad; 22] = [
    ("lost", "I1", |it| drop(it.record.jobs.remove(0))),
    ("doubled", "I1", |it| {
        it.record.jobs.push(row("x", "prediction", "failed"))
    }),
    ("two of one id", "I1", |it| it.told.push(it.told[0].clone())),
    ("failed for nothing", "I1", |it| {
        it.record.jobs[3].state = "failed".to_owned()
    }),
    ("of another kind", "I1", |it| {
        it.record.jobs[0].kind = "batch".to_owned()
    }),
    ("ended twice", "I2", |it| {
        it.record.jobs[0].ends.push("succeeded".to_owned())
    }),
    ("another end told", "I2", |it| {
        it.record.jobs[0].ends[0] = "failed".to_owned()
    }),
    ("a cancelled result", "I2", |it| {
        it.record.jobs[3].output = json!(1)
    }),
    ("a wrong result", "I2", |it| {
        it.told[1].wrong = Some("row 3 is 5".to_owned())
    }),
    ("a row twice", "I2", |it| {
        it.record.jobs[1].chunks[1].0 = 249
    }),
    ("rows missing", "I2", |it| {
        it.record.jobs[1].chunks.truncate(1)
    }),
    ("two versions", "I2", |it| {
        it.record.lineages.push("t".to_owned())
    }),
    ("no version", "I2", |it| it.record.lineages.clear()),
    ("a result of no run", "I3", |it| drop(it.tokens.remove(&7))),
    ("a result of an old run", "I3", |it| {
        it.record.jobs[1].keys[0] = "jobs/b/run-1/result".to_owned()
    }),
    ("a run number skipped", "I3", |it| it.record.jobs[0].run = 3),
    ("a run number used twice", "I3", |it| {
        it.record.jobs[0].history[0].0 = 2
    }),
    ("a chunk of a later run", "I3", |it| {
        it.record.jobs[1].chunks[1].2 = 3
    }),
    ("repeated for ever", "I4", |it| {
        it.record.jobs[0].attempts = 4
    }),
    ("running for ever", "I5", |it| {
        it.record.jobs[0].state = "running".to_owned()
    }),
    ("a blob gone", "I6", |it| {
        it.record.blobs[0].is = "gone".to_owned()
    }),
    ("an end that did not last", "I7", |it| {
        it.told[0].seen.push("processing".to_owned())
    }),
];

#[test]
fn every_bad_history_is_found() {
    for (name, rule, spoil) in BAD {
        let mut history = good();
        spoil(&mut history);
        let found = judge(&history);
        assert!(
            found.iter().any(|breach| breach.rule == rule),
            "{name}: {found:?}"
        );
    }
}

#[test]
fn a_job_may_be_given_up_after_three_deaths_and_an_open_request_may_have_made_one() {
    let mut history = good();
    let mut dead = row("c", "prediction", "failed");
    dead.dead = Some("quarantined".to_owned());
    dead.run = 3;
    dead.restarts = 3;
    dead.history = (1..=3).map(|run| (run, "worker_lost".to_owned())).collect();
    history.record.jobs[3] = dead;
    history.told[3].seen = vec!["failed".to_owned()];
    history.record.jobs.push(row("x", "prediction", "canceled"));
    history.unknown = 1;
    assert_eq!(judge(&history), []);
    history.record.jobs[3].history.truncate(1);
    assert!(!judge(&history).is_empty());
}

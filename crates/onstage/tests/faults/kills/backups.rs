//! F43: backups are made of a server under load, and each is restored elsewhere and read.

use super::{
    at_random::{history, tell},
    caller::Dice,
    judge::Told,
    load::Load,
    stage::{self, Stage},
};
use crate::experiment::Experiment;
use serde_json::json;
use std::{collections::BTreeSet, time::Instant};

/// Jobs that are acknowledged before a backup begins.
const JOBS: u64 = 10;
/// Apart from the numbers of everybody else's jobs.
const NUMBERS_FROM: u64 = 4_000_000_000;

#[tokio::test]
async fn f43_a_backup_made_under_load_lacks_nothing_that_was_acknowledged() {
    let title = "backups of a server under load, each restored elsewhere";
    let mut it = Experiment::new("F43", title, 30, 2);
    let stage = Stage::open("300ms").await;
    let load = Load::begin(&stage, Dice::new(it.random(u64::MAX)), 6);
    let (mut acknowledged, mut told) = (BTreeSet::new(), Vec::new());
    for round in 0..it.rounds() as u64 {
        for n in NUMBERS_FROM + round * JOBS..NUMBERS_FROM + (round + 1) * JOBS {
            let body = json!({"input": {"n": n}});
            let path = "/v1/models/lab/kept/predictions";
            let (_, made) = stage
                .caller
                .submit(path, &body, &format!("backup {n}"))
                .await;
            let id = made["id"].as_str().unwrap().to_owned();
            acknowledged.insert(id.clone());
            told.push(Told {
                id,
                kind: "prediction",
                n,
                ..Told::default()
            });
        }
        one_backup(&mut it, &stage, &acknowledged).await;
    }
    let mut outcome = load.end().await;
    for job in &told {
        let path = format!("/v1/predictions/{}", job.id);
        stage.world.finished(&path).await;
    }
    outcome.told.extend(told);
    let (notes, record) = (stage.ledger(), stage.close().await);
    tell(&mut it, &outcome, &history(&outcome, &notes, record));
    it.end();
}

async fn one_backup(it: &mut Experiment, stage: &Stage, acknowledged: &BTreeSet<String>) {
    let place = stage.world.folder.path().join("backups");
    let back = stage.world.folder.path().join("back");
    let (place, there) = (place.to_str().unwrap(), back.to_str().unwrap());
    let began = Instant::now();
    stage.world.ok_json(&["backup", place]).await;
    it.ms_at_most("backup_max", began.elapsed(), f64::MAX);
    let restore = ["restore", place, "--data", there];
    stage.world.ok_json(&restore).await;
    let record = stage::left_in(&back);
    std::fs::remove_dir_all(&back).unwrap();
    it.check(record.whole, || {
        "the restored database is damaged".to_owned()
    });
    for blob in record.blobs.iter().filter(|blob| blob.is != "right") {
        it.check(false, || {
            format!("restored, blob `{}` is {}", blob.key, blob.is)
        });
    }
    let there: BTreeSet<&str> = record.jobs.iter().map(|row| &*row.id).collect();
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|id| !there.contains(&***id))
        .collect();
    it.check(lost.is_empty(), || format!("not in the backup: {lost:?}"));
    it.counted("jobs_restored", record.jobs.len());
    it.counted("blobs_restored", record.blobs.len());
}

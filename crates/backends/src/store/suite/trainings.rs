//! Cases for trainings: their own queue, their checkpoints, and the end that makes a version.
//! Each starts with an empty store.

use super::make::{self, at, id, kind_of, name, new_version, owner, page, version};
use onstage_core::{
    Kind,
    job::{JobFilter, JobKind, JobOutput, JobSpec, JobState, Lease, NewJob},
    parcel::Parcel,
    ports::Store,
    task::Lane,
    training::{Checkpoint, Lineage, Trained, TrainingSpec},
    value::Stored,
};
use std::collections::BTreeMap;

fn spec() -> TrainingSpec {
    TrainingSpec {
        input: Stored::Inline("{\"epochs\":3}".to_owned()),
        parameters: "{\"epochs\":3}".to_owned(),
        datasets: Vec::new(),
        destination: name("lab/age"),
        promote: true,
        gates: vec!["accuracy >= 0.5".parse().unwrap()],
        seed: 7,
        resume: None,
    }
}

pub(super) fn training(text: &str) -> NewJob {
    NewJob {
        spec: JobSpec::Training(Box::new(spec())),
        ..make::new_job(text)
    }
}

fn parcel(text: &str) -> Parcel {
    Parcel {
        blob: make::blob(&format!("jobs/1/run-1/{text}")),
        name: format!("{text}.pt"),
        is_folder: text.ends_with('d'),
    }
}

fn checkpoint(number: u32) -> Checkpoint {
    Checkpoint {
        number,
        run: 1,
        parcel: parcel(&format!("checkpoint-{number}")),
        created_at: at(200 + i64::from(number)),
    }
}

pub(super) fn trained(text: &str) -> Trained {
    let metrics = BTreeMap::from([("accuracy".to_owned(), 0.9)]);
    let lineage = Lineage {
        training: id("1"),
        trainer: version("v-one"),
        trainer_model: name("lab/age"),
        trainer_number: 1,
        datasets: vec!["labels@v2".parse().unwrap()],
        parameters: "{\"epochs\":3}".to_owned(),
        seed: 7,
        code_sha256: "ab".repeat(32),
        environment_sha256: None,
        resumed: None,
        runs: 1,
        seconds: 1.5,
        metrics: metrics.clone(),
    };
    let mut version = new_version("lab/age", text);
    version.weights = Some(parcel("weights"));
    version.lineage = Some(lineage);
    Trained {
        version,
        weights: parcel("weights"),
        metrics,
        held_back: None,
    }
}

async fn claimed(store: &dyn Store, text: &str) -> Lease {
    store.submit(training(text)).await.unwrap();
    let job = store
        .claim_training(&version("v-one"), &owner("me"), at(150))
        .await
        .unwrap();
    job.unwrap().lease().unwrap()
}

pub(super) async fn trainings_have_a_queue_of_their_own(store: &dyn Store) {
    make::put_off(store, training("1"), 1_000).await;
    store.submit(make::new_job("2")).await.unwrap();
    let demand = store.demand(at(1_000)).await.unwrap();
    let lanes: Vec<(Lane, u64)> = demand.iter().map(|one| (one.lane, one.queued)).collect();
    assert_eq!(lanes, [(Lane::Jobs, 1), (Lane::Trainings, 1)]);
    let (one, me) = (version("v-one"), owner("me"));
    let jobs = store.claim(&one, &me, 9, at(1_000)).await.unwrap();
    assert_eq!(
        make::ids(jobs.iter().map(|job| &job.id)),
        [id("2").to_string()]
    );
    let early = store.claim_training(&one, &me, at(999)).await.unwrap();
    assert!(early.is_none(), "not before its time");
    let job = store
        .claim_training(&one, &me, at(1_000))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(job.id, id("1"));
    assert_eq!(job.spec, JobSpec::Training(Box::new(spec())));
    let again = store.claim_training(&one, &me, at(1_000)).await.unwrap();
    assert!(again.is_none());
    let filter = JobFilter {
        kind: Some(JobKind::Training),
        ..JobFilter::default()
    };
    let listed = store.jobs(&filter, page(9)).await.unwrap();
    assert_eq!(listed.rows, [job]);
}

pub(super) async fn the_last_checkpoints_are_kept(store: &dyn Store) {
    let lease = claimed(store, "1").await;
    for number in 1..=2 {
        let forgotten = store.commit_checkpoint(&lease, checkpoint(number), 2).await;
        assert_eq!(forgotten.unwrap(), []);
    }
    let other = Checkpoint {
        parcel: parcel("other"),
        ..checkpoint(2)
    };
    store.commit_checkpoint(&lease, other, 2).await.unwrap();
    let kept = store.checkpoints(&id("1")).await.unwrap();
    assert_eq!(kept, [checkpoint(1), checkpoint(2)], "the first stays");
    let forgotten = store.commit_checkpoint(&lease, checkpoint(3), 2).await;
    assert_eq!(forgotten.unwrap(), [checkpoint(1)]);
    let kept = store.checkpoints(&id("1")).await.unwrap();
    assert_eq!(kept, [checkpoint(2), checkpoint(3)]);
    store
        .finish(&lease, make::output("1"), &make::policy(), 0.0, at(300))
        .await
        .unwrap();
    let late = store.commit_checkpoint(&lease, checkpoint(4), 2).await;
    assert_eq!(kind_of(late), Kind::Lost);
    assert_eq!(store.checkpoints(&id("1")).await.unwrap().len(), 2);
    store.delete_job(&id("1")).await.unwrap();
    assert_eq!(store.checkpoints(&id("1")).await.unwrap(), []);
    let gone = store.commit_checkpoint(&lease, checkpoint(5), 2).await;
    assert_eq!(kind_of(gone), Kind::Lost);
}

pub(super) async fn the_end_of_a_training_makes_its_version(store: &dyn Store) {
    store
        .add_version(new_version("lab/age", "v-one"))
        .await
        .unwrap();
    let lease = claimed(store, "1").await;
    let job = store
        .finish_training(&lease, trained("new"), at(300))
        .await
        .unwrap();
    let JobState::Succeeded { output, .. } = &job.state else {
        panic!("{:?}", job.state)
    };
    let JobOutput::Training { version_number, .. } = output else {
        panic!("{output:?}")
    };
    assert_eq!(*version_number, 2);
    assert_eq!(store.job(&id("1")).await.unwrap(), Some(job));
    let made = store.version(&version("new")).await.unwrap().unwrap();
    let wanted = trained("new").version;
    assert_eq!(
        (made.weights, made.lineage),
        (wanted.weights, wanted.lineage)
    );
    assert_eq!(made.state.name(), "building");
    let again = store
        .finish_training(&lease, trained("twice"), at(301))
        .await;
    assert_eq!(kind_of(again), Kind::Lost);
    let versions = store.versions(&name("lab/age")).await.unwrap();
    assert_eq!(versions.len(), 2, "never two of one training");
}

pub(super) async fn a_training_without_a_model_makes_nothing(store: &dyn Store) {
    let lease = claimed(store, "1").await;
    let mut elsewhere = trained("new");
    elsewhere.version.model = name("lab/gone");
    let refused = store.finish_training(&lease, elsewhere, at(300)).await;
    assert_eq!(kind_of(refused), Kind::NotFound);
    let job = store.job(&id("1")).await.unwrap().unwrap();
    assert_eq!(job.state.name(), "running", "neither happened");
    assert_eq!(store.version(&version("new")).await.unwrap(), None);
}

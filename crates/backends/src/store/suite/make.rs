//! Records for tests, small and different from each other where a test says so.
//! Must not know a store.

use onstage_core::{
    Id, Kind, ModelName, Result, Timestamp,
    batch::{BatchSpec, Chunk, Counts, TableFormat},
    event::{EventKind, NewEvent},
    fair::Urgency,
    feedback::Feedback,
    file::File,
    job::{Idempotency, Job, JobOutput, JobSpec, Lease, NewJob},
    lifecycle::{Beat, RetryPolicy, RunEnd},
    model::{Model, NewVersion, VersionId},
    outcome::{Failure, Phase, Reason},
    people::{Credential, CredentialKind, Role},
    ports::{Cursor, Page, Store},
    prediction::{PredictionEnd, PredictionRecord},
    task::{Incarnation, Lane, Task},
    value::{BlobRef, Stored},
};
use std::collections::BTreeMap;

pub(in crate::store) fn at(ms: i64) -> Timestamp {
    Timestamp(ms)
}

pub(in crate::store) fn id(name: &str) -> Id {
    format!("id-{name:0>8}").parse().unwrap()
}

pub(in crate::store) fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

pub(in crate::store) fn version(text: &str) -> VersionId {
    VersionId(text.to_owned())
}

pub(in crate::store) fn owner(text: &str) -> Incarnation {
    Incarnation(text.to_owned())
}

pub(in crate::store) fn page(limit: u32) -> Page {
    Page { after: None, limit }
}

pub(in crate::store) fn after(created_at: i64, id: &Id, limit: u32) -> Page {
    Page {
        after: Some(Cursor::of(at(created_at), id)),
        limit,
    }
}

pub(in crate::store) fn blob(key: &str) -> BlobRef {
    BlobRef {
        key: key.to_owned(),
        size_bytes: 7,
        sha256: "ab".repeat(32),
    }
}

pub(in crate::store) fn model(text: &str) -> Model {
    Model {
        title: "Age".to_owned(),
        about: "Guesses ages".to_owned(),
        ..Model::new(name(text), at(5))
    }
}

/// The models of the jobs and predictions that are made here.
pub(in crate::store) async fn models(store: &dyn Store) {
    for text in ["lab/age", "lab/sex"] {
        store.ensure_model(model(text)).await.unwrap();
    }
}

pub(in crate::store) fn new_version(model: &str, text: &str) -> NewVersion {
    let config = serde_json::json!({"model": {"name": "age"}});
    NewVersion {
        id: version(text),
        model: name(model),
        bundle: blob(&format!("bundles/{text}")),
        config: serde_json::from_value(config).unwrap(),
        examples: "[]".to_owned(),
        promote_when_ready: true,
        created_at: at(10),
        weights: None,
        lineage: None,
    }
}

pub(in crate::store) fn new_job(text: &str) -> NewJob {
    NewJob {
        id: id(text),
        model: name("lab/age"),
        version: version("v-one"),
        version_number: 1,
        spec: JobSpec::Prediction {
            input: Stored::Inline("{\"n\":1}".to_owned()),
            datasets: Vec::new(),
        },
        urgency: Urgency::default(),
        webhook: None,
        by: id("person"),
        source: "api".to_owned(),
        created_at: at(100),
        claimed_by: None,
        idempotency: None,
    }
}

pub(in crate::store) fn new_batch(text: &str) -> NewJob {
    NewJob {
        spec: JobSpec::Batch(BatchSpec {
            table: blob("files/table"),
            table_name: "table.csv".to_owned(),
            format: TableFormat::Csv,
            map: BTreeMap::new(),
            label: None,
            limit_rows: None,
            only_rows_of: None,
            files: None,
            dataset: None,
        }),
        ..new_job(text)
    }
}

pub(in crate::store) fn keyed(text: &str, key: &str, body: &str) -> NewJob {
    NewJob {
        idempotency: Some(Idempotency {
            scope: "person lab/age".to_owned(),
            key: key.to_owned(),
            body_sha256: body.to_owned(),
        }),
        ..new_job(text)
    }
}

pub(in crate::store) fn prediction(text: &str) -> PredictionRecord {
    PredictionRecord {
        id: id(text),
        model: name("lab/age"),
        version: version("v-one"),
        version_number: 1,
        input: Stored::Inline("{}".to_owned()),
        end: PredictionEnd::Output(Stored::Inline("4".to_owned())),
        logs: "hello".to_owned(),
        predict_ms: 1.5,
        queue_ms: 0.25,
        by: id("person"),
        source: "page".to_owned(),
        created_at: at(1),
        started_at: at(2),
        completed_at: at(3),
    }
}

pub(in crate::store) fn credential(text: &str, kind: CredentialKind) -> Credential {
    Credential {
        id: id(text),
        kind,
        secret_sha256: format!("secret of {text}"),
        role: Role::Stakeholder,
        name: "Kim".to_owned(),
        created_at: at(1),
        expires_at: None,
        last_used_at: None,
    }
}

pub(in crate::store) fn feedback(text: &str, prediction: &str, who: &str) -> Feedback {
    Feedback {
        id: id(text),
        prediction: id(prediction),
        model: name("lab/age"),
        version_number: 1,
        rating: Some(-1),
        reason: Some("wrong".to_owned()),
        comment: None,
        correction: Some("5".to_owned()),
        who: id(who),
        input: Some("{}".to_owned()),
        output: Some("4".to_owned()),
        created_at: at(50),
    }
}

pub(in crate::store) fn file(text: &str) -> File {
    File {
        id: id(text),
        name: "photo.jpg".to_owned(),
        media_type: "image/jpeg".to_owned(),
        blob: blob(&format!("files/{text}")),
        metadata: "{}".to_owned(),
        by: id("person"),
        created_at: at(9),
    }
}

pub(in crate::store) fn task(text: &str) -> Task {
    Task {
        id: id(text),
        version: version("v-one"),
        incarnation: owner("me"),
        host: "here".to_owned(),
        pid: 4_000_000_000,
        started_at: at(1),
        ended_at: None,
        end: None,
        beat: 0,
    }
}

/// A chunk of these rows, all answered.
pub(in crate::store) fn chunk_of(rows: std::ops::Range<u64>, run: u32) -> Chunk {
    Chunk {
        index: rows.start,
        first_row: rows.start,
        rows: rows.end - rows.start,
        counts: Counts {
            done: rows.end - rows.start,
            ..Counts::default()
        },
        ..chunk(0, run)
    }
}

pub(in crate::store) fn chunk(index: u64, run: u32) -> Chunk {
    Chunk {
        index,
        first_row: index * 100,
        rows: 100,
        counts: Counts {
            done: 98,
            failed: 2,
            matched: 50,
        },
        blob: blob(&format!("runs/{run}/{index}")),
        run,
    }
}

pub(in crate::store) fn event(data: &str) -> NewEvent {
    NewEvent {
        kind: EventKind::Log,
        at: at(77),
        data: data.to_owned(),
    }
}

pub(in crate::store) fn output(value: &str) -> RunEnd {
    RunEnd::Succeeded(JobOutput::Prediction {
        output: Stored::Inline(value.to_owned()),
        predict_ms: 12,
    })
}

pub(in crate::store) fn lost_worker() -> Failure {
    Failure::new(Reason::WorkerLost, "the worker died")
}

pub(in crate::store) fn policy() -> RetryPolicy {
    RetryPolicy {
        retries: 2,
        retry_on: vec![Reason::Timeout],
    }
}

pub(in crate::store) fn beat() -> Beat {
    Beat {
        phase: Phase::Running,
        progress: None,
    }
}

pub(in crate::store) fn kind_of<T: std::fmt::Debug>(outcome: Result<T>) -> Kind {
    outcome.expect_err("this must be refused").kind
}

/// Submits a job and claims it.
pub(in crate::store) async fn claimed(store: &dyn Store, text: &str) -> Lease {
    store.submit(new_job(text)).await.unwrap();
    claim_again(store, &id(text), 200).await.lease().unwrap()
}

/// Submits a job that is due at `until` only: its first run has failed half a second before. No other may be due then.
pub(in crate::store) async fn put_off(store: &dyn Store, new: NewJob, until: i64) {
    let (version, me, now) = (new.version.clone(), owner("me"), at(until - 500));
    let lane = Lane::of(new.spec.kind());
    store.submit(new).await.unwrap();
    let claimed = match lane {
        Lane::Jobs => store.claim(&version, &me, 1, now).await.unwrap(),
        Lane::Trainings => {
            let training = store.claim_training(&version, &me, now).await.unwrap();
            training.into_iter().collect()
        }
    };
    let lease = claimed[0].lease().unwrap();
    let late = RunEnd::Failed(Failure::new(Reason::Timeout, "it took too long"));
    let finished = store.finish(&lease, late, &policy(), 0.5, now).await;
    assert_eq!(finished.unwrap().state.name(), "queued");
}

/// Claims whatever is due until the job comes up.
pub(in crate::store) async fn claim_again(store: &dyn Store, job: &Id, now: i64) -> Job {
    let jobs = store
        .claim(&version("v-one"), &owner("me"), 100, at(now))
        .await
        .unwrap();
    jobs.into_iter().find(|found| found.id == *job).unwrap()
}

/// The ids of a list, for comparing.
pub(in crate::store) fn ids<'a>(rows: impl IntoIterator<Item = &'a Id>) -> Vec<String> {
    rows.into_iter().map(ToString::to_string).collect()
}

//! A store and blobs that stop answering at a chosen durable write, as if the process had been killed there.
//! Everything else goes through to the real ones.

use async_trait::async_trait;
use bytes::Bytes;
use onstage_core::{
    Id, ModelName, Result, Timestamp,
    batch::Chunk,
    dataset::{Dataset, DatasetName, DatasetRef, DatasetVersion, NewDatasetVersion},
    event::{Event, NewEvent},
    feedback::{Feedback, FeedbackFilter},
    file::File,
    job::{Idempotency, Job, JobFilter, JobKind, Lease, NewJob},
    lifecycle::{Beat, RetryPolicy, RunEnd},
    model::{Model, NewVersion, Version, VersionId, VersionState},
    outcome::Failure,
    people::{Credential, CredentialKind},
    ports::{
        AppState, BlobReader, BlobWriter, Blobs, Catalog, Datasets, Demand, FeedbackBook, Files,
        Finished, Jobs, Listed, Outbox, Page, People, Predictions, PutLink, RunningJob, Schedules,
        StateOp, Store, Submitted, Tasks, Uploads, UsageBook,
    },
    prediction::{Forgotten, PredictionFilter, PredictionRecord, RecordPart},
    schedule::Schedule,
    shares::{ShareStep, Shares},
    task::{Incarnation, Task},
    training::{Checkpoint, Trained},
    upload::{Made, Upload, UploadPart},
    usage::{Dimension, Usage, UsageFilter, UsageSum},
    value::BlobRef,
    webhook::{Fate, Message},
};
use std::{
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Notify;

/// Whether the process dies before the write happens, or after it did and before its caller hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

/// A durable write: the name of its verb, and the how-manieth of that verb it is, from 0.
pub(crate) type Step = (&'static str, usize);

/// Where the process dies.
pub(crate) struct Cut {
    at: Option<(Step, Moment)>,
    /// Every durable write that was begun.
    pub(crate) steps: Mutex<Vec<Step>>,
    dead: AtomicBool,
    died: Notify,
}

/// Writes that leave something durable. Beats are left out: they only count up.
const DURABLE: [&str; 12] = [
    "register_task",
    "claim",
    "claim_training",
    "commit_chunk",
    "commit_checkpoint",
    "ensure_model",
    "finish_training",
    "finish",
    "finish_all",
    "append_events",
    "end_task",
    "put",
];

impl Cut {
    pub(crate) fn at(at: Option<(Step, Moment)>) -> Arc<Self> {
        Arc::new(Self {
            at,
            steps: Mutex::default(),
            dead: AtomicBool::new(false),
            died: Notify::new(),
        })
    }

    pub(crate) async fn died(&self) {
        self.died.notified().await;
    }

    async fn around<T>(&self, name: &'static str, call: impl Future<Output = T>) -> T {
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if !DURABLE.contains(&name) {
            return call.await;
        }
        let step = self.begin(name);
        if self.at == Some((step, Moment::Before)) {
            self.die().await;
        }
        let done = call.await;
        if self.at == Some((step, Moment::After)) {
            self.die().await;
        }
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        done
    }

    fn begin(&self, name: &'static str) -> Step {
        let mut steps = self.steps.lock().unwrap();
        let step = (name, steps.iter().filter(|step| step.0 == name).count());
        steps.push(step);
        step
    }

    async fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
        std::future::pending::<()>().await;
    }
}

pub(crate) struct CutStore(pub(crate) Arc<dyn Store>, pub(crate) Arc<Cut>);

macro_rules! through {
    ($port:ident { $( $name:ident($($arg:ident: $kind:ty),*) -> $answer:ty; )* }) => {
        #[async_trait]
        impl $port for CutStore {
            $( async fn $name(&self, $($arg: $kind),*) -> $answer {
                self.1.around(stringify!($name), self.0.$name($($arg),*)).await
            } )*
        }
    };
}

through!(Catalog {
    ensure_model(model: Model) -> Result<Model>;
    model(name: &ModelName) -> Result<Option<Model>>;
    models(page: Page<String>) -> Result<Listed<Model, String>>;
    update_model(model: Model) -> Result<Model>;
    delete_model(name: &ModelName) -> Result<()>;
    add_version(new: NewVersion) -> Result<(Version, bool)>;
    version(id: &VersionId) -> Result<Option<Version>>;
    versions(model: &ModelName) -> Result<Vec<Version>>;
    building() -> Result<Vec<Version>>;
    set_version_state(id: &VersionId, state: VersionState) -> Result<Version>;
    catalog_revision() -> Result<u64>;
});
through!(Jobs {
    submit(new: NewJob) -> Result<Submitted>;
    submission(key: &Idempotency, now: Timestamp) -> Result<Option<Job>>;
    job(id: &Id) -> Result<Option<Job>>;
    jobs(filter: &JobFilter, page: Page) -> Result<Listed<Job>>;
    finished(completed: Range<Timestamp>, page: Page) -> Result<Listed<Finished>>;
    claim(version: &VersionId, owner: &Incarnation, limit: u32, now: Timestamp) -> Result<Vec<Job>>;
    claim_training(version: &VersionId, owner: &Incarnation, now: Timestamp) -> Result<Option<Job>>;
    commit_checkpoint(lease: &Lease, checkpoint: Checkpoint, keep: u32) -> Result<Vec<Checkpoint>>;
    checkpoints(job: &Id) -> Result<Vec<Checkpoint>>;
    finish_training(lease: &Lease, trained: Trained, now: Timestamp) -> Result<Job>;
    help(version: &VersionId, owner: &Incarnation) -> Result<Option<(Job, Lease)>>;
    share(lease: &Lease, step: ShareStep) -> Result<Option<Shares>>;
    shares(job: &Id) -> Result<Option<Shares>>;
    beat(lease: &Lease, said: Beat) -> Result<bool>;
    commit_chunk(lease: &Lease, chunk: Chunk) -> Result<()>;
    chunks(job: &Id) -> Result<Vec<Chunk>>;
    finish(lease: &Lease, end: RunEnd, policy: &RetryPolicy, jitter: f64, now: Timestamp) -> Result<Job>;
    finish_all(ends: Vec<(Lease, RunEnd)>, policy: &RetryPolicy, jitter: f64, now: Timestamp) -> Result<Vec<Result<Job>>>;
    expire(lease: &Lease, observed: u64, failure: Failure, now: Timestamp) -> Result<Job>;
    request_cancel(id: &Id, now: Timestamp) -> Result<Job>;
    running() -> Result<Vec<RunningJob>>;
    demand(now: Timestamp) -> Result<Vec<Demand>>;
    next_due(now: Timestamp) -> Result<Option<Timestamp>>;
    waits(version: &VersionId, kind: JobKind, now: Timestamp) -> Result<bool>;
    ahead(job: &Job) -> Result<u64>;
    append_events(job: &Id, lease: Option<&Lease>, events: Vec<NewEvent>) -> Result<u64>;
    events(job: &Id, after: u64, limit: u32) -> Result<Vec<Event>>;
    delete_job(id: &Id) -> Result<()>;
});
through!(Schedules {
    add_schedule(schedule: Schedule) -> Result<()>;
    schedule(id: &Id) -> Result<Option<Schedule>>;
    schedules(model: Option<&ModelName>, page: Page) -> Result<Listed<Schedule>>;
    soonest_schedules(limit: u32) -> Result<Vec<Schedule>>;
    update_schedule(schedule: Schedule) -> Result<Schedule>;
    remove_schedule(id: &Id) -> Result<()>;
});
through!(Outbox {
    take_messages(limit: u32, now: Timestamp, until: Timestamp) -> Result<Vec<Message>>;
    settle_message(message: &Message, fate: Fate, failure: Option<String>) -> Result<()>;
    dead_messages(page: Page) -> Result<Listed<Message>>;
    revive_messages(job: &Id, now: Timestamp) -> Result<u64>;
});
through!(Tasks {
    register_task(task: Task) -> Result<()>;
    beat_task(id: &Id, incarnation: &Incarnation) -> Result<()>;
    end_task(id: &Id, why: &str, now: Timestamp) -> Result<()>;
    tasks(page: Page) -> Result<Listed<Task>>;
});
through!(Predictions {
    record(predictions: Vec<PredictionRecord>) -> Result<()>;
    prediction(id: &Id) -> Result<Option<PredictionRecord>>;
    predictions(filter: &PredictionFilter, page: Page) -> Result<Listed<PredictionRecord>>;
    delete_prediction(id: &Id) -> Result<()>;
    run_count(model: &ModelName) -> Result<u64>;
    forget(model: &ModelName, part: RecordPart, created: Range<Timestamp>, limit: u32) -> Result<Vec<Forgotten>>;
});
through!(UsageBook {
    add_usage(usage: Vec<Usage>) -> Result<()>;
    usage(filter: &UsageFilter, by: &[Dimension]) -> Result<Vec<UsageSum>>;
});
through!(People {
    add_credential(credential: Credential) -> Result<()>;
    credential(secret_sha256: &str) -> Result<Option<Credential>>;
    take_credential(secret_sha256: &str) -> Result<Option<Credential>>;
    credentials(kind: CredentialKind, page: Page) -> Result<Listed<Credential>>;
    remove_credential(id: &Id) -> Result<()>;
    touch_credential(id: &Id, now: Timestamp) -> Result<()>;
    sweep_credentials(now: Timestamp) -> Result<u64>;
});
through!(FeedbackBook {
    put_feedback(feedback: Feedback) -> Result<Feedback>;
    feedback(filter: &FeedbackFilter, page: Page) -> Result<Listed<Feedback>>;
});
through!(Files {
    add_file(file: File) -> Result<()>;
    file(id: &Id) -> Result<Option<File>>;
    files(page: Page) -> Result<Listed<File>>;
    remove_file(id: &Id) -> Result<File>;
});
through!(Uploads {
    add_upload(upload: Upload) -> Result<()>;
    upload(id: &Id) -> Result<Option<(Upload, Vec<UploadPart>)>>;
    put_part(id: &Id, part: UploadPart, now: Timestamp) -> Result<Option<BlobRef>>;
    complete_upload(id: &Id, made: Made) -> Result<()>;
    remove_upload(id: &Id) -> Result<()>;
    idle_uploads(since: Timestamp, limit: u32) -> Result<Vec<Id>>;
});
through!(Datasets {
    add_dataset_version(new: NewDatasetVersion) -> Result<(DatasetVersion, bool)>;
    dataset(name: &DatasetName) -> Result<Option<Dataset>>;
    dataset_version(which: &DatasetRef) -> Result<Option<DatasetVersion>>;
    datasets(page: Page<String>) -> Result<Listed<Dataset, String>>;
    dataset_versions(name: &DatasetName, page: Page<u32>) -> Result<Listed<DatasetVersion, u32>>;
    remove_dataset_version(which: &DatasetRef) -> Result<(DatasetVersion, bool)>;
});
through!(AppState {
    state(space: &str, key: &str, op: StateOp) -> Result<String>;
});

pub(crate) struct CutBlobs(pub(crate) Arc<dyn Blobs>, pub(crate) Arc<Cut>);

struct CutWriter(Box<dyn BlobWriter>, Arc<Cut>);

struct CutReader(Box<dyn BlobReader>, Arc<Cut>);

#[async_trait]
impl BlobReader for CutReader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        self.1.around("read", self.0.next()).await
    }
}

#[async_trait]
impl Blobs for CutBlobs {
    async fn writer(&self, key: &str) -> Result<Box<dyn BlobWriter>> {
        let writer = self.1.around("writer", self.0.writer(key)).await?;
        Ok(Box::new(CutWriter(writer, self.1.clone())))
    }

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.1.around("read", self.0.read(key, range)).await
    }

    fn reader(&self, key: &str, range: Range<u64>, bytes: u64) -> Result<Box<dyn BlobReader>> {
        let reader = self.0.reader(key, range, bytes)?;
        Ok(Box::new(CutReader(reader, self.1.clone())))
    }

    async fn size(&self, key: &str) -> Result<u64> {
        self.1.around("size", self.0.size(key)).await
    }

    async fn fetch(&self, blob: &BlobRef, to: &Path) -> Result<()> {
        self.1.around("fetch", self.0.fetch(blob, to)).await
    }

    fn gives_links(&self) -> bool {
        self.0.gives_links()
    }

    async fn put_link(&self, blob: &BlobRef, lasts: std::time::Duration) -> Result<PutLink> {
        self.1
            .around("put_link", self.0.put_link(blob, lasts))
            .await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.1.around("delete", self.0.delete(key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        self.1.around("list", self.0.list(prefix)).await
    }
}

#[async_trait]
impl BlobWriter for CutWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.1.around("write", self.0.write(bytes)).await
    }

    async fn finish(self: Box<Self>) -> Result<BlobRef> {
        self.1.around("put", self.0.finish()).await
    }
}

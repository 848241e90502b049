//! The store: records, as domain verbs grouped by what they are about.
//!
//! Every write that changes a job or a model is a compare-and-set on what was read; zero rows changed means somebody else was first.
//! Answers of lists and of `demand` and `running` are hints and may lag; conditions re-check them. No transaction spans two calls.
//! Errors: not found, conflict, lost (a lease), unavailable (the database does not answer, safe to retry), full (no space left).

use super::{Listed, Page};
use crate::{
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
    prediction::{Forgotten, PredictionFilter, PredictionRecord, RecordPart},
    schedule::Schedule,
    shares::{ShareStep, Shares},
    task::{Incarnation, Lane, Task},
    training::{Checkpoint, Trained},
    upload::{Made, Upload, UploadPart},
    usage::{Dimension, Usage, UsageFilter, UsageSum},
    value::BlobRef,
    webhook::{Fate, Message},
};
use async_trait::async_trait;
use std::ops::Range;

/// Everything.
pub trait Store:
    Catalog
    + Jobs
    + Outbox
    + Schedules
    + Tasks
    + Predictions
    + People
    + FeedbackBook
    + Files
    + Uploads
    + Datasets
    + AppState
    + UsageBook
{
}
impl<T> Store for T where
    T: Catalog
        + Jobs
        + Outbox
        + Schedules
        + Tasks
        + Predictions
        + People
        + FeedbackBook
        + Files
        + Uploads
        + Datasets
        + AppState
        + UsageBook
{
}

/// Models and versions.
#[async_trait]
pub trait Catalog: Send + Sync + 'static {
    /// Makes the model when it is not there; answers what is there.
    async fn ensure_model(&self, model: Model) -> Result<Model>;
    async fn model(&self, name: &ModelName) -> Result<Option<Model>>;
    /// By name, ascending; the cursor is a name.
    async fn models(&self, page: Page<String>) -> Result<Listed<Model, String>>;
    /// Changes title, about, live, previous and aliases when the record still has `model.revision`; answers it with the next revision. Conflict
    /// otherwise, also when an alias would come to point at what is no version of the model, or what goes live is no ready one.
    async fn update_model(&self, model: Model) -> Result<Model>;
    /// Removes the model with its versions, predictions, finished jobs and feedback. Conflict while jobs are queued or running.
    /// Goes in small commits, the model's own record last: broken off, it is continued by the next call.
    async fn delete_model(&self, name: &ModelName) -> Result<()>;
    /// Adds a version in state building, numbered after the highest; the bool is false when the same id was there already (a deleted or failed one goes back to building, keeping its number).
    async fn add_version(&self, new: NewVersion) -> Result<(Version, bool)>;
    async fn version(&self, id: &VersionId) -> Result<Option<Version>>;
    /// Newest first.
    async fn versions(&self, model: &ModelName) -> Result<Vec<Version>>;
    /// All versions in state building, oldest first.
    async fn building(&self) -> Result<Vec<Version>>;
    /// Building → any, ready or failed → deleted, ready → ready and withdrawn; anything else is a conflict, and so is to delete a version that
    /// is live or that an alias points at.
    async fn set_version_state(&self, id: &VersionId, state: VersionState) -> Result<Version>;
    /// A number that changes whenever a model or version does: what watchers poll cheaply.
    async fn catalog_revision(&self) -> Result<u64>;
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    pub job: Job,
    /// False when the idempotency key was known and the job is the one submitted before.
    pub new: bool,
}

/// How much work a version has in one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    pub version: VersionId,
    pub lane: Lane,
    /// Queued and due, counted up to `fair::QUEUE_COUNTED_MAX` of each kind.
    pub queued: u64,
    pub running: u64,
    /// Tasks more that its running batch jobs have use for.
    pub help: u64,
    /// Tasks that help with them.
    pub helpers: u64,
    pub oldest_queued_at: Option<Timestamp>,
}

impl Demand {
    /// Whether another task would have something to do.
    pub fn wants_tasks(&self) -> bool {
        self.queued + self.help > 0
    }
}

/// A running job as the reaper watches it; each task that helps with one is watched like a run of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningJob {
    pub lease: Lease,
    pub version: VersionId,
    pub beat: u64,
}

/// A job that has ended, as the sweep of left-over blobs sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub id: Id,
    /// The run that won.
    pub run: u32,
    pub completed_at: Timestamp,
}

/// Durable queued work.
#[async_trait]
pub trait Jobs: Send + Sync + 'static {
    /// Durable when answered. Conflict when the idempotency key was used with another body; not found when its model is gone.
    async fn submit(&self, new: NewJob) -> Result<Submitted>;
    /// The job that was submitted with the key, while that is known. Conflict when it was used with another body.
    async fn submission(&self, key: &Idempotency, now: Timestamp) -> Result<Option<Job>>;
    async fn job(&self, id: &Id) -> Result<Option<Job>>;
    async fn jobs(&self, filter: &JobFilter, page: Page) -> Result<Listed<Job>>;
    /// Jobs that ended within a span of time and may have left blobs behind, as little of each as a sweep needs, ordered by their end:
    /// those that were run more than once, and all that are no predictions.
    async fn finished(&self, completed: Range<Timestamp>, page: Page) -> Result<Listed<Finished>>;
    /// Claims up to `limit` due jobs of a version that are no trainings, each by compare-and-set: people take turns (`fair::in_turn`), and of one person the
    /// most urgent come first, then the oldest.
    /// One whose record is damaged is ended as failed and the next one claimed in its place.
    async fn claim(
        &self,
        version: &VersionId,
        owner: &Incarnation,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Job>>;
    /// Claims the version's next training that is due, in the same way.
    async fn claim_training(
        &self,
        version: &VersionId,
        owner: &Incarnation,
        now: Timestamp,
    ) -> Result<Option<Job>>;
    /// Lets a task help with a running batch job of the version that has use for it; answers the job and the helper's lease on
    /// its run. With that lease it may beat, take shares, commit chunks of them and append events; it cannot end the run.
    async fn help(&self, version: &VersionId, owner: &Incarnation) -> Result<Option<(Job, Lease)>>;
    /// What `shares::step` does; answers the record as it then is.
    async fn share(&self, lease: &Lease, step: ShareStep) -> Result<Option<Shares>>;
    /// How the rows of a job are shared out, while they are.
    async fn shares(&self, job: &Id) -> Result<Option<Shares>>;
    /// A sign of life under the lease; answers whether cancelling was asked for. A helper's says nothing of phase and progress.
    async fn beat(&self, lease: &Lease, said: Beat) -> Result<bool>;
    /// Records a finished chunk of a batch job under the lease. A chunk index that is there already stays as it is.
    async fn commit_chunk(&self, lease: &Lease, chunk: Chunk) -> Result<()>;
    /// By index.
    async fn chunks(&self, job: &Id) -> Result<Vec<Chunk>>;
    /// Records a checkpoint of a training under the lease and forgets all but the last `keep`; answers those forgotten, whose blobs nobody
    /// refers to any more. A number that is there already stays as it is.
    async fn commit_checkpoint(
        &self,
        lease: &Lease,
        checkpoint: Checkpoint,
        keep: u32,
    ) -> Result<Vec<Checkpoint>>;
    /// By number.
    async fn checkpoints(&self, job: &Id) -> Result<Vec<Checkpoint>>;
    /// Ends a training's run as succeeded and adds the version that it made: both or neither. Not found when the model that gets the
    /// version is gone.
    async fn finish_training(&self, lease: &Lease, trained: Trained, now: Timestamp)
    -> Result<Job>;
    /// Ends the run under the lease; answers the job as it then is. `jitter` is uniform in 0..1.
    async fn finish(
        &self,
        lease: &Lease,
        end: RunEnd,
        policy: &RetryPolicy,
        jitter: f64,
        now: Timestamp,
    ) -> Result<Job>;
    /// Ends many runs in one commit, each under its own lease; one result each, in order. For small predictions in a row.
    async fn finish_all(
        &self,
        ends: Vec<(Lease, RunEnd)>,
        policy: &RetryPolicy,
        jitter: f64,
        now: Timestamp,
    ) -> Result<Vec<Result<Job>>>;
    /// Ends a run whose task is gone, if its beat is still `observed`; of a helper, only its help. Conflict when it was alive, or when its record is damaged (it is then ended as failed).
    async fn expire(
        &self,
        lease: &Lease,
        observed: u64,
        failure: Failure,
        now: Timestamp,
    ) -> Result<Job>;
    /// What `lifecycle::request_cancel` does; answers the job as it then is.
    async fn request_cancel(&self, id: &Id, now: Timestamp) -> Result<Job>;
    /// Every running job with its beat, and every helper with its own.
    async fn running(&self) -> Result<Vec<RunningJob>>;
    /// Versions with queued or running jobs.
    async fn demand(&self, now: Timestamp) -> Result<Vec<Demand>>;
    /// When the first of the queued jobs that are not due yet is due.
    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>>;
    /// Whether a due job of this kind waits for the version.
    async fn waits(&self, version: &VersionId, kind: JobKind, now: Timestamp) -> Result<bool>;
    /// About how many queued jobs of the same version come before this one (`fair::ahead`).
    async fn ahead(&self, job: &Job) -> Result<u64>;
    /// Appends to the job's event log; answers the last number. With a lease, only while it holds.
    async fn append_events(
        &self,
        job: &Id,
        lease: Option<&Lease>,
        events: Vec<NewEvent>,
    ) -> Result<u64>;
    /// Events after a number, ascending.
    async fn events(&self, job: &Id, after: u64, limit: u32) -> Result<Vec<Event>>;
    /// Removes a finished job with its chunks, checkpoints and events. Conflict when it is not finished.
    async fn delete_job(&self, id: &Id) -> Result<()>;
}

/// Jobs that are made again and again.
#[async_trait]
pub trait Schedules: Send + Sync + 'static {
    /// Not found when its model is gone; it goes with its model.
    async fn add_schedule(&self, schedule: Schedule) -> Result<()>;
    async fn schedule(&self, id: &Id) -> Result<Option<Schedule>>;
    /// Newest first, of one model or of all.
    async fn schedules(&self, model: Option<&ModelName>, page: Page) -> Result<Listed<Schedule>>;
    /// Those that somebody has to look at soonest (`Schedule::due_at`), paused ones left out.
    async fn soonest_schedules(&self, limit: u32) -> Result<Vec<Schedule>>;
    /// Changes it when the record still has `schedule.revision`; answers it with the next revision. Conflict otherwise.
    async fn update_schedule(&self, schedule: Schedule) -> Result<Schedule>;
    /// Not found when there is none.
    async fn remove_schedule(&self, id: &Id) -> Result<()>;
}

/// Tasks, as they register themselves.
#[async_trait]
pub trait Tasks: Send + Sync + 'static {
    /// Conflict when the id is registered already: a doubled launch exits at once. Tasks that ended days ago are forgotten with it.
    async fn register_task(&self, task: Task) -> Result<()>;
    async fn beat_task(&self, id: &Id, incarnation: &Incarnation) -> Result<()>;
    async fn end_task(&self, id: &Id, why: &str, now: Timestamp) -> Result<()>;
    /// Newest first.
    async fn tasks(&self, page: Page) -> Result<Listed<Task>>;
}

/// Messages on their way to webhooks. They are written by the writes they tell of, so that none is forgotten.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Takes messages that are due, of each job only the first that has not arrived; nobody else gets them before `until`.
    async fn take_messages(
        &self,
        limit: u32,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Message>>;
    /// What became of a try. Lost when somebody else has taken the message since.
    async fn settle_message(
        &self,
        message: &Message,
        fate: Fate,
        failure: Option<String>,
    ) -> Result<()>;
    /// Those that never arrived, newest first. A page has those of one job and moment together, and so may be longer than its limit.
    async fn dead_messages(&self, page: Page) -> Result<Listed<Message>>;
    /// Sends the dead messages of a job again; answers how many.
    async fn revive_messages(&self, job: &Id, now: Timestamp) -> Result<u64>;
}

/// Records of realtime predictions.
#[async_trait]
pub trait Predictions: Send + Sync + 'static {
    /// Writes a group; an id that is there already is overwritten. What is of a model that is gone is left out.
    async fn record(&self, predictions: Vec<PredictionRecord>) -> Result<()>;
    async fn prediction(&self, id: &Id) -> Result<Option<PredictionRecord>>;
    async fn predictions(
        &self,
        filter: &PredictionFilter,
        page: Page,
    ) -> Result<Listed<PredictionRecord>>;
    async fn delete_prediction(&self, id: &Id) -> Result<()>;
    /// Removes a part of those records of a model that were created within a span and have it still, oldest first and
    /// `limit` at most, but of none that has feedback; answers whose part it was.
    async fn forget(
        &self,
        model: &ModelName,
        part: RecordPart,
        created: Range<Timestamp>,
        limit: u32,
    ) -> Result<Vec<Forgotten>>;
    /// Realtime and background predictions of a model so far.
    async fn run_count(&self, model: &ModelName) -> Result<u64>;
}

/// Credentials.
#[async_trait]
pub trait People: Send + Sync + 'static {
    async fn add_credential(&self, credential: Credential) -> Result<()>;
    /// By the SHA-256 of the secret; expired ones too, the caller judges.
    async fn credential(&self, secret_sha256: &str) -> Result<Option<Credential>>;
    /// Takes a one-time credential out: of two callers one gets it.
    async fn take_credential(&self, secret_sha256: &str) -> Result<Option<Credential>>;
    async fn credentials(&self, kind: CredentialKind, page: Page) -> Result<Listed<Credential>>;
    /// Not found when there is none.
    async fn remove_credential(&self, id: &Id) -> Result<()>;
    async fn touch_credential(&self, id: &Id, now: Timestamp) -> Result<()>;
    /// Removes what expired before `now`.
    async fn sweep_credentials(&self, now: Timestamp) -> Result<u64>;
}

/// Feedback.
#[async_trait]
pub trait FeedbackBook: Send + Sync + 'static {
    /// One per person and prediction; the newer replaces.
    async fn put_feedback(&self, feedback: Feedback) -> Result<Feedback>;
    async fn feedback(&self, filter: &FeedbackFilter, page: Page) -> Result<Listed<Feedback>>;
}

/// Uploaded files.
#[async_trait]
pub trait Files: Send + Sync + 'static {
    async fn add_file(&self, file: File) -> Result<()>;
    async fn file(&self, id: &Id) -> Result<Option<File>>;
    async fn files(&self, page: Page) -> Result<Listed<File>>;
    /// Not found when there is none.
    async fn remove_file(&self, id: &Id) -> Result<File>;
}

/// Uploads that come in parts.
#[async_trait]
pub trait Uploads: Send + Sync + 'static {
    async fn add_upload(&self, upload: Upload) -> Result<()>;
    /// With the parts that came, by number.
    async fn upload(&self, id: &Id) -> Result<Option<(Upload, Vec<UploadPart>)>>;
    /// Notes a part that came; answers the blob of the one with that number before, which nobody refers to any more.
    /// Not found when the upload is gone, conflict when it is complete.
    async fn put_part(&self, id: &Id, part: UploadPart, now: Timestamp) -> Result<Option<BlobRef>>;
    /// Notes what the upload has become, unless that is noted already, and forgets its parts.
    async fn complete_upload(&self, id: &Id, made: Made) -> Result<()>;
    /// With its parts. Not found when there is none.
    async fn remove_upload(&self, id: &Id) -> Result<()>;
    /// Some to which nothing came since a time.
    async fn idle_uploads(&self, since: Timestamp, limit: u32) -> Result<Vec<Id>>;
}

/// Datasets and their versions.
#[async_trait]
pub trait Datasets: Send + Sync + 'static {
    /// Adds the next version; the bool is false when the newest one is the same, which is then the answer.
    /// Bytes that any version has are kept once: an answer with another blob key than `new` leaves the new blob to nobody.
    async fn add_dataset_version(&self, new: NewDatasetVersion) -> Result<(DatasetVersion, bool)>;
    async fn dataset(&self, name: &DatasetName) -> Result<Option<Dataset>>;
    async fn dataset_version(&self, which: &DatasetRef) -> Result<Option<DatasetVersion>>;
    /// By name, ascending; the cursor is a name.
    async fn datasets(&self, page: Page<String>) -> Result<Listed<Dataset, String>>;
    /// Newest first; the cursor is a number.
    async fn dataset_versions(
        &self,
        name: &DatasetName,
        page: Page<u32>,
    ) -> Result<Listed<DatasetVersion, u32>>;
    /// Answers the version as it was; the bool is true when no other has its blob, which nobody refers to any more.
    /// Not found when there is none; conflict while a job that is kept refers to it.
    async fn remove_dataset_version(&self, which: &DatasetRef) -> Result<(DatasetVersion, bool)>;
}

/// What was computed, summed up by day.
#[async_trait]
pub trait UsageBook: Send + Sync + 'static {
    /// Adds to the sums.
    async fn add_usage(&self, usage: Vec<Usage>) -> Result<()>;
    /// The sums, told apart by some dimensions; in the order of those, days newest first. At most `USAGE_ROWS_MAX`.
    async fn usage(&self, filter: &UsageFilter, by: &[Dimension]) -> Result<Vec<UsageSum>>;
}

/// An operation on a model's durable state.
#[derive(Debug, Clone, PartialEq)]
pub enum StateOp {
    /// Answers the counter's new value. Invalid when the value there is not a number.
    Add(f64),
    /// Answers the value's JSON text, `null` when there is none.
    Get,
    /// JSON text; `null` deletes. Answers `null`.
    Put(String),
    /// Answers `[[key, value], …]` for keys with this prefix, sorted, at most `STATE_ITEMS_MAX`.
    Items,
}

/// Small durable state of models, with atomic counters.
#[async_trait]
pub trait AppState: Send + Sync + 'static {
    /// `space` is `owner/model` for a model's own state or `owner//name` for a shared space. Answers JSON text.
    async fn state(&self, space: &str, key: &str, op: StateOp) -> Result<String>;
}

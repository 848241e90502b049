//! What every job of a task shares: the version, its worker, the orders to stop, and how runs are ended.
//! Does not know kinds of jobs.

use super::{
    TaskSettings, events,
    farewell::Farewells,
    hold::{self, Told, Voice},
    journal::Journal,
    persist,
    staff::{Hands, Staff},
    tab::Tab,
};
use crate::{ask::Loaded, parts::Parts};
use futures::future::join_all;
use onstage_core::{
    Id, Result,
    config::LaneLimits,
    event::NewEvent,
    job::{Job, Lease},
    lifecycle::{RetryPolicy, RunEnd},
    outcome::{Failure, Phase, Reason},
    ports::Preparing,
    task::{Incarnation, Lane},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// After being told to stop, a task lets what runs go on for this long before it hands it back.
const STOP_GRACE_S: u64 = 8;

/// Everything the jobs of one task share.
pub(crate) struct Desk {
    pub(crate) parts: Parts,
    pub(crate) settings: TaskSettings,
    pub(crate) incarnation: Incarnation,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) policy: RetryPolicy,
    pub(crate) staff: Staff,
    pub(crate) stop: CancellationToken,
    pub(crate) tab: Tab,
    pub(crate) farewells: Farewells,
    items: AtomicU64,
}

/// Why a run must end before its work is done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Halt {
    Cancel,
    /// The lease is lost: write nothing.
    Lost,
    /// The task must end: hand the job back.
    Stop,
    /// The job took longer than it may.
    TimeUp(Duration),
}

/// Who hears orders about one run. Each order is heard once.
pub(crate) struct Orders {
    ear: watch::Receiver<Told>,
    stop: CancellationToken,
    limit: Duration,
    time_up: std::pin::Pin<Box<tokio::time::Sleep>>,
    timed_out: bool,
    /// How long the run may go on after the task was told to stop.
    grace: Duration,
    grace_over: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
    stopped: bool,
}

impl Desk {
    pub(crate) fn new(
        parts: Parts,
        settings: TaskSettings,
        incarnation: Incarnation,
        loaded: Arc<Loaded>,
        staff: Staff,
        stop: CancellationToken,
    ) -> Self {
        let policy = policy(&loaded, settings.lane);
        Self {
            parts,
            settings,
            incarnation,
            loaded,
            policy,
            staff,
            stop,
            tab: Tab::default(),
            farewells: Farewells::default(),
            items: AtomicU64::new(1),
        }
    }

    /// An id for an item, unique in this task and so in each of its workers.
    pub(crate) fn item_id(&self) -> u64 {
        self.items.fetch_add(1, Ordering::Relaxed)
    }

    /// What the model's config says of this task's lane.
    pub(crate) fn limits(&self) -> LaneLimits<'_> {
        self.loaded.version.config.of_lane(self.settings.lane)
    }

    /// How long one prediction of this version may take. Background models compute for as long as a job may run.
    pub(crate) fn prediction_limit(&self) -> Duration {
        let config = &self.loaded.version.config;
        if self.loaded.schema.background {
            config.jobs.stop_after.0
        } else {
            config.realtime.timeout.0
        }
    }

    /// What one run must hear. `patient`: when the task is told to stop, the run may still get done; otherwise it stops at once, because what it has is kept.
    pub(crate) fn orders(&self, ear: watch::Receiver<Told>, patient: bool) -> Orders {
        let limit = self.limits().stop_after;
        Orders {
            ear,
            stop: self.stop.clone(),
            limit,
            time_up: Box::pin(tokio::time::sleep(limit)),
            timed_out: false,
            grace: Duration::from_secs(if patient { STOP_GRACE_S } else { 0 }),
            grace_over: None,
            stopped: false,
        }
    }

    /// The worker, with what happens on the way told to these jobs.
    pub(crate) async fn hands(
        &self,
        audience: Vec<(Arc<Journal>, Voice)>,
    ) -> std::result::Result<Arc<dyn Hands>, Failure> {
        let announce = Announce {
            parts: self.parts.clone(),
            audience,
        };
        self.staff.hands(Arc::new(announce)).await
    }

    /// Commits ends of runs in one go; each job's log says so soon after. Jobs whose lease was lost are left alone.
    pub(crate) async fn conclude(&self, ends: Vec<(Arc<Journal>, RunEnd)>) -> Result<()> {
        let (journals, ends): (Vec<Arc<Journal>>, Vec<(Lease, RunEnd)>) = ends
            .into_iter()
            .map(|(journal, end)| {
                let lease = journal.lease.clone();
                (journal, (lease, end))
            })
            .unzip();
        let finished = persist::finish_all(&self.parts, ends, &self.policy).await?;
        self.look_at_memory_once().await;
        let mut last = Vec::with_capacity(journals.len());
        for (journal, job) in journals.iter().zip(finished) {
            match job {
                Some(job) => last.push((job.id.clone(), self.last_words(journal, &job))),
                None => {
                    tracing::warn!(job = %journal.lease.job, run = journal.lease.run, "a run's end came too late: its lease was lost");
                }
            }
        }
        let parts = self.parts.clone();
        // Together, because writes at the same moment share a commit.
        let write = async move {
            let write = |(job, events)| append(&parts, job, events);
            join_all(last.into_iter().map(write)).await;
        };
        self.farewells.begin(write).await;
        Ok(())
    }

    /// The job's end is committed: what it has used is noted, and its log says so.
    pub(crate) async fn say_after(&self, journal: &Journal, job: &Job) {
        let events = self.last_words(journal, job);
        append(&self.parts, job.id.clone(), events).await;
    }

    fn last_words(&self, journal: &Journal, job: &Job) -> Vec<NewEvent> {
        self.note(job, journal.used());
        let mut events = journal.take_rest();
        events.push(events::after_run(job, self.parts.clock.now()));
        events
    }
}

/// The log is for those who watch; readers go by the job's state.
async fn append(parts: &Parts, job: Id, events: Vec<NewEvent>) {
    if let Err(error) = parts.store.append_events(&job, None, events).await {
        tracing::warn!(%job, %error, "the last events of a run could not be written");
    }
}

/// Which failures are repeated, from the model's `[jobs]` or `[training]`; a word that is no reason never comes this far.
fn policy(loaded: &Loaded, lane: Lane) -> RetryPolicy {
    let limits = loaded.version.config.of_lane(lane);
    let reason = |word: &String| serde_json::from_value::<Reason>(word.as_str().into()).ok();
    RetryPolicy {
        retries: limits.retries,
        retry_on: limits.retry_on.iter().filter_map(reason).collect(),
    }
}

impl Orders {
    /// Resolves when the run must end.
    pub(crate) async fn halt(&mut self) -> Halt {
        tokio::select! {
            biased;
            told = hold::order(&mut self.ear) => match told {
                Told::Cancel => Halt::Cancel,
                Told::Lost | Told::GoOn => Halt::Lost,
            },
            () = &mut self.time_up, if !self.timed_out => {
                self.timed_out = true;
                Halt::TimeUp(self.limit)
            }
            () = stopped(&self.stop, self.grace, &mut self.grace_over), if !self.stopped => {
                self.stopped = true;
                Halt::Stop
            }
        }
    }
}

/// Resolves when the task was told to stop and the grace since then is over. Dropped and called again, it goes on where it was.
async fn stopped(
    stop: &CancellationToken,
    grace: Duration,
    over: &mut Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
) {
    stop.cancelled().await;
    over.get_or_insert_with(|| Box::pin(tokio::time::sleep(grace)))
        .await;
}

impl Halt {
    /// What is committed for it; nothing when the lease is lost.
    pub(crate) fn end(&self) -> Option<RunEnd> {
        match self {
            Self::Cancel => Some(RunEnd::Canceled),
            Self::Lost => None,
            Self::Stop => Some(RunEnd::HandedBack),
            Self::TimeUp(limit) => {
                let message = format!(
                    "it took longer than {} s (`stop_after`)",
                    limit.as_secs_f64()
                );
                Some(RunEnd::Failed(Failure::new(Reason::Timeout, message)))
            }
        }
    }
}

/// Tells jobs what happens before their worker runs.
struct Announce {
    parts: Parts,
    audience: Vec<(Arc<Journal>, Voice)>,
}

impl Preparing for Announce {
    fn phase(&self, phase: Phase, text: &str) {
        for (journal, voice) in &self.audience {
            voice.say(phase, None);
            journal.event(events::phase(phase, text, self.parts.clock.now()));
        }
    }

    fn line(&self, line: &str) {
        let line = crate::worker::LogLine {
            source: "setup",
            level: "info",
            text: line,
        };
        for (journal, _) in &self.audience {
            journal.line(&line);
        }
    }
}

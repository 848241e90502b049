//! The numbered log of one prediction or job, read as it grows: from flight, from the store, or just its end.
//! Does not format anything.

use crate::gateway::{
    call::Call,
    predictions::find::{self, Detail},
    problem::Problem,
    wire::{
        self,
        prediction::links,
        value::{Part, mentions, show_text},
    },
};
use bytes::Bytes;
use onstage_core::{
    Id, Timestamp,
    event::{Event, EventKind},
    job::{Job, JobSpec},
    usage::Prices,
};
use onstage_engine::Ticket;
use std::time::Duration;

/// How often the store is asked for news: quick at first, calmer while nothing happens.
const LOOK_FIRST: Duration = Duration::from_millis(100);
const LOOK_MAX: Duration = Duration::from_secs(1);
/// Events read in one go.
const EVENTS_PER_READ: u32 = 500;

/// Whose events.
#[derive(Clone)]
pub(crate) enum Subject {
    Flight(Ticket),
    Job(Id),
    /// Ended before; only its end can be told.
    Record(Id),
}

/// What comes next.
pub(crate) enum Step {
    Events(Vec<Event>),
    /// Nothing within the time given.
    Quiet,
    /// It has ended; `record` is the JSON text of the whole.
    End {
        seq: u64,
        record: String,
    },
    /// This server stops; the client reads on elsewhere.
    Closing,
}

pub(crate) struct Source {
    call: Call,
    subject: Subject,
    id: Id,
    seen: u64,
    pause: Duration,
}

impl Source {
    pub(crate) fn prices(&self) -> &Prices {
        self.call.state.engine.prices()
    }

    pub(crate) fn new(call: Call, subject: Subject, after: u64) -> Self {
        let id = match &subject {
            Subject::Flight(ticket) => ticket.id().clone(),
            Subject::Job(id) | Subject::Record(id) => id.clone(),
        };
        Self {
            call,
            subject,
            id,
            seen: after,
            pause: LOOK_FIRST,
        }
    }

    pub(crate) fn id(&self) -> &Id {
        &self.id
    }

    /// Of a problem that the stream itself has to tell.
    pub(crate) fn log(&self, problem: &Problem) {
        problem.log(&self.call.seen.request_id);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.call.state.parts.clock.now()
    }

    /// The next step, waiting at most `patience` for one.
    pub(crate) async fn step(&mut self, patience: Duration) -> Result<Step, Problem> {
        let clock = self.call.state.parts.clock.clone();
        let until = clock.monotonic() + patience;
        loop {
            // First whether it has ended, then its events: none that came before the end is missed.
            let ended = self.has_ended().await?;
            let events = self.read().await?;
            if !events.is_empty() {
                self.pause = LOOK_FIRST;
                return Ok(Step::Events(events));
            }
            if let Some(record) = ended {
                return Ok(Step::End {
                    seq: self.seen + 1,
                    record,
                });
            }
            if self.call.state.shutdown.is_cancelled() {
                return Ok(Step::Closing);
            }
            let left = until.saturating_sub(clock.monotonic());
            if left.is_zero() {
                return Ok(Step::Quiet);
            }
            self.wait(left).await;
        }
    }

    async fn wait(&mut self, left: Duration) {
        let pause = self.pause.min(left);
        self.pause = (self.pause * 2).min(LOOK_MAX);
        let news = async {
            match &self.subject {
                // Its job's record is written at this moment.
                Subject::Flight(ticket) if ticket.ends_with_its_job() => {
                    tokio::time::sleep(pause / 4).await;
                }
                Subject::Flight(ticket) => {
                    let changed = ticket.changed(self.seen);
                    let _ = tokio::time::timeout(left, changed).await;
                }
                _ => tokio::time::sleep(pause).await,
            }
        };
        tokio::select! {
            () = news => {}
            () = self.call.state.shutdown.cancelled() => {}
        }
    }

    /// New events, without the end's: that is told with the whole record.
    async fn read(&mut self) -> Result<Vec<Event>, Problem> {
        let events = match &self.subject {
            Subject::Flight(ticket) => ticket.events_after(self.seen),
            Subject::Job(id) => {
                self.call
                    .state
                    .parts
                    .store
                    .events(id, self.seen, EVENTS_PER_READ)
                    .await?
            }
            Subject::Record(_) => Vec::new(),
        };
        let mut shown = Vec::with_capacity(events.len());
        for event in events {
            if event.kind != EventKind::Completed {
                self.seen = event.seq;
                shown.push(self.shown(event).await?);
            }
        }
        Ok(shown)
    }

    /// Files inside of an event's output become links.
    async fn shown(&self, mut event: Event) -> Result<Event, Problem> {
        if event.kind == EventKind::Output && mentions(event.data.as_bytes(), b"\"$blob\"") {
            let links = links(&self.call, &self.id, Part::Output);
            let blobs = &*self.call.state.parts.blobs;
            let text = show_text(blobs, Bytes::from(event.data), &links).await?;
            event.data = String::from_utf8_lossy(&text).into_owned();
        }
        Ok(event)
    }

    /// The whole record, when it has ended.
    async fn has_ended(&self) -> Result<Option<String>, Problem> {
        match &self.subject {
            Subject::Flight(ticket) if ticket.ends_with_its_job() => {
                // While it is being made a job of, there is none yet.
                let job = self.call.state.parts.store.job(ticket.id()).await?;
                self.end_of(job).await
            }
            Subject::Flight(ticket) if ticket.told().is_none() => Ok(None),
            Subject::Flight(ticket) => {
                let place = find::Place::Flight(ticket.clone());
                self.prediction(&place).await.map(Some)
            }
            Subject::Record(id) => {
                let place = find::find(&self.call, id).await?;
                self.prediction(&place).await.map(Some)
            }
            Subject::Job(id) => {
                let job = self.call.state.parts.store.job(id).await?;
                self.end_of(Some(job.ok_or_else(|| find::missing(id))?))
                    .await
            }
        }
    }

    async fn end_of(&self, job: Option<Job>) -> Result<Option<String>, Problem> {
        match job {
            Some(job) if job.state.is_final() => self.job(&job).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn prediction(&self, place: &find::Place) -> Result<String, Problem> {
        let known = find::known(&self.call, place).await?;
        Ok(text(known.text(&self.call, None)))
    }

    async fn job(&self, job: &Job) -> Result<String, Problem> {
        match &job.spec {
            JobSpec::Prediction { .. } => {
                let known = find::of_job(&self.call, job, Detail::Whole).await?;
                Ok(text(known.text(&self.call, None)))
            }
            JobSpec::Batch(spec) => {
                let done = crate::gateway::batches::find::done(&self.call, job).await?;
                let batch = wire::batch::show(&self.call, job, spec, done, None);
                Ok(serde_json::to_string(&batch).unwrap_or_default())
            }
            JobSpec::Training(spec) => {
                let training = crate::gateway::trainings::find::shown(&self.call, job, spec);
                Ok(serde_json::to_string(&training.await?).unwrap_or_default())
            }
        }
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

//! The adoption of a realtime prediction that was handed over to a job: beats while it runs, copies its events, commits its end.
//! Does not run anything itself; when this front dies, the lease runs out and a task runs the job again.

use crate::{
    house::House,
    task::{
        events,
        logs::{Keep, LogKeep, MUCH_IS_PRINTED},
    },
    ticket::Ticket,
    values::store_value,
};
use onstage_core::{
    Kind, Result,
    event::{Event, EventKind, NewEvent},
    job::{JobOutput, Lease},
    lifecycle::{Beat, RetryPolicy, RunEnd},
    outcome::{Phase, Reason},
};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

/// Time between two beats.
const BEAT_EVERY: Duration = Duration::from_secs(2);
/// First and longest wait before a commit is tried again, and how often: for about a quarter of an hour.
const COMMIT_WAIT: Duration = Duration::from_millis(200);
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(2);
const COMMIT_TRIES_MAX: u32 = 450;

/// Runs until the job's end is committed or its lease is lost.
pub(crate) async fn adopt(house: Arc<House>, ticket: Ticket, lease: Lease) {
    ticket.0.handed_over.store(true, Relaxed);
    let mut adopted = Adopted {
        house,
        ticket,
        lease,
        copied: 0,
        keep: LogKeep::default(),
    };
    if let Err(error) = adopted.run().await {
        tracing::warn!(job = %adopted.lease.job, %error, "an adopted job was let go");
        adopted.ticket.0.pool.cancel(&adopted.ticket.0);
    }
    // Not before its job says how it ended: until then whoever asks finds the answer here.
    let registry = &adopted.house.stage.registry;
    registry.remove(&adopted.ticket.0);
}

struct Adopted {
    house: Arc<House>,
    ticket: Ticket,
    lease: Lease,
    /// The number of the last event that the job's log has.
    copied: u64,
    /// What of the lines is kept: as much as of any other job.
    keep: LogKeep,
}

impl Adopted {
    async fn run(&mut self) -> Result<()> {
        let mut beats = tokio::time::interval(BEAT_EVERY);
        while self.ticket.finished().is_none() {
            tokio::select! {
                _ = beats.tick() => self.beat().await?,
                _ = self.ticket.done() => {}
            }
        }
        self.copy_events().await;
        self.tell_last_lines().await;
        self.commit().await
    }

    async fn beat(&mut self) -> Result<()> {
        self.say_alive().await?;
        self.copy_events().await;
        Ok(())
    }

    /// Errors: lost.
    async fn say_alive(&self) -> Result<()> {
        let snapshot = self.ticket.snapshot();
        let said = Beat {
            phase: match snapshot.phase {
                Phase::Done => Phase::Running,
                phase => phase,
            },
            progress: snapshot.progress,
        };
        match self.store().beat(&self.lease, said).await {
            Ok(true) => {
                self.ticket.0.pool.cancel(&self.ticket.0);
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(error) if error.kind == Kind::Lost => Err(error),
            Err(error) => {
                tracing::warn!(job = %self.lease.job, %error, "a beat failed; the next may work");
                Ok(())
            }
        }
    }

    /// The end itself is told by the job's record.
    async fn copy_events(&mut self) {
        let events = self.ticket.events_after(self.copied);
        let Some(last) = events.last().map(|event| event.seq) else {
            return;
        };
        // Should they not be written, they are looked at again.
        let mut keep = self.keep.clone();
        let new: Vec<NewEvent> = events
            .into_iter()
            .filter(|event| event.kind != EventKind::Completed)
            .filter_map(|event| kept(&mut keep, event))
            .collect();
        let copied = match new.is_empty() {
            true => Ok(0),
            false => {
                let store = self.store();
                store
                    .append_events(&self.lease.job, Some(&self.lease), new)
                    .await
            }
        };
        match copied {
            Ok(_) => (self.copied, self.keep) = (last, keep),
            Err(error) => tracing::debug!(job = %self.lease.job, %error, "events were not copied"),
        }
    }

    /// The lines that were held back.
    async fn tell_last_lines(&mut self) {
        let text = self.keep.take_tail();
        if text.is_empty() {
            return;
        }
        let said = events::log("stdout", "info", &text, self.house.stage.parts.clock.now());
        let written = self
            .store()
            .append_events(&self.lease.job, Some(&self.lease), vec![said]);
        if let Err(error) = written.await {
            tracing::debug!(job = %self.lease.job, %error, "the last lines were not copied");
        }
    }

    async fn commit(&mut self) -> Result<()> {
        let mut wait = COMMIT_WAIT;
        for _ in 1..COMMIT_TRIES_MAX {
            match self.finish().await {
                Err(error) if error.kind.retryable() || error.kind == Kind::Full => {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(COMMIT_WAIT_MAX);
                    // The lease must not run out while the result waits.
                    self.say_alive().await?;
                }
                finished => return finished,
            }
        }
        self.finish().await
    }

    async fn finish(&self) -> Result<()> {
        let parts = &self.house.stage.parts;
        let end = self.end().await?;
        let (jitter, now) = (parts.jitter(), parts.clock.now());
        let policy = self.policy();
        match self
            .store()
            .finish(&self.lease, end, &policy, jitter, now)
            .await
        {
            Ok(job) => {
                let completed = NewEvent {
                    kind: EventKind::Completed,
                    at: now,
                    data: serde_json::json!({"status": job.state.status()}).to_string(),
                };
                if job.state.is_final() {
                    // For whoever watches; readers go by the record.
                    let _ = self
                        .store()
                        .append_events(&job.id, None, vec![completed])
                        .await;
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn end(&self) -> Result<RunEnd> {
        let finished = self.ticket.done().await;
        Ok(match &finished.outcome {
            Ok(value) => {
                let prefix = format!("jobs/{}/run-{}", self.lease.job, self.lease.run);
                let blobs = &*self.house.stage.parts.blobs;
                RunEnd::Succeeded(JobOutput::Prediction {
                    output: store_value(blobs, &prefix, value).await?,
                    predict_ms: finished.predict_ms.round() as u64,
                })
            }
            Err(failure) if failure.reason == Reason::Canceled => RunEnd::Canceled,
            Err(_) if self.house.is_closed() => RunEnd::HandedBack,
            Err(failure) => RunEnd::Failed(failure.clone()),
        })
    }

    fn policy(&self) -> RetryPolicy {
        let jobs = &self.ticket.loaded().version.config.jobs;
        let reason = |word: &String| serde_json::from_value::<Reason>(word.as_str().into()).ok();
        RetryPolicy {
            retries: jobs.retries,
            retry_on: jobs.retry_on.iter().filter_map(reason).collect(),
        }
    }

    fn store(&self) -> &dyn onstage_core::ports::Store {
        &*self.house.stage.parts.store
    }
}

/// What the job's log gets of an event; lines over what is kept of a run are held back.
fn kept(keep: &mut LogKeep, event: Event) -> Option<NewEvent> {
    let written = NewEvent {
        kind: event.kind,
        at: event.at,
        data: event.data,
    };
    if event.kind != EventKind::Log {
        return Some(written);
    }
    let data: serde_json::Value = serde_json::from_str(&written.data).unwrap_or_default();
    let lines = data["data"].as_str().unwrap_or_default();
    match keep.push(lines) {
        Keep::Now => Some(written),
        Keep::FirstLater => Some(events::log(
            "onstage",
            "warning",
            &format!("{MUCH_IS_PRINTED}\n"),
            event.at,
        )),
        Keep::Later => None,
    }
}

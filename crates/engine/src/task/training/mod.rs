//! Trainings: one job at a time in a worker of its own; checkpoints kept as they come, a new version at the end.
//! Does not know batch jobs or predictions.

mod clerk;
mod finish;
mod inputs;
mod series;
mod sink;

use super::{
    desk::{Desk, Halt, Orders},
    ending::{Ending, or_halt},
    events,
    folder::Folder,
    hold::Hold,
    journal::{Journal, flush_often},
};
use crate::worker::{Asked, End, Item};
use clerk::Clerk;
use onstage_core::{
    Error, Kind, Result,
    job::{Job, JobSpec, Lease},
    lifecycle::RunEnd,
    outcome::{Failure, Phase, Reason},
    training::{Trained, TrainingSpec},
};
use sink::TrainingSink;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// The worker is given this much longer than the run may take: who ends it is the run itself.
const LIMIT_MARGIN: Duration = Duration::from_secs(60);

/// What the author's code has left, and where.
struct Learnt {
    path: PathBuf,
    metrics: BTreeMap<String, f64>,
    environment_sha256: Option<String>,
}

/// Runs a claimed training and commits its end.
pub(super) async fn run(desk: &Desk, job: Job) -> Result<()> {
    let (Some(lease), JobSpec::Training(spec)) = (job.lease(), &job.spec) else {
        return Ok(());
    };
    let hold = Hold::take(&desk.parts, lease.clone(), 1);
    let journal = Arc::new(Journal::new(&desk.parts, lease.clone()));
    journal.event(events::start(job.run, desk.parts.clock.now()));
    let _flusher = flush_often("events of a training", vec![journal.clone()]);
    let folder = Folder::of_run(desk, &lease);
    let mut run = Run {
        desk,
        job: &job,
        spec,
        lease: &lease,
        hold: &hold,
        journal: &journal,
        clerk: Clerk::new(desk, &lease, spec, &journal, &folder),
    };
    let mut orders = desk.orders(hold.ear(), false);
    let worked = run.work(&mut orders).await;
    let kept = run.clerk.last();
    desk.look_at_memory_once().await;
    // What it made has been taken: the next training gets a process of its own.
    desk.staff.kill();
    let worked = worked.map_err(|ending| end_of(ending, kept));
    if let Err(Some(RunEnd::Canceled)) = &worked
        && let Some(number) = kept
    {
        journal.event(events::said(&kept_words(number), desk.parts.clock.now()));
    }
    if matches!(worked, Err(None)) {
        return Ok(());
    }
    if let Err(error) = journal.close().await
        && error.kind == Kind::Lost
    {
        return Ok(());
    }
    match worked {
        Ok(trained) => finish::commit(desk, journal, hold, trained).await,
        Err(end) => {
            drop(hold);
            let ends = end.map(|end| (journal, end)).into_iter().collect();
            desk.conclude(ends).await
        }
    }
}

/// What is committed for a run that did not get through; nothing when its lease is lost.
fn end_of(ending: Ending, kept: Option<u32>) -> Option<RunEnd> {
    match (ending, kept) {
        (Ending::Halt(halt), Some(number)) => halt.end().map(|end| match end {
            RunEnd::Failed(failure) => {
                let message = format!("{}; {}", failure.message, kept_words(number));
                RunEnd::Failed(Failure { message, ..failure })
            }
            end => end,
        }),
        // A dataset or file that is gone: what was asked for cannot be done.
        (Ending::Broken(error), _) if error.kind == Kind::NotFound => Some(RunEnd::Failed(
            Failure::new(Reason::UserError, error.to_string()),
        )),
        (ending, _) => ending.committed(),
    }
}

fn kept_words(number: u32) -> String {
    format!("checkpoint {number} is kept, and a retry goes on from there")
}

/// One run of a training.
struct Run<'a> {
    desk: &'a Desk,
    job: &'a Job,
    spec: &'a TrainingSpec,
    lease: &'a Lease,
    hold: &'a Hold,
    journal: &'a Arc<Journal>,
    clerk: Clerk<'a>,
}

impl Run<'_> {
    async fn work(&mut self, orders: &mut Orders) -> Result<Trained, Ending> {
        let began = self.desk.parts.clock.monotonic();
        self.say(Phase::Loading, "placing the data");
        let placed = or_halt(orders, self.clerk.place()).await?;
        let audience = vec![(self.journal.clone(), self.hold.voice())];
        let hands = async { self.desk.hands(audience).await.map_err(Ending::Fail) };
        let hands = or_halt(orders, hands).await?;
        let (sink, mut ends, mut asked) = TrainingSink::new(self.journal, self.hold.voice());
        let item = Item {
            id: self.desk.item_id(),
            input: placed.input,
            seed: self.spec.seed,
            limit: self.desk.limits().stop_after + LIMIT_MARGIN,
            until: None,
            sink: sink.clone(),
        };
        let id = item.id;
        hands.train(item, placed.resume);
        let learnt = match self.follow(orders, &mut ends, &mut asked).await {
            Err(Ending::Halt(halt)) if halt != Halt::Lost => {
                // Its code may clean up; a worker that goes on for longer is killed.
                hands.cancel(id);
                let grace = self.desk.settings.cancel_grace;
                let _ = tokio::time::timeout(grace, hands.ended()).await;
                return Err(Ending::Halt(halt));
            }
            followed => followed?,
        };
        self.say(Phase::Uploading, "keeping the weights");
        let learnt = Learnt {
            environment_sha256: hands.environment_sha256(),
            ..learnt
        };
        let took = self.desk.parts.clock.monotonic().saturating_sub(began);
        let metrics = sink.last_metrics();
        or_halt(orders, self.trained(learnt, metrics, took)).await
    }

    /// Until the worker says how it ended; what it asks meanwhile is answered beside.
    async fn follow(
        &mut self,
        orders: &mut Orders,
        ends: &mut mpsc::UnboundedReceiver<End>,
        asked: &mut mpsc::UnboundedReceiver<Asked>,
    ) -> Result<Learnt, Ending> {
        tokio::select! {
            biased;
            halt = orders.halt() => Err(Ending::Halt(halt)),
            end = ends.recv() => match end {
                Some(End::Output { output, metrics, .. }) => learnt(&output.json, metrics),
                Some(End::Failed { failure, .. } | End::Returned { why: failure, .. }) => {
                    Err(Ending::Fail(failure))
                }
                None => Err(Error::internal("a training ended without a word").into()),
            },
            error = self.clerk.serve(asked) => Err(Ending::Broken(error)),
        }
    }

    fn say(&self, phase: Phase, text: &str) {
        self.hold.voice().say(phase, None);
        let at = self.desk.parts.clock.now();
        self.journal.event(events::phase(phase, text, at));
    }
}

/// Reads `{"path": …}`.
fn learnt(output: &[u8], metrics: BTreeMap<String, f64>) -> Result<Learnt, Ending> {
    #[derive(serde::Deserialize)]
    struct Output {
        path: PathBuf,
    }
    match serde_json::from_slice::<Output>(output) {
        Ok(Output { path }) => Ok(Learnt {
            path,
            metrics,
            environment_sha256: None,
        }),
        Err(_) => Err(Ending::Fail(Failure::new(
            Reason::BadOutput,
            "the worker did not say where it left the weights",
        ))),
    }
}

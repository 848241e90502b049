//! Background predictions: a group of jobs as one microbatch, each ended by its own commit.
//! Does not know tables.

use super::{
    check::bad_output,
    desk::{Desk, Halt, Orders},
    events,
    hold::{Hold, Voice},
    journal::{Journal, flush_often},
    persist,
};
use crate::{
    datasets,
    values::{join, load_value, store_value},
    worker::{End, Item, LogLine, Sink, Took},
};
use futures::{FutureExt, StreamExt, future::join_all, stream::FuturesUnordered};
use onstage_core::{
    Kind, Result,
    job::{Job, JobOutput, JobSpec},
    lifecycle::RunEnd,
    outcome::{Failure, Phase, Progress, Reason},
    ports::Placed,
    value::{Stored, Value},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc;

/// How often an item that is not to blame is sent again because its worker went away.
const RELAUNCHES_MAX: u32 = 6;
/// Before the first of these; doubles.
const RELAUNCH_WAIT_MS: u64 = 10;

/// Who is told what happens before the worker runs.
type Listener = (Arc<Journal>, Voice);

/// One job of a group while it runs.
struct Running {
    hold: Hold,
    journal: Arc<Journal>,
    orders: Orders,
    input: Value,
    /// Keeps its datasets on this host.
    _placed: Vec<Placed>,
    /// How many share its worker's time: alone, a lost lease kills the worker.
    crowd: usize,
    id: u64,
    sink: Arc<JobSink>,
    ends: mpsc::UnboundedReceiver<End>,
}

/// Runs claimed jobs of kind prediction and commits their ends.
pub(crate) async fn run_group(desk: &Desk, jobs: Vec<Job>) -> Result<()> {
    let crowd = jobs.len();
    let prepared = join_all(jobs.into_iter().map(|job| prepare(desk, job, crowd))).await;
    let mut running = Vec::new();
    let mut broken = Vec::new();
    for one in prepared.into_iter().flatten() {
        match one {
            Ok(one) => running.push(one),
            Err(end) => broken.push(end),
        }
    }
    if !broken.is_empty() {
        desk.conclude(broken).await?;
    }
    if running.is_empty() {
        return Ok(());
    }
    let journals = running.iter().map(|one| one.journal.clone()).collect();
    let _flusher = flush_often("events of jobs", journals);
    compute(desk, running).await
}

/// Takes the lease's beats up and loads the input; a job that cannot even start ends here.
async fn prepare(
    desk: &Desk,
    job: Job,
    crowd: usize,
) -> Option<std::result::Result<Running, (Arc<Journal>, RunEnd)>> {
    let lease = job.lease()?;
    let hold = Hold::take(&desk.parts, lease.clone(), crowd);
    let journal = Arc::new(Journal::new(&desk.parts, lease));
    journal.event(events::start(job.run, desk.parts.clock.now()));
    let JobSpec::Prediction { input, .. } = &job.spec else {
        return None;
    };
    let (input, placed) = match load(desk, input).await {
        Ok(loaded) => loaded,
        Err(error) => {
            let message = format!("the input cannot be read: {error}");
            let failure = Failure::new(Reason::UserError, message);
            return Some(Err((journal, RunEnd::Failed(failure))));
        }
    };
    let (sink, ends) = JobSink::new(journal.clone(), hold.voice());
    Some(Ok(Running {
        orders: desk.orders(hold.ear(), true),
        hold,
        journal,
        input,
        _placed: placed,
        crowd,
        id: desk.item_id(),
        sink: Arc::new(sink),
        ends,
    }))
}

/// The input as a worker takes it, its datasets on this host.
async fn load(desk: &Desk, input: &Stored) -> Result<(Value, Vec<Placed>)> {
    let parts = &desk.parts;
    let input = persist::insist(parts, "loading an input", || {
        load_value(&*parts.blobs, input)
    })
    .await?;
    persist::insist(parts, "placing a dataset", || {
        datasets::place(parts, &input)
    })
    .await
}

async fn compute(desk: &Desk, running: Vec<Running>) -> Result<()> {
    let audience: Vec<Listener> = running.iter().map(Running::listener).collect();
    let microbatch = running
        .iter()
        .map(|one| (one.sink.clone(), one.item(desk)))
        .collect();
    let group = Group { desk, audience };
    let mut settling: FuturesUnordered<_> =
        running.into_iter().map(|one| group.settle(one)).collect();
    let mut launch = std::pin::pin!(group.launch(microbatch).fuse());
    loop {
        let first = tokio::select! {
            () = &mut launch => continue,
            first = settling.next() => first,
        };
        let Some(first) = first else { return Ok(()) };
        // Answers of one microbatch come together and are committed together.
        let mut settled = vec![first];
        while let Some(Some(more)) = settling.next().now_or_never() {
            settled.push(more);
        }
        let ends = close_journals(settled).await;
        desk.conclude(ends).await?;
    }
}

/// A run that has ended but is not committed: its lease is still held.
struct Settled {
    hold: Hold,
    journal: Arc<Journal>,
    end: Option<RunEnd>,
}

/// What jobs said while they ran is written before their ends, under the lease; one whose lease is lost writes nothing more.
async fn close_journals(settled: Vec<Settled>) -> Vec<(Arc<Journal>, RunEnd)> {
    let closing = settled
        .into_iter()
        .map(async |Settled { hold, journal, end }| {
            let end = end?;
            if journal.has_news()
                && let Err(error) = journal.close().await
                && error.kind == Kind::Lost
            {
                return None;
            }
            drop(hold);
            Some((journal, end))
        });
    join_all(closing).await.into_iter().flatten().collect()
}

/// Jobs that were claimed together.
struct Group<'a> {
    desk: &'a Desk,
    audience: Vec<Listener>,
}

impl Group<'_> {
    /// Starts the worker if need be and sends everybody's item as one microbatch. Those who gave up meanwhile are left out.
    async fn launch(&self, microbatch: Vec<(Arc<JobSink>, Item)>) {
        match self.desk.hands(self.audience.clone()).await {
            Ok(hands) => {
                let wanted = microbatch.into_iter().filter(|(sink, _)| sink.launch());
                hands.submit(wanted.map(|(_, item)| item).collect());
            }
            Err(failure) => {
                for (sink, _) in microbatch {
                    let failure = failure.clone();
                    sink.end(End::Failed {
                        failure,
                        predict: Took::default(),
                    });
                }
            }
        }
    }

    /// From the launch to the end of one job.
    async fn settle(&self, mut one: Running) -> Settled {
        let end = self.follow(&mut one).await;
        Settled {
            hold: one.hold,
            journal: one.journal,
            end,
        }
    }

    async fn follow(&self, one: &mut Running) -> Option<RunEnd> {
        let mut halted: Option<Halt> = None;
        let mut relaunches = 0;
        loop {
            tokio::select! {
                biased;
                end = one.ends.recv() => match end {
                    Some(End::Output { output, chunks, predict, .. }) => {
                        return Some(self.answered(one, output, chunks, predict).await);
                    }
                    _ if halted.is_some() => return halted.and_then(|halt| halt.end()),
                    Some(End::Failed { failure, .. }) => return Some(RunEnd::Failed(failure)),
                    // Not to blame, or not yet known to be: once more, by itself.
                    Some(End::Returned { why, .. }) if relaunches >= RELAUNCHES_MAX => {
                        return Some(RunEnd::Failed(why));
                    }
                    Some(End::Returned { .. }) | None => {
                        // The first time the old worker may not have been buried yet.
                        tokio::time::sleep(Duration::from_millis(RELAUNCH_WAIT_MS << relaunches)).await;
                        relaunches += 1;
                        let again = vec![(one.sink.clone(), one.item(self.desk))];
                        tokio::select! {
                            () = self.launch(again) => {}
                            halt = one.orders.halt() => return halt.end(),
                        }
                    }
                },
                halt = one.orders.halt() => {
                    let launched = one.sink.give_up();
                    self.stop_item(one, &halt).await;
                    if halt == Halt::Lost || !launched {
                        return halt.end();
                    }
                    halted = Some(halt);
                }
            }
        }
    }

    async fn stop_item(&self, one: &Running, halt: &Halt) {
        if *halt == Halt::Lost && one.crowd == 1 {
            self.desk.staff.kill();
        } else if let Some(hands) = self.desk.staff.current() {
            hands.cancel(one.id);
        }
    }

    async fn answered(
        &self,
        one: &Running,
        output: Value,
        chunks: Option<u64>,
        predict: Took,
    ) -> RunEnd {
        let output = match chunks {
            Some(_) => join(&one.sink.take_pieces()),
            None => output,
        };
        let check = &self.desk.loaded.output;
        if let Err(errors) = check.check(&output.json) {
            return RunEnd::Failed(bad_output(&errors));
        }
        let lease = &one.hold.lease;
        let prefix = format!("jobs/{}/run-{}/output", lease.job, lease.run);
        let stored = persist::insist(&self.desk.parts, "storing an output", || {
            store_value(&*self.desk.parts.blobs, &prefix, &output)
        });
        match stored.await {
            Ok(output) => RunEnd::Succeeded(JobOutput::Prediction {
                output,
                predict_ms: predict.whole.as_millis() as u64,
            }),
            Err(error) => RunEnd::Failed(Failure::new(
                Reason::NoCapacity,
                format!("the output could not be stored: {error}"),
            )),
        }
    }
}

impl Running {
    fn item(&self, desk: &Desk) -> Item {
        Item {
            id: self.id,
            input: self.input.clone(),
            seed: desk.parts.seed(),
            limit: desk.prediction_limit(),
            until: None,
            sink: self.sink.clone(),
        }
    }

    fn listener(&self) -> Listener {
        (self.journal.clone(), self.hold.voice())
    }
}

/// Hears what becomes of one job's item.
struct JobSink {
    journal: Arc<Journal>,
    voice: Voice,
    /// One message a launch, so it never holds more than a few.
    ends: mpsc::UnboundedSender<End>,
    state: Mutex<SinkState>,
}

#[derive(Default)]
struct SinkState {
    launched: bool,
    given_up: bool,
    pieces: Vec<Value>,
}

impl JobSink {
    fn new(journal: Arc<Journal>, voice: Voice) -> (Self, mpsc::UnboundedReceiver<End>) {
        let (ends, inbox) = mpsc::unbounded_channel();
        let sink = Self {
            journal,
            voice,
            ends,
            state: Mutex::default(),
        };
        (sink, inbox)
    }

    /// False when nobody wants it any more.
    fn launch(&self) -> bool {
        let mut state = self.state();
        state.launched = !state.given_up;
        state.launched
    }

    /// True when a worker has it, and so will say how it ended.
    fn give_up(&self) -> bool {
        let mut state = self.state();
        state.given_up = true;
        state.launched
    }

    fn take_pieces(&self) -> Vec<Value> {
        std::mem::take(&mut self.state().pieces)
    }

    fn state(&self) -> MutexGuard<'_, SinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for JobSink {
    fn started(&self) {
        self.voice.say(Phase::Running, None);
        self.journal.running();
    }

    fn log(&self, line: &LogLine<'_>) {
        self.journal.line(line);
    }

    fn progress(&self, progress: Progress) {
        self.voice.say(Phase::Running, Some(progress.clone()));
        self.journal.progress(progress);
    }

    fn metric(&self, values: &BTreeMap<String, f64>, step: Option<f64>) {
        self.journal.metric(values, step);
    }

    fn chunk(&self, index: u64, output: Value) {
        self.state().pieces.push(output.clone());
        self.journal.chunk(index, output);
    }

    fn end(&self, end: End) {
        self.journal.took(&end);
        // Nobody listens any more when the job was given up.
        let _ = self.ends.send(end);
    }
}

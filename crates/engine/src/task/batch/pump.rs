//! Rows through the worker: fills microbatches while the worker computes, puts outcomes into chunks in row order.
//! Does not know tables or results.

use super::{
    answer,
    chunk::{Committer, Filling},
    deaths::{Deaths, is_death},
    pace::Pace,
    rows::{Group, RowIn},
    sink::{Mouth, RowSink},
    window::{Seq, Window},
};
use crate::{
    task::{
        check::bad_output,
        desk::{Desk, Halt, Orders},
        events,
        hold::Voice,
        journal::Journal,
        persist,
        staff::Hands,
    },
    values::store_value,
    worker::{End, Item},
};
use onstage_core::{
    Error, Result,
    batch::Counts,
    event::EventKind,
    limits::INLINE_BYTES_MAX,
    outcome::{Failure, Phase},
    value::{Stored, Value},
};
use serde_json::json;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// Microbatches at the worker: one is computed, the next is on its way.
const MICROBATCHES_AHEAD: usize = 2;
/// Rows sent at once to a model that computes them one by one.
const SINGLES_MAX: usize = 32;
/// Rows between reading and committing.
const WINDOW_ROWS_MAX: usize = 4_096;
/// Bytes of inputs between reading and committing, give or take a group.
const WINDOW_BYTES_MAX: usize = 32 << 20;
/// How often chunks and progress are looked at when nothing else happens.
const TICK_MS: u64 = 250;
/// Failed rows told one by one in the job's log.
const ITEMS_TOLD_MAX: u32 = 100;

/// Why the rows did not all get through.
pub(crate) enum Ending {
    Halt(Halt),
    Fail(Failure),
    Broken(Error),
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

/// Rows of one run on their way.
pub(crate) struct Pump<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) journal: Arc<Journal>,
    pub(crate) voice: Voice,
    pub(crate) rows: mpsc::Receiver<Group>,
    pub(crate) total: Option<oneshot::Receiver<u64>>,
    pub(crate) pace: Pace,
    /// Of all runs so far.
    pub(crate) counts: Counts,
    pub(crate) filling: Filling,
    pub(crate) committer: Committer,
    pub(crate) flow: Flow,
}

/// The rows that are under way.
pub(crate) struct Flow {
    window: Window<RowIn, Outcome>,
    /// Bytes of the inputs in the window.
    bytes: usize,
    /// Every row was read.
    exhausted: bool,
    total: Option<u64>,
    flying: HashMap<Seq, Flying>,
    /// Rows not yet back, by microbatch.
    open: BTreeMap<u64, usize>,
    microbatches: u64,
    hands: Option<Arc<dyn Hands>>,
    worker: u64,
    deaths: Deaths,
    mouth: Mouth,
    ends: mpsc::UnboundedReceiver<(Seq, End)>,
    told_items: u32,
}

struct Flying {
    id: u64,
    microbatch: u64,
    worker: u64,
    alone: bool,
}

enum Outcome {
    Answer(Value),
    Failed(Failure),
}

impl Flow {
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        let (mouth, ends) = Mouth::new(journal);
        Self {
            window: Window::default(),
            bytes: 0,
            exhausted: false,
            total: None,
            flying: HashMap::new(),
            open: BTreeMap::new(),
            microbatches: 0,
            hands: None,
            worker: 0,
            deaths: Deaths::default(),
            mouth,
            ends,
            told_items: 0,
        }
    }
}

impl Pump<'_> {
    /// Until every row is committed. However it ends, what was computed by then is committed if that is still allowed.
    pub(crate) async fn run(mut self, orders: &mut Orders) -> Result<(Counts, f64), Ending> {
        let ended = self.rows_through(orders).await;
        match &ended {
            Err(Ending::Halt(Halt::Lost)) => {
                self.desk.staff.kill();
                return Err(Ending::Halt(Halt::Lost));
            }
            Err(_) => self.cancel_flying(),
            Ok(()) => {}
        }
        if let Some(chunk) = self.filling.seal() {
            self.committer.commit(chunk).await;
        }
        self.say_progress();
        let counts = self.counts;
        let now = self.desk.parts.clock.monotonic();
        let rate = self.pace.rows_per_s(counts.done + counts.failed, now);
        let committed = tokio::select! {
            committed = self.committer.finish() => committed,
            halt = orders.halt(), if ended.is_ok() => return Err(Ending::Halt(halt)),
        };
        ended?;
        committed?;
        Ok((counts, rate))
    }

    async fn rows_through(&mut self, orders: &mut Orders) -> Result<(), Ending> {
        let mut tick = tokio::time::interval(Duration::from_millis(TICK_MS));
        loop {
            self.launch(orders).await?;
            self.settle_done().await?;
            if self.flow.exhausted && self.flow.window.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                halt = orders.halt() => return Err(Ending::Halt(halt)),
                error = self.committer.failed() => return Err(error.into()),
                end = self.flow.ends.recv() => {
                    let mut next = end;
                    while let Some((seq, end)) = next {
                        self.came_back(seq, end)?;
                        next = self.flow.ends.try_recv().ok();
                    }
                }
                group = self.rows.recv(), if self.flow.wants_rows(self.microbatch_max()) => self.flow.take_rows(group)?,
                _ = tick.tick() => self.say_progress(),
            }
        }
    }

    /// Sends what can be sent now.
    async fn launch(&mut self, orders: &mut Orders) -> Result<(), Ending> {
        let max = self.microbatch_max();
        while self.flow.has_microbatch(max) {
            let hands = tokio::select! {
                biased;
                halt = orders.halt() => return Err(Ending::Halt(halt)),
                hands = self.hands() => hands?,
            };
            let seqs = self.flow.window.take(max);
            hands.submit(self.items(&seqs));
        }
        Ok(())
    }

    async fn hands(&mut self) -> Result<Arc<dyn Hands>, Ending> {
        if let Some(hands) = self.flow.hands.clone().filter(|hands| hands.is_alive()) {
            return Ok(hands);
        }
        let audience = vec![(self.journal.clone(), self.voice.clone())];
        let hands = self.desk.hands(audience).await.map_err(Ending::Fail)?;
        self.voice.say(Phase::Running, None);
        self.flow.worker += 1;
        self.flow.hands = Some(hands.clone());
        Ok(hands)
    }

    fn items(&mut self, seqs: &[Seq]) -> Vec<Item> {
        let (desk, flow) = (self.desk, &mut self.flow);
        flow.microbatches += 1;
        flow.open.insert(flow.microbatches, seqs.len());
        let mut items = Vec::with_capacity(seqs.len());
        for &seq in seqs {
            let Some(Ok(input)) = flow.window.row(seq).map(|row| &row.input) else {
                continue;
            };
            let id = desk.item_id();
            let flying = Flying {
                id,
                microbatch: flow.microbatches,
                worker: flow.worker,
                alone: seqs.len() == 1,
            };
            flow.flying.insert(seq, flying);
            items.push(Item {
                id,
                input: Value::json(input.clone()),
                seed: desk.parts.seed(),
                limit: desk.prediction_limit(),
                until: None,
                sink: Arc::new(RowSink::new(seq, flow.mouth.clone())),
            });
        }
        items
    }

    fn came_back(&mut self, seq: Seq, end: End) -> Result<(), Ending> {
        let flow = &mut self.flow;
        let Some(flying) = flow.flying.remove(&seq) else {
            return Ok(());
        };
        if let Some(left) = flow.open.get_mut(&flying.microbatch) {
            *left -= 1;
            if *left == 0 {
                flow.open.remove(&flying.microbatch);
            }
        }
        let death = match end {
            End::Output { output, .. } => {
                flow.deaths.answered();
                flow.window.finish(seq, Outcome::Answer(output));
                return Ok(());
            }
            End::Failed { failure, .. } if !is_death(&failure) => {
                flow.deaths.answered();
                flow.window.finish(seq, Outcome::Failed(failure));
                return Ok(());
            }
            // The microbatch as a whole took too long; which row did is found out one by one.
            End::Failed { failure, .. } if !flying.alone => {
                flow.window.give_back(seq, true);
                failure
            }
            End::Failed { failure, .. } => {
                flow.window.finish(seq, Outcome::Failed(failure.clone()));
                failure
            }
            End::Returned { alone, why } => {
                // One that was to be tried alone stays so, also when its worker was gone before it started.
                flow.window.give_back(seq, alone || flying.alone);
                why
            }
        };
        match flow.deaths.died(flying.worker, &death) {
            Some(failure) => Err(Ending::Fail(failure)),
            None => Ok(()),
        }
    }

    /// Moves finished rows, in order, into chunks.
    async fn settle_done(&mut self) -> Result<(), Ending> {
        while let Some((row, outcome)) = self.flow.window.pop_done() {
            self.flow.bytes -= row.size();
            let outcome = match outcome {
                Outcome::Answer(output) => self.checked(&row, output).await?,
                Outcome::Failed(failure) => Err(failure),
            };
            self.write(&row, &outcome);
            self.seal_if_ripe().await;
        }
        self.seal_if_ripe().await;
        Ok(())
    }

    /// The answer's JSON at rest: files and very long answers in blobs of their own.
    async fn checked(&self, row: &RowIn, output: Value) -> Result<Result<String, Failure>, Ending> {
        if let Err(errors) = self.desk.loaded.output.check(&output.json) {
            return Ok(Err(bad_output(&errors)));
        }
        if output.attachments.is_empty() && output.json.len() <= INLINE_BYTES_MAX {
            return Ok(Ok(String::from_utf8_lossy(&output.json).into_owned()));
        }
        let prefix = self.filling.row_prefix(row.index);
        let stored = persist::insist(&self.desk.parts, "storing an answer", || {
            store_value(&*self.desk.parts.blobs, &prefix, &output)
        })
        .await?;
        Ok(Ok(match stored {
            Stored::Inline(text) => text,
            Stored::Removed => "null".to_owned(),
            Stored::Blob(blob) => json!({"$blob": blob.key, "name": format!("row-{}.json", row.index), "media_type": "application/json", "size": blob.size_bytes}).to_string(),
        }))
    }

    fn write(&mut self, row: &RowIn, outcome: &Result<String, Failure>) {
        let input = match &row.input {
            Ok(input) => String::from_utf8_lossy(input),
            Err(_) => row.shown.as_str().into(),
        };
        let matched = match (outcome, &row.label) {
            (Ok(output), Some(label)) => self.is_match(output, label),
            _ => false,
        };
        let now = self.desk.parts.clock.monotonic();
        let as_text = outcome.as_ref().map(String::as_str);
        self.filling.add(row.index, &input, as_text, matched, now);
        self.counts.matched += u64::from(matched);
        if outcome.is_ok() {
            self.counts.done += 1;
            return;
        }
        self.counts.failed += 1;
        if self.flow.told_items < ITEMS_TOLD_MAX {
            self.flow.told_items += 1;
            let data = json!({"index": row.index, "status": "failed"});
            let at = self.desk.parts.clock.now();
            self.journal
                .event(events::event(EventKind::Item, at, &data));
        }
    }

    fn is_match(&self, output: &str, label: &serde_json::Value) -> bool {
        let scores = answer::is_scores(&self.desk.loaded.schema);
        serde_json::from_str(output).is_ok_and(|output| answer::matches(&output, label, scores))
    }

    async fn seal_if_ripe(&mut self) {
        if self.filling.is_ripe(self.desk.parts.clock.monotonic())
            && let Some(chunk) = self.filling.seal()
        {
            self.committer.commit(chunk).await;
        }
    }

    fn say_progress(&mut self) {
        if let Some(total) = self.total.as_mut().and_then(|total| total.try_recv().ok()) {
            self.flow.total = Some(total);
            self.total = None;
        }
        let rows = self.counts.done + self.counts.failed;
        let now = self.desk.parts.clock.monotonic();
        let progress = self.pace.progress(rows, self.flow.total, now);
        self.voice.say(Phase::Running, Some(progress.clone()));
        self.journal.progress(progress);
    }

    fn microbatch_max(&self) -> usize {
        let many = self.desk.loaded.schema.many.as_ref();
        many.map_or(SINGLES_MAX, |many| many.max.max(1) as usize)
    }

    fn cancel_flying(&self) {
        if let Some(hands) = &self.flow.hands {
            for flying in self.flow.flying.values() {
                hands.cancel(flying.id);
            }
        }
    }
}

impl Flow {
    /// A full microbatch, or whatever there is when the worker would have nothing to do, or nothing more comes.
    fn has_microbatch(&self, max: usize) -> bool {
        let waiting = self.window.waiting();
        waiting > 0
            && self.open.len() < MICROBATCHES_AHEAD
            && (waiting >= max || self.exhausted || self.open.is_empty())
    }

    fn wants_rows(&self, max: usize) -> bool {
        let waiting = self.window.waiting();
        let room = self.window.len() < WINDOW_ROWS_MAX.max(4 * max);
        let light = self.bytes < WINDOW_BYTES_MAX || waiting == 0;
        !self.exhausted && waiting < 2 * max && room && light
    }

    fn take_rows(&mut self, group: Option<Group>) -> Result<(), Ending> {
        match group {
            Some(Group::Rows(rows)) => {
                for row in rows {
                    self.bytes += row.size();
                    match &row.input {
                        Ok(_) => self.window.push(row),
                        Err(failure) => {
                            let failure = failure.clone();
                            self.window.push_done(row, Outcome::Failed(failure));
                        }
                    }
                }
                Ok(())
            }
            Some(Group::Broken(error)) => Err(error.into()),
            Some(Group::End) => {
                self.exhausted = true;
                Ok(())
            }
            None => Err(Error::internal("the thread that reads the table has ended early").into()),
        }
    }
}

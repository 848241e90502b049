//! Rows through the worker: fills microbatches while the worker computes, puts outcomes into chunks in row order.
//! Does not know tables or results.

use super::{
    answer,
    chunk::{Committer, Filling},
    deaths::is_death,
    flow::{Flow, Flying, Outcome},
    meter::Meter,
    pace::Pace,
    rows::{Group, RowIn},
    sink::RowSink,
    window::Seq,
};
use crate::{
    task::{
        check::bad_output,
        desk::{Desk, Halt, Orders},
        ending::Ending,
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
    Result,
    batch::Counts,
    event::EventKind,
    limits::INLINE_BYTES_MAX,
    outcome::{Failure, Phase, Progress},
    value::{Stored, Value},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Rows sent at once to a model that computes them one by one.
const SINGLES_MAX: usize = 32;
/// How often chunks and progress are looked at when nothing else happens.
const TICK_MS: u64 = 250;
/// Failed rows told one by one in the job's log.
const ITEMS_TOLD_MAX: u32 = 100;

/// Rows of a microbatch at most.
pub(crate) fn microbatch_max(desk: &Desk) -> usize {
    let many = desk.loaded.schema.many.as_ref();
    many.map_or(SINGLES_MAX, |many| many.max.max(1) as usize)
}

/// Rows of one run on their way.
pub(crate) struct Pump<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) journal: Arc<Journal>,
    pub(crate) voice: Voice,
    pub(crate) rows: mpsc::Receiver<Group>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) pace: Pace,
    /// Of all runs so far, helpers of this one left out.
    pub(crate) counts: Counts,
    /// It computes rows for a run that is another task's, which tells the job's progress.
    pub(crate) helps: bool,
    pub(crate) filling: Filling,
    pub(crate) committer: Committer,
    pub(crate) flow: Flow,
}

impl Pump<'_> {
    /// Until every row is committed. However it ends, what was computed by then is committed if that is still allowed.
    /// Answers the rows a second.
    pub(crate) async fn run(mut self, orders: &mut Orders) -> Result<f64, Ending> {
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
        let now = self.desk.parts.clock.monotonic();
        let rate = self.pace.rows_per_s(self.rows_done(), now);
        let committed = tokio::select! {
            committed = self.committer.finish() => committed,
            halt = orders.halt(), if ended.is_ok() => return Err(Ending::Halt(halt)),
        };
        ended?;
        committed?;
        Ok(rate)
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
        let mut audience = Vec::new();
        if !self.helps {
            audience.push((self.journal.clone(), self.voice.clone()));
        }
        self.meter.asks(self.desk.parts.clock.monotonic());
        let hands = self.desk.hands(audience).await.map_err(Ending::Fail)?;
        self.meter.ready(self.desk.parts.clock.monotonic());
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
                input: input.clone(),
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
            self.settle_before(row.stretch).await;
            self.begin_chunk(row.index);
            let outcome = match outcome {
                Outcome::Answer(output) => self.checked(&row, output).await?,
                Outcome::Failed(failure) => Err(failure),
            };
            self.write(&row, &outcome);
            self.seal_if_ripe().await;
        }
        if let Some(stretch) = self.flow.first_unsettled() {
            self.settle_before(stretch).await;
        }
        self.seal_if_ripe().await;
        Ok(())
    }

    /// Ends the stretches before this one: no row of theirs is under way any more. The chunk goes on where the next one does.
    async fn settle_before(&mut self, stretch: u64) {
        while self
            .flow
            .stretches
            .front()
            .is_some_and(|front| front.seq < stretch)
        {
            let Some(settled) = self.flow.stretches.pop_front() else {
                return;
            };
            let next = self.flow.stretches.front().map(|next| next.rows.start);
            if settled.shared {
                self.filling.reach(settled.rows.end);
            }
            if (settled.shared || next != Some(settled.rows.end))
                && let Some(chunk) = self.filling.seal()
            {
                self.committer.commit(chunk).await;
            }
            if settled.shared {
                self.committer.done(settled.rows.end).await;
            }
        }
    }

    /// An empty chunk begins where its first row's stretch does, or where the chunk before has ended in it.
    fn begin_chunk(&mut self, row: u64) {
        if let Some(stretch) = self.flow.stretches.front()
            && self.filling.is_empty()
            && !(stretch.rows.start..=row).contains(&self.filling.end())
        {
            self.filling.begin_at(stretch.rows.start);
        }
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
            Ok(input) if row.shown.is_empty() => String::from_utf8_lossy(&input.json),
            _ => row.shown.as_str().into(),
        };
        let matched = match (outcome, &row.label) {
            (Ok(output), Some(label)) => self.is_match(output, label),
            _ => false,
        };
        let now = self.desk.parts.clock.monotonic();
        let as_text = outcome.as_ref().map(String::as_str);
        self.filling.add(row.index, &input, as_text, matched, now);
        self.meter.row_done();
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
        if self.helps {
            return;
        }
        let total = self.meter.total().map(|total| total.chosen);
        let now = self.desk.parts.clock.monotonic();
        let progress = Progress {
            used: Some(self.desk.amounts(self.journal.used())),
            ..self.pace.progress(self.rows_done(), total, now)
        };
        self.voice.say(Phase::Running, Some(progress.clone()));
        self.journal.progress(progress);
    }

    fn rows_done(&self) -> u64 {
        let all = self.counts.plus(self.meter.helped());
        all.done + all.failed
    }

    fn microbatch_max(&self) -> usize {
        microbatch_max(self.desk)
    }

    fn cancel_flying(&self) {
        if let Some(hands) = &self.flow.hands {
            for flying in self.flow.flying.values() {
                hands.cancel(flying.id);
            }
        }
    }
}

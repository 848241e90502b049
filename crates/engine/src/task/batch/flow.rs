//! The rows of one run that are under way: read, at the worker, or waiting for those before them.
//! Does not send or commit anything.

use super::{
    dealer::Stretch,
    deaths::Deaths,
    rows::{Group, RowIn},
    sink::Mouth,
    window::{Seq, Window},
};
use crate::{
    task::{ending::Ending, journal::Journal, staff::Hands},
    worker::End,
};
use onstage_core::{Error, outcome::Failure, value::Value};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};
use tokio::sync::mpsc;

/// Microbatches at the worker: one is computed, the next is on its way.
const MICROBATCHES_AHEAD: usize = 2;
/// Rows between reading and committing.
const WINDOW_ROWS_MAX: usize = 4_096;
/// Bytes of inputs between reading and committing, give or take a group.
const WINDOW_BYTES_MAX: usize = 32 << 20;

/// The rows that are under way.
pub(crate) struct Flow {
    pub(super) window: Window<RowIn, Outcome>,
    /// Bytes of the inputs in the window.
    pub(super) bytes: usize,
    /// Every row was read.
    pub(super) exhausted: bool,
    /// Stretches that were begun and are not settled, in the order in which they are read.
    pub(super) stretches: VecDeque<Stretch>,
    pub(super) flying: HashMap<Seq, Flying>,
    /// Rows not yet back, by microbatch.
    pub(super) open: BTreeMap<u64, usize>,
    pub(super) microbatches: u64,
    pub(super) hands: Option<Arc<dyn Hands>>,
    pub(super) worker: u64,
    pub(super) deaths: Deaths,
    pub(super) mouth: Mouth,
    pub(super) ends: mpsc::UnboundedReceiver<(Seq, End)>,
    pub(super) told_items: u32,
}

pub(super) struct Flying {
    pub(super) id: u64,
    pub(super) microbatch: u64,
    pub(super) worker: u64,
    pub(super) alone: bool,
}

pub(super) enum Outcome {
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
            stretches: VecDeque::new(),
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

    /// A full microbatch, or whatever there is when the worker would have nothing to do, or nothing more comes.
    pub(super) fn has_microbatch(&self, max: usize) -> bool {
        let waiting = self.window.waiting();
        waiting > 0
            && self.open.len() < MICROBATCHES_AHEAD
            && (waiting >= max || self.exhausted || self.open.is_empty())
    }

    pub(super) fn wants_rows(&self, max: usize) -> bool {
        let waiting = self.window.waiting();
        let room = self.window.len() < WINDOW_ROWS_MAX.max(4 * max);
        let light = self.bytes < WINDOW_BYTES_MAX || waiting == 0;
        !self.exhausted && waiting < 2 * max && room && light
    }

    /// The first stretch of which rows may still be under way; what is read now is never done.
    pub(super) fn first_unsettled(&self) -> Option<u64> {
        match self.window.front() {
            Some(row) => Some(row.stretch),
            None => self
                .stretches
                .back()
                .map(|last| last.seq + u64::from(self.exhausted)),
        }
    }

    pub(super) fn take_rows(&mut self, group: Option<Group>) -> Result<(), Ending> {
        match group {
            Some(Group::Begin(stretch)) => {
                self.stretches.push_back(stretch);
                Ok(())
            }
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

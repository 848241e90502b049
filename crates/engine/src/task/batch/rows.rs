//! Rows out of a table on a thread of their own: read, coerced, checked, in bounded groups.
//! Does not know workers or chunks.

use super::{
    cells::Cells,
    dealer::{Ask, Stretch},
    meter::{Meter, Total},
    select::Selection,
};
use crate::task::check::bad_row;
use onstage_core::{
    Error, Result,
    batch::TableFormat,
    outcome::{Failure, Reason},
    ports::{InputCheck, TableReader, Tables},
    value::Value as Input,
};
use serde_json::{Map, Value};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{mpsc, oneshot};

/// Rows handed over at once, and as many at least where other tasks could have them.
const GROUP_ROWS_MAX: usize = 256;
const GROUP_ROWS_MIN: usize = 16;
/// Bytes of inputs handed over at once, give or take a row.
pub(crate) const GROUP_BYTES_MAX: usize = 1 << 20;
/// Groups that may wait.
const GROUPS_WAITING_MAX: usize = 2;
/// How often a count looks whether anybody still wants it.
const COUNT_LOOK_ROWS: u64 = 4_096;

/// A row on its way to the worker.
#[derive(Debug)]
pub(crate) struct RowIn {
    /// Its place in the table, from 0.
    pub(crate) index: u64,
    /// The stretch it is of.
    pub(crate) stretch: u64,
    /// The input, or why the row is no input.
    pub(crate) input: Result<Input, Failure>,
    /// The cells as they were, where the input is not what is to be shown.
    pub(crate) shown: String,
    /// The true answer, when the job named its column.
    pub(crate) label: Option<Value>,
}

/// What the reading thread says.
#[derive(Debug)]
pub(crate) enum Group {
    /// What follows is of this stretch; the one before was read.
    Begin(Stretch),
    Rows(Vec<RowIn>),
    /// The table breaks off; what was handed over before is not the whole.
    Broken(Error),
    /// The whole table was read; without this word the thread has failed.
    End,
}

/// What to read.
pub(crate) struct Reading {
    pub(crate) cells: Cells,
    pub(crate) label: Option<String>,
    pub(crate) check: Arc<dyn InputCheck>,
    pub(crate) selection: Selection,
    /// Rows of a microbatch: slow models should not have many more at hand than they compute.
    pub(crate) microbatch: usize,
}

/// A table that can be opened again, for rows that lie behind the reader.
pub(crate) struct Table {
    pub(crate) tables: Arc<dyn Tables>,
    pub(crate) path: PathBuf,
    pub(crate) format: TableFormat,
}

/// Starts reading, stretch by stretch as they are answered. Dropping the receiver ends the thread.
pub(crate) fn read(
    table: Table,
    reader: Box<dyn TableReader>,
    reading: Reading,
    asks: mpsc::Sender<Ask>,
) -> mpsc::Receiver<Group> {
    let (groups, inbox) = mpsc::channel(GROUPS_WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        let mut thread = Thread {
            table,
            reader,
            at: 0,
            reading,
            groups,
        };
        // A send that fails means that the job was given up: nobody hears what it was.
        let last = match thread.read_all(&asks) {
            Ok(()) => Group::End,
            Err(Stop::Broken(error)) => Group::Broken(error),
            Err(Stop::GivenUp) => return,
        };
        let _ = thread.groups.blocking_send(last);
    });
    inbox
}

/// Why reading ends early.
enum Stop {
    Broken(Error),
    GivenUp,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

struct Thread {
    table: Table,
    reader: Box<dyn TableReader>,
    /// The row that the reader gives next.
    at: u64,
    reading: Reading,
    groups: mpsc::Sender<Group>,
}

impl Thread {
    fn read_all(&mut self, asks: &mpsc::Sender<Ask>) -> Result<(), Stop> {
        loop {
            let (ask, answer) = oneshot::channel();
            let stretch = match asks.blocking_send(ask).map(|()| answer.blocking_recv()) {
                Ok(Ok(stretch)) => stretch?,
                _ => return Err(Stop::GivenUp),
            };
            let Some(stretch) = stretch else {
                return Ok(());
            };
            let (seq, rows) = (stretch.seq, stretch.rows.clone());
            self.send(Group::Begin(stretch))?;
            if rows.start < self.at {
                let table = &self.table;
                self.reader = table.tables.open(&table.path, table.format)?;
                self.at = 0;
            }
            self.read(seq, rows)?;
        }
    }

    /// The chosen rows of one stretch; fewer where the table ends within it.
    fn read(&mut self, stretch: u64, wanted: std::ops::Range<u64>) -> Result<(), Stop> {
        let most = (2 * self.reading.microbatch).clamp(GROUP_ROWS_MIN, GROUP_ROWS_MAX);
        let end = wanted.end.min(self.reading.selection.end());
        let mut rows = Vec::new();
        let mut bytes = 0;
        while self.at < end {
            let Some(row) = self.reader.next_row()? else {
                break;
            };
            let index = self.at;
            self.at += 1;
            if index < wanted.start || !self.reading.selection.has(index) {
                continue;
            }
            let row = self.reading.take(index, stretch, row);
            bytes += row.size();
            rows.push(row);
            if rows.len() >= most || bytes >= GROUP_BYTES_MAX {
                bytes = 0;
                self.send(Group::Rows(std::mem::take(&mut rows)))?;
            }
        }
        self.send(Group::Rows(rows))
    }

    fn send(&self, group: Group) -> Result<(), Stop> {
        let sent = self.groups.blocking_send(group);
        sent.map_err(|_| Stop::GivenUp)
    }
}

/// Finds out how many rows the job has: from the file's own word, else by counting on a thread beside. Answers what makes it stop.
pub(crate) fn count(
    table: Table,
    selection: Selection,
    told: Option<u64>,
    meter: Arc<Meter>,
) -> Arc<AtomicBool> {
    let unwanted = Arc::new(AtomicBool::new(false));
    let stop = unwanted.clone();
    tokio::task::spawn_blocking(move || {
        let rows = told.or_else(|| {
            let opened = table.tables.open(&table.path, table.format).ok();
            opened.and_then(|reader| count_rows(reader, selection.end(), &stop))
        });
        if let Some(rows) = rows {
            meter.tell_total(Total {
                end: rows.min(selection.end()),
                chosen: selection.count_within(rows),
            });
        }
    });
    unwanted
}

fn count_rows(mut reader: Box<dyn TableReader>, end: u64, stop: &AtomicBool) -> Option<u64> {
    let mut rows = 0;
    // A table that breaks off has no count.
    while rows < end && reader.next_row().ok()?.is_some() {
        rows += 1;
        if rows.is_multiple_of(COUNT_LOOK_ROWS) && stop.load(Ordering::Relaxed) {
            return None;
        }
    }
    Some(rows)
}

impl Reading {
    fn take(&self, index: u64, stretch: u64, row: Result<Map<String, Value>, String>) -> RowIn {
        let row = match row {
            Ok(row) => row,
            Err(why) => {
                let message = format!("the row cannot be read: {why}");
                return RowIn {
                    index,
                    stretch,
                    input: Err(Failure::new(Reason::UserError, message)),
                    shown: "{}".to_owned(),
                    label: None,
                };
            }
        };
        let label = self
            .label
            .as_ref()
            .and_then(|label| row.get(label).cloned());
        let cells = self.cells.of(&row);
        let (input, shown) = match self.check.coerce(&cells) {
            Ok(input) => (Ok(Input::json(input)), String::new()),
            Err(errors) => {
                let shown: Map<String, Value> = cells.into_iter().collect();
                (Err(bad_row(&errors)), Value::Object(shown).to_string())
            }
        };
        RowIn {
            index,
            stretch,
            input,
            shown,
            label,
        }
    }
}

impl RowIn {
    /// Bytes it holds.
    pub(crate) fn size(&self) -> usize {
        self.shown.len() + self.input.as_ref().map_or(0, Input::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Damaged(u32);

    impl TableReader for Damaged {
        fn columns(&self) -> &[String] {
            &[]
        }

        fn rows_total(&self) -> Option<u64> {
            None
        }

        fn next_row(&mut self) -> Result<Option<onstage_core::ports::Row>> {
            match self.0.checked_sub(1) {
                Some(left) => self.0 = left,
                None => return Err(Error::invalid("the table is damaged: row 3")),
            }
            Ok(Some(Ok(Map::new())))
        }
    }

    #[test]
    fn a_damaged_table_has_no_count() {
        let stop = AtomicBool::new(false);
        let count = |rows, end| count_rows(Box::new(Damaged(rows)), end, &stop);
        assert_eq!(count(3, u64::MAX), None);
        assert_eq!(count(3, 2), Some(2), "what lies behind is not asked for");
    }
}

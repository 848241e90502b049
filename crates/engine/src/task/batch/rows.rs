//! Rows out of a table on a thread of their own: read, coerced, checked, in bounded groups.
//! Does not know workers or chunks.

use super::{cells::Cells, select::Selection};
use crate::task::check::bad_row;
use bytes::Bytes;
use onstage_core::{
    Error, Result,
    batch::TableFormat,
    outcome::{Failure, Reason},
    ports::{InputCheck, TableReader, Tables},
};
use serde_json::{Map, Value};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{mpsc, oneshot};

/// Rows handed over at once.
const GROUP_ROWS_MAX: usize = 256;
/// Bytes of inputs handed over at once, give or take a row.
const GROUP_BYTES_MAX: usize = 1 << 20;
/// Groups that may wait.
const GROUPS_WAITING_MAX: usize = 2;
/// How often a count looks whether anybody still wants it.
const COUNT_LOOK_ROWS: u64 = 4_096;

/// A row on its way to the worker.
#[derive(Debug)]
pub(crate) struct RowIn {
    /// Its place in the table, from 0.
    pub(crate) index: u64,
    /// The input's JSON, or why the row is no input.
    pub(crate) input: Result<Bytes, Failure>,
    /// The cells as they were, where there is no input to show.
    pub(crate) shown: String,
    /// The true answer, when the job named its column.
    pub(crate) label: Option<Value>,
}

/// What the reading thread says.
#[derive(Debug)]
pub(crate) enum Group {
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
    /// Rows before this one are done already.
    pub(crate) first_row: u64,
}

/// Starts reading. Dropping the receiver ends the thread.
pub(crate) fn read(mut reader: Box<dyn TableReader>, reading: Reading) -> mpsc::Receiver<Group> {
    let (groups, inbox) = mpsc::channel(GROUPS_WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        let mut index = 0;
        let mut rows = Vec::new();
        let mut bytes = 0;
        let mut last = Group::End;
        while index < reading.selection.end() {
            let row = match reader.next_row() {
                Ok(Some(row)) => row,
                Ok(None) => break,
                Err(error) => {
                    last = Group::Broken(error);
                    break;
                }
            };
            if index >= reading.first_row && reading.selection.has(index) {
                let row = reading.take(index, row);
                bytes += row.size();
                rows.push(row);
            }
            index += 1;
            if rows.len() >= GROUP_ROWS_MAX || bytes >= GROUP_BYTES_MAX {
                bytes = 0;
                if groups
                    .blocking_send(Group::Rows(std::mem::take(&mut rows)))
                    .is_err()
                {
                    return;
                }
            }
        }
        if groups.blocking_send(Group::Rows(rows)).is_ok() {
            let _ = groups.blocking_send(last);
        }
    });
    inbox
}

/// How many rows the job has, when that is known: from the file's own word, else by counting on a thread beside.
pub(crate) fn count(
    tables: Arc<dyn Tables>,
    path: &Path,
    format: TableFormat,
    selection: Selection,
    told: Option<u64>,
) -> (oneshot::Receiver<u64>, Arc<AtomicBool>) {
    let (tell, count) = oneshot::channel();
    let unwanted = Arc::new(AtomicBool::new(false));
    let (path, stop) = (path.to_owned(), unwanted.clone());
    tokio::task::spawn_blocking(move || {
        let rows = match told {
            Some(rows) => Some(rows),
            None => tables
                .open(&path, format)
                .ok()
                .and_then(|reader| count_rows(reader, selection.end(), &stop)),
        };
        if let Some(rows) = rows {
            let _ = tell.send(selection.count_within(rows));
        }
    });
    (count, unwanted)
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
    fn take(&self, index: u64, row: Result<Map<String, Value>, String>) -> RowIn {
        let row = match row {
            Ok(row) => row,
            Err(why) => {
                let message = format!("the row cannot be read: {why}");
                return RowIn {
                    index,
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
            Ok(input) => (Ok(input), String::new()),
            Err(errors) => {
                let shown: Map<String, Value> = cells.into_iter().collect();
                (Err(bad_row(&errors)), Value::Object(shown).to_string())
            }
        };
        RowIn {
            index,
            input,
            shown,
            label,
        }
    }
}

impl RowIn {
    /// Bytes it holds.
    pub(crate) fn size(&self) -> usize {
        self.shown.len() + self.input.as_ref().map_or(0, Bytes::len)
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

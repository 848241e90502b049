//! A look into a table at rest: its first rows, and what it says of its columns, read from its blob within limits.
//! Does not copy the table, nor keep anything.

mod columns;
mod window;

pub(crate) use columns::Column;

use super::{call::Call, problem::Problem};
use columns::Columns;
use onstage_core::{
    Clock, Error, Result,
    batch::TableFormat,
    dataset::DatasetVersion,
    ports::{ArchiveList, Row, TableReader, Tables},
    value::BlobRef,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use window::Window;

/// Read of a blob for one look.
const LOOK_BYTES_MAX: u64 = 64 << 20;
/// How long a look reads on.
const LOOK_MS_MAX: u64 = 800;
/// Of a text that is shown.
const TEXT_CHARS_MAX: usize = 1_000;

/// How much of a table is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// Rows to show.
    pub(crate) rows: usize,
    /// Whether to read on for the sake of what the columns are.
    pub(crate) reads_on: bool,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) columns: Vec<Column>,
    /// The first rows; one that cannot be read is `{"error": why}`.
    pub(crate) rows: Vec<Value>,
    pub(crate) rows_seen: u64,
    /// Where it is known.
    pub(crate) rows_total: Option<u64>,
    /// Why there may be more than was seen.
    pub(crate) stopped: Option<String>,
}

/// Errors: invalid, when it is no such table.
pub(crate) async fn look(
    call: &Call,
    blob: &BlobRef,
    format: TableFormat,
    wish: Wish,
) -> Result<Look, Problem> {
    let parts = &call.state.parts;
    let is_text = matches!(format, TableFormat::Csv | TableFormat::Jsonl);
    let size_bytes = match is_text {
        true => blob.size_bytes.min(LOOK_BYTES_MAX),
        false => blob.size_bytes,
    };
    let window = Window::new(Arc::clone(&parts.blobs), blob, size_bytes, LOOK_BYTES_MAX);
    let eye = Eye {
        wish,
        clock: Arc::clone(&parts.clock),
        cut: size_bytes < blob.size_bytes,
        cells: format == TableFormat::Csv,
    };
    let tables = Arc::clone(&parts.tables);
    let looked = tokio::task::spawn_blocking(move || eye.look(&*tables, window, format)).await;
    let looked =
        looked.map_err(|error| Error::internal("a table's reader broke").because(error))?;
    Ok(looked?)
}

/// The first files of an archive, and why these may not be all. Errors: invalid, when it is no such archive.
pub(crate) async fn into_archive(
    call: &Call,
    version: &DatasetVersion,
    files_max: usize,
) -> Result<(ArchiveList, Option<String>), Problem> {
    let parts = &call.state.parts;
    let blob = &version.blob;
    let (size, most) = (blob.size_bytes, LOOK_BYTES_MAX);
    let window = Arc::new(Window::new(Arc::clone(&parts.blobs), blob, size, most));
    let (tables, format) = (Arc::clone(&parts.tables), version.format);
    let source = Arc::clone(&window);
    let listed =
        tokio::task::spawn_blocking(move || tables.list_archive(source, format, files_max)).await;
    let listed =
        listed.map_err(|error| Error::internal("an archive's reader broke").because(error))?;
    let mib = LOOK_BYTES_MAX >> 20;
    match listed {
        Err(_) if window.has_refused() => Ok((
            ArchiveList::default(),
            Some(format!(
                "What is in it is not known after the first {mib} MiB."
            )),
        )),
        Ok(list) if !list.whole => {
            let note = format!("These are the first {} files.", list.files.len());
            Ok((list, Some(note)))
        }
        listed => Ok((listed?, None)),
    }
}

struct Eye {
    wish: Wish,
    clock: Arc<dyn Clock>,
    /// The window ends before the table does: its last row is most likely half a row.
    cut: bool,
    cells: bool,
}

impl Eye {
    fn look(&self, tables: &dyn Tables, window: Window, format: TableFormat) -> Result<Look> {
        let end = self.clock.monotonic() + Duration::from_millis(LOOK_MS_MAX);
        let window = Arc::new(window);
        let mut reader = tables.open_source(Arc::clone(&window) as _, format)?;
        let mut columns = Columns::new(reader.columns(), self.cells);
        let mut look = Look {
            columns: Vec::new(),
            rows: Vec::new(),
            rows_seen: 0,
            rows_total: reader.rows_total(),
            stopped: None,
        };
        let mut held = None;
        while look.stopped.is_none() {
            if !self.wish.reads_on && look.rows.len() >= self.wish.rows {
                look.stopped = Some("The rows behind the first ones were not read.".to_owned());
                break;
            }
            if self.clock.monotonic() > end {
                let seen = look.rows_seen;
                let text = format!(
                    "This is what the first {seen} rows say; a look reads for {LOOK_MS_MAX} ms."
                );
                look.stopped = Some(text);
                break;
            }
            let Some(row) = self.next(&mut *reader, &window, &mut look) else {
                break;
            };
            if let Some(before) = held.replace(row) {
                self.see(before, &mut look, &mut columns);
            }
        }
        if let Some(row) = held.filter(|_| look.stopped.is_none()) {
            self.see(row, &mut look, &mut columns);
        }
        if look.stopped.is_none() {
            look.rows_total = Some(look.rows_seen);
        }
        look.columns = columns.done();
        Ok(look)
    }

    /// The next row; none at the end, which `stopped` explains when it is not the table's.
    fn next(&self, reader: &mut dyn TableReader, window: &Window, look: &mut Look) -> Option<Row> {
        let next = reader.next_row();
        if let Ok(Some(row)) = next {
            return Some(row);
        }
        if self.cut || window.has_refused() {
            let mib = LOOK_BYTES_MAX >> 20;
            look.stopped = Some(format!("This is what the first {mib} MiB say."));
        } else if let Err(error) = next {
            look.stopped = Some(format!("{error}."));
        }
        None
    }

    fn see(&self, row: Row, look: &mut Look, columns: &mut Columns) {
        look.rows_seen += 1;
        let shown = look.rows.len() < self.wish.rows;
        match row {
            Ok(row) => {
                columns.see(&row);
                if shown {
                    look.rows.push(short(Value::Object(row)));
                }
            }
            Err(why) if shown => look.rows.push(json!({ "error": why })),
            Err(_) => {}
        }
    }
}

/// A value without the length of its texts.
fn short(value: Value) -> Value {
    match value {
        Value::String(text) if text.len() > TEXT_CHARS_MAX => {
            let start: String = text.chars().take(TEXT_CHARS_MAX).collect();
            Value::String(format!("{start}…"))
        }
        Value::Array(list) => list.into_iter().take(TEXT_CHARS_MAX).map(short).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, short(value)))
            .collect(),
        other => other,
    }
}

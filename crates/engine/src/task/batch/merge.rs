//! The result table: the job's rows as they came, with answer and error columns, out of the table and the chunks.
//! Streams both in row order; holds neither in memory.

use super::{
    answer::{Columns, Shape, free_name},
    line::Line,
};
use crate::parts::Parts;
use bytes::{Buf, Bytes, BytesMut};
use onstage_core::{
    Error, Result,
    batch::{Chunk, TableFormat},
    ports::{Blobs, TableReader, TableWriter, Tables},
    schema::ModelSchema,
    value::BlobRef,
};
use serde_json::{Map, Value};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{io::AsyncReadExt, sync::mpsc};

/// Bytes read from a blob or a file at once.
const PIECE_BYTES: u64 = 1 << 20;
/// Pieces on their way to the thread that works on them.
const PIECES_WAITING_MAX: usize = 4;

/// What the result is made of.
pub(crate) struct Merge {
    pub(crate) table: PathBuf,
    pub(crate) format: TableFormat,
    /// Where the result is written before it is uploaded.
    pub(crate) result: PathBuf,
    pub(crate) schema: Arc<ModelSchema>,
    /// By index.
    pub(crate) chunks: Vec<Chunk>,
}

impl Merge {
    /// Writes the result and puts it under `key`.
    pub(crate) async fn run(self, parts: &Parts, key: &str) -> Result<BlobRef> {
        let schema = self.schema.clone();
        let shape = each_line(parts, &self.chunks, move |lines| shape_of(&schema, lines)).await?;
        let (tables, result) = (parts.tables.clone(), self.result.clone());
        let (table, format) = (self.table.clone(), self.format);
        each_line(parts, &self.chunks, move |lines| {
            write_result(&*tables, &table, format, &result, shape, lines)
        })
        .await?;
        upload(&*parts.blobs, key, &self.result).await
    }
}

/// Gives the lines of all chunks to `work` on a thread of its own.
pub(crate) async fn each_line<T: Send + 'static>(
    parts: &Parts,
    chunks: &[Chunk],
    work: impl FnOnce(&mut Lines) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (pieces, inbox) = mpsc::channel(PIECES_WAITING_MAX);
    let thread = tokio::task::spawn_blocking(move || {
        let mut lines = Lines {
            inbox,
            buffer: BytesMut::new(),
        };
        work(&mut lines)
    });
    feed(&*parts.blobs, chunks, pieces).await?;
    thread
        .await
        .map_err(|error| Error::internal("reading chunks has panicked").because(error))?
}

async fn feed(blobs: &dyn Blobs, chunks: &[Chunk], pieces: mpsc::Sender<Bytes>) -> Result<()> {
    for chunk in chunks {
        let mut at = 0;
        while at < chunk.blob.size_bytes {
            let end = (at + PIECE_BYTES).min(chunk.blob.size_bytes);
            let piece = blobs.read(&chunk.blob.key, at..end).await?;
            at = end;
            if pieces.send(piece).await.is_err() {
                // The thread has what it wants, or an error that tells more.
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Lines out of pieces; for a thread that may block.
pub(crate) struct Lines {
    inbox: mpsc::Receiver<Bytes>,
    buffer: BytesMut,
}

impl Lines {
    /// The next line without its end.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let mut looked = 0;
        loop {
            if let Some(place) = self.buffer[looked..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(looked + place).freeze();
                self.buffer.advance(1);
                return Some(line);
            }
            looked = self.buffer.len();
            match self.inbox.blocking_recv() {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None if self.buffer.is_empty() => return None,
                None => return Some(self.buffer.split().freeze()),
            }
        }
    }
}

fn shape_of(schema: &ModelSchema, lines: &mut Lines) -> Result<Shape> {
    let mut shape = Shape::new(schema);
    while let Some(line) = lines.next() {
        let line = Line::parse(&line)?;
        if let Some(output) = line.output.filter(|_| line.error.is_none()) {
            shape.see(&parse(output.get())?);
        }
    }
    Ok(shape)
}

fn write_result(
    tables: &dyn Tables,
    table: &Path,
    format: TableFormat,
    result: &Path,
    shape: Shape,
    lines: &mut Lines,
) -> Result<()> {
    let mut columns = columns_of(tables, table, format)?;
    let answers = shape.columns(&columns);
    let error = free_name(&columns, "error");
    columns.extend(answers.names());
    columns.push(error.clone());
    let mut writer = tables.create(result, format, &columns)?;
    let mut rows = Rows {
        reader: tables.open(table, format)?,
        index: 0,
    };
    while let Some(line) = lines.next() {
        let line = Line::parse(&line)?;
        let row = rows.at(line.index)?;
        write_row(&mut *writer, row, &line, &answers, &error)?;
    }
    writer.finish()
}

fn write_row(
    writer: &mut dyn TableWriter,
    mut row: Map<String, Value>,
    line: &Line<'_>,
    answers: &Columns,
    error: &str,
) -> Result<()> {
    if let Some(failure) = &line.error {
        row.insert(error.to_owned(), Value::String(failure.message.clone()));
    } else if let Some(output) = line.output {
        answers.fill(&mut row, parse(output.get())?);
    }
    writer.write(&row)
}

/// The table's columns; of JSON lines every key that any row has.
fn columns_of(tables: &dyn Tables, table: &Path, format: TableFormat) -> Result<Vec<String>> {
    let mut reader = tables.open(table, format)?;
    let mut columns = reader.columns().to_vec();
    if format == TableFormat::Jsonl {
        let mut known: HashSet<String> = columns.iter().cloned().collect();
        while let Some(row) = reader.next_row()? {
            for key in row.into_iter().flatten().map(|(key, _)| key) {
                if known.insert(key.clone()) {
                    columns.push(key);
                }
            }
        }
    }
    Ok(columns)
}

/// The table again, going forward only.
struct Rows {
    reader: Box<dyn TableReader>,
    index: u64,
}

impl Rows {
    /// The row at `index`; empty when it cannot be read.
    fn at(&mut self, index: u64) -> Result<Map<String, Value>> {
        loop {
            let row = self.reader.next_row()?.ok_or_else(|| {
                Error::internal(format!(
                    "row {index} was computed, and the table has ended before it"
                ))
            })?;
            self.index += 1;
            if self.index > index {
                return Ok(row.unwrap_or_default());
            }
        }
    }
}

fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text)
        .map_err(|error| Error::internal("an answer in a chunk is damaged").because(error))
}

async fn upload(blobs: &dyn Blobs, key: &str, path: &Path) -> Result<BlobRef> {
    let unreadable =
        |error: std::io::Error| Error::unavailable("the result cannot be read back").because(error);
    let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut writer = blobs.writer(key).await?;
    loop {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES as usize);
        while piece.len() < PIECE_BYTES as usize {
            if file.read_buf(&mut piece).await.map_err(unreadable)? == 0 {
                break;
            }
        }
        if piece.is_empty() {
            return writer.finish().await;
        }
        writer.write(piece.freeze()).await?;
    }
}

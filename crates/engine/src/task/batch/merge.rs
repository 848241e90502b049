//! The result table: the job's rows as they came, with answer and error columns, out of the table and the chunks.
//! Streams both in row order; holds neither in memory.

use super::{
    answer::{Columns, Shape, free_name},
    line::Line,
    lines::{Lines, each_line},
};
use crate::parts::Parts;
use bytes::BytesMut;
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
use tokio::io::AsyncReadExt;

/// Bytes read from a file at once.
const PIECE_BYTES: usize = 256 << 10;

/// What the result is made of, beside the chunks.
#[derive(Clone)]
pub(crate) struct Merge {
    pub(crate) tables: Arc<dyn Tables>,
    pub(crate) table: PathBuf,
    pub(crate) format: TableFormat,
    /// Where the result is written before it is uploaded.
    pub(crate) result: PathBuf,
    pub(crate) schema: Arc<ModelSchema>,
}

impl Merge {
    /// What the answers have in common, where the schema says it.
    pub(crate) fn shape_known_before(&self) -> Option<Shape> {
        Shape::known_before(&self.schema)
    }

    /// Writes the result of all chunks, which are by index.
    pub(crate) async fn run(&self, parts: &Parts, chunks: &[Chunk]) -> Result<()> {
        let shape = match self.shape_known_before() {
            Some(shape) => shape,
            None => each_line(parts, chunks, shape_of).await?,
        };
        let merge = self.clone();
        each_line(parts, chunks, move |lines| merge.write(shape, lines)).await
    }

    /// Writes the result of these lines.
    pub(crate) fn write(&self, shape: Shape, lines: &mut Lines) -> Result<()> {
        let mut columns = columns_of(&*self.tables, &self.table, self.format)?;
        let answers = shape.columns(&columns);
        let error = free_name(&columns, "error");
        columns.extend(answers.names());
        columns.push(error.clone());
        let mut writer = self.tables.create(&self.result, self.format, &columns)?;
        let mut rows = Rows {
            reader: self.tables.open(&self.table, self.format)?,
            index: 0,
        };
        while let Some(line) = lines.next() {
            let line = Line::parse(&line)?;
            let row = rows.at(line.index)?;
            write_row(&mut *writer, row, &line, &answers, &error)?;
        }
        writer.finish()
    }

    /// Puts the result under `key`.
    pub(crate) async fn upload(&self, blobs: &dyn Blobs, key: &str) -> Result<BlobRef> {
        let unreadable = |error: std::io::Error| {
            Error::unavailable("the result cannot be read back").because(error)
        };
        let mut file = tokio::fs::File::open(&self.result)
            .await
            .map_err(unreadable)?;
        let mut writer = blobs.writer(key).await?;
        loop {
            let mut piece = BytesMut::with_capacity(PIECE_BYTES);
            while piece.len() < PIECE_BYTES {
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
}

fn shape_of(lines: &mut Lines) -> Result<Shape> {
    let mut shape = Shape::default();
    while let Some(line) = lines.next() {
        let line = Line::parse(&line)?;
        if let Some(output) = line.output.filter(|_| line.error.is_none()) {
            shape.see(&parse(output.get())?);
        }
    }
    Ok(shape)
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

//! Reads Arrow files (Feather 2) and streams row by row, a batch at a time.
//! The library panics on some damaged files.

use super::{
    arrow_cells::cell,
    arrow_messages::Messages,
    breaks_off,
    cells::{check_names, row},
    guarded, no_rows,
};
use arrow_array::RecordBatch;
use arrow_ipc::reader::FileDecoder;
use onstage_core::{
    Error, Result,
    ports::{ByteSource, Row, TableReader},
};
use std::sync::Arc;

pub(super) struct ArrowReader {
    messages: Messages,
    decoder: FileDecoder,
    columns: Vec<String>,
    batch: Option<RecordBatch>,
    /// The next row of the batch.
    at: usize,
    number: u64,
    /// Why nothing more can be read.
    broken: Option<String>,
}

impl ArrowReader {
    /// `batch_bytes_max` is of one batch of rows, as it lies there and unpacked.
    pub(super) fn open(source: Arc<dyn ByteSource>, batch_bytes_max: u64) -> Result<Self> {
        let opened = guarded(|| Messages::open(source, batch_bytes_max));
        let (head, messages) = opened.map_err(|why| {
            Error::invalid(format!("the table is not a whole Arrow file: {why}"))
                .hint("write it as an Arrow IPC file (Feather 2), and send all of it")
        })?;
        let columns: Vec<String> = head
            .schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        check_names(&columns)?;
        let mut table = Self {
            messages,
            decoder: FileDecoder::new(head.schema, head.version),
            columns,
            batch: None,
            at: 0,
            number: 0,
            broken: None,
        };
        table.batch = table.next_batch().map_err(|why| breaks_off(&why))?;
        match table.batch {
            Some(_) => Ok(table),
            None => Err(no_rows()),
        }
    }

    /// The next one with rows.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, String> {
        let (messages, decoder) = (&mut self.messages, &mut self.decoder);
        let read = guarded(|| -> Result<_, String> {
            while let Some(message) = messages.next()? {
                let told = |error: arrow_schema::ArrowError| error.to_string();
                if message.is_dictionary {
                    decoder
                        .read_dictionary(&message.block, &message.bytes)
                        .map_err(told)?;
                    continue;
                }
                let batch = decoder
                    .read_record_batch(&message.block, &message.bytes)
                    .map_err(told)?;
                if let Some(batch) = batch.filter(|batch| batch.num_rows() > 0) {
                    return Ok(Some(batch));
                }
            }
            Ok(None)
        });
        read.map_err(|why| format!("row {} cannot be read: {why}", self.number + 1))
    }
}

impl TableReader for ArrowReader {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn rows_total(&self) -> Option<u64> {
        None
    }

    fn next_row(&mut self) -> Result<Option<Row>> {
        if let Some(why) = &self.broken {
            return Err(breaks_off(why));
        }
        if self
            .batch
            .as_ref()
            .is_none_or(|batch| self.at >= batch.num_rows())
        {
            // Gone before the next one needs room.
            (self.batch, self.at) = (None, 0);
            match self.next_batch() {
                Ok(batch) => self.batch = batch,
                Err(why) => return Err(breaks_off(self.broken.insert(why))),
            }
        }
        let Some(batch) = &self.batch else {
            return Ok(None);
        };
        self.number += 1;
        let columns = batch.schema_ref().fields().iter().zip(batch.columns());
        let cells = columns.map(|(field, column)| {
            let value = guarded(|| cell(column, self.at));
            (field.name().clone(), value)
        });
        let row = row(self.number, cells);
        self.at += 1;
        Ok(Some(row))
    }
}

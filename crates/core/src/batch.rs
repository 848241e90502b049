//! Batch jobs: every row of a table through a model, in chunks that are committed one by one.
//! Does not read tables.

use crate::{
    dataset::{Content, DatasetRef},
    value::BlobRef,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableFormat {
    Csv,
    Jsonl,
    Parquet,
    Arrow,
}

impl TableFormat {
    pub const ALL: [Self; 4] = [Self::Csv, Self::Jsonl, Self::Parquet, Self::Arrow];

    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Jsonl => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.file",
        }
    }

    /// The format a file name's ending says.
    pub fn of_file_name(name: &str) -> Option<Self> {
        let ending = name.rsplit_once('.')?.1.to_ascii_lowercase();
        match ending.as_str() {
            "csv" | "tsv" | "txt" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "parquet" | "pq" => Some(Self::Parquet),
            "arrow" | "feather" | "ipc" => Some(Self::Arrow),
            _ => None,
        }
    }
}

/// What a batch job computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchSpec {
    pub table: BlobRef,
    pub table_name: String,
    pub format: TableFormat,
    /// The dataset's version that the table is, with its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetRef>,
    /// Where cells that are paths find their files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Box<BatchFiles>>,
    /// Input name to column name; inputs not named take the column of their own name.
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    /// A column with the true answer: the result then says how many answers equal it.
    #[serde(default)]
    pub label: Option<String>,
    /// Only the first so many rows.
    #[serde(default)]
    pub limit_rows: Option<u64>,
    /// Only these rows (by index): a retry of failed ones.
    #[serde(default)]
    pub only_rows_of: Option<crate::Id>,
}

/// The files that a table's cells name by their paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchFiles {
    /// An archive.
    pub content: Content,
    /// The dataset's version that it is, with its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetRef>,
}

/// How the rows of a batch job ended so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    pub done: u64,
    pub failed: u64,
    /// Rows whose answer equals the label column, when one was named.
    pub matched: u64,
}

impl Counts {
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            done: self.done + other.done,
            failed: self.failed + other.failed,
            matched: self.matched + other.matched,
        }
    }
}

/// A committed piece of a batch job's output: rows `first_row..first_row + rows` as JSON lines in a blob, one
/// `{"index", "input", "output"}` or `{"index", "input", "error"}` each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its place among the job's chunks: the row it begins at. (Jobs of earlier versions numbered them; a number was never higher than that row.)
    pub index: u64,
    pub first_row: u64,
    pub rows: u64,
    pub counts: Counts,
    pub blob: BlobRef,
    /// The run that committed it.
    pub run: u32,
}

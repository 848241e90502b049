//! `GET /v1/batches/{id}/items`: rows out of the chunks that are committed, in the table's order.
//! Holds one chunk in memory at a time.

use super::find;
use crate::gateway::{
    call::{Call, Paging},
    predictions::find::hidden,
    problem::{Answer, Problem},
    wire::{batch::BatchItem, page, prediction::message},
};
use onstage_core::{Error, Id, batch::Chunk, outcome::Failure};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

#[derive(Deserialize)]
struct Query {
    cursor: Option<String>,
    limit: Option<u32>,
    status: Option<String>,
}

/// A line of a chunk.
#[derive(Deserialize)]
struct Line<'a> {
    index: u64,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Failure>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let query: Query = call.query()?;
    let found = find::find(&call, &call.id()?).await?;
    let only_failed = match query.status.as_deref() {
        None => None,
        Some("failed") => Some(true),
        Some("succeeded") => Some(false),
        Some(_) => {
            return Err(Problem::invalid(
                "invalid_query",
                "The status should be `succeeded` or `failed`.",
            ));
        }
    };
    let paging = Paging {
        cursor: query.cursor,
        limit: query.limit,
    };
    let after = paging
        .cursor
        .as_deref()
        .and_then(|cursor| cursor.parse::<u64>().ok());
    let hidden = hidden(&call, &found.job.version).await?;
    let wanted = Wanted {
        after,
        only_failed,
        rows: paging.rows() as usize + 1,
        hidden,
    };
    let rows = read(&call, &found.job.id, &wanted).await?;
    let (rows, next) = page::cut(&call, &paging, rows, |item| item.index.to_string());
    page::answer(rows, next)
}

struct Wanted {
    after: Option<u64>,
    only_failed: Option<bool>,
    rows: usize,
    hidden: Vec<String>,
}

impl Wanted {
    /// Whether there is nothing in the chunk, which `next` follows, that is wanted.
    fn skips(&self, chunk: &Chunk, next: Option<&Chunk>) -> bool {
        let is_seen =
            |after: u64| next.is_some_and(|next| next.first_row <= after.saturating_add(1));
        if self.after.is_some_and(is_seen) {
            return true;
        }
        match self.only_failed {
            Some(true) => chunk.counts.failed == 0,
            Some(false) => chunk.counts.done == 0,
            None => false,
        }
    }
}

async fn read(call: &Call, id: &Id, wanted: &Wanted) -> Result<Vec<BatchItem>, Problem> {
    let mut rows = Vec::new();
    let chunks = call.state.parts.store.chunks(id).await?;
    for (number, chunk) in chunks.iter().enumerate() {
        if wanted.skips(chunk, chunks.get(number + 1)) {
            continue;
        }
        let bytes = call.state.parts.blobs.get(&chunk.blob).await?;
        for text in bytes.split(|b| *b == b'\n').filter(|text| !text.is_empty()) {
            let line: Line<'_> = serde_json::from_slice(text)
                .map_err(|error| Error::internal("a line of a chunk is damaged").because(error))?;
            let failed = line.error.is_some();
            let seen = wanted.after.is_some_and(|after| line.index <= after);
            if seen || wanted.only_failed.is_some_and(|only| only != failed) {
                continue;
            }
            rows.push(shown(call, id, &line, &wanted.hidden));
            if rows.len() >= wanted.rows {
                return Ok(rows);
            }
        }
    }
    Ok(rows)
}

fn shown(call: &Call, id: &Id, line: &Line<'_>, hidden: &[String]) -> BatchItem {
    let value = |raw: Option<&RawValue>| {
        raw.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok())
            .unwrap_or_default()
    };
    let mut input = value(line.input);
    if let Value::Object(fields) = &mut input {
        for name in hidden {
            fields.remove(name);
        }
    }
    BatchItem {
        index: line.index,
        status: if line.error.is_some() {
            "failed"
        } else {
            "succeeded"
        },
        input,
        output: value(line.output),
        error: line
            .error
            .as_ref()
            .map(|failure| Value::from(message(failure, id, call.is_owner())))
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::{batch::Counts, value::BlobRef};

    #[test]
    fn a_chunk_is_read_when_rows_of_it_are_wanted() {
        let chunk = |first_row| Chunk {
            index: first_row,
            first_row,
            rows: 10,
            counts: Counts {
                done: 9,
                failed: 1,
                ..Counts::default()
            },
            blob: BlobRef {
                key: String::new(),
                size_bytes: 0,
                sha256: String::new(),
            },
            run: 1,
        };
        let wanted = |after| Wanted {
            after,
            only_failed: None,
            rows: 10,
            hidden: Vec::new(),
        };
        let (first, next) = (chunk(0), chunk(10));
        assert!(wanted(Some(9)).skips(&first, Some(&next)));
        for after in [None, Some(8)] {
            assert!(!wanted(after).skips(&first, Some(&next)), "{after:?}");
        }
        assert!(
            !wanted(Some(9)).skips(&next, None),
            "nobody knows where it ends"
        );
    }
}

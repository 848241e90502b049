//! `POST …/batches/preview`: columns, first rows, and a suggested mapping.
//! Does not keep the table.

use super::{suggest::suggest, table};
use crate::gateway::{
    body::upload,
    call::{self, Call},
    predictions,
    problem::{Answer, Problem},
    wire::batch::Preview,
};
use http::StatusCode;
use onstage_core::{Error, Result, batch::TableFormat, ports::Tables};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};

const ROWS_MAX: usize = 10;

pub(crate) async fn run(mut call: Call) -> Answer {
    let name = call.model_name()?;
    let loaded = predictions::live(&call, &name).await?;
    let id = call.state.parts.new_id();
    let own_key = format!("batches/{id}/table");
    let table = table::take(&mut call, &id).await?;
    let looked = look(&call, &table).await;
    if table.blob.key == own_key
        && let Err(error) = call.state.parts.blobs.delete(&own_key).await
    {
        tracing::warn!(key = own_key, %error, "the blob of a preview stays");
    }
    let (columns, rows) = looked?;
    let suggestion = suggest(&loaded.schema, &columns);
    let preview = Preview {
        format: table.format.name(),
        columns,
        rows,
        map: suggestion.map,
        missing: suggestion.missing,
    };
    call::json(StatusCode::OK, &preview)
}

async fn look(call: &Call, table: &table::Table) -> Result<(Vec<String>, Vec<Value>), Problem> {
    let folder = tempfile::Builder::new()
        .prefix("preview-")
        .tempdir_in(&call.state.settings.tempdir)
        .map_err(upload::unwritable)?;
    let path = folder.path().join("table");
    call.state.parts.blobs.fetch(&table.blob.key, &path).await?;
    let (tables, format) = (Arc::clone(&call.state.parts.tables), table.format);
    let read = tokio::task::spawn_blocking(move || {
        // The folder lives until the table has been read.
        let _folder = &folder;
        read(&*tables, &path, format)
    });
    let read = read
        .await
        .map_err(|error| Error::internal("a table's reader broke").because(error))?;
    Ok(read?)
}

fn read(
    tables: &dyn Tables,
    path: &Path,
    format: TableFormat,
) -> Result<(Vec<String>, Vec<Value>)> {
    let mut reader = tables.open(path, format)?;
    let columns = reader.columns().to_vec();
    let mut rows = Vec::new();
    while rows.len() < ROWS_MAX {
        match reader.next_row() {
            Ok(Some(Ok(row))) => rows.push(Value::Object(row)),
            Ok(Some(Err(why))) => rows.push(json!({ "error": why })),
            Ok(None) => break,
            Err(error) => {
                rows.push(json!({ "error": error.message }));
                break;
            }
        }
    }
    Ok((columns, rows))
}

//! `POST …/batches/preview`: columns, first rows, and a suggested mapping.
//! Does not keep the table.

use super::{suggest::suggest, table};
use crate::gateway::{
    call::{self, Call},
    look::{self, Wish},
    predictions,
    problem::Answer,
    wire::batch::Preview,
};
use http::StatusCode;

const ROWS_MAX: usize = 10;

pub(crate) async fn run(mut call: Call) -> Answer {
    let name = call.model_name()?;
    let loaded = predictions::live(&call, &name).await?;
    let id = call.state.parts.new_id();
    let table = table::take(&mut call, &id).await;
    let table = table::or_forget(&call, &id, table).await?;
    let wish = Wish {
        rows: ROWS_MAX,
        reads_on: false,
    };
    let looked = look::look(&call, &table.blob, table.format, wish).await;
    table::forget(&call, &id).await;
    let looked = looked?;
    let columns: Vec<String> = looked.columns.into_iter().map(|one| one.name).collect();
    let suggestion = suggest(&loaded.schema, &columns);
    let preview = Preview {
        format: table.format.name(),
        columns,
        rows: looked.rows,
        map: suggestion.map,
        missing: suggestion.missing,
    };
    call::json(StatusCode::OK, &preview)
}

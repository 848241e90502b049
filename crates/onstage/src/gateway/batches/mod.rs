//! Batch jobs: every row of a table through a model.
//! Does not run them and does not write tables; tasks do.

mod cancel;
mod create;
mod events;
pub(crate) mod find;
mod found;
mod get;
mod items;
mod list;
mod logs;
mod preview;
mod result;
mod retry;
mod suggest;
mod table;

use super::table::{
    CURSOR,
    Gives::{Json, Media, Page},
    LIMIT, Route, Takes, route,
};

const ONE: &str = "/v1/batches/{id}";

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(POST "/v1/models/{owner}/{name}/batches", Stakeholder, "Runs every row of a table through a model", create::run)
            .takes(Takes::JsonOrForm("NewBatch"))
            .gives(202, Json("Batch"))
            .errors(&[400, 404, 409, 413, 415, 422]),
        route!(POST "/v1/models/{owner}/{name}/batches/preview", Stakeholder, "Looks into a table and suggests which column is which input", preview::run)
            .takes(Takes::JsonOrForm("NewBatch"))
            .gives(200, Json("Preview"))
            .errors(&[400, 404, 409, 413, 415, 422]),
        route!(GET "/v1/batches", Stakeholder, "Lists batch jobs, newest first; a stakeholder's own", list::run)
            .query(&[CURSOR, LIMIT, ("model", "`owner/name`"), ("status", "as in a batch job"), ("mine", "`true`: only one's own")])
            .gives(200, Page("Batch"))
            .errors(&[400]),
        route!(GET ONE, Stakeholder, "One batch job", get::run)
            .query(&[("wait", "seconds to wait for the end")])
            .gives(200, Json("Batch"))
            .errors(&[404]),
        route!(POST "/v1/batches/{id}/cancel", Stakeholder, "Cancels a batch job of one's own; a finished one stays as it is", cancel::run)
            .gives(200, Json("Batch"))
            .errors(&[404]),
        route!(GET "/v1/batches/{id}/events", Stakeholder, "What happens, as a stream of events or by long poll", events::run)
            .query(&[("after", "the last event's number that is known"), ("wait", "seconds to wait for the next event")])
            .gives(200, Media("text/event-stream"))
            .errors(&[404]),
        route!(GET "/v1/batches/{id}/items", Stakeholder, "Rows that are done, in the table's order", items::run)
            .query(&[CURSOR, LIMIT, ("status", "`succeeded` or `failed`")])
            .gives(200, Page("BatchItem"))
            .errors(&[400, 404]),
        route!(POST "/v1/batches/{id}/retry", Stakeholder, "A new batch job of the rows that failed", retry::run)
            .takes(Takes::Json("Retry"))
            .gives(202, Json("Batch"))
            .errors(&[404, 409, 422]),
        route!(GET "/v1/batches/{id}/result", Stakeholder, "The table with the answers, as a file", result::run)
            .gives(200, Media("application/octet-stream"))
            .errors(&[404, 409]),
        route!(GET "/v1/batches/{id}/logs", Stakeholder, "What the model printed", logs::run)
            .gives(200, Media("text/plain"))
            .errors(&[404]),
    ]
}

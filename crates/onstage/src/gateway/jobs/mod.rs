//! Jobs of all kinds and tasks, as the owner sees them.
//! Does not know what is special about a kind.

mod cancel;
mod ended;
mod get;
mod list;
mod retry;
mod tasks;

pub(crate) use ended::ended;

use super::table::{
    CURSOR,
    Gives::{Json, Page},
    LIMIT, PAGING, Route, route,
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(GET "/v1/jobs", Owner, "Lists jobs of all kinds, newest first", list::run)
            .query(&[
                CURSOR,
                LIMIT,
                ("kind", "`prediction`, `batch` or `training`"),
                ("status", "`starting`, `processing`, `succeeded`, `failed` or `canceled`"),
                ("model", "`owner/name`"),
                ("dead", "`true`: only those that failed and are not repeated any more though their reason is one that is"),
            ])
            .gives(200, Page("Job"))
            .errors(&[400]),
        route!(GET "/v1/jobs/{id}", Owner, "One job with its runs", get::run)
            .gives(200, Json("Job"))
            .errors(&[404]),
        route!(POST "/v1/jobs/{id}/cancel", Owner, "Cancels a job; a finished one stays as it is", cancel::run)
            .gives(200, Json("Job"))
            .errors(&[404]),
        route!(POST "/v1/jobs/{id}/retry", Owner, "The same work again, as a new job", retry::run)
            .gives(202, Json("Job"))
            .errors(&[404, 409]),
        route!(GET "/v1/tasks", Owner, "Lists the processes that drain jobs, newest first", tasks::run)
            .query(PAGING)
            .gives(200, Page("Task")),
    ]
}

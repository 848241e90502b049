//! Trainings: a version's training function over a dataset, and a new version out of it.
//! Does not run them; tasks do.

mod cancel;
mod create;
mod events;
pub(crate) mod find;
mod get;
mod input;
mod list;
mod logs;
mod metrics;
mod retry;
pub(crate) use retry::again;

use super::table::{
    CURSOR,
    Gives::{Json, Media, Page},
    LIMIT, Route, Takes, route,
};

const ONE: &str = "/v1/trainings/{id}";

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(POST "/v1/models/{owner}/{name}/versions/{version}/trainings", Owner, "Trains: the version's training function makes a new version", create::run)
            .takes(Takes::Json("NewTraining"))
            .gives(201, Json("Training"))
            .errors(&[400, 404, 409, 413, 415, 422]),
        route!(GET "/v1/trainings", Owner, "Lists trainings, newest first", list::run)
            .query(&[CURSOR, LIMIT, ("model", "`owner/name` of the trainer"), ("status", "as in a training")])
            .gives(200, Page("Training"))
            .errors(&[400]),
        route!(GET ONE, Owner, "One training", get::run)
            .query(&[("wait", "seconds to wait for the end")])
            .gives(200, Json("Training"))
            .errors(&[404]),
        route!(POST "/v1/trainings/{id}/cancel", Owner, "Cancels a training, whose last checkpoint is kept; a finished one stays as it is", cancel::run)
            .gives(200, Json("Training"))
            .errors(&[404]),
        route!(POST "/v1/trainings/{id}/retry", Owner, "The same training again, from the last checkpoint if it did not get through", retry::run)
            .gives(201, Json("Training"))
            .errors(&[404, 409]),
        route!(GET "/v1/trainings/{id}/events", Owner, "What happens, as a stream of events or by long poll", events::run)
            .query(&[("after", "the last event's number that is known"), ("wait", "seconds to wait for the next event")])
            .gives(200, Media("text/event-stream"))
            .errors(&[404]),
        route!(GET "/v1/trainings/{id}/metrics", Owner, "What was measured, as series", metrics::run)
            .query(&[("format", "`json` or `csv`")])
            .gives(200, Json("TrainingSeries"))
            .errors(&[400, 404]),
        route!(GET "/v1/trainings/{id}/logs", Owner, "What the training printed", logs::run)
            .gives(200, Media("text/plain"))
            .errors(&[404]),
    ]
}

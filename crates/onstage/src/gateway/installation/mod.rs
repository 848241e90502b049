//! The installation itself: health, readiness, metrics, the API's description.
//! Does not know models.

mod health;
pub(crate) use health::ready;
mod metrics;

use super::{
    openapi,
    table::{
        Gives::{Json, Media},
        Route, route,
    },
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(GET "/healthz", Public, "Whether the process answers", health::alive)
            .gives(200, Media("text/plain")),
        route!(GET "/readyz", Public, "Whether it can serve: the store answers and it is not stopping", ready)
            .gives(200, Media("text/plain"))
            .errors(&[503]),
        route!(GET "/metrics", Owner, "Numbers for Prometheus", metrics::run)
            .gives(200, Media("text/plain")),
        route!(GET "/openapi.json", Stakeholder, "This description", openapi::run)
            .gives(200, Json("Anything")),
    ]
}

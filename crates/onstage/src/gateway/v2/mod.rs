//! The Open Inference Protocol: what talks to Triton or KServe can talk to `/v2`.
//! Does not do anything that the predictions' routes do not; a model is named by its bare name.

mod classes;
mod datatype;
mod index;
mod infer;
mod input;
mod model;
mod output;
mod packing;
mod request;
mod response;
mod server;
mod signature;
mod stats;

use super::table::{
    Gives::{Json, Media},
    Route, Takes, route,
};

/// Tells the length of the JSON before binary tensors, both ways.
const HEADER_LENGTH: &str = "inference-header-content-length";

pub(crate) fn routes() -> Vec<Route> {
    let tells = |route: Route| route.gives(200, Json("Anything")).errors(&[400, 404]);
    let infers = |route: Route| {
        route
            .takes(Takes::Json("InferenceRequest"))
            .gives(200, Json("InferenceResponse"))
            .gives(200, Media("application/octet-stream"))
            .errors(&[400, 404, 409, 413, 415, 429, 500, 503, 504])
    };
    vec![
        tells(route!(GET "/v2", Stakeholder, "The server and what it can do", server::metadata)),
        route!(GET "/v2/health/live", Public, "Whether the process answers", server::live)
            .gives(200, Json("Anything")),
        route!(GET "/v2/health/ready", Public, "Whether it can serve", server::ready)
            .gives(200, Json("Anything"))
            .errors(&[503]),
        tells(
            route!(GET "/v2/models/{name}", Stakeholder, "A model's inputs and outputs as tensors", model::metadata),
        ),
        tells(
            route!(GET "/v2/models/{name}/versions/{version}", Stakeholder, "A version's inputs and outputs as tensors", model::metadata),
        ),
        tells(
            route!(GET "/v2/models/{name}/ready", Stakeholder, "Whether the model would answer", model::ready),
        ),
        tells(
            route!(GET "/v2/models/{name}/versions/{version}/ready", Stakeholder, "Whether the version would answer", model::ready),
        ),
        tells(
            route!(GET "/v2/models/stats", Stakeholder, "Counts and times of all models", stats::all),
        ),
        tells(
            route!(GET "/v2/models/{name}/stats", Stakeholder, "Counts and times of a model", stats::one),
        ),
        tells(
            route!(GET "/v2/models/{name}/versions/{version}/stats", Stakeholder, "Counts and times of a version", stats::one),
        ),
        infers(
            route!(POST "/v2/models/{name}/infer", Stakeholder, "Asks a model's live version, tensors in and out", infer::run),
        ),
        infers(
            route!(POST "/v2/models/{name}/versions/{version}/infer", Stakeholder, "Asks one version, tensors in and out", infer::run),
        ),
        tells(
            route!(POST "/v2/repository/index", Stakeholder, "Lists models and their versions", index::run),
        ),
    ]
}

//! One model alone, in Cog's shape: what talks to a Cog container can talk to `/m/{name}`.
//! Does not do anything that the predictions' routes do not.

mod health_check;
mod predict;

use super::{
    openapi,
    predictions::cancel_route,
    table::{Gives::Json, Route, Takes, route},
};

pub(crate) fn routes() -> Vec<Route> {
    let asks = |route: Route| {
        route
            .takes(Takes::Json("NewPrediction"))
            .gives(200, Json("Prediction"))
            .gives(202, Json("Prediction"))
            .errors(&[400, 404, 409, 413, 415, 422, 429, 503])
    };
    let cancels = |route: Route| route.gives(200, Json("Prediction")).errors(&[404]);
    let checks = |route: Route| route.gives(200, Json("Anything")).errors(&[404]);
    vec![
        asks(
            route!(POST "/m/{name}/predictions", Stakeholder, "Asks for a prediction", predict::create),
        ),
        asks(
            route!(POST "/m/{owner}/{name}/predictions", Stakeholder, "Asks for a prediction", predict::create),
        ),
        asks(
            route!(PUT "/m/{name}/predictions/{id}", Stakeholder, "Asks for a prediction under an id of the client's own", predict::put),
        ),
        asks(
            route!(PUT "/m/{owner}/{name}/predictions/{id}", Stakeholder, "Asks for a prediction under an id of the client's own", predict::put),
        ),
        cancels(
            route!(POST "/m/{name}/predictions/{id}/cancel", Stakeholder, "Cancels a prediction", cancel_route),
        ),
        cancels(
            route!(POST "/m/{owner}/{name}/predictions/{id}/cancel", Stakeholder, "Cancels a prediction", cancel_route),
        ),
        checks(
            route!(GET "/m/{name}/health-check", Stakeholder, "Whether the model would answer", health_check::run),
        ),
        checks(
            route!(GET "/m/{owner}/{name}/health-check", Stakeholder, "Whether the model would answer", health_check::run),
        ),
        checks(
            route!(GET "/m/{name}/openapi.json", Stakeholder, "The model's inputs and outputs", openapi::model::run),
        ),
        checks(
            route!(GET "/m/{owner}/{name}/openapi.json", Stakeholder, "The model's inputs and outputs", openapi::model::run),
        ),
    ]
}

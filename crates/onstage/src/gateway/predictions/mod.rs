//! Predictions: realtime and background ones look the same from here.
//! Does not know workers or tasks.

mod by_model;
pub(crate) use by_model::{digest_if_keyed, input_of, live, of_json, parse_body};
mod by_version;
mod cancel;
pub(crate) use cancel::run as cancel_route;
mod delete;
mod events;
pub(crate) mod find;
mod get;
mod hand_over;
mod list;
pub(crate) use list::{model_of, state_of, whose};
mod logs;
mod put;
pub(crate) use put::{own_id, under_id};
pub(crate) mod start;
mod stream;
mod tether;

use super::table::{
    CURSOR,
    Gives::{Json, Media, Nothing, Page},
    LIMIT, Route,
    Takes::{self, JsonOrForm},
    route,
};

const ONE: &str = "/v1/predictions/{id}";
const WAIT: super::table::Param = ("wait", "seconds to wait for the end, or for the next event");

pub(crate) fn routes() -> Vec<Route> {
    let created = |route: Route| {
        route
            .gives(201, Json("Prediction"))
            .gives(202, Json("Prediction"))
            .errors(&[400, 404, 409, 413, 415, 422, 429, 503])
    };
    vec![
        created(
            route!(POST "/v1/models/{owner}/{name}/predictions", Stakeholder, "Asks a model's live version for a prediction", by_model::run)
                .takes(JsonOrForm("NewPrediction")),
        ),
        created(
            route!(POST "/v1/predictions", Stakeholder, "Asks one version for a prediction", by_version::run)
                .takes(Takes::Json("NewPrediction")),
        ),
        created(
            route!(PUT "/v1/predictions/{id}", Stakeholder, "Asks for a prediction under an id of the client's own", put::run)
                .takes(Takes::Json("NewPrediction")),
        ),
        route!(GET "/v1/predictions", Stakeholder, "Lists predictions, newest first; a stakeholder's own", list::run)
            .query(&[
                CURSOR,
                LIMIT,
                ("model", "`owner/name`"),
                ("status", "`starting`, `processing`, `succeeded`, `failed` or `canceled`"),
                ("kind", "`realtime` or `background`"),
                ("mine", "`true`: only one's own"),
            ])
            .gives(200, Page("Prediction"))
            .errors(&[400]),
        route!(GET ONE, Stakeholder, "One prediction", get::run)
            .query(&[WAIT])
            .gives(200, Json("Prediction"))
            .errors(&[404]),
        route!(DELETE ONE, Stakeholder, "Deletes a finished prediction of one's own", delete::run)
            .gives(204, Nothing)
            .errors(&[404, 409]),
        route!(POST "/v1/predictions/{id}/cancel", Stakeholder, "Cancels a prediction of one's own; a finished one stays as it is", cancel::run)
            .gives(200, Json("Prediction"))
            .errors(&[404]),
        route!(GET "/v1/predictions/{id}/events", Stakeholder, "What happens, as a stream of events or by long poll", events::run)
            .query(&[("after", "the last event's number that is known"), WAIT])
            .gives(200, Media("text/event-stream"))
            .errors(&[404]),
        route!(GET "/v1/predictions/{id}/stream", Stakeholder, "The output as it comes, as stock clients read it", stream::run)
            .gives(200, Media("text/event-stream"))
            .errors(&[404]),
        route!(GET "/v1/predictions/{id}/logs", Stakeholder, "What the model printed", logs::run)
            .gives(200, Media("text/plain"))
            .errors(&[404]),
    ]
}

//! Models: list, make, change, delete.
//! Does not know versions' insides.

mod change;
mod create;
mod delete;
pub(crate) mod get;
mod list;

use super::table::{
    Gives::{Json, Nothing, Page},
    PAGING, Route, Takes, route,
};

const ONE: &str = "/v1/models/{owner}/{name}";

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(GET "/v1/models", Stakeholder, "Lists models by name", list::run)
            .query(PAGING)
            .gives(200, Page("Model")),
        route!(POST "/v1/models", Owner, "Makes a model that has no version yet", create::run)
            .takes(Takes::Json("NewModel"))
            .gives(201, Json("Model"))
            .errors(&[400, 409, 415, 422]),
        route!(GET ONE, Stakeholder, "One model", get::run)
            .gives(200, Json("Model"))
            .errors(&[404]),
        route!(PATCH ONE, Owner, "Changes a model's title or description", change::run)
            .takes(Takes::Json("ModelChange"))
            .gives(200, Json("Model"))
            .errors(&[400, 404, 409, 415, 422]),
        route!(DELETE ONE, Owner, "Deletes a model with its versions, predictions and feedback", delete::run)
            .gives(204, Nothing)
            .errors(&[404, 409]),
    ]
}

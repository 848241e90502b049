//! Aliases: names of versions that people give and move.
//! Does not know what is asked of a version by such a name; versions are found in `versions/find`.

mod change;
mod delete;
mod list;
mod put;

use super::table::{
    Gives::{Json, Nothing, Page},
    Route, Takes, route,
};

const ONE: &str = "/v1/models/{owner}/{name}/aliases/{alias}";

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(GET "/v1/models/{owner}/{name}/aliases", Stakeholder, "Lists the names that a model's versions have", list::run)
            .gives(200, Page("Alias"))
            .errors(&[404]),
        route!(PUT ONE, Owner, "Points an alias at a version", put::run)
            .takes(Takes::Json("NewAlias"))
            .gives(200, Json("Alias"))
            .gives(201, Json("Alias"))
            .errors(&[400, 404, 409, 415, 422]),
        route!(DELETE ONE, Owner, "Removes an alias; the version stays", delete::run)
            .query(&[("was", "the version that it must point at")])
            .gives(204, Nothing)
            .errors(&[404, 409]),
    ]
}

//! Versions: push, look, make live, roll back, delete.
//! Does not build them; the engine's builder does.

mod compare;
mod delete;
mod example;
pub(crate) mod find;
mod get;
mod list;
mod live;
mod logs;
mod push;
mod warmup;
mod weights;

use super::table::{
    Gives::{Json, Media, Nothing, Page},
    PAGING, Route, Takes, route,
};

const ALL: &str = "/v1/models/{owner}/{name}/versions";
const ONE: &str = "/v1/models/{owner}/{name}/versions/{version}";

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(GET ALL, Stakeholder, "Lists a model's versions, newest first", list::run)
            .query(PAGING)
            .gives(200, Page("Version"))
            .errors(&[404]),
        route!(POST ALL, Owner, "Pushes a model folder, or a template with a config, as a new version", push::run)
            .query(&[("promote", "whether it goes live as soon as it is ready; `true` when absent")])
            .takes(Takes::BytesOrJson("application/gzip", "NewTemplateVersion"))
            .gives(201, Json("Version"))
            .gives(200, Json("Version"))
            .errors(&[400, 409, 413, 415, 422]),
        route!(GET ONE, Stakeholder, "One version, by its id, the start of it, or its number", get::run)
            .gives(200, Json("Version"))
            .errors(&[404]),
        route!(DELETE ONE, Owner, "Deletes a version that is not live", delete::run)
            .gives(204, Nothing)
            .errors(&[404, 409]),
        route!(GET "/v1/models/{owner}/{name}/compare", Stakeholder, "Versions side by side: parameters, metrics, examples", compare::run)
            .query(&[("versions", "numbers or ids, like `1,3`")])
            .gives(200, Json("Comparison"))
            .errors(&[400, 404]),
        route!(GET "/v1/models/{owner}/{name}/lineage", Stakeholder, "What the model's versions came from", compare::lineage)
            .gives(200, Json("LineageGraph"))
            .errors(&[404]),
        route!(POST "/v1/models/{owner}/{name}/versions/{version}/promote", Owner, "Makes a version live: the one that answers", live::promote)
            .takes(Takes::Json("Promotion"))
            .gives(200, Json("Model"))
            .errors(&[404, 409]),
        route!(POST "/v1/models/{owner}/{name}/rollback", Owner, "Makes the version that was live before live again", live::rollback)
            .gives(200, Json("Model"))
            .errors(&[404, 409]),
        route!(POST "/v1/models/{owner}/{name}/warmup", Stakeholder, "Wakes a model that is asleep", warmup::run)
            .gives(202, Json("Warmup"))
            .errors(&[404, 409]),
        route!(GET "/v1/models/{owner}/{name}/versions/{version}/logs", Owner, "What building and setting up printed", logs::run)
            .gives(200, Media("text/plain"))
            .errors(&[404]),
        route!(GET "/v1/models/{owner}/{name}/versions/{version}/weights", Owner, "What a training learnt: the file, or a tar of the folder", weights::run)
            .gives(200, Media("application/octet-stream"))
            .errors(&[404]),
        route!(GET "/v1/models/{owner}/{name}/versions/{version}/examples/{file}", Stakeholder, "A file of an example", example::run)
            .gives(200, Media("application/octet-stream"))
            .errors(&[404]),
    ]
}

//! Model templates: what they are, and a version made of one and a config instead of a pushed folder.
//! Does not build versions; they go the way of pushed ones.

mod embedded;
mod list;
mod make;
mod refusal;

pub(crate) use embedded::Template;
pub(crate) use make::make;

use super::table::{Gives::Page, Route, route};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(GET "/v1/templates", Stakeholder, "Lists the templates that versions can be made of, with the schemas of their configs", list::run)
            .gives(200, Page("Template")),
    ]
}

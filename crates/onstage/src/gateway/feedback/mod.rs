//! Feedback: given by anybody signed in, read by the owner.
//! Does not know predictions' insides.

mod export;
mod give;
mod list;

use super::table::{
    CURSOR,
    Gives::{Json, Media, Page},
    LIMIT, Route, Takes, route,
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(POST "/v1/predictions/{id}/feedback", Stakeholder, "Says what one thinks of a prediction; a later word adds to an earlier one", give::run)
            .takes(Takes::Json("NewFeedback"))
            .gives(201, Json("Feedback"))
            .errors(&[400, 404, 415, 422]),
        route!(GET "/v1/feedback", Owner, "Lists feedback, newest first, or all of it as a table", list::run)
            .query(&[
                CURSOR,
                LIMIT,
                ("model", "`owner/name`"),
                ("since", "a date or time"),
                ("format", "`csv`: a table of everything"),
            ])
            .gives(200, Page("Feedback"))
            .gives(200, Media("text/csv"))
            .errors(&[400]),
        route!(POST "/v1/feedback/export", Owner, "Makes inputs, outputs and corrections a version of a dataset", export::run)
            .takes(Takes::Json("NewExport"))
            .gives(201, Json("DatasetVersion"))
            .gives(200, Json("DatasetVersion"))
            .errors(&[400, 415, 422, 507]),
    ]
}

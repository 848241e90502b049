//! Usage: what was computed and what it would have cost, and the limits of a model on that.
//! Does not measure.

pub(crate) mod limit;
mod list;

use super::table::{Gives::Json, Route, route};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        route!(GET "/v1/usage", Owner, "Sums up what was computed and what that costs by the table of prices; this month by model, when nothing else is asked for", list::run)
            .query(&[
                ("since", "a day, the first one that counts"),
                ("until", "a day, the first one that counts no more"),
                ("model", "`owner/name`"),
                ("by", "what sums are told apart by, with commas: `day`, `model`, `version`, `person`, `kind`; or `none`"),
            ])
            .gives(200, Json("UsageReport"))
            .errors(&[400]),
    ]
}

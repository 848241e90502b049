//! `DELETE …/aliases/{alias}`: the name goes, the version stays.
//! Does not delete versions.

use super::change::{self, Was};
use crate::gateway::{
    call::{self, Call},
    problem::Answer,
    versions,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Query {
    was: Option<String>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let name = call.model_name()?;
    let alias = change::in_path(&call)?;
    let query: Query = call.query()?;
    let was = match query.was.filter(|text| !text.is_empty()) {
        None => Was::Anything,
        Some(text) => Was::Version(versions::find::find(&call, &name, &text).await?.id),
    };
    let before = change::change(&call, &name, &alias, &was, |aliases| {
        aliases.remove(&alias);
        Ok(())
    });
    match before.await? {
        Some(_) => Ok(call::no_content()),
        None => Err(change::missing(&name, &alias)),
    }
}

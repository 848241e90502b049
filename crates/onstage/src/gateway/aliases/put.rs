//! `PUT …/aliases/{alias}`: it points at a version from now on, if it still points where the caller believes.
//! Does not make the version live.

use super::change::{self, Was};
use crate::gateway::{
    body,
    call::{self, Call, shortened},
    problem::{Answer, Problem},
    versions,
    wire::alias::{self, NewAlias},
};
use http::StatusCode;
use onstage_core::{
    alias::{ALIASES_MAX, Aliased},
    model::{Version, VersionState},
};
use serde_json::Value;

pub(crate) async fn run(mut call: Call) -> Answer {
    let name = call.model_name()?;
    let alias = change::in_path(&call)?;
    let wish: NewAlias = body::json(&mut call).await?;
    let version = version(&call, "/version", &wish.version).await?;
    check_ready(&version)?;
    let was = match &wish.was {
        None => Was::Anything,
        Some(Value::Null) => Was::Nothing,
        Some(text) => Was::Version(self::version(&call, "/was", text).await?.id),
    };
    let to = Aliased {
        version: version.id,
        number: version.number,
    };
    let before = change::change(&call, &name, &alias, &was, |aliases| {
        if aliases.len() >= ALIASES_MAX && !aliases.contains_key(&alias) {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "too_many_aliases",
                format!("The model `{name}` has {ALIASES_MAX} aliases, and cannot have more."),
            )
            .hint("remove one that is not needed"));
        }
        aliases.insert(alias.clone(), to.clone());
        Ok(())
    });
    let status = match before.await? {
        Some(_) => StatusCode::OK,
        None => StatusCode::CREATED,
    };
    call::json(status, &alias::show(&call, &name, &alias, &to))
}

/// `3`, `"v3"`, an id or another alias.
async fn version(call: &Call, pointer: &str, said: &Value) -> Result<Version, Problem> {
    let text = match said {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => {
            let got = shortened(&other.to_string());
            return Err(Problem::field(
                pointer,
                "a version: `3`, `v3`, an id or an alias",
                got,
            ));
        }
    };
    versions::find::find(call, &call.model_name()?, &text).await
}

fn check_ready(version: &Version) -> Result<(), Problem> {
    if matches!(version.state, VersionState::Ready { .. }) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::CONFLICT,
        "version_not_ready",
        format!(
            "Version v{} of `{}` is {}, so no alias can point at it.",
            version.number,
            version.model,
            version.state.name()
        ),
    ))
}

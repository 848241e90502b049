//! What both changes of an alias share: a compare-and-set on the model's record, and this front that knows at once.
//! Does not judge versions.

use crate::gateway::{
    call::{Call, shortened},
    models,
    problem::Problem,
};
use http::StatusCode;
use onstage_core::{
    Kind, ModelName,
    alias::{Alias, Aliased, Aliases},
    model::VersionId,
};
use std::time::Duration;

/// Tries against others who change the same model.
const TRIES_MAX: u32 = 5;
/// Every call answers within a second; this leaves room for the rest of it.
const SETTLE_MAX: Duration = Duration::from_millis(800);

/// What the alias must point at for the change to be made.
pub(super) enum Was {
    Anything,
    Nothing,
    Version(VersionId),
}

/// Errors: 422 when the name is none.
pub(super) fn in_path(call: &Call) -> Result<Alias, Problem> {
    Ok(call.param("alias").parse::<Alias>()?)
}

pub(super) fn missing(model: &ModelName, alias: &Alias) -> Problem {
    let alias = shortened(alias.as_str());
    Problem::not_found(format!("The model `{model}` has no alias `{alias}`."))
}

/// Changes the aliases of a model and answers what this one pointed at before. Errors: 404; 409 when it was not what it must have been.
pub(super) async fn change(
    call: &Call,
    name: &ModelName,
    alias: &Alias,
    was: &Was,
    change: impl Fn(&mut Aliases) -> Result<(), Problem>,
) -> Result<Option<Aliased>, Problem> {
    let mut tries = 0;
    loop {
        let mut model = models::get::find(call, name).await?;
        let before = model.aliases.get(alias).cloned();
        check(alias, before.as_ref(), was)?;
        change(&mut model.aliases)?;
        let after = model.aliases.get(alias).cloned();
        if after == before {
            return Ok(before);
        }
        match call.state.parts.store.update_model(model).await {
            Err(error) if error.kind == Kind::Conflict && tries < TRIES_MAX => tries += 1,
            Err(error) => return Err(error.into()),
            Ok(_) => {
                settle(call, name, alias, after.as_ref()).await;
                return Ok(before);
            }
        }
    }
}

fn check(alias: &Alias, is: Option<&Aliased>, was: &Was) -> Result<(), Problem> {
    let fits = match was {
        Was::Anything => true,
        Was::Nothing => is.is_none(),
        Was::Version(id) => is.is_some_and(|to| to.version == *id),
    };
    if fits {
        return Ok(());
    }
    let now = is.map_or("nothing".to_owned(), |to| format!("v{}", to.number));
    Err(Problem::new(
        StatusCode::CONFLICT,
        "alias_was_moved",
        format!("The alias `{alias}` stays as it is: it points at {now}, not at what `was` says."),
    )
    .hint("look where it points now, then repeat the change"))
}

/// Waits a moment for this front to know, so that whoever asked sees it at the next call.
async fn settle(call: &Call, name: &ModelName, alias: &Alias, to: Option<&Aliased>) {
    let engine = &call.state.engine;
    let mut changed = engine.catalog_changed();
    engine.nudge();
    let known = async {
        loop {
            let points = engine.aliased(name, alias);
            if points.map(|loaded| loaded.version.id.clone()) == to.map(|to| to.version.clone()) {
                return;
            }
            if changed.changed().await.is_err() {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(SETTLE_MAX, known).await;
}

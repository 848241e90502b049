//! `DELETE …/versions/{version}`.
//! Does not delete the live one, nor one that an alias points at or that trained another that is kept.

use super::find;
use crate::gateway::{
    call::{self, Call},
    models,
    problem::{Answer, Problem},
};
use http::StatusCode;
use onstage_core::{alias::pointing_at, model::VersionState};

pub(crate) async fn run(call: Call) -> Answer {
    let version = find::in_path(&call).await?;
    let model = models::get::find(&call, &version.model).await?;
    if model.live.as_ref() == Some(&version.id) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "version_is_live",
            format!("Version v{} is live and cannot be deleted.", version.number),
        )
        .hint("make another version live first"));
    }
    let alias = pointing_at(&model.aliases, &version.id).next();
    if let Some(alias) = alias {
        return Err(in_use(format!(
            "Version v{} is not deleted: the alias `{alias}` points at it.",
            version.number
        ))
        .hint("move or remove the alias first"));
    }
    let kept = call.state.parts.store.versions(&version.model).await?;
    let trained = kept.iter().find(|other| {
        let lineage = other.lineage.as_ref();
        lineage.is_some_and(|lineage| lineage.trainer == version.id)
            && !matches!(other.state, VersionState::Deleted)
    });
    if let Some(trained) = trained {
        return Err(in_use(format!(
            "Version v{} trained version v{}, which is kept.",
            version.number, trained.number
        ))
        .hint("delete that one first"));
    }
    call.state
        .parts
        .store
        .set_version_state(&version.id, VersionState::Deleted)
        .await?;
    call.state.engine.nudge();
    Ok(call::no_content())
}

fn in_use(detail: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, "version_in_use", detail)
}

//! `POST /v2/repository/index`: models by their bare name, every version of each.
//! Does not list models of other owners than the default one: `/v2` has no name for them.

use crate::gateway::{
    body,
    call::{self, Call},
    problem::{Answer, Problem},
};
use http::StatusCode;
use onstage_core::{
    model::{Model, Version, VersionState},
    ports::Page,
};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// Models read in one page.
const PAGE_MODELS: u32 = 200;
const BODY_BYTES_MAX: usize = 4 << 10;

#[derive(Default, Deserialize)]
struct Wanted {
    /// Only what would answer.
    #[serde(default)]
    ready: bool,
}

pub(super) async fn run(mut call: Call) -> Answer {
    let bytes = body::read_any(&mut call, BODY_BYTES_MAX).await?;
    let wanted: Wanted = if bytes.is_empty() {
        Wanted::default()
    } else {
        body::parse(&bytes)?
    };
    let mut listed = Vec::new();
    for model in models(&call).await? {
        let mut versions = call.state.parts.store.versions(&model.name).await?;
        versions.sort_by_key(|version| version.number);
        listed.extend(
            versions
                .iter()
                .filter_map(|version| shown(&model, version))
                .filter(|line| !wanted.ready || line["state"] == "READY"),
        );
    }
    call::json(StatusCode::OK, &listed)
}

async fn models(call: &Call) -> Result<Vec<Model>, Problem> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = Page {
            after,
            limit: PAGE_MODELS,
        };
        let read = call.state.parts.store.models(page).await?;
        all.extend(read.rows);
        after = read.next;
        if after.is_none() {
            all.retain(|model: &Model| model.name.owner() == call.state.settings.default_owner);
            return Ok(all);
        }
    }
}

fn shown(model: &Model, version: &Version) -> Option<Json> {
    let (state, reason) = match &version.state {
        VersionState::Ready { .. } => ("READY", ""),
        VersionState::Building { text, .. } => ("LOADING", text.as_str()),
        VersionState::Failed { error } => ("UNAVAILABLE", error.message.as_str()),
        VersionState::Deleted => return None,
    };
    Some(json!({
        "name": model.name.name(),
        "version": version.number.to_string(),
        "state": state,
        "reason": reason,
    }))
}

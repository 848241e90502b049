//! A version as the wire has it, and the OpenAPI document of its model.
//! Does not fetch.

use super::time;
use crate::gateway::{call::Call, openapi};
use onstage_core::{
    alias::{Alias, pointing_at},
    model::{self, BuildFailure, VersionState},
    outcome::Phase,
    training,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Stock clients read arrays as streams when this says less than 0.3.9.
const COG_VERSION: &str = "0.16.0";
/// What stakeholders read of a failed build.
const NOT_BUILT: &str = "This version could not be built.";
/// What they read of one that was withdrawn.
const NOT_WELL: &str = "This version did not work well.";
/// The end of the build log that a version carries.
const LOGS_TAIL_LINES: usize = 40;

#[derive(Serialize, ToSchema)]
pub(crate) struct Version {
    id: String,
    number: u32,
    name: String,
    model: String,
    created_at: String,
    cog_version: &'static str,
    /// `building`, `ready`, `failed` or `deleted`.
    state: &'static str,
    /// `queued`, `installing`, `loading`, `checking` or `done`.
    phase: &'static str,
    text: String,
    live: bool,
    /// Names that point at it.
    aliases: Vec<String>,
    #[schema(value_type = Object)]
    openapi_schema: Value,
    #[schema(value_type = Option<Object>)]
    schema: Option<Value>,
    #[schema(value_type = Option<Object>)]
    error: Option<BuildFailure>,
    withdrawn: Option<Withdrawn>,
    #[schema(value_type = Vec<Object>)]
    examples: Value,
    #[schema(value_type = Object)]
    config: Value,
    logs_tail: String,
    /// Over the interpreter and every installed package with its version; of the environment that the version was tried in.
    environment_sha256: Option<String>,
    weights: Option<Weights>,
    lineage: Option<Lineage>,
    /// What its training measured last.
    metrics: BTreeMap<String, f64>,
}

/// What a training left for its version.
#[derive(Serialize, ToSchema)]
pub(crate) struct Weights {
    name: String,
    is_folder: bool,
    size: u64,
    sha256: String,
    url: String,
}

/// Where a trained version comes from.
#[derive(Serialize, ToSchema)]
pub(crate) struct Lineage {
    training: String,
    /// `owner/name`, of the version whose code trained.
    trainer_model: String,
    trainer: String,
    trainer_number: u32,
    /// `labels@v3`.
    datasets: Vec<String>,
    #[schema(value_type = Object)]
    parameters: Value,
    seed: u64,
    code_sha256: String,
    /// Of the environment that the training ran in.
    environment_sha256: Option<String>,
    /// The training that it went on from.
    resumed: Option<String>,
    runs: u32,
    seconds: f64,
}

/// What a call to make a version live may say; it may say nothing.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct Promotion {
    /// What metrics must reach, beside the `[training] gates` of a trained version: `accuracy >= 0.95`.
    #[serde(default)]
    pub(crate) gates: Vec<String>,
    /// Whatever the gates say.
    #[serde(default)]
    pub(crate) force: bool,
}

/// Why a version that was live does not answer any more: it turned out sick on probation.
#[derive(Serialize, ToSchema)]
pub(crate) struct Withdrawn {
    why: String,
    at: String,
}

/// `logs` is the build log, where it was asked for.
pub(crate) fn show(
    call: &Call,
    version: &model::Version,
    of: &model::Model,
    logs: Option<&str>,
) -> Version {
    let owner = call.is_owner();
    let live = of.live.as_ref() == Some(&version.id);
    let (phase, text) = progress(&version.state, owner);
    Version {
        id: version.id.0.clone(),
        number: version.number,
        name: format!("v{}", version.number),
        model: version.model.to_string(),
        created_at: time(version.created_at),
        cog_version: COG_VERSION,
        state: version.state.name(),
        phase,
        text,
        live,
        aliases: pointing_at(&of.aliases, &version.id)
            .map(Alias::to_string)
            .collect(),
        openapi_schema: openapi::model::of_version(version),
        schema: version
            .schema()
            .and_then(|schema| serde_json::to_value(schema).ok()),
        error: failure(&version.state, owner),
        withdrawn: withdrawn(version, live, owner),
        examples: examples(version),
        config: config(version),
        logs_tail: logs.filter(|_| owner).map(tail).unwrap_or_default(),
        weights: version.weights.as_ref().map(|parcel| Weights {
            name: parcel.name.clone(),
            is_folder: parcel.is_folder,
            size: parcel.blob.size_bytes,
            sha256: parcel.blob.sha256.clone(),
            url: call.link(&format!(
                "/v1/models/{}/versions/{}/weights",
                version.model, version.id
            )),
        }),
        environment_sha256: version.environment_sha256().map(str::to_owned),
        lineage: version.lineage.as_ref().map(lineage),
        metrics: metrics(version),
    }
}

pub(crate) fn lineage(of: &training::Lineage) -> Lineage {
    Lineage {
        training: of.training.to_string(),
        trainer_model: of.trainer_model.to_string(),
        trainer: of.trainer.0.clone(),
        trainer_number: of.trainer_number,
        datasets: of.datasets.iter().map(ToString::to_string).collect(),
        parameters: parameters(of),
        seed: of.seed,
        code_sha256: of.code_sha256.clone(),
        environment_sha256: of.environment_sha256.clone(),
        resumed: of.resumed.as_ref().map(ToString::to_string),
        runs: of.runs,
        seconds: of.seconds,
    }
}

pub(crate) fn parameters(of: &training::Lineage) -> Value {
    serde_json::from_str(&of.parameters).unwrap_or_default()
}

pub(crate) fn metrics(version: &model::Version) -> BTreeMap<String, f64> {
    let lineage = version.lineage.as_ref();
    lineage.map_or_else(BTreeMap::new, |lineage| lineage.metrics.clone())
}

fn progress(state: &VersionState, owner: bool) -> (&'static str, String) {
    match state {
        VersionState::Building { phase, text } => {
            let phase = match phase {
                Phase::Queued | Phase::Provisioning => "queued",
                Phase::Installing => "installing",
                Phase::Loading => "loading",
                _ => "checking",
            };
            (phase, text.clone())
        }
        VersionState::Ready { .. } => ("done", String::new()),
        VersionState::Failed { error } if owner => ("done", error.message.clone()),
        VersionState::Failed { .. } => ("done", NOT_BUILT.to_owned()),
        VersionState::Deleted => ("done", "deleted".to_owned()),
    }
}

/// Nothing of one that was made live again.
fn withdrawn(version: &model::Version, live: bool, owner: bool) -> Option<Withdrawn> {
    let withdrawn = version.withdrawn().filter(|_| !live)?;
    Some(Withdrawn {
        why: match owner {
            true => withdrawn.why.clone(),
            false => NOT_WELL.to_owned(),
        },
        at: time(withdrawn.at),
    })
}

/// The scientist's own traceback is for the scientist.
fn failure(state: &VersionState, owner: bool) -> Option<BuildFailure> {
    match state {
        VersionState::Failed { error } if owner => Some(error.clone()),
        VersionState::Failed { error } => Some(BuildFailure {
            kind: error.kind.clone(),
            message: NOT_BUILT.to_owned(),
            traceback: None,
            hint: None,
        }),
        _ => None,
    }
}

pub(crate) fn examples(version: &model::Version) -> Value {
    serde_json::from_str(&version.examples).unwrap_or_else(|_| Value::Array(Vec::new()))
}

/// What a page or client needs of the config; not the environment, secrets or money.
fn config(version: &model::Version) -> Value {
    let config = &version.config;
    let background = version.schema().is_some_and(|schema| schema.background);
    serde_json::json!({
        "background": background,
        "timeout_s": config.realtime.timeout.0.as_secs_f64(),
        "feedback": config.feedback,
        "page": config.page,
        "workers": config.realtime.workers,
        "realtime": config.realtime,
    })
}

fn tail(logs: &str) -> String {
    let lines: Vec<&str> = logs.lines().collect();
    lines[lines.len().saturating_sub(LOGS_TAIL_LINES)..].join("\n")
}

//! A model as the wire has it, in the shape that stock clients read.
//! Does not fetch.

use super::{time, version::Version};
use crate::gateway::call::Call;
use onstage_core::{
    ModelName,
    alias::{Alias, Aliased, Aliases},
    config::MoneySection,
    model,
    usage::{AtLimit, check_month},
};
use onstage_engine::Readiness;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct Model {
    pub(crate) url: String,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) visibility: &'static str,
    pub(crate) run_count: u64,
    pub(crate) created_at: String,
    pub(crate) background: bool,
    pub(crate) latest_version: Option<Version>,
    #[schema(value_type = Option<Object>)]
    pub(crate) default_example: Option<serde_json::Value>,
    pub(crate) readiness: Ready,
    pub(crate) live_version_number: Option<u32>,
    /// Names that versions have, each with the version's number.
    pub(crate) aliases: BTreeMap<String, u32>,
    /// For the owner, where one model is asked for.
    pub(crate) money: Option<Money>,
}

/// What the model may cost, as `[money]` of the live version's `onstage.toml` says, and has cost: in USD by the server's prices.
#[derive(Serialize, ToSchema)]
pub(crate) struct Money {
    /// In a calendar month, in UTC; none where there is no limit.
    month: Option<f64>,
    /// One batch job, training or background prediction, by estimate.
    run: Option<f64>,
    /// `sleep` or `warn`: what happens where `month` is reached.
    at_limit: &'static str,
    /// So far in this month; of the last seconds it may lack some.
    spent: f64,
    /// The month is used up, and the model answers nobody until the next one.
    asleep: bool,
}

impl Money {
    pub(crate) fn of(name: &ModelName, money: &MoneySection, spent: f64) -> Self {
        Self {
            month: money.month,
            run: money.run,
            at_limit: match money.at_limit {
                AtLimit::Sleep => "sleep",
                AtLimit::Warn => "warn",
            },
            spent,
            asleep: check_month(name, money, spent).is_err(),
        }
    }
}

/// Whether it would answer now.
#[derive(Serialize, ToSchema)]
#[schema(as = Readiness)]
pub(crate) struct Ready {
    /// `asleep`, `starting`, `ready`, `failed` or `none`.
    state: &'static str,
    workers: u32,
    text: String,
}

impl From<Readiness> for Ready {
    fn from(readiness: Readiness) -> Self {
        Self {
            state: readiness.state,
            workers: readiness.workers,
            text: readiness.text,
        }
    }
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct NewModel {
    pub(crate) owner: Option<String>,
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    /// What stock clients call it.
    pub(crate) description: Option<String>,
    pub(crate) about: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct ModelChange {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) about: Option<String>,
}

/// What is around a model's record.
pub(crate) struct Around {
    pub(crate) live: Option<model::Version>,
    pub(crate) run_count: u64,
    pub(crate) readiness: Readiness,
}

pub(crate) fn show(call: &Call, model: &model::Model, around: Around) -> Model {
    let live = around.live.as_ref();
    let path = format!("/m/{}", model.name);
    Model {
        url: call.link(&path),
        owner: model.name.owner().to_owned(),
        name: model.name.name().to_owned(),
        title: title(model, live),
        description: model.about.clone(),
        visibility: "private",
        run_count: around.run_count,
        created_at: time(model.created_at),
        background: live
            .and_then(model::Version::schema)
            .is_some_and(|schema| schema.background),
        default_example: live.and_then(|version| default_example(model, version)),
        live_version_number: live.map(|version| version.number),
        aliases: numbers(&model.aliases),
        money: None,
        readiness: around.readiness.into(),
        latest_version: around
            .live
            .as_ref()
            .map(|version| super::version::show(call, version, model, None)),
    }
}

fn numbers(aliases: &Aliases) -> BTreeMap<String, u32> {
    let number = |(alias, to): (&Alias, &Aliased)| (alias.to_string(), to.number);
    aliases.iter().map(number).collect()
}

fn title(model: &model::Model, live: Option<&model::Version>) -> String {
    let from_schema = live
        .and_then(model::Version::schema)
        .map(|schema| schema.title.clone())
        .unwrap_or_default();
    [model.title.clone(), from_schema]
        .into_iter()
        .find(|title| !title.is_empty())
        .unwrap_or_else(|| model.name.name().to_owned())
}

/// The first example, in the shape of a finished prediction.
fn default_example(model: &model::Model, version: &model::Version) -> Option<serde_json::Value> {
    let examples = super::version::examples(version);
    let first = examples.as_array()?.first()?;
    Some(serde_json::json!({
        "id": "example",
        "model": model.name.to_string(),
        "version": version.id.0,
        "status": "succeeded",
        "input": first.get("input"),
        "output": first.get("output"),
        "created_at": time(version.created_at),
        "urls": {},
    }))
}

/// The answer to a warm-up.
#[derive(Serialize, ToSchema)]
pub(crate) struct Warmup {
    pub(crate) readiness: Ready,
}

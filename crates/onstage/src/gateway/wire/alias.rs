//! Aliases of a model's versions as the wire has them.
//! Does not fetch.

use crate::gateway::call::Call;
use onstage_core::{ModelName, alias};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct Alias {
    pub(crate) alias: String,
    model: String,
    /// The id of the version it points at.
    version: String,
    number: u32,
    url: String,
}

/// Where an alias is to point.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewAlias {
    /// A number, an id, the start of one, or another alias.
    #[schema(value_type = String)]
    pub(crate) version: Value,
    /// What it must have pointed at until now, null for nothing; not asked when absent.
    #[serde(default, deserialize_with = "some")]
    #[schema(value_type = Option<String>)]
    pub(crate) was: Option<Value>,
}

/// Told apart: absent is `None`, null is `Some(null)`.
fn some<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

pub(crate) fn show(
    call: &Call,
    model: &ModelName,
    alias: &alias::Alias,
    to: &alias::Aliased,
) -> Alias {
    Alias {
        alias: alias.to_string(),
        model: model.to_string(),
        version: to.version.0.clone(),
        number: to.number,
        url: call.link(&format!("/v1/models/{model}/versions/{alias}")),
    }
}

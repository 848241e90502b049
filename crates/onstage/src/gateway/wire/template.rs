//! A model template as the wire has it.
//! Does not read templates.

use crate::gateway::templates;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct Template {
    name: String,
    title: String,
    description: String,
    /// A JSON Schema of what `config` may say.
    #[schema(value_type = Object)]
    config_schema: Value,
}

/// What makes a version of one.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewTemplateVersion {
    /// The template's name.
    pub(crate) template: String,
    /// As the template's `config_schema` says.
    #[schema(value_type = Object)]
    pub(crate) config: Value,
}

pub(crate) fn show(template: &templates::Template) -> Template {
    let text = |key: &str| template.schema[key].as_str().unwrap_or_default().to_owned();
    Template {
        name: template.name.clone(),
        title: text("title"),
        description: text("description"),
        config_schema: template.schema.clone(),
    }
}

//! A template and a config as a model's folder: the template's files, its settings with the model's name, and the config as
//! one more file. Does not keep the folder.

use super::{
    embedded::{self, Template},
    refusal,
};
use crate::gateway::{
    PushedBundle, body,
    call::{Call, shortened},
    problem::Problem,
    wire::template::NewTemplateVersion,
};
use onstage_core::{Error, ModelName, Result, schema::ModelSchema};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};

const SETTINGS: &str = "onstage.toml";
/// What was asked for, as the model's code reads it.
const CONFIG: &str = "template.json";

/// Takes the body of a request. Errors: 422 with the fields at fault.
pub(crate) async fn make(call: &mut Call, model: &ModelName) -> Result<PushedBundle, Problem> {
    let wish: NewTemplateVersion = body::json(call).await?;
    let template = find(&wish.template)?;
    check(call, template, &wish.config)?;
    let python = call.state.settings.template_python.as_deref();
    let files = files(template, &wish.config, model, python)?;
    Ok(call.state.bundles.make(files).await?)
}

fn find(name: &str) -> Result<&'static Template, Problem> {
    let all = embedded::all();
    all.iter()
        .find(|template| template.name == name)
        .ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|template| template.name.as_str()).collect();
            let expected = format!("the name of a template ({})", names.join(", "));
            Problem::field("/template", &expected, format!("`{}`", shortened(name)))
        })
}

fn check(call: &Call, template: &Template, config: &Value) -> Result<(), Problem> {
    let check = call
        .state
        .parts
        .checks
        .input(&as_input(&template.schema)?)?;
    check
        .check(config.to_string().as_bytes())
        .map_err(|errors| refusal::of(template, errors))
}

/// The schema where the check looks for one; its own definitions move along.
fn as_input(schema: &Value) -> Result<ModelSchema> {
    let moved = schema
        .to_string()
        .replace("\"#/$defs/", "\"#/components/schemas/Input/$defs/");
    serde_json::from_str(&format!(
        r#"{{"components": {{"schemas": {{"Input": {moved}}}}}}}"#
    ))
    .map_err(|error| Error::internal("the schema of a template cannot be read").because(error))
}

fn files(
    template: &Template,
    config: &Value,
    model: &ModelName,
    python: Option<&Path>,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = template.files.clone();
    let text = files.remove(SETTINGS).unwrap_or_default();
    files.insert(SETTINGS.to_owned(), settings(&text, model, python)?);
    let asked = json!({"template": template.name, "config": config});
    let text = serde_json::to_string_pretty(&asked).expect("a JSON value is always JSON") + "\n";
    files.insert(CONFIG.to_owned(), text.into_bytes());
    Ok(files)
}

/// The template's settings for a model. An interpreter of the installation's is used with what is installed in it.
fn settings(text: &[u8], model: &ModelName, python: Option<&Path>) -> Result<Vec<u8>> {
    let ours = |error: &dyn std::fmt::Display| {
        Error::internal("the settings of a template cannot be read").because(error.to_string())
    };
    let text = std::str::from_utf8(text).map_err(|error| ours(&error))?;
    let mut table: toml::Table = text.parse().map_err(|error| ours(&error))?;
    let named = toml::Table::from_iter([("name".to_owned(), model.name().into())]);
    table.insert("model".to_owned(), named.into());
    if let Some(python) = python {
        let python = python.to_string_lossy().into_owned();
        let environment = toml::Table::from_iter([("python".to_owned(), python.into())]);
        table.insert("environment".to_owned(), environment.into());
    }
    Ok(table.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings_of(python: Option<&str>) -> toml::Table {
        let model = ModelName::new("lab", "cancer").unwrap();
        let template = find("tabular-torch").unwrap();
        let made = files(template, &json!({}), &model, python.map(Path::new)).unwrap();
        std::str::from_utf8(&made[SETTINGS])
            .unwrap()
            .parse()
            .unwrap()
    }

    #[test]
    fn the_settings_are_of_the_model_and_of_the_installation() {
        let usual = settings_of(None);
        assert_eq!(usual["model"]["name"].as_str(), Some("cancer"));
        assert!(
            usual["environment"]["requirements"]
                .as_array()
                .is_some_and(|lines| lines.iter().any(|line| line.as_str() == Some("torch>=2"))),
            "{usual}"
        );
        let own = settings_of(Some("/opt/torch/bin/python"));
        assert_eq!(
            own["environment"],
            toml::toml! { python = "/opt/torch/bin/python" }.into(),
            "{own}"
        );
        assert_eq!(own["training"], usual["training"]);
    }
}

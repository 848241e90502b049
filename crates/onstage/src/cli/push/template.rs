//! A template with a config on its way to the server, which makes the model's folder of them.
//! Does not know what a config may say; the server does.

use onstage_core::{Error, ModelName, Result};
use serde_json::{Value, json};
use std::path::Path;

/// The request that makes a version. Errors: invalid (no such file, or it is not JSON).
pub(super) fn body(template: &str, config: &Path) -> Result<Value> {
    let wrong = |what: &str| Error::invalid(format!("config `{}` {what}", config.display()));
    let bytes = std::fs::read(config).map_err(|error| wrong("cannot be read").because(error))?;
    let config: Value =
        serde_json::from_slice(&bytes).map_err(|error| wrong("is not JSON").because(error))?;
    Ok(json!({"template": template, "config": config}))
}

pub(super) fn model(asked: &str, owner: &str) -> Result<ModelName> {
    match asked.contains('/') {
        true => asked.parse(),
        false => ModelName::new(owner, asked),
    }
}

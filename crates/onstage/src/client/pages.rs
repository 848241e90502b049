//! Lists in pages, read up to a limit; and models and versions by the names people type.
//! Does not print.

use super::Client;
use onstage_core::{Error, Kind, Result};
use serde_json::Value;

impl Client {
    /// The first `limit` rows of a list, over as many pages as it takes. `path` already has its query, if any.
    pub(crate) async fn list(&self, path: &str, limit: usize) -> Result<Vec<Value>> {
        let mut rows = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let mut page = self.get(&path).await?;
            if let Some(Value::Array(results)) = page.get_mut("results").map(Value::take) {
                rows.extend(results);
            }
            next = page.get("next").and_then(Value::as_str).map(str::to_owned);
            if rows.len() >= limit {
                break;
            }
        }
        rows.truncate(limit);
        Ok(rows)
    }

    /// A model by `owner/name`, or by its name alone where only one owner has it.
    pub(crate) async fn model(&self, name: &str) -> Result<Value> {
        if let Some((owner, bare)) = name.split_once('/') {
            check(name, owner, bare)?;
            return match self.get(&format!("/v1/models/{owner}/{bare}")).await {
                Err(error) if error.kind == Kind::NotFound => Err(self.no_model(name).await?),
                answer => answer,
            };
        }
        check(name, "lab", name)?;
        let mut found: Vec<Value> = self
            .list("/v1/models?limit=200", MODELS_MAX)
            .await?
            .into_iter()
            .filter(|model| model["name"] == name)
            .collect();
        match found.len() {
            0 => Err(self.no_model(name).await?),
            1 => {
                let path = format!("/v1/models/{}", full_name(&found.remove(0)));
                self.get(&path).await
            }
            _ => {
                let names: Vec<String> = found.iter().map(full_name).collect();
                Err(Error::invalid(format!("model `{name}` has several owners"))
                    .hint(format!("write one of {}", names.join(", "))))
            }
        }
    }

    async fn no_model(&self, name: &str) -> Result<Error> {
        let error = Error::not_found(format!("there is no model `{name}`"));
        let models = self.list("/v1/models?limit=200", MODELS_MAX).await?;
        let names: Vec<String> = models.iter().map(full_name).collect();
        let bare = name.rsplit('/').next().unwrap_or(name);
        let near = crate::cli::nearest(
            bare,
            names
                .iter()
                .map(|full| full.rsplit('/').next().unwrap_or(full)),
        );
        Ok(match near {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None if names.is_empty() => error.hint(
                "there are no models yet: `onstage new` makes one, `onstage push` brings it here",
            ),
            None => error.hint("`onstage models` lists all models"),
        })
    }
}

/// Models looked through for a name.
const MODELS_MAX: usize = 10_000;

fn check(name: &str, owner: &str, bare: &str) -> Result<()> {
    onstage_core::ModelName::new(owner, bare)
        .map(drop)
        .map_err(|_| {
            Error::invalid(format!("`{name}` is not a model's name"))
                .hint("write it like `age` or `lab/age`")
        })
}

/// `owner/name` of a model as it came.
pub(crate) fn full_name(model: &Value) -> String {
    format!(
        "{}/{}",
        model["owner"].as_str().unwrap_or_default(),
        model["name"].as_str().unwrap_or_default()
    )
}

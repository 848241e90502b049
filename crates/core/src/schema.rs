//! What a worker says about its model: title, inputs, outputs, how it may be called.
//! Does not validate inputs; that is the `InputCheck` port.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The answer to `describe` (see `docs/worker-protocol.md`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSchema {
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub help: String,
    #[serde(default)]
    pub function: String,
    /// Predictions of this model are jobs.
    #[serde(default)]
    pub background: bool,
    /// The output comes in pieces.
    #[serde(default)]
    pub streams: bool,
    #[serde(default)]
    pub many: Option<Many>,
    /// What a training of it takes, when it can be trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingSchema>,
    pub components: Components,
}

/// The training function, described as predict is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSchema {
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub help: String,
    #[serde(default)]
    pub function: String,
    pub components: Components,
}

/// The vectorised form of predict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Many {
    /// Inputs per microbatch at most.
    pub max: u32,
    /// How long an idle worker waits for more.
    #[serde(default)]
    pub wait_ms: WaitMs,
}

/// How long the batcher may wait: a number of milliseconds, or left to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WaitMs {
    Fixed(f64),
    Auto(Auto),
}

/// The word `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    Auto,
}

impl Default for WaitMs {
    fn default() -> Self {
        Self::Fixed(0.0)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Components {
    /// `Input`, `Output` and what they refer to, as JSON Schemas.
    pub schemas: Map<String, Value>,
}

impl ModelSchema {
    /// The inputs of a training, in the shape of a model's own.
    pub fn of_training(&self) -> Option<Self> {
        let training = self.training.clone()?;
        Some(Self {
            title: training.title,
            help: training.help,
            function: training.function,
            background: true,
            streams: false,
            many: None,
            training: None,
            components: training.components,
        })
    }

    pub fn input(&self) -> Option<&Value> {
        self.components.schemas.get("Input")
    }

    pub fn output(&self) -> Option<&Value> {
        self.components.schemas.get("Output")
    }

    /// The properties of `Input` in the order the author wrote them.
    pub fn fields(&self) -> Vec<(&str, &Value)> {
        let mut fields: Vec<(&str, &Value)> = self
            .input()
            .and_then(|input| input.get("properties"))
            .and_then(Value::as_object)
            .map(|properties| {
                properties
                    .iter()
                    .map(|(name, field)| (name.as_str(), field))
                    .collect()
            })
            .unwrap_or_default();
        fields.sort_by_key(|(_, field)| {
            field
                .get("x-order")
                .and_then(Value::as_i64)
                .unwrap_or(i64::MAX)
        });
        fields
    }

    /// An input's JSON text, with what was left out at its default. Text that is no object comes back as it is.
    pub fn with_defaults(&self, input: &str) -> String {
        let Ok(mut given) = serde_json::from_str::<Map<String, Value>>(input) else {
            return input.to_owned();
        };
        for (name, field) in self.fields() {
            if let Some(default) = field.get("default").filter(|default| !default.is_null()) {
                given.entry(name).or_insert_with(|| default.clone());
            }
        }
        Value::Object(given).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_out_has_its_default() {
        let schema: ModelSchema = serde_json::from_value(json!({"components": {"schemas": {"Input": {"properties": {
            "data": {}, "epochs": {"default": 60}, "name": {"default": null}, "rate": {"default": 0.1},
        }}}}}))
        .unwrap();
        let whole = schema.with_defaults(r#"{"data": "iris@v2", "rate": 1}"#);
        let whole: Value = serde_json::from_str(&whole).unwrap();
        assert_eq!(whole, json!({"data": "iris@v2", "epochs": 60, "rate": 1}));
        assert_eq!(schema.with_defaults("removed"), "removed");
    }
}

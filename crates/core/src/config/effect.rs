//! What of `onstage.toml` this version does not do: told as a warning, or refused where silence would be dangerous.
//! A key that starts to have an effect is taken out here in the same change.

use super::{ModelConfig, RealtimeSection};
use crate::{Error, Result};

impl ModelConfig {
    /// Keys that are set and have no effect yet, each as a sentence.
    pub fn without_effect(&self) -> Vec<String> {
        let mut told = Vec::new();
        let mut tell = |key: &str, is_set: bool, instead: &str| {
            if is_set {
                told.push(format!("`{key}` has no effect yet: {instead}"));
            }
        };
        let environment = &self.environment;
        tell(
            "[environment] system",
            !environment.system.is_empty(),
            "system packages must be there on the server",
        );
        tell(
            "[environment] dockerfile",
            environment.dockerfile.is_some(),
            "the model runs in a Python environment on the server, without a container",
        );
        let (realtime, usual) = (&self.realtime, RealtimeSection::default());
        tell(
            "[realtime] on",
            realtime.on != usual.on,
            "the model runs on the server itself",
        );
        tell(
            "[feedback] required",
            self.feedback.required,
            "people may go on without giving feedback",
        );
        for key in self.page.keys() {
            tell(
                &format!("[page] {key}"),
                true,
                "the model has the page that Onstage makes",
            );
        }
        told
    }

    /// Errors: invalid, when the author counts on a limit of access or cost that nothing would hold.
    pub fn refuse_unkept_promises(&self) -> Result<()> {
        for (key, value) in &self.access {
            // What is done anyway may be said.
            if key != "who" || value != "people" {
                return Err(Error::invalid(format!(
                    "`[access] {key}` asks for what this version does not do: whoever may log in may use the model, nobody else"
                ))
                .hint("leave it out, or write `who = \"people\"`"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn config(sections: &Value) -> ModelConfig {
        let mut all = json!({"model": {"name": "age"}});
        let sections = sections.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(sections);
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn what_has_no_effect_is_named_and_what_has_is_not() {
        let told = config(&json!({
            "environment": {"dockerfile": "Dockerfile", "system": ["ffmpeg"], "python": "3.11"},
            "realtime": {"on": "lambda", "gpu": 1, "share": "setup", "cpu": 2, "memory": "1GiB"},
            "jobs": {"gpu": 1, "tasks": 2},
            "training": {"gpu": 1, "keep_checkpoints": 3},
            "feedback": {"ask": ["wrong"], "required": true},
            "keep": {"inputs": "7d", "outputs": "7d", "logs": "7d", "redact": ["name"]},
            "secrets": {"names": ["KEY"]},
            "page": {"command": ["streamlit"]},
        }))
        .without_effect();
        let keys: Vec<&str> = told
            .iter()
            .map(|text| text.split('`').nth(1).unwrap())
            .collect();
        assert_eq!(
            keys,
            [
                "[environment] system",
                "[environment] dockerfile",
                "[realtime] on",
                "[feedback] required",
                "[page] command",
            ]
        );
        let plain = config(&json!({"realtime": {"on": "here", "share": "import"}}));
        assert_eq!(plain.without_effect(), Vec::<String>::new());
    }

    #[test]
    fn promises_that_nothing_would_keep_are_refused() {
        for wrong in [
            json!({"access": {"who": "public"}}),
            json!({"access": {"who": "people", "until": "2027-01-01"}}),
        ] {
            let error = config(&wrong).refuse_unkept_promises().unwrap_err();
            assert!(error.hint.is_some(), "{wrong}: {error}");
        }
        for fine in [json!({}), json!({"access": {"who": "people"}})] {
            config(&fine).refuse_unkept_promises().unwrap();
        }
    }
}

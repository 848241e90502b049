//! App state for a worker on trial: the same operations on a pad of its own, thrown away afterwards.
//! Does not know the store.

use onstage_core::{limits::STATE_ITEMS_MAX, ports::StateOp};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Scratch {
    entries: BTreeMap<(String, String), Json>,
}

impl Scratch {
    pub(super) fn perform(
        &mut self,
        space: String,
        key: String,
        op: StateOp,
    ) -> Result<String, String> {
        let place = (space, key);
        let answer = match op {
            StateOp::Get => self.entries.get(&place).cloned().unwrap_or(Json::Null),
            StateOp::Put(text) => {
                match serde_json::from_str(&text).map_err(|error| error.to_string())? {
                    Json::Null => self.entries.remove(&place),
                    value => self.entries.insert(place, value),
                };
                Json::Null
            }
            StateOp::Add(by) => {
                let count = self.entries.entry(place).or_insert(json!(0));
                let number = count.as_f64().ok_or("the value there is not a number")? + by;
                *count = whole_or_not(number);
                count.clone()
            }
            StateOp::Items => self.items(&place),
        };
        Ok(answer.to_string())
    }

    fn items(&self, (space, prefix): &(String, String)) -> Json {
        self.entries
            .iter()
            .filter(|((at, key), _)| at == space && key.starts_with(prefix.as_str()))
            .take(STATE_ITEMS_MAX)
            .map(|((_, key), value)| json!([key, value]))
            .collect()
    }
}

/// A counter of whole steps reads as a whole number.
fn whole_or_not(number: f64) -> Json {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        json!(number as i64)
    } else {
        json!(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_what_the_store_does() {
        let mut scratch = Scratch::default();
        let mut perform = |key: &str, op| scratch.perform("lab/a".into(), key.into(), op);
        assert_eq!(perform("n/a", StateOp::Add(2.0)).unwrap(), "2");
        assert_eq!(perform("n/a", StateOp::Add(0.5)).unwrap(), "2.5");
        assert_eq!(
            perform("n/b", StateOp::Put(r#""x""#.into())).unwrap(),
            "null"
        );
        assert!(perform("n/b", StateOp::Add(1.0)).is_err());
        assert_eq!(
            perform("n/", StateOp::Items).unwrap(),
            r#"[["n/a",2.5],["n/b","x"]]"#
        );
        assert_eq!(perform("n/b", StateOp::Put("null".into())).unwrap(), "null");
        assert_eq!(perform("n/b", StateOp::Get).unwrap(), "null");
    }
}

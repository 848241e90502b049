//! Durable state of models, in memory.
//! Must not know which model asks or why.

use super::MemoryStore;
use crate::store::rules;
use async_trait::async_trait;
use onstage_core::{
    Result,
    limits::STATE_ITEMS_MAX,
    ports::{AppState, StateOp},
};

#[async_trait]
impl AppState for MemoryStore {
    async fn state(&self, space: &str, key: &str, op: StateOp) -> Result<String> {
        rules::check_state_key(key)?;
        let mut state = self.lock();
        let place = (space.to_owned(), key.to_owned());
        let there = state.state.get(&place);
        match op {
            StateOp::Get => Ok(there.cloned().unwrap_or_else(|| "null".to_owned())),
            StateOp::Add(by) => {
                let value = rules::added(space, key, there.map(String::as_str), by)?;
                state.state.insert(place, value.clone());
                Ok(value)
            }
            StateOp::Put(json) => {
                rules::check_state_value(key, &json)?;
                if json.trim() == "null" {
                    state.state.remove(&place);
                } else {
                    state.state.insert(place, json);
                }
                Ok("null".to_owned())
            }
            StateOp::Items => {
                let of_prefix = state
                    .state
                    .range(place..)
                    .take_while(|((of, name), _)| of == space && name.starts_with(key));
                rules::items_text(
                    of_prefix
                        .take(STATE_ITEMS_MAX)
                        .map(|((_, name), value)| (name.as_str(), value.as_str())),
                )
            }
        }
    }
}

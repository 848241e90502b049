//! App state for one worker: its requests, one after the other, through the store.
//! Does not know the socket; answers go back as the loop's orders.

use super::{drive::Order, scratch::Scratch};
use crate::{parts::Parts, spawn::spawn};
use onstage_core::{
    ModelName,
    limits::{STATE_KEY_BYTES_MAX, STATE_VALUE_BYTES_MAX},
    ports::StateOp,
    wire::from_worker::StateRequest,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::mpsc;

/// Requests of one worker that may wait.
const REQUESTS_MAX: usize = 1024;
const SPACE_NAME_BYTES_MAX: usize = 63;

/// The way into the store for one worker's requests.
pub(super) struct AppState {
    requests: mpsc::Sender<StateRequest>,
    /// On trial: the scratch pad is used instead of the store.
    trial: Arc<AtomicBool>,
}

impl AppState {
    pub(super) fn new(
        parts: Parts,
        model: ModelName,
        answers: mpsc::WeakUnboundedSender<Order>,
        trial: bool,
    ) -> Self {
        let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
        let trial = Arc::new(AtomicBool::new(trial));
        let desk = Desk {
            parts,
            model,
            trial: trial.clone(),
            scratch: Scratch::default(),
        };
        spawn("app state", desk.answer_all(inbox, answers));
        Self { requests, trial }
    }

    pub(super) fn end_trial(&self) {
        self.trial.store(false, Ordering::Relaxed);
    }

    /// Errors: the text for the worker when too many wait.
    pub(super) fn ask(&self, request: StateRequest) -> Result<(), (u64, &'static str)> {
        let number = request.request;
        self.requests
            .try_send(request)
            .map_err(|_| (number, "too many operations on app state wait already"))
    }
}

struct Desk {
    parts: Parts,
    model: ModelName,
    trial: Arc<AtomicBool>,
    scratch: Scratch,
}

impl Desk {
    async fn answer_all(
        mut self,
        mut inbox: mpsc::Receiver<StateRequest>,
        answers: mpsc::WeakUnboundedSender<Order>,
    ) {
        while let Some(request) = inbox.recv().await {
            let order = Order::StateAnswer {
                request: request.request,
                answer: self.answer(request).await,
            };
            // Held weakly, so that a worker whose handles are all dropped still ends.
            let Some(answers) = answers.upgrade() else {
                return;
            };
            if answers.send(order).is_err() {
                return;
            }
        }
    }

    async fn answer(&mut self, request: StateRequest) -> Result<String, String> {
        let (space, key, op) = checked(&self.model, request)?;
        if self.trial.load(Ordering::Relaxed) {
            return self.scratch.perform(space, key, op);
        }
        let answer = self.parts.store.state(&space, &key, op).await;
        answer.map_err(|error| error.to_string())
    }
}

/// The store's words for what the worker asked, or what is wrong with it.
fn checked(model: &ModelName, request: StateRequest) -> Result<(String, String, StateOp), String> {
    if request.key.len() > STATE_KEY_BYTES_MAX {
        return Err(format!("a key has at most {STATE_KEY_BYTES_MAX} bytes"));
    }
    let space = match &request.space {
        None => model.to_string(),
        Some(name) => shared(model, name)?,
    };
    let op = operation(&request.op, request.value)?;
    Ok((space, request.key, op))
}

fn shared(model: &ModelName, name: &str) -> Result<String, String> {
    let fits = (1..=SPACE_NAME_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if fits {
        Ok(format!("{}//{name}", model.owner()))
    } else {
        Err(format!(
            "`{}` is not the name of a space: use letters, digits, `-` and `_`, at most {SPACE_NAME_BYTES_MAX}",
            name.chars().take(80).collect::<String>()
        ))
    }
}

fn operation(op: &str, value: Option<String>) -> Result<StateOp, String> {
    let value = value.unwrap_or_else(|| "null".to_owned());
    match op {
        "get" => Ok(StateOp::Get),
        "items" => Ok(StateOp::Items),
        "add" => match value.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(StateOp::Add(number)),
            _ => Err("`add` takes a number".to_owned()),
        },
        "put" if value.len() > STATE_VALUE_BYTES_MAX => Err(format!(
            "a value has at most {STATE_VALUE_BYTES_MAX} bytes as JSON"
        )),
        "put" => Ok(StateOp::Put(value)),
        other => Err(format!("`{other}` is no operation on app state")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(space: Option<&str>, op: &str, key: &str, value: Option<&str>) -> StateRequest {
        StateRequest {
            request: 1,
            space: space.map(str::to_owned),
            op: op.to_owned(),
            key: key.to_owned(),
            value: value.map(str::to_owned),
        }
    }

    #[test]
    fn spaces_never_meet_by_accident() {
        let model: ModelName = "lab/age".parse().unwrap();
        let space = |name| checked(&model, request(name, "get", "k", None)).map(|it| it.0);
        assert_eq!(space(None), Ok("lab/age".to_owned()));
        assert_eq!(space(Some("age")), Ok("lab//age".to_owned()));
        for name in ["", "a/b", "../x", "ä", &"x".repeat(64)] {
            assert!(space(Some(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn operations_are_checked_before_the_store_sees_them() {
        let model: ModelName = "lab/age".parse().unwrap();
        let op = |op, key, value| checked(&model, request(None, op, key, value)).map(|it| it.2);
        assert_eq!(op("add", "k", Some("1.5")), Ok(StateOp::Add(1.5)));
        assert_eq!(op("put", "k", None), Ok(StateOp::Put("null".into())));
        let long = "k".repeat(STATE_KEY_BYTES_MAX + 1);
        let big = "9".repeat(STATE_VALUE_BYTES_MAX + 1);
        assert!(op("add", "k", Some("\"x\"")).is_err());
        assert!(op("put", "k", Some(&big)).is_err());
        assert!(op("get", &long, None).is_err());
        assert!(op("drop", "k", None).is_err());
    }
}

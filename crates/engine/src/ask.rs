//! What the gateway asks of the engine and hears at once: a prediction to make, a refusal, a readiness.
//! Does not know how any of it is done.

use onstage_core::{
    Id, ModelName,
    model::Version,
    people::Principal,
    ports::{InputCheck, OutputCheck, Placed},
    schema::ModelSchema,
    value::{Stored, Value},
};
use std::{sync::Arc, time::Duration};

/// A version ready to answer, with its checks. Cached; the same `Arc` for all.
pub struct Loaded {
    pub version: Version,
    pub model: ModelName,
    pub schema: Arc<ModelSchema>,
    pub input: Arc<dyn InputCheck>,
    pub output: Arc<dyn OutputCheck>,
}

/// A realtime prediction to make. Its input has been checked.
pub struct Ask {
    pub id: Id,
    pub version: Arc<Loaded>,
    pub input: Value,
    /// Keeps the datasets that the input names on this host.
    pub placed: Arc<[Placed]>,
    /// The input as it goes to the record: small JSON or a blob, files as `$blob`.
    pub stored_input: Stored,
    pub by: Principal,
    /// `api`, `page` or `cli`.
    pub source: String,
    /// From acceptance, all told; the model's own `timeout` counts from dispatch.
    pub deadline: Option<Duration>,
    pub keep: Keep,
}

/// Whether a record of it must be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// From the page, or asked for by id: never dropped.
    Always,
    /// May be dropped when records come faster than they can be written.
    Sampled,
    /// As `Sampled`, and large tensors are only described: the caller has them in full.
    Brief,
}

/// Why a prediction was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The queue is full; `retry_after` comes from the measured service time.
    Busy {
        retry_after: Duration,
        queued: u32,
    },
    /// The model has cost what it may in this month; the message says how much.
    OverBudget {
        message: String,
        hint: Option<String>,
    },
    ShuttingDown,
}

/// Whether a model would answer now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// `asleep`, `starting`, `ready`, `failed` or `none`.
    pub state: &'static str,
    pub workers: u32,
    /// For people.
    pub text: String,
}

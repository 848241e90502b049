//! The plan of a load: what to ask, how often, for how long.
//! Does nothing.

use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub(crate) enum Plan {
    Open(Open),
    Idle(Idle),
    Streams(Streams),
}

/// What every request is.
#[derive(Deserialize)]
pub(crate) struct Ask {
    /// `host:port`
    pub(crate) address: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: String,
}

/// Requests at random times, whether or not the earlier ones were answered.
#[derive(Deserialize)]
pub(crate) struct Open {
    pub(crate) ask: Ask,
    /// Requests a second, and for how many seconds, one after the other.
    pub(crate) phases: Vec<(f64, f64)>,
    /// The same seed makes the same times.
    pub(crate) seed: u64,
    pub(crate) connections_max: usize,
    pub(crate) timeout_s: f64,
    /// What the body of a right answer contains.
    pub(crate) expect: String,
}

/// Connections that ask once and then stay open until standard input ends.
#[derive(Deserialize)]
pub(crate) struct Idle {
    pub(crate) ask: Ask,
    pub(crate) connections: usize,
}

/// Event streams whose events carry `"sent": SECONDS` of the same clock.
#[derive(Deserialize)]
pub(crate) struct Streams {
    pub(crate) ask: Ask,
    pub(crate) streams: usize,
    pub(crate) seconds: f64,
}

//! How work ends: outcome, reason, failure; and the words that the wire uses for where work stands.
//! Does not know jobs or predictions; both end this way.

use crate::usage::Amounts;
use serde::{Deserialize, Serialize};

/// The wire's status of a prediction, batch job or training, as in Cog and Replicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Starting,
    Processing,
    Succeeded,
    Failed,
    Canceled,
}

impl Status {
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }
}

/// The finer word for where work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Queued,
    Provisioning,
    Installing,
    Loading,
    Running,
    Uploading,
    Canceling,
    Done,
}

/// Why work ended as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Ok,
    /// The author's code refused the input on purpose.
    UserError,
    /// The author's code raised.
    Exception,
    /// The answer did not fit the declared type.
    BadOutput,
    Timeout,
    OutOfMemory,
    /// The model could not be loaded.
    SetupFailed,
    /// The process that computed it died or went silent.
    WorkerLost,
    NoCapacity,
    OverBudget,
    Canceled,
    Expired,
}

/// What went wrong in words for two readers: the stakeholder (`message`) and the scientist (`traceback`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub reason: Reason,
    /// One line.
    pub message: String,
    /// The input field at fault, when the author named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
}

impl Failure {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            field: None,
            traceback: None,
        }
    }

    /// The wire status that this failure ends in.
    pub fn status(&self) -> Status {
        if self.reason == Reason::Canceled {
            Status::Canceled
        } else {
            Status::Failed
        }
    }
}

/// How far work has come.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    pub done: f64,
    pub total: Option<f64>,
    #[serde(default)]
    pub text: String,
    /// Of a batch job's run: what its worker took for `runs` of the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Amounts>,
}

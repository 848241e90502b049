//! What a person said about one prediction. Does not know how it was collected.

use crate::{Id, ModelName, Timestamp};
use serde::{Deserialize, Serialize};

/// One person's feedback on one prediction; the store keeps the latest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    pub id: Id,
    pub prediction: Id,
    pub model: ModelName,
    pub version_number: u32,
    /// 1 for 👍, -1 for 👎.
    pub rating: Option<i8>,
    pub reason: Option<String>,
    pub comment: Option<String>,
    /// JSON text: what the answer should have been.
    pub correction: Option<String>,
    /// The principal's id: one feedback per person and prediction.
    pub who: Id,
    /// JSON text of the prediction's input and output when the feedback was given, so that it survives the prediction's retention.
    pub input: Option<String>,
    pub output: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, Default)]
pub struct FeedbackFilter {
    pub model: Option<ModelName>,
    pub prediction: Option<Id>,
    pub since: Option<Timestamp>,
}

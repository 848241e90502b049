//! The submitter: makes the job that a schedule asks for, as whoever made the schedule.

use crate::{Id, Result, Timestamp, schedule::Schedule};
use async_trait::async_trait;

#[async_trait]
pub trait Submitter: Send + Sync + 'static {
    /// Makes the job of a tick, once: asked again within a day, it answers the same one. Errors: denied (whoever made the schedule
    /// may not do this any more); retryable kinds, when the same may work a little later; others, when it will not.
    async fn submit(&self, schedule: &Schedule, tick: Timestamp) -> Result<Id>;
}

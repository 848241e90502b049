//! The one timer of a worker's loop.

use onstage_core::Clock;
use std::{pin::Pin, time::Duration};
use tokio::time::Sleep;

/// A timer that is moved only when it must ring earlier: a ring that comes too early finds nothing to do and sets it anew.
#[derive(Default)]
pub(super) struct Alarm {
    at: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    pub(super) fn set(&mut self, at: Option<Duration>, clock: &dyn Clock) {
        let Some(at) = at else { return };
        if self.at.is_some_and(|set| set <= at) {
            return;
        }
        self.at = Some(at);
        let deadline = tokio::time::Instant::now() + at.saturating_sub(clock.monotonic());
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(deadline),
            None => self.sleep = Some(Box::pin(tokio::time::sleep_until(deadline))),
        }
    }

    /// Resolves when it rings; never, while it is not set.
    pub(super) async fn rang(&mut self) {
        match &mut self.sleep {
            Some(sleep) if self.at.is_some() => sleep.as_mut().await,
            _ => std::future::pending().await,
        }
        self.at = None;
    }
}

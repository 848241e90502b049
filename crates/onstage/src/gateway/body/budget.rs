//! How many bytes of bodies all requests together may hold in memory: what comes over it is refused, not the server ended.
//! Does not read bodies.

use crate::gateway::problem::Problem;
use http::StatusCode;
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of bodies in memory, of all requests; so that it can ever be served, no single one may have more.
pub(crate) const BUFFERED_BYTES_MAX: usize = 256 << 20;
/// Every request may hold so much without asking: most never need more.
const FREE_BYTES: usize = 64 << 10;
/// What is asked for at once.
const STEP_BYTES: usize = 64 << 10;
const AGAIN: Duration = Duration::from_secs(1);

/// Shared by all requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Budget(Arc<Semaphore>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BUFFERED_BYTES_MAX / STEP_BYTES)))
    }
}

/// What one request holds; given back when dropped.
#[derive(Default)]
pub(crate) struct Held {
    steps: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Held {
    /// Books `more` bytes. Errors: 503 when all requests together hold too much already; 413 when this one alone does.
    pub(crate) fn grow(&mut self, budget: &Budget, more: usize) -> Result<(), Problem> {
        self.bytes = self.bytes.saturating_add(more);
        if self.bytes > BUFFERED_BYTES_MAX {
            return Err(super::too_large(BUFFERED_BYTES_MAX as u64));
        }
        let needed = self.bytes.saturating_sub(FREE_BYTES).div_ceil(STEP_BYTES);
        let has = self.steps.as_ref().map_or(0, |steps| steps.num_permits());
        if needed <= has {
            return Ok(());
        }
        let missing = u32::try_from(needed - has).unwrap_or(u32::MAX);
        let got = budget.0.clone().try_acquire_many_owned(missing);
        let got = got.map_err(|_| too_much())?;
        match &mut self.steps {
            Some(steps) => steps.merge(got),
            steps => *steps = Some(got),
        }
        Ok(())
    }
}

fn too_much() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too_much_at_once",
        "Too many large requests are being read at this moment.",
    )
    .retry_after(AGAIN)
    .hint("come again in a moment, or upload large files with `POST /v1/files`, which needs no memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_hold_together_is_bounded_and_comes_back() {
        let budget = Budget::default();
        let mut large = Held::default();
        large.grow(&budget, BUFFERED_BYTES_MAX).unwrap();
        let mut small = Held::default();
        small.grow(&budget, FREE_BYTES).unwrap();
        let mut other = Held::default();
        other.grow(&budget, FREE_BYTES + STEP_BYTES).unwrap();
        assert!(other.grow(&budget, 1).is_err());
        drop(large);
        other.grow(&budget, 1 << 20).unwrap();
        let alone = other.grow(&budget, BUFFERED_BYTES_MAX).unwrap_err();
        assert_eq!((alone.status.as_u16(), alone.retryable), (413, false));
    }
}

//! Waiting for the end of a job of any kind, by looking now and then.
//! Does not know what else is read with the job.

use crate::gateway::{call::Call, problem::Problem};
use onstage_core::job::Job;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Looks until the job has ended, at most so long and not beyond the end of the server; answers what it saw last.
pub(crate) async fn ended<T, Look: Future<Output = Result<T, Problem>>>(
    call: &Call,
    patience: Duration,
    look: impl Fn() -> Look,
    job: impl Fn(&T) -> &Job,
) -> Result<T, Problem> {
    let clock = &call.state.parts.clock;
    let until = clock.monotonic() + patience;
    loop {
        let found = look().await?;
        let left = until.saturating_sub(clock.monotonic());
        let is_final = job(&found).state.is_final();
        if left.is_zero() || is_final || call.state.shutdown.is_cancelled() {
            return Ok(found);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY.min(left)) => {}
            () = call.state.shutdown.cancelled() => {}
        }
    }
}

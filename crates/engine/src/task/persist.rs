//! Calls to the store and the blobs that must succeed: repeated with back-off while the outside thing is away.
//! Does not know what the calls do.

use crate::parts::Parts;
use onstage_core::{
    Error, Kind, Result,
    job::{Job, Lease},
    lifecycle::{RetryPolicy, RunEnd},
};
use std::{future::Future, time::Duration};

/// A task that cannot reach the store for this long stops itself. Until then it goes on computing: a short outage must not kill long work.
pub(crate) const SELF_STOP_S: u64 = 15 * 60;
/// First wait between two tries; doubles.
const WAIT_BASE_MS: u64 = 100;
/// Longest wait between two tries.
const WAIT_MS_MAX: u64 = 5_000;

/// Calls until it works, the error is of a kind that repeating does not help, or the outage has lasted too long.
pub(crate) async fn insist<T, F, Fut>(parts: &Parts, what: &str, mut call: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let began = parts.clock.monotonic();
    let mut wait_ms = WAIT_BASE_MS;
    loop {
        let error = match call().await {
            Err(error) if waits_for_better_times(&error) => error,
            settled => return settled,
        };
        let away = parts.clock.monotonic().saturating_sub(began);
        if away >= Duration::from_secs(SELF_STOP_S) {
            return Err(error);
        }
        if wait_ms == WAIT_BASE_MS {
            tracing::warn!(what, %error, "failed; it is tried again");
        }
        let jittered = wait_ms as f64 * (0.5 + parts.jitter() / 2.0);
        tokio::time::sleep(Duration::from_millis(jittered as u64)).await;
        wait_ms = (wait_ms * 2).min(WAIT_MS_MAX);
    }
}

/// A full disk may be emptied; everything else that can pass is marked as such.
pub(crate) fn waits_for_better_times(error: &Error) -> bool {
    error.kind.retryable() || error.kind == Kind::Full
}

/// Commits the ends of runs, as one commit as far as the store can. `None` where the lease was lost: then nothing was written.
/// A commit whose answer got lost is read back instead of being taken for a loss.
pub(crate) async fn finish_all(
    parts: &Parts,
    ends: Vec<(Lease, RunEnd)>,
    policy: &RetryPolicy,
) -> Result<Vec<Option<Job>>> {
    let now = parts.clock.now();
    let jitter = parts.jitter();
    let mut tries = 0_u32;
    let results = insist(parts, "committing the end of a run", || {
        tries += 1;
        parts.store.finish_all(ends.clone(), policy, jitter, now)
    })
    .await?;
    let mut jobs = Vec::with_capacity(results.len());
    for (result, (lease, end)) in results.into_iter().zip(ends) {
        jobs.push(match result {
            Ok(job) => Some(job),
            Err(error) if waits_for_better_times(&error) => {
                finish_one(parts, &lease, end, policy).await?
            }
            Err(_) if tries > 1 => read_back(parts, &lease).await?,
            Err(error) => lost_or(error)?,
        });
    }
    Ok(jobs)
}

async fn finish_one(
    parts: &Parts,
    lease: &Lease,
    end: RunEnd,
    policy: &RetryPolicy,
) -> Result<Option<Job>> {
    let (now, jitter) = (parts.clock.now(), parts.jitter());
    let finished = insist(parts, "committing the end of a run", || {
        parts.store.finish(lease, end.clone(), policy, jitter, now)
    })
    .await;
    match finished {
        Ok(job) => Ok(Some(job)),
        Err(error) if error.kind == Kind::Lost => read_back(parts, lease).await,
        Err(error) => lost_or(error),
    }
}

fn lost_or(error: Error) -> Result<Option<Job>> {
    match error.kind {
        Kind::Lost | Kind::Conflict | Kind::NotFound => Ok(None),
        _ => Err(error),
    }
}

/// The job, if it is the run of this lease that ended it.
pub(crate) async fn read_back(parts: &Parts, lease: &Lease) -> Result<Option<Job>> {
    let job = insist(parts, "reading a job back", || parts.store.job(&lease.job)).await?;
    Ok(job.filter(|job| job.state.is_final() && job.run == lease.run))
}

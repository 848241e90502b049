//! How a job moves: the legal transitions, the lease check on every write, and what happens after a failed run.
//! Pure: takes `now` and randomness, changes only the record it is given. Stores apply these under compare-and-set.

use crate::{
    Error, Result, Timestamp,
    job::{Attempt, Dead, Job, JobOutput, JobState, Lease, NewJob},
    outcome::{Failure, Phase, Progress, Reason},
    task::Incarnation,
};
use std::time::Duration;

/// Base of the exponential back-off between charged runs.
const BACKOFF_BASE_MS: u64 = 1_000;
/// Cap of the back-off.
const BACKOFF_MS_MAX: u64 = 600_000;
/// Runs lost to infrastructure before the job is given up.
const RESTARTS_MAX: u32 = 10;
/// Runs in a row whose process died before the job counts as poison.
const DEATHS_IN_A_ROW_MAX: usize = 3;

/// Which failed runs are repeated, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    pub retries: u32,
    pub retry_on: Vec<Reason>,
}

impl RetryPolicy {
    /// Nothing is repeated.
    pub fn none() -> Self {
        Self {
            retries: 0,
            retry_on: Vec::new(),
        }
    }
}

/// How a run ended, as the task that held its lease says it.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEnd {
    Succeeded(JobOutput),
    /// The author's code, the input or a limit ended it.
    Failed(Failure),
    /// Stopped because somebody asked.
    Canceled,
    /// The task is shutting down; the job is handed back without being charged.
    HandedBack,
}

/// What a heartbeat says.
#[derive(Debug, Clone, PartialEq)]
pub struct Beat {
    pub phase: Phase,
    pub progress: Option<Progress>,
}

/// What waits for nothing is due whatever anybody's clock says: not every host has the clock of the one that queued it,
/// and none goes forward only.
pub const AT_ONCE: Timestamp = Timestamp(0);

/// A job's record at its submission.
pub fn submitted(new: NewJob) -> Job {
    let mut job = Job {
        id: new.id,
        model: new.model,
        version: new.version,
        version_number: new.version_number,
        spec: new.spec,
        state: JobState::Queued {
            not_before: AT_ONCE,
        },
        run: 0,
        attempts: 0,
        restarts: 0,
        history: Vec::new(),
        progress: None,
        dead: None,
        urgency: new.urgency,
        webhook: new.webhook,
        by: new.by,
        source: new.source,
        created_at: new.created_at,
        started_at: None,
    };
    if let Some(owner) = new.claimed_by {
        start(&mut job, owner, new.created_at);
    }
    job
}

/// Queued → running in the next run. Only a job that is due can be claimed.
pub fn claim(job: &mut Job, owner: Incarnation, now: Timestamp) -> Result<Lease> {
    match &job.state {
        JobState::Queued { not_before } if *not_before <= now => Ok(start(job, owner, now)),
        state => Err(Error::conflict(format!(
            "job `{}` cannot be claimed: it is {}",
            job.id,
            state.name()
        ))),
    }
}

fn start(job: &mut Job, owner: Incarnation, now: Timestamp) -> Lease {
    job.run += 1;
    job.started_at.get_or_insert(now);
    job.state = JobState::Running {
        owner: owner.clone(),
        beat: 0,
        phase: Phase::Loading,
        cancel_requested: false,
    };
    Lease {
        job: job.id.clone(),
        run: job.run,
        owner,
    }
}

/// A sign of life. Answers whether the job's cancelling was asked for.
pub fn beat(job: &mut Job, lease: &Lease, said: Beat) -> Result<bool> {
    job.check_lease(lease)?;
    if said.progress.is_some() {
        job.progress = said.progress;
    }
    match &mut job.state {
        JobState::Running {
            beat,
            phase,
            cancel_requested,
            ..
        } => {
            *beat += 1;
            *phase = said.phase;
            Ok(*cancel_requested)
        }
        _ => Err(Error::internal("a job with a lease is running")),
    }
}

/// The end of a run by the task that holds its lease. The first to commit wins: a cancel that was asked for while the result was on its way does not undo the result.
pub fn finish(
    job: &mut Job,
    lease: &Lease,
    end: RunEnd,
    policy: &RetryPolicy,
    jitter: f64,
    now: Timestamp,
) -> Result<()> {
    job.check_lease(lease)?;
    let cancel_requested = matches!(
        job.state,
        JobState::Running {
            cancel_requested: true,
            ..
        }
    );
    match end {
        RunEnd::Succeeded(output) => {
            job.state = JobState::Succeeded {
                output,
                completed_at: now,
            }
        }
        RunEnd::Canceled => job.state = JobState::Canceled { completed_at: now },
        _ if cancel_requested => job.state = JobState::Canceled { completed_at: now },
        RunEnd::HandedBack => {
            let failure = Failure::new(
                Reason::WorkerLost,
                "the task was shut down and handed the job back",
            );
            restart(job, failure, now);
        }
        RunEnd::Failed(failure) => fail(job, failure, policy, jitter, now),
    }
    Ok(())
}

/// The end of a run whose task is gone, as a reaper saw it: `observed` is the beat that stood still. Nothing happens when it moved meanwhile.
pub fn expire(
    job: &mut Job,
    lease: &Lease,
    observed: u64,
    failure: Failure,
    now: Timestamp,
) -> Result<()> {
    job.check_lease(lease)?;
    match job.state {
        JobState::Running { beat, .. } if beat != observed => Err(Error::conflict(format!(
            "job `{}` is alive: its beat moved from {observed} to {beat}",
            job.id
        ))),
        JobState::Running {
            cancel_requested: true,
            ..
        } => {
            job.state = JobState::Canceled { completed_at: now };
            Ok(())
        }
        _ => {
            restart(job, failure, now);
            Ok(())
        }
    }
}

/// What a person's cancel does: a queued job is canceled at once, a running one is told, a finished one stays as it is.
pub fn request_cancel(job: &mut Job, now: Timestamp) {
    match &mut job.state {
        JobState::Queued { .. } => job.state = JobState::Canceled { completed_at: now },
        JobState::Running {
            cancel_requested, ..
        } => *cancel_requested = true,
        _ => {}
    }
}

/// A run lost to infrastructure: back to the queue without charge, until it has happened too often.
fn restart(job: &mut Job, failure: Failure, now: Timestamp) {
    job.restarts += 1;
    record_attempt(job, failure.clone(), now);
    let poison = deaths_in_a_row(job) >= DEATHS_IN_A_ROW_MAX;
    if poison || job.restarts > RESTARTS_MAX {
        let message = format!(
            "{} ({} runs were lost; the job is set aside)",
            failure.message,
            job.history.len()
        );
        job.state = JobState::Failed {
            failure: Failure { message, ..failure },
            completed_at: now,
        };
        job.dead = Some(match poison {
            true => Dead::Quarantined,
            false => Dead::OutOfAttempts,
        });
    } else {
        job.state = JobState::Queued {
            not_before: AT_ONCE,
        };
    }
}

/// The latest runs in a row that ended by the death of their process, handed-back ones not counted.
fn deaths_in_a_row(job: &Job) -> usize {
    let ends = job.history.iter().rev();
    ends.take_while(|attempt| died(&attempt.failure)).count()
}

fn died(failure: &Failure) -> bool {
    matches!(failure.reason, Reason::OutOfMemory | Reason::WorkerLost)
        && !failure.message.contains("handed the job back")
}

fn fail(job: &mut Job, failure: Failure, policy: &RetryPolicy, jitter: f64, now: Timestamp) {
    job.attempts += 1;
    let repeats = policy.retry_on.contains(&failure.reason);
    // Whoever allows many repetitions does not mean a job that kills its process every time.
    let deadly = died(&failure) && deaths_in_a_row(job) + 1 >= DEATHS_IN_A_ROW_MAX;
    if repeats && !deadly && job.attempts <= policy.retries {
        let wait = backoff(job.attempts, jitter);
        record_attempt(job, failure, now);
        job.state = JobState::Queued {
            not_before: now.plus(wait),
        };
        return;
    }
    job.dead = match (deadly, repeats) {
        (true, _) => Some(Dead::Quarantined),
        (false, true) => Some(Dead::OutOfAttempts),
        (false, false) => None,
    };
    job.state = JobState::Failed {
        failure,
        completed_at: now,
    };
}

fn record_attempt(job: &mut Job, failure: Failure, now: Timestamp) {
    if let JobState::Running { owner, .. } = &job.state {
        job.history.push(Attempt {
            run: job.run,
            owner: owner.clone(),
            ended_at: now,
            failure,
        });
    }
}

/// Exponential back-off with full jitter; `jitter` is uniform in 0..1.
pub fn backoff(attempt: u32, jitter: f64) -> Duration {
    let ceiling = BACKOFF_BASE_MS
        .saturating_mul(1 << attempt.saturating_sub(1).min(20))
        .min(BACKOFF_MS_MAX);
    Duration::from_millis((ceiling as f64 * jitter.clamp(0.0, 1.0)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Id, job::JobSpec, model::VersionId, value::Stored};

    fn job() -> Job {
        submitted(NewJob {
            id: "job-00001".parse().unwrap(),
            model: "lab/age".parse().unwrap(),
            version: VersionId("v".into()),
            version_number: 1,
            spec: JobSpec::Prediction {
                input: Stored::Inline("{}".into()),
                datasets: Vec::new(),
            },
            urgency: crate::fair::Urgency::default(),
            webhook: None,
            by: "person-1".parse::<Id>().unwrap(),
            source: "api".into(),
            created_at: Timestamp(0),
            claimed_by: None,
            idempotency: None,
        })
    }

    fn me() -> Incarnation {
        Incarnation("me".into())
    }

    fn policy() -> RetryPolicy {
        RetryPolicy {
            retries: 2,
            retry_on: vec![Reason::WorkerLost],
        }
    }

    fn output() -> RunEnd {
        RunEnd::Succeeded(JobOutput::Prediction {
            output: Stored::Inline("1".into()),
            predict_ms: 1,
        })
    }

    #[test]
    fn a_lost_lease_writes_nothing() {
        let mut job = job();
        let first = claim(&mut job, me(), Timestamp(1)).unwrap();
        expire(
            &mut job,
            &first,
            0,
            Failure::new(Reason::WorkerLost, "gone"),
            Timestamp(2),
        )
        .unwrap();
        let second = claim(&mut job, me(), Timestamp(3)).unwrap();
        assert_eq!(second.run, 2);
        let before = job.clone();
        assert!(finish(&mut job, &first, output(), &policy(), 0.5, Timestamp(4)).is_err());
        assert!(
            beat(
                &mut job,
                &first,
                Beat {
                    phase: Phase::Running,
                    progress: None
                }
            )
            .is_err()
        );
        assert_eq!(job, before);
        finish(&mut job, &second, output(), &policy(), 0.5, Timestamp(5)).unwrap();
        assert_eq!(job.state.name(), "succeeded");
    }

    #[test]
    fn a_beat_saves_a_job_from_a_slow_reaper() {
        let mut job = job();
        let lease = claim(&mut job, me(), Timestamp(1)).unwrap();
        beat(
            &mut job,
            &lease,
            Beat {
                phase: Phase::Running,
                progress: None,
            },
        )
        .unwrap();
        assert!(
            expire(
                &mut job,
                &lease,
                0,
                Failure::new(Reason::WorkerLost, "gone"),
                Timestamp(2)
            )
            .is_err()
        );
        assert_eq!(job.state.name(), "running");
    }

    #[test]
    fn a_result_beats_a_cancel_that_came_late_and_a_failure_does_not() {
        for (end, state) in [
            (output(), "succeeded"),
            (
                RunEnd::Failed(Failure::new(Reason::Exception, "x")),
                "canceled",
            ),
            (RunEnd::HandedBack, "canceled"),
        ] {
            let mut job = job();
            let lease = claim(&mut job, me(), Timestamp(1)).unwrap();
            request_cancel(&mut job, Timestamp(2));
            finish(&mut job, &lease, end, &policy(), 0.5, Timestamp(3)).unwrap();
            assert_eq!(job.state.name(), state);
        }
    }

    #[test]
    fn only_listed_reasons_are_retried_and_only_so_often() {
        let mut job = job();
        for _ in 0..2 {
            let now = Timestamp(1_000_000_000);
            let lease = claim(&mut job, me(), now).unwrap();
            finish(
                &mut job,
                &lease,
                RunEnd::Failed(Failure::new(Reason::WorkerLost, "died")),
                &policy(),
                0.0,
                now,
            )
            .unwrap();
            assert_eq!(job.state.name(), "queued");
        }
        let lease = claim(&mut job, me(), Timestamp(2_000_000_000)).unwrap();
        finish(
            &mut job,
            &lease,
            RunEnd::Failed(Failure::new(Reason::WorkerLost, "died")),
            &policy(),
            0.0,
            Timestamp(3),
        )
        .unwrap();
        assert_eq!(job.state.name(), "failed");
        assert_eq!((job.attempts, job.dead), (3, Some(Dead::Quarantined)));
    }

    #[test]
    fn what_is_dead_says_why_and_what_is_only_wrong_is_not_dead() {
        for (reason, retries, runs, dead) in [
            (Reason::NoCapacity, 2, 3, Some(Dead::OutOfAttempts)),
            (Reason::OutOfMemory, 9, 3, Some(Dead::Quarantined)),
            (Reason::Exception, 9, 1, None),
        ] {
            let mut job = job();
            let policy = RetryPolicy {
                retries,
                retry_on: vec![Reason::NoCapacity, Reason::OutOfMemory],
            };
            while !job.state.is_final() {
                let now = Timestamp(1_000_000_000 * i64::from(job.run + 1));
                let lease = claim(&mut job, me(), now).unwrap();
                let end = RunEnd::Failed(Failure::new(reason, "no"));
                finish(&mut job, &lease, end, &policy, 0.0, now).unwrap();
            }
            assert_eq!((job.run, job.dead), (runs, dead), "{reason:?}");
        }
    }

    #[test]
    fn a_job_that_kills_its_task_three_times_is_set_aside() {
        let mut job = job();
        for round in 1..=3 {
            let lease = claim(&mut job, me(), Timestamp(round)).unwrap();
            expire(
                &mut job,
                &lease,
                0,
                Failure::new(Reason::WorkerLost, "the task died"),
                Timestamp(round),
            )
            .unwrap();
        }
        assert_eq!(job.state.name(), "failed");
    }

    #[test]
    fn backoff_doubles_within_its_cap() {
        assert_eq!(backoff(1, 1.0).as_millis(), 1_000);
        assert_eq!(backoff(3, 1.0).as_millis(), 4_000);
        assert_eq!(backoff(60, 1.0).as_millis(), 600_000);
        assert_eq!(backoff(3, 0.0).as_millis(), 0);
    }
}

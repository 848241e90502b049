//! The loop of a task: claim, run, linger, end.
//! Does not know how a job is run.

use super::{
    TaskEnd, batch,
    claim::{Measured, idle_wait},
    desk::Desk,
    persist, prediction, training,
};
use onstage_core::{
    Result,
    job::{Job, JobKind, JobSpec},
    task::Lane,
};
use std::time::Duration;

/// Between two looks for others' batch jobs, which go on without help; jobs of its own are looked for far more often.
const HELP_EVERY: Duration = Duration::from_millis(100);

/// Claims and runs jobs until there are none for `linger`.
pub(crate) async fn drain(desk: &Desk) -> Result<TaskEnd> {
    let clock = &desk.parts.clock;
    let began = clock.monotonic();
    let linger = desk.settings.linger.unwrap_or(desk.limits().linger);
    let mut measured = Measured::default();
    let mut worked_at = began;
    let mut help_at = began;
    loop {
        if desk.stop.is_cancelled() {
            return Ok(TaskEnd::Stopped);
        }
        if clock.monotonic().saturating_sub(began) >= desk.settings.stop_after {
            return Ok(TaskEnd::TimeUp);
        }
        let looked_at = clock.monotonic();
        let mut worked = work(desk, &mut measured).await?;
        if !worked && looked_at >= help_at {
            worked = help(desk).await?;
            help_at = clock.monotonic() + HELP_EVERY;
        }
        if let Some(failure) = desk.staff.hopeless() {
            return Ok(TaskEnd::NoWorker(failure.message));
        }
        if worked {
            worked_at = clock.monotonic();
            help_at = worked_at;
            continue;
        }
        let now = clock.monotonic();
        let (look, idle) = (now.saturating_sub(looked_at), now.saturating_sub(worked_at));
        if idle >= linger {
            return Ok(TaskEnd::Idle);
        }
        wait(desk, idle_wait(look).min(linger - idle)).await;
    }
}

/// Claims and runs what there is now; false when there was nothing.
async fn work(desk: &Desk, measured: &mut Measured) -> Result<bool> {
    if desk.settings.lane == Lane::Trainings {
        let claimed = claim_training(desk).await?;
        let found = claimed.is_some();
        if let Some(job) = claimed {
            training::run(desk, job).await?;
        }
        return Ok(found);
    }
    let jobs = claim(desk, measured).await?;
    let found = !jobs.is_empty();
    if found {
        run(desk, jobs, measured).await?;
    }
    Ok(found)
}

async fn claim_training(desk: &Desk) -> Result<Option<Job>> {
    let parts = &desk.parts;
    persist::insist(parts, "claiming", || {
        let now = parts.clock.now();
        let version = &desk.settings.version;
        parts.store.claim_training(version, &desk.incarnation, now)
    })
    .await
}

/// Computes for a batch job of another task that shares its rows; false when there was nothing to compute.
async fn help(desk: &Desk) -> Result<bool> {
    let parts = &desk.parts;
    if desk.settings.lane != Lane::Jobs {
        return Ok(false);
    }
    let found = persist::insist(parts, "looking for a batch job to help with", || {
        parts.store.help(&desk.settings.version, &desk.incarnation)
    });
    let Some((job, lease)) = found.await? else {
        return Ok(false);
    };
    batch::help(desk, &job, lease).await
}

async fn wait(desk: &Desk, pause: Duration) {
    tokio::select! {
        () = desk.stop.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}

/// One job; when it is a prediction, as many more as go with it. While a batch job waits, predictions are claimed singly, so that none of them holds the table back.
async fn claim(desk: &Desk, measured: &mut Measured) -> Result<Vec<Job>> {
    let many = desk.loaded.schema.many.as_ref().map(|many| many.max);
    let limit = measured.claim_limit(many);
    let jobs = if measured.found_plenty && !batch_waits(desk).await? {
        claim_some(desk, limit).await?
    } else {
        first_and_more(desk, limit - 1).await?
    };
    measured.found_plenty = limit > 1 && jobs.len() >= limit as usize;
    Ok(jobs)
}

/// Looks at the first before it asks for more: it may be a batch job.
async fn first_and_more(desk: &Desk, more: u32) -> Result<Vec<Job>> {
    let mut jobs = claim_some(desk, 1).await?;
    let first_is_prediction = jobs
        .first()
        .is_some_and(|job| matches!(job.spec, JobSpec::Prediction { .. }));
    if more > 0 && first_is_prediction && !batch_waits(desk).await? {
        jobs.extend(claim_some(desk, more).await?);
    }
    Ok(jobs)
}

async fn claim_some(desk: &Desk, limit: u32) -> Result<Vec<Job>> {
    let parts = &desk.parts;
    persist::insist(parts, "claiming", || {
        let now = parts.clock.now();
        let version = &desk.settings.version;
        parts.store.claim(version, &desk.incarnation, limit, now)
    })
    .await
}

async fn batch_waits(desk: &Desk) -> Result<bool> {
    let parts = &desk.parts;
    persist::insist(parts, "looking for batch jobs", || {
        let now = parts.clock.now();
        let version = &desk.settings.version;
        parts.store.waits(version, JobKind::Batch, now)
    })
    .await
}

/// Predictions first, together; a batch job that slipped in between waits for them under its lease.
async fn run(desk: &Desk, jobs: Vec<Job>, measured: &mut Measured) -> Result<()> {
    let (predictions, others): (Vec<Job>, Vec<Job>) = jobs
        .into_iter()
        .partition(|job| matches!(job.spec, JobSpec::Prediction { .. }));
    let waiting: Vec<batch::Claimed> = others
        .into_iter()
        .filter_map(|job| batch::Claimed::hold(desk, job))
        .collect();
    if !predictions.is_empty() {
        let (count, began) = (predictions.len(), desk.parts.clock.monotonic());
        prediction::run_group(desk, predictions).await?;
        measured.add(count, desk.parts.clock.monotonic().saturating_sub(began));
    }
    for claimed in waiting {
        batch::run(desk, claimed).await?;
    }
    Ok(())
}

//! Looks after schedules: at each tick one job is made, however many fronts look. What a tick comes to is decided in core.
//! Does not know how a job is made; the submitter does.

use crate::parts::Parts;
use onstage_core::{
    Kind, Result, Timestamp,
    ports::Submitter,
    schedule::{Overlap, Schedule, Step, TickFate},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The least time between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Between two looks while the store does not answer.
const AWAY_PAUSE: Duration = Duration::from_secs(5);
/// Schedules looked after at the same time.
const AT_ONCE: u32 = 16;
/// Nobody else makes the job of a tick while this front is at it, unless it takes longer than this.
const HELD: Duration = Duration::from_secs(60);
/// When the job of a tick could not be made just now.
const TRY_AGAIN: Duration = Duration::from_secs(10);
/// Tries against others who change the same schedule.
const TRIES_MAX: u32 = 10;

/// Looks when a tick is due, at every nudge and at least once in `rest`: so late is a schedule seen that was made at
/// another front.
pub(crate) async fn run(
    parts: Parts,
    submitter: Arc<dyn Submitter>,
    nudged: Arc<Notify>,
    rest: Duration,
    stop: CancellationToken,
) {
    let mut failing = false;
    loop {
        let wait = match turn(&parts, &*submitter).await {
            Ok(next) => {
                failing = false;
                next.map_or(rest, |next| next.clamp(LOOK_PAUSE, rest))
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "schedules cannot be looked after now; it is tried again");
                }
                failing = true;
                AWAY_PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = nudged.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One look; answers when the next tick is due, as far as is known.
pub async fn turn(parts: &Parts, submitter: &dyn Submitter) -> Result<Option<Duration>> {
    let now = parts.clock.now();
    let soonest = parts.store.soonest_schedules(AT_ONCE).await?;
    let is_due = |schedule: &Schedule| schedule.due_at().is_some_and(|due| due <= now);
    let (due, later): (Vec<Schedule>, Vec<Schedule>) = soonest.into_iter().partition(is_due);
    let any_due = !due.is_empty();
    let ticks = due.into_iter().map(|one| tick(parts, submitter, one, now));
    for outcome in futures::future::join_all(ticks).await {
        outcome?;
    }
    // Where something was due, its next tick may be the soonest of all.
    if any_due {
        return Ok(Some(Duration::ZERO));
    }
    let next = later.iter().find_map(Schedule::due_at);
    Ok(next.map(|next| next.since(parts.clock.now())))
}

async fn tick(
    parts: &Parts,
    submitter: &dyn Submitter,
    mut schedule: Schedule,
    now: Timestamp,
) -> Result<()> {
    let last_is_open = last_job_is_open(parts, &schedule).await?;
    match schedule.step(last_is_open, now) {
        Step::Rest => Ok(()),
        Step::Skip { tick, why } => {
            let (id, model) = (&schedule.id, &schedule.model);
            tracing::info!(schedule = %id, %model, ?why, "a tick is skipped");
            settle(parts, schedule, tick, TickFate::Skipped { why }).await
        }
        Step::Make { tick } => {
            schedule.hold(now.plus(HELD));
            match parts.store.update_schedule(schedule).await {
                Ok(held) => make(parts, submitter, held, tick).await,
                Err(error) => unless_others_were_first(error),
            }
        }
    }
}

async fn last_job_is_open(parts: &Parts, schedule: &Schedule) -> Result<bool> {
    match &schedule.last_job {
        Some(last) if schedule.overlap == Overlap::Skip => {
            let job = parts.store.job(last).await?;
            Ok(job.is_some_and(|job| !job.state.is_final()))
        }
        _ => Ok(false),
    }
}

async fn make(
    parts: &Parts,
    submitter: &dyn Submitter,
    mut held: Schedule,
    tick: Timestamp,
) -> Result<()> {
    let (id, model) = (held.id.clone(), held.model.clone());
    match submitter.submit(&held, tick).await {
        Ok(job) => {
            tracing::info!(schedule = %id, %model, %job, tick = tick.0, "the job of a tick is made");
            settle(parts, held, tick, TickFate::Made { job }).await
        }
        Err(error) if error.kind.retryable() || error.kind == Kind::Full => {
            tracing::warn!(schedule = %id, %model, %error, "the job of a tick could not be made; it is tried again");
            held.hold(parts.clock.now().plus(TRY_AGAIN));
            let put_off = parts.store.update_schedule(held).await;
            put_off.map(drop).or_else(unless_others_were_first)
        }
        Err(error) => {
            tracing::warn!(schedule = %id, %model, %error, "the job of a tick was refused");
            let fate = match error.kind {
                Kind::Denied => TickFate::Denied {
                    error: error.to_string(),
                },
                _ => TickFate::Refused {
                    error: error.to_string(),
                },
            };
            settle(parts, held, tick, fate).await
        }
    }
}

/// Notes what became of a tick, whoever else changes the record at the same time; unless they have settled it.
async fn settle(parts: &Parts, schedule: Schedule, tick: Timestamp, fate: TickFate) -> Result<()> {
    let id = schedule.id.clone();
    let mut found = Some(schedule);
    for _ in 0..TRIES_MAX {
        let Some(mut schedule) = found else {
            return Ok(());
        };
        if schedule.last.as_ref().is_some_and(|last| last.at >= tick) {
            return Ok(());
        }
        schedule.settle(tick, fate.clone());
        match parts.store.update_schedule(schedule).await {
            Err(error) if error.kind == Kind::Conflict => {
                found = parts.store.schedule(&id).await?;
            }
            Err(error) => return unless_others_were_first(error),
            Ok(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Another front has it, or somebody has changed or removed it.
fn unless_others_were_first(error: onstage_core::Error) -> Result<()> {
    match error.kind {
        Kind::Conflict | Kind::NotFound => Ok(()),
        _ => Err(error),
    }
}

//! The scaler: how many workers of one version to start or stop now.
//! Pure; does not know processes.

use crate::demand::workers_beside;
use std::time::Duration;

/// Work may wait this long, at least, before another worker is started for it.
const WAIT_GOAL_MIN: Duration = Duration::from_millis(100);
const WAIT_GOAL_MAX: Duration = Duration::from_secs(1);
/// How long the oldest waits before another worker is started when nothing was measured yet.
const UNMEASURED_WAIT_MAX: Duration = Duration::from_millis(250);
/// How soon a version that has work is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How many times in the idle time busy workers are looked at.
const IDLE_LOOKS: u32 = 4;
/// How many times in the time for which they are held.
const HOLD_LOOKS: u32 = 4;
/// Waits after the first, second, … failed start in a row: no more than 10 starts in the first 5 minutes.
const BACKOFF_SECONDS: [u64; 8] = [1, 2, 5, 10, 30, 60, 60, 60];

/// What only the owner of a pool knows of its size.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bounds {
    pub min: usize,
    pub max: usize,
    /// How many more this host may run, of all versions.
    pub room: usize,
    /// Keep one worker although nothing is asked for: somebody said it will be needed.
    pub warm: bool,
    /// It is being replaced: nothing is started but for what was accepted.
    pub draining: bool,
    /// How long a worker stays without work.
    pub idle: Duration,
    /// Failed starts in a row, and when the last one failed.
    pub failures: usize,
    pub failed_at: Option<Duration>,
}

/// What is seen of a version's pool.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    pub bounds: Bounds,
    pub queued: usize,
    /// How much of it a worker holds back until there is more.
    pub held_back: usize,
    /// Since when the oldest waits.
    pub oldest_at: Option<Duration>,
    pub starting: usize,
    pub busy: usize,
    /// On their way out; they hold memory until they are gone.
    pub stopping: usize,
    /// Since when each idle worker is idle.
    pub idle_since: Vec<Duration>,
    pub items_max: usize,
    /// Workers that keep the goal at the rate of the moment and for what waits, and the most that were needed in the last `hold`.
    pub needed: usize,
    pub needed_lately: Option<usize>,
    /// How long workers that are not needed stay.
    pub hold: Duration,
    pub microbatch_time: Option<Duration>,
}

/// What to do, and when to look again if nothing else happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    pub start: usize,
    /// How many of the idle, the longest idle first.
    pub stop: usize,
    /// How many of the busy, after what they are at.
    pub retire: usize,
    /// More would be started if the host had room.
    pub wants_room: bool,
    pub look_at: Option<Duration>,
}

pub fn step(seen: &Seen, now: Duration) -> Step {
    let alive = seen.starting + seen.busy + seen.idle_since.len();
    let wanted = wanted(seen, now).max(floor(seen)).min(places(seen, alive));
    let missing = wanted.saturating_sub(alive);
    let again_at = may_start_at(seen);
    if missing > 0 && again_at.is_none_or(|at| at <= now) {
        let start = missing.min(seen.bounds.room);
        return Step {
            start,
            stop: 0,
            retire: 0,
            wants_room: start < missing,
            look_at: Some(now + LOOK_AGAIN),
        };
    }
    let (idle_out, next_idle) = surplus(seen, alive, now);
    let excess = excess(seen, alive);
    let stop = idle_out.max(excess.min(seen.idle_since.len()));
    // One at a time: those that stay take over before the next one goes.
    let retire = usize::from(excess > stop && stop == seen.idle_since.len());
    let soon = (seen.queued > 0 || excess > stop + retire).then(|| now + LOOK_AGAIN);
    let backing_off = again_at.filter(|_| missing > 0);
    // Where workers go soon, it must be seen soon that they may.
    let holding = seen.needed_lately.is_some() && alive - stop > floor(seen).max(1);
    let held = holding.then(|| now + (seen.hold / HOLD_LOOKS).max(LOOK_AGAIN));
    Step {
        start: 0,
        stop,
        retire,
        wants_room: false,
        look_at: [next_idle, soon, backing_off, held]
            .into_iter()
            .flatten()
            .min(),
    }
}

/// How many there may be beside those that leave. The first one waits for nobody.
fn places(seen: &Seen, alive: usize) -> usize {
    match alive {
        0 => seen.bounds.max.max(1),
        alive => seen.bounds.max.saturating_sub(seen.stopping).max(alive),
    }
}

/// Whether a start now would come too soon after those that failed.
pub fn is_backing_off(seen_failures: usize, failed_at: Option<Duration>, now: Duration) -> bool {
    backoff_end(seen_failures, failed_at).is_some_and(|at| now < at)
}

fn may_start_at(seen: &Seen) -> Option<Duration> {
    backoff_end(seen.bounds.failures, seen.bounds.failed_at)
}

fn backoff_end(failures: usize, failed_at: Option<Duration>) -> Option<Duration> {
    let place = failures.checked_sub(1)?.min(BACKOFF_SECONDS.len() - 1);
    Some(failed_at? + Duration::from_secs(BACKOFF_SECONDS[place]))
}

/// Workers that must be there although nothing waits.
fn floor(seen: &Seen) -> usize {
    match seen.bounds.draining {
        true => 0,
        false => seen.bounds.min.max(usize::from(seen.bounds.warm)),
    }
}

/// Workers that what waits needs, with those that are busy.
fn wanted(seen: &Seen, now: Duration) -> usize {
    if seen.queued == 0 || !seen.idle_since.is_empty() {
        return 0;
    }
    let ready = seen.busy;
    if ready + seen.starting == 0 {
        return 1;
    }
    if ready == 0 {
        // Nothing is known yet but that one is on its way.
        return 1;
    }
    let Some(time) = seen.microbatch_time else {
        let waited = now.saturating_sub(seen.oldest_at.unwrap_or(now));
        return ready
            + seen.starting
            + usize::from(waited > UNMEASURED_WAIT_MAX && seen.starting == 0);
    };
    if seen.needed_lately.is_some() {
        return seen.needed.max(ready + seen.starting);
    }
    let waiting = seen.queued - seen.held_back;
    let microbatches = waiting.div_ceil(seen.items_max.max(1));
    let wait = (time / 2).clamp(WAIT_GOAL_MIN, WAIT_GOAL_MAX);
    ready + workers_beside(ready, microbatches, time, wait).max(seen.starting)
}

/// Workers that fewer could stand in for, whether they are idle at the moment or not: vectorised calls keep everybody
/// busy, however little there is to do, and whoever helps out once in a while never grows old.
fn excess(seen: &Seen, alive: usize) -> usize {
    let Some(lately) = seen.needed_lately else {
        return 0;
    };
    match seen.bounds.draining || seen.starting > 0 {
        true => 0,
        false => alive.saturating_sub(lately.max(floor(seen)).max(1)),
    }
}

/// How many idle ones go, and when the next one may.
fn surplus(seen: &Seen, alive: usize, now: Duration) -> (usize, Option<Duration>) {
    if seen.bounds.draining {
        // All go together when the last answer is out: somebody may still ask for the old version.
        return (0, None);
    }
    let above = alive.saturating_sub(floor(seen));
    let mut since = seen.idle_since.clone();
    since.sort_unstable();
    let stop = since
        .iter()
        .take(above)
        .filter(|since| **since + seen.bounds.idle <= now)
        .count();
    let spare = above > stop;
    let next = since.get(stop).map(|since| *since + seen.bounds.idle);
    // Nobody tells when a busy one becomes idle, so those are looked at now and then.
    let next = next.unwrap_or(now + seen.bounds.idle / IDLE_LOOKS);
    (stop, spare.then_some(next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn seen() -> Seen {
        Seen {
            bounds: Bounds {
                max: 4,
                room: 16,
                idle: seconds(300),
                ..Bounds::default()
            },
            items_max: 1,
            ..Seen::default()
        }
    }

    #[test]
    fn a_sleeping_version_wakes_for_one_request_and_starts_one_worker() {
        let asked = Seen {
            queued: 1,
            oldest_at: Some(seconds(0)),
            ..seen()
        };
        assert_eq!(step(&asked, seconds(0)).start, 1);
        let starting = Seen {
            starting: 1,
            queued: 50,
            ..asked
        };
        assert_eq!(step(&starting, seconds(1)).start, 0);
    }

    #[test]
    fn it_grows_when_the_queue_would_wait_too_long_and_not_for_a_short_one() {
        let slow = Seen {
            queued: 3,
            busy: 1,
            microbatch_time: Some(seconds(1)),
            ..seen()
        };
        assert_eq!(step(&slow, seconds(0)).start, 3);
        let fast = Seen {
            queued: 500,
            busy: 1,
            microbatch_time: Some(Duration::from_micros(50)),
            ..seen()
        };
        assert_eq!(step(&fast, seconds(0)).start, 0);
        let unmeasured = Seen {
            microbatch_time: None,
            oldest_at: Some(seconds(0)),
            ..slow
        };
        assert_eq!(step(&unmeasured, Duration::from_millis(100)).start, 0);
        assert_eq!(step(&unmeasured, seconds(1)).start, 1);
    }

    #[test]
    fn the_rate_asks_for_workers_before_the_queue_does_and_lets_busy_ones_go() {
        let spaced = Seen {
            queued: 3,
            busy: 1,
            items_max: 100,
            microbatch_time: Some(seconds(1)),
            needed: 2,
            needed_lately: Some(2),
            ..seen()
        };
        assert_eq!(step(&spaced, seconds(0)).start, 1);
        let crowd = Seen { busy: 4, ..spaced };
        let next = step(&crowd, seconds(0));
        assert_eq!((next.start, next.stop, next.retire), (0, 0, 1));
        let needed = Seen {
            needed_lately: Some(4),
            ..crowd.clone()
        };
        assert_eq!(step(&needed, seconds(0)).retire, 0);
        let unknown = Seen {
            needed_lately: None,
            ..crowd
        };
        assert_eq!(step(&unknown, seconds(0)).retire, 0);
    }

    #[test]
    fn it_sleeps_after_idle_and_not_below_min() {
        let idle = Seen {
            idle_since: vec![seconds(0), seconds(100)],
            ..seen()
        };
        assert_eq!(step(&idle, seconds(299)).look_at, Some(seconds(300)));
        assert_eq!(step(&idle, seconds(300)).stop, 1);
        assert_eq!(step(&idle, seconds(400)).stop, 2);
        let busy = Seen {
            busy: 1,
            idle_since: Vec::new(),
            ..idle.clone()
        };
        assert_eq!(step(&busy, seconds(10)).look_at, Some(seconds(85)));
        let bounds = Bounds {
            min: 1,
            ..idle.bounds
        };
        let min = Seen { bounds, ..idle };
        assert_eq!(step(&min, seconds(4000)).stop, 1);
        assert_eq!(step(&min, seconds(4000)).look_at, None);
    }

    #[test]
    fn a_crash_loop_starts_at_most_ten_times_in_five_minutes() {
        let (mut starts, mut failures, mut failed_at) = (0, 0, None);
        for tick in 0..3000 {
            let now = Duration::from_millis(tick * 100);
            let bounds = Bounds {
                failures,
                failed_at,
                ..seen().bounds
            };
            let seen = Seen {
                bounds,
                queued: 1,
                ..seen()
            };
            let step = step(&seen, now);
            if step.start > 0 {
                starts += step.start;
                failures += 1;
                failed_at = Some(now);
            } else {
                assert!(step.look_at.is_some());
            }
        }
        assert!((3..=10).contains(&starts), "{starts}");
    }

    #[test]
    fn a_drained_pool_starts_only_for_what_it_accepted() {
        let bounds = Bounds {
            draining: true,
            min: 2,
            warm: true,
            ..seen().bounds
        };
        let drained = Seen {
            bounds,
            idle_since: vec![seconds(0), seconds(0)],
            ..seen()
        };
        assert_eq!(step(&drained, seconds(900)), Step::default());
        let waiting = Seen {
            queued: 1,
            idle_since: Vec::new(),
            ..drained
        };
        assert_eq!(step(&waiting, seconds(0)).start, 1);
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds(queued in 0_usize..1000, starting in 0_usize..5, busy in 0_usize..5, idle in prop::collection::vec(0_u64..500, 0..5),
            min in 0_usize..3, extra in 0_usize..4, room in 0_usize..5, warm: bool, draining: bool, micros in prop::option::of(1_u64..5_000_000), failures in 0_usize..12, needed in prop::option::of(0_usize..9), stopping in 0_usize..4) {
            let max = (min + extra).max(1);
            let alive = starting + busy + idle.len();
            let bounds = Bounds { min, max, room, warm, draining, idle: seconds(300), failures, failed_at: Some(seconds(490)) };
            let seen = Seen {
                bounds, queued, oldest_at: Some(seconds(1)), starting, busy, idle_since: idle.into_iter().map(seconds).collect(),
                items_max: 8, needed: needed.unwrap_or(0), needed_lately: needed, hold: seconds(300), held_back: 0, stopping, microbatch_time: micros.map(Duration::from_micros),
            };
            let step = step(&seen, seconds(500));
            prop_assert!(step.start <= room && step.start <= max.saturating_sub(alive));
            prop_assert!(alive == 0 || step.start == 0 || alive + stopping + step.start <= max);
            prop_assert!(step.stop <= seen.idle_since.len());
            prop_assert!(step.start == 0 || step.stop + step.retire == 0);
            if !draining { prop_assert!(step.stop + step.retire == 0 || alive - step.stop - step.retire >= min); }
            // Whoever waits before a pool without workers is always looked after again.
            if queued > 0 && alive == 0 { prop_assert!(step.start > 0 || step.wants_room || step.look_at.is_some()); }
        }
    }
}

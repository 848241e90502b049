//! What a load asks for: how long an idle worker should wait for company, how many workers are needed.
//! Pure: from a rate, a line of service times and a goal for the latency.

use crate::curve::Curve;
use std::time::Duration;

/// From this share of their time on workers count as bound: requests wait for one rather than the other way round.
const BOUND_SHARE: f64 = 0.7;
/// The share of their time that workers may be busy when another one takes long to start …
const BUSY_SHARE_SLOW_START_MAX: f64 = 0.75;
/// … when one starts at once, where more company makes a call no longer: then the queue tells in time when chance brings
/// more than the mean, and one more for good would cost all the time …
const BUSY_SHARE_MAX: f64 = 1.05;
/// … and where every item is a call of its own, so that nothing is made up for.
const BUSY_SHARE_ALONE_MAX: f64 = 0.95;
/// Worker time that a longer window must save to be worth the wait.
const WORTH_SHARE: f64 = 0.02;
/// What is allowed beyond half as much again as one call takes, when the author names no goal.
const GOAL_SLACK: Duration = Duration::from_millis(100);
/// Sizes of microbatches that are tried, in steps of a quarter.
const STEP: f64 = 1.25;

/// A load on the workers of one version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'a> {
    /// Requests a second.
    pub rate: f64,
    pub curve: &'a Curve,
    /// Items per call at most.
    pub items_max: usize,
    /// Under which 99 of 100 answers should stay, from acceptance.
    pub goal: Option<Duration>,
}

/// What is aimed at when the author names no goal.
pub(crate) fn goal_of(call: Duration) -> Duration {
    call * 3 / 2 + GOAL_SLACK
}

/// Workers beside those that are ready so that what waits has its turn in `wait_max`: each of them gives as many
/// microbatches their turn as it finishes calls in that time, and a new one begins with one at once.
pub(crate) fn workers_beside(
    ready: usize,
    microbatches: usize,
    call: Duration,
    wait_max: Duration,
) -> usize {
    let calls = wait_max.as_secs_f64() / call.as_secs_f64().max(f64::MIN_POSITIVE);
    let left = microbatches as f64 - calls * ready as f64;
    // What is exactly in time must not be late by a rounding.
    (left / (calls.floor() + 1.0) - 1e-9).ceil().max(0.0) as usize
}

impl Load<'_> {
    /// The author's goal, or half as much again as one call takes and a little.
    pub(crate) fn goal(&self) -> Duration {
        self.goal.unwrap_or_else(|| goal_of(self.curve.time(1)))
    }

    /// The longest an idle worker should hold back the oldest item so that `workers` spend the least time and the goal
    /// is kept. When they are bound, calls are spread evenly: a window shorter than that only makes them wait together.
    pub(crate) fn window(&self, workers: usize) -> Duration {
        if !self.curve.is_known() || self.rate <= 0.0 {
            return Duration::ZERO;
        }
        let believed = self.items_max.min(self.curve.items_believed());
        let mut best: Option<Plan> = None;
        let mut quickest: Option<Plan> = None;
        let mut size = 1.0_f64;
        loop {
            let items = (size.round() as usize).min(believed);
            let plan = self.plan(items, workers);
            if quickest.is_none_or(|other| plan.p99 < other.p99) {
                quickest = Some(plan);
            }
            let worth = best.is_none_or(|other| plan.cost < other.cost * (1.0 - WORTH_SHARE));
            if plan.p99 <= self.goal().as_secs_f64() && worth {
                best = Some(plan);
            }
            if items >= believed {
                break;
            }
            size = (size * STEP).max(size + 1.0);
        }
        let chosen = best.or(quickest).map_or(0.0, |plan| plan.window);
        Duration::try_from_secs_f64(chosen).unwrap_or_default()
    }

    /// What comes of waiting for so many.
    fn plan(&self, items: usize, workers: usize) -> Plan {
        let fill = (items - 1) as f64 / self.rate;
        let mut window = fill;
        let mut size = items as f64;
        // The interval between calls and their size follow from each other; two rounds settle it.
        for _ in 0..2 {
            let call = self.curve.time(size.round() as usize).as_secs_f64();
            let spacing = call / workers.max(1) as f64;
            let bound = self.rate * call / size > BOUND_SHARE * workers.max(1) as f64;
            if bound || spacing <= fill {
                window = fill.max(spacing);
            }
            size = (self.rate * window).clamp(items as f64, self.items_max as f64);
        }
        let size = size.round() as usize;
        Plan {
            window,
            p99: window + self.curve.time_p99(size).as_secs_f64(),
            cost: self.curve.time(size).as_secs_f64() / size.max(1) as f64,
        }
    }

    /// The fewest workers that keep the goal in the long run.
    pub(crate) fn workers(&self, starts_quickly: bool, most: usize) -> usize {
        if !self.curve.is_known() || self.rate <= 0.0 {
            return 0;
        }
        let share = match starts_quickly {
            true if self.items_max > 1 => BUSY_SHARE_MAX,
            true => BUSY_SHARE_ALONE_MAX,
            false => BUSY_SHARE_SLOW_START_MAX,
        };
        let goal = self.goal().as_secs_f64();
        (1..most.max(1))
            .find(|workers| {
                let (spacing, call, busy) = self.run(*workers as f64);
                busy <= share && spacing + call <= goal
            })
            .unwrap_or(most.max(1))
    }

    /// With so many workers: the interval between calls, the length of one, the share of their time that they work.
    fn run(&self, workers: f64) -> (f64, f64, f64) {
        let largest = self.items_max as f64;
        let mut call = self.curve.time(1).as_secs_f64();
        for _ in 0..4 {
            let size = (self.rate * call / workers).clamp(1.0, largest);
            call = self.curve.time(size.round() as usize).as_secs_f64();
        }
        let alone = self.rate * self.curve.time(1).as_secs_f64() / workers;
        let full = self.curve.time(self.items_max).as_secs_f64();
        let busy = self.rate * full / (largest * workers);
        let spacing = if alone > BOUND_SHARE {
            call / workers
        } else {
            0.0
        };
        // Without vectorised calls nothing but more workers helps.
        (spacing, call, if self.items_max > 1 { busy } else { alone })
    }
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Seconds.
    window: f64,
    p99: f64,
    /// Seconds of a worker per item.
    cost: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn curve(sizes: &[usize], time: impl Fn(usize) -> f64) -> Curve {
        let mut curve = Curve::default();
        for items in sizes.iter().cycle().take(100) {
            curve.measured(*items, Duration::from_secs_f64(time(*items)));
        }
        curve
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn bound_workers_start_their_calls_evenly() {
        let heavy = curve(&[1, 60, 100], |_| 1.0);
        let load = Load {
            rate: 500.0,
            curve: &heavy,
            items_max: 100,
            goal: Some(ms(1_150)),
        };
        let window = load.window(7);
        assert!((ms(142)..=ms(150)).contains(&window), "{window:?}");
        let patient = Load { goal: None, ..load };
        let window = patient.window(7);
        assert!(
            (ms(190)..=ms(210)).contains(&window),
            "a full microbatch costs least: {window:?}"
        );
    }

    #[test]
    fn nobody_waits_for_company_that_saves_nothing() {
        let alone = curve(&[1, 2, 4], |items| 0.01 * items as f64);
        let load = Load {
            rate: 20.0,
            curve: &alone,
            items_max: 32,
            goal: Some(ms(500)),
        };
        assert_eq!(load.window(4), Duration::ZERO);
        let none = Curve::default();
        assert_eq!(
            Load {
                curve: &none,
                ..load
            }
            .window(1),
            Duration::ZERO
        );
    }

    #[test]
    fn a_goal_that_leaves_room_is_used_to_save_worker_time() {
        let batched = curve(&[1, 8, 30], |items| 0.05 + 0.0005 * items as f64);
        let load = Load {
            rate: 200.0,
            curve: &batched,
            items_max: 64,
            goal: Some(ms(250)),
        };
        let (wide, narrow) = (
            load.window(8),
            Load {
                goal: Some(ms(80)),
                ..load
            }
            .window(8),
        );
        assert!(wide > ms(100) && wide < ms(200), "{wide:?}");
        assert!(narrow < ms(30), "{narrow:?}");
    }

    #[test]
    fn as_many_workers_as_the_rate_and_the_goal_need() {
        let heavy = curve(&[1, 60, 100], |_| 1.0);
        let load = Load {
            rate: 500.0,
            curve: &heavy,
            items_max: 100,
            goal: None,
        };
        assert_eq!(load.workers(true, 100), 5);
        assert_eq!(load.workers(false, 100), 7);
        assert_eq!(Load { rate: 20.0, ..load }.workers(true, 100), 2);
        assert_eq!(Load { rate: 0.5, ..load }.workers(true, 100), 1);
        assert_eq!(
            Load {
                rate: 500.0,
                ..load
            }
            .workers(true, 4),
            4
        );
        let plain = curve(&[1], |_| 0.1);
        let single = Load {
            rate: 30.0,
            curve: &plain,
            items_max: 1,
            goal: None,
        };
        assert_eq!(single.workers(true, 100), 4);
    }

    #[test]
    fn a_queue_asks_for_as_many_more_as_bring_it_its_turn_in_time() {
        let beside = |ready, microbatches| workers_beside(ready, microbatches, ms(1_000), ms(500));
        assert_eq!((beside(1, 0), beside(1, 1), beside(2, 1)), (0, 1, 0));
        assert_eq!((beside(5, 2), beside(5, 3), beside(5, 5)), (0, 1, 3));
        // Quick ones have several turns each in the time.
        assert_eq!(workers_beside(2, 50, ms(100), ms(150)), 24);
        assert_eq!(workers_beside(1, 9, Duration::ZERO, ms(100)), 0);
    }

    proptest! {
        #[test]
        fn windows_keep_the_goal_where_they_can(rate in 0.1_f64..5_000.0, fixed in 0.0_f64..1.0, each in 0.0_f64..0.01, workers in 1_usize..16, max in 1_usize..128, goal in 1_u64..3_000) {
            let learned = curve(&[1, max.div_ceil(2), max], |items| fixed + each * items as f64);
            let load = Load { rate, curve: &learned, items_max: max, goal: Some(ms(goal)) };
            let window = load.window(workers);
            let most = ms(goal).max(learned.time(max) * 2) + ms(1);
            prop_assert!(window <= most, "{window:?}");
            let (few, many) = (load.workers(true, 8), load.workers(true, 64));
            prop_assert!((1..=8).contains(&few) && many >= few);
            let busier = Load { rate: rate * 2.0, ..load }.workers(true, 64);
            prop_assert!(busier >= many, "{busier} for twice the rate, {many} before");
        }
    }
}

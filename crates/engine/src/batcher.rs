//! The batcher: how much of the queue the worker that asks now takes, or until when it waits for more.
//! Pure; does not know who waits in the queue.

use onstage_core::schema::{ModelSchema, WaitMs};
use std::time::Duration;

/// Items per frame for models without `.many`, however fast they are.
const FRAME_ITEMS_MAX: usize = 64;
/// Work per frame for models without `.many`: what a slow item can hold up at most stays small.
const FRAME_WORK: Duration = Duration::from_millis(1);
/// A worker whose microbatches take less than this gets the next one while it computes.
const AHEAD_WORK_MAX: Duration = Duration::from_millis(2);
/// Microbatches that wait in a worker's socket behind the one it computes, unless the author says.
const AHEAD: usize = 1;

/// Requests that may wait for a model without `.many`, at least.
const QUEUE_ITEMS_FLOOR: usize = 256;
/// Microbatches per worker that may wait.
const QUEUE_MICROBATCHES: usize = 4;
const QUEUE_ITEMS_MIN: usize = 16;

/// How a version may be called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Items per call of its vectorised function, when it has one.
    pub many_max: Option<usize>,
    pub wait: Wait,
}

/// How long an idle worker waits for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Zero unless the author asked.
    Fixed(Duration),
    /// As long as keeps the goal for the latency with the least time of workers.
    Auto,
}

impl Shape {
    pub fn of(schema: &ModelSchema) -> Self {
        let wait = match schema.many.as_ref().map(|many| many.wait_ms) {
            Some(WaitMs::Fixed(ms)) if ms > 0.0 => {
                Wait::Fixed(Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default())
            }
            Some(WaitMs::Auto(_)) => Wait::Auto,
            _ => Wait::Fixed(Duration::ZERO),
        };
        Self {
            many_max: schema.many.as_ref().map(|many| many.max.max(1) as usize),
            wait,
        }
    }

    /// How many may wait when the author does not say: a few microbatches for each worker.
    pub fn queue_items(&self, workers_max: usize) -> usize {
        match self.many_max {
            Some(max) => (QUEUE_MICROBATCHES * workers_max * max).max(QUEUE_ITEMS_MIN),
            None => (QUEUE_MICROBATCHES * workers_max).max(QUEUE_ITEMS_FLOOR),
        }
    }

    /// The most items of one microbatch.
    pub fn items_max(&self) -> usize {
        self.many_max.unwrap_or(FRAME_ITEMS_MAX)
    }
}

/// What is known when a worker asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    pub queued: usize,
    /// Since when the oldest waits.
    pub oldest_at: Duration,
    /// How long the oldest may be held back for company.
    pub window: Duration,
    /// Workers without work, the one that asks included.
    pub idle: usize,
    /// Microbatches that the one that asks has already.
    pub ahead: usize,
    /// How many may wait in a worker behind the one it computes; none: one, where the pause between two counts.
    pub ahead_max: Option<usize>,
    /// Measured time per item, and per microbatch.
    pub item_time: Option<Duration>,
    pub microbatch_time: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Take(usize),
    WaitUntil(Duration),
    Nothing,
}

/// What the worker that asks gets.
pub fn next(shape: &Shape, view: &View, now: Duration) -> Next {
    if view.queued == 0 || (view.ahead > 0 && !may_run_ahead(view)) {
        return Next::Nothing;
    }
    match shape.many_max {
        Some(max) => many(max, view, now),
        None => Next::Take(share(view)),
    }
}

/// Sending ahead saves a pause only where the pause counts, and only what no idle worker could take.
fn may_run_ahead(view: &View) -> bool {
    let is_short = view
        .microbatch_time
        .is_some_and(|time| time <= AHEAD_WORK_MAX);
    view.idle == 0
        && match view.ahead_max {
            Some(most) => view.ahead <= most,
            None => view.ahead <= AHEAD && is_short,
        }
}

fn many(max: usize, view: &View, now: Duration) -> Next {
    let full = view.queued >= max;
    let until = view.oldest_at + view.window;
    if full || until <= now {
        Next::Take(view.queued.min(max))
    } else if view.ahead > 0 {
        Next::Nothing
    } else {
        Next::WaitUntil(until)
    }
}

/// A fair share of the queue, and never more than a little work: a slow item holds up whatever shares its frame.
fn share(view: &View) -> usize {
    let fast = match view.item_time {
        None => 1,
        Some(time) => (FRAME_WORK.as_nanos() / time.as_nanos().max(1))
            .clamp(1, FRAME_ITEMS_MAX as u128) as usize,
    };
    view.queued.div_ceil(view.idle.max(1)).min(fast)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NO_MANY: Shape = Shape {
        many_max: None,
        wait: Wait::Fixed(Duration::ZERO),
    };

    fn view(queued: usize) -> View {
        View {
            queued,
            oldest_at: Duration::ZERO,
            window: Duration::ZERO,
            idle: 1,
            ahead: 0,
            ahead_max: None,
            item_time: None,
            microbatch_time: None,
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_idle_worker_takes_what_is_there_at_once() {
        let many = Shape {
            many_max: Some(100),
            ..NO_MANY
        };
        assert_eq!(next(&many, &view(7), ms(0)), Next::Take(7));
        assert_eq!(next(&many, &view(700), ms(0)), Next::Take(100));
        assert_eq!(next(&NO_MANY, &view(7), ms(0)), Next::Take(1));
        assert_eq!(next(&NO_MANY, &view(0), ms(0)), Next::Nothing);
    }

    #[test]
    fn it_waits_only_when_the_author_asked_and_never_past_the_window() {
        let many = Shape {
            many_max: Some(10),
            ..NO_MANY
        };
        let held = |queued| View {
            window: ms(5),
            ..view(queued)
        };
        assert_eq!(next(&many, &held(3), ms(2)), Next::WaitUntil(ms(5)));
        assert_eq!(next(&many, &held(3), ms(5)), Next::Take(3));
        assert_eq!(next(&many, &held(10), ms(0)), Next::Take(10));
    }

    #[test]
    fn frames_are_shared_fairly_and_hold_little_work() {
        let fast = View {
            item_time: Some(Duration::from_micros(10)),
            ..view(40)
        };
        assert_eq!(next(&NO_MANY, &fast, ms(0)), Next::Take(40));
        let two = View { idle: 2, ..fast };
        assert_eq!(next(&NO_MANY, &two, ms(0)), Next::Take(20));
        let slow = View {
            item_time: Some(ms(1)),
            ..view(1000)
        };
        assert_eq!(next(&NO_MANY, &slow, ms(0)), Next::Take(1));
    }

    #[test]
    fn only_fast_models_get_work_ahead() {
        let busy = View {
            ahead: 1,
            idle: 0,
            item_time: Some(Duration::from_micros(20)),
            microbatch_time: Some(Duration::from_micros(400)),
            ..view(9)
        };
        assert_eq!(next(&NO_MANY, &busy, ms(0)), Next::Take(9));
        let slow = View {
            microbatch_time: Some(ms(20)),
            ..busy
        };
        assert_eq!(next(&NO_MANY, &slow, ms(0)), Next::Nothing);
        let third = View { ahead: 2, ..busy };
        assert_eq!(next(&NO_MANY, &third, ms(0)), Next::Nothing);
        let asked = |ahead_max| View {
            ahead_max: Some(ahead_max),
            ..slow
        };
        assert_eq!(next(&NO_MANY, &asked(1), ms(0)), Next::Take(9));
        assert_eq!(next(&NO_MANY, &asked(0), ms(0)), Next::Nothing);
    }

    proptest! {
        #[test]
        fn limits_hold_whatever_is_seen(
            queued in 0_usize..5_000, idle in 0_usize..8, ahead in 0_usize..3, max in 1_usize..200,
            has_many: bool, wait in 0_u64..20, oldest in 0_u64..100, later in 0_u64..100, ahead_max in prop::option::of(0_usize..3), micros in prop::option::of(0_u64..10_000),
        ) {
            let shape = Shape { many_max: has_many.then_some(max), ..NO_MANY };
            let time = micros.map(Duration::from_micros);
            let view = View { queued, oldest_at: ms(oldest), window: ms(wait), idle, ahead, ahead_max, item_time: time, microbatch_time: time };
            let now = ms(oldest + later);
            match next(&shape, &view, now) {
                Next::Take(n) => {
                    prop_assert!(n >= 1 && n <= queued && n <= shape.items_max());
                    prop_assert!(ahead <= ahead_max.unwrap_or(AHEAD));
                }
                Next::WaitUntil(until) => {
                    prop_assert!(until > now && until <= ms(oldest + wait) && ahead == 0);
                }
                // An idle worker never stands before a queue with nothing to wait for.
                Next::Nothing => prop_assert!(queued == 0 || ahead > 0),
            }
        }
    }
}

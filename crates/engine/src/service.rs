//! What is measured of a version: how fast requests come and answers go, and what follows for windows, workers and those who wait.
//! Pure.

use crate::{
    arrivals::Arrivals,
    batcher::{Shape, Wait},
    curve::Curve,
    demand::{Load, workers_beside},
};
use std::time::Duration;

/// How much the newest measurement counts.
const NEWEST_SHARE: f64 = 0.1;
/// What a refused caller is told to wait at least and at most.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Where calls take less than this, the queue itself tells in time how many workers are needed.
const PLANNED_CALL_MIN: Duration = Duration::from_millis(5);
/// A worker that is ready within this share of the goal starts quickly.
const QUICK_START_SHARE: f64 = 0.25;
/// A worker that is not needed stays as long as so many starts take: what starts at once need not be kept.
const HOLD_STARTS: u32 = 50;
const HOLD_MIN: Duration = Duration::from_secs(1);
/// Of what the goal leaves for waiting; the rest is for what cannot be foreseen.
const WAIT_SHARE: f64 = 0.85;
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Default)]
pub(crate) struct Service {
    /// Seconds; moving averages.
    item: Option<f64>,
    microbatch: Option<f64>,
    startup: Option<f64>,
    curve: Curve,
    arrivals: Arrivals,
    needed: Peak,
}

/// What the author set about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub shape: Shape,
    /// Microbatches that wait in a worker behind the one it computes.
    pub ahead_max: Option<usize>,
    pub goal: Option<Duration>,
    pub workers_max: usize,
    /// How long fewer workers must have been enough before any goes.
    pub idle: Duration,
}

/// What waits, and who is there for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    pub queued: usize,
    pub ready: usize,
}

/// How many workers the load asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needed {
    pub now: usize,
    /// The most in the time for which workers are held.
    pub lately: usize,
    /// How long a worker that is not needed is held.
    pub hold: Duration,
}

impl Service {
    pub(crate) fn arrived(&mut self, now: Duration) {
        self.arrivals.add(now);
    }

    /// How long an idle worker may hold back the oldest item.
    pub(crate) fn window(&mut self, wish: &Wish, workers: usize, now: Duration) -> Duration {
        match wish.shape.wait {
            Wait::Fixed(wait) => wait,
            Wait::Auto => {
                let rate = self.arrivals.rate(now);
                self.load(wish, rate).window(workers)
            }
        }
    }

    /// None where calls are so short that the queue tells by itself, or nothing was measured.
    pub(crate) fn needed(&mut self, wish: &Wish, waits: Waits, now: Duration) -> Option<Needed> {
        let call = self.curve.time(1);
        if call < PLANNED_CALL_MIN {
            return None;
        }
        let rate = self.arrivals.rate(now);
        let load = self.load(wish, rate);
        let goal = load.goal();
        let quick = goal.as_secs_f64() * QUICK_START_SHARE;
        let quickly = self.startup.is_some_and(|startup| startup <= quick);
        let for_rate = load.workers(quickly, wish.workers_max);
        let wait = goal.saturating_sub(call).mul_f64(WAIT_SHARE);
        let microbatches = waits.queued.div_ceil(wish.shape.items_max());
        let call = self.microbatch_time().unwrap_or(call);
        let beside = workers_beside(
            waits.ready,
            microbatches,
            call,
            wait.clamp(WAIT_MIN, WAIT_MAX),
        );
        let for_queue = if beside > 0 { waits.ready + beside } else { 0 };
        let workers = for_rate.max(for_queue).min(wish.workers_max);
        let hold = self.hold(wish);
        self.needed.add(workers, now, hold);
        Some(Needed {
            now: workers,
            lately: self.needed.most(),
            hold,
        })
    }

    fn hold(&self, wish: &Wish) -> Duration {
        self.startup_time().map_or(wish.idle, |startup| {
            (startup * HOLD_STARTS).max(HOLD_MIN).min(wish.idle)
        })
    }

    fn load(&self, wish: &Wish, rate: f64) -> Load<'_> {
        Load {
            rate,
            curve: &self.curve,
            // Frames of items that are computed one by one are no calls for many.
            items_max: wish.shape.many_max.unwrap_or(1),
            goal: wish.goal,
        }
    }

    pub(crate) fn measured(&mut self, shape: &Shape, items: usize, time: Duration) {
        let seconds = time.as_secs_f64();
        match shape.many_max {
            Some(_) => self.curve.measured(items, time),
            None => self.curve.measured(1, time / items.max(1) as u32),
        }
        blend(&mut self.item, seconds / items.max(1) as f64);
        blend(&mut self.microbatch, seconds);
    }

    pub(crate) fn started_in(&mut self, time: Duration) {
        blend(&mut self.startup, time.as_secs_f64());
    }

    pub(crate) fn item_time(&self) -> Option<Duration> {
        self.item.map(Duration::from_secs_f64)
    }

    pub(crate) fn microbatch_time(&self) -> Option<Duration> {
        self.microbatch.map(Duration::from_secs_f64)
    }

    pub(crate) fn startup_time(&self) -> Option<Duration> {
        self.startup.map(Duration::from_secs_f64)
    }

    /// How long `items` take when `workers` share them, up to `many_max` in one call where the model can; none
    /// before anything was measured.
    pub(crate) fn time_for(
        &self,
        items: usize,
        many_max: Option<usize>,
        workers: usize,
    ) -> Option<Duration> {
        let workers = workers.max(1);
        let seconds = match many_max {
            // A call may take as long for a hundred as for one.
            Some(max) => self.microbatch? * items.div_ceil(max.max(1)).div_ceil(workers) as f64,
            None => self.item? * items as f64 / workers as f64,
        };
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// When a refused caller may come again: half of the queue will be gone.
    pub(crate) fn retry_after(
        &self,
        queued: usize,
        many_max: Option<usize>,
        workers: usize,
    ) -> Duration {
        let half = self
            .time_for(queued / 2, many_max, workers)
            .unwrap_or_default();
        let whole = Duration::from_secs(half.as_secs_f64().ceil() as u64);
        whole.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
    }
}

fn blend(average: &mut Option<f64>, newest: f64) {
    *average = Some(match *average {
        None => newest,
        Some(old) => old + (newest - old) * NEWEST_SHARE,
    });
}

/// Parts of the span of a `Peak`.
const PARTS: usize = 4;

/// The largest of what was seen in the last span, and up to a quarter more.
#[derive(Debug, Clone, Copy, Default)]
struct Peak {
    began: Duration,
    /// The newest first.
    parts: [usize; PARTS + 1],
}

impl Peak {
    fn add(&mut self, value: usize, now: Duration, span: Duration) {
        let part = (span / PARTS as u32).max(Duration::from_millis(1));
        let passed = now.saturating_sub(self.began).as_nanos() / part.as_nanos();
        for _ in 0..passed.min(self.parts.len() as u128) {
            self.parts.rotate_right(1);
            self.parts[0] = 0;
        }
        if passed > 0 {
            self.began = now;
        }
        self.parts[0] = self.parts[0].max(value);
    }

    fn most(&self) -> usize {
        self.parts.iter().copied().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Waits = Waits {
        queued: 0,
        ready: 1,
    };

    fn shape(many_max: Option<usize>) -> Shape {
        let wait = Wait::Fixed(Duration::ZERO);
        Shape { many_max, wait }
    }

    #[test]
    fn more_workers_were_needed_until_the_idle_time_has_passed() {
        let (mut service, shape) = (Service::default(), shape(Some(100)));
        let wish = Wish {
            shape,
            ahead_max: None,
            goal: None,
            workers_max: 50,
            idle: Duration::from_secs(5),
        };
        let at = |tenth: u64| Duration::from_millis(100 * tenth);
        assert_eq!(service.needed(&wish, NOBODY, at(0)), None);
        service.measured(&shape, 1, Duration::from_secs(1));
        let mut lately = Vec::new();
        for tenth in 0..300 {
            let rate = if (50..100).contains(&tenth) { 50 } else { 2 };
            for _ in 0..rate {
                service.arrived(at(tenth));
            }
            let needed = service.needed(&wish, NOBODY, at(tenth)).unwrap();
            assert!(needed.lately >= needed.now);
            lately.push(needed.lately);
        }
        assert!(lately[95] >= 6 && lately[145] >= 6, "{lately:?}");
        assert_eq!(lately[299], 2, "{lately:?}");
    }

    #[test]
    fn refused_callers_are_told_from_what_was_measured() {
        let mut service = Service::default();
        assert_eq!(service.retry_after(1000, None, 1), RETRY_AFTER_MIN);
        service.measured(&shape(None), 10, Duration::from_secs(1));
        assert_eq!(service.item_time(), Some(Duration::from_millis(100)));
        assert_eq!(service.retry_after(100, None, 1), Duration::from_secs(5));
        assert_eq!(service.retry_after(100, None, 5), Duration::from_secs(1));
        assert_eq!(service.retry_after(1_000_000, None, 1), RETRY_AFTER_MAX);
    }

    #[test]
    fn a_call_for_many_takes_as_long_for_a_hundred_as_for_one() {
        let mut service = Service::default();
        service.measured(&shape(Some(100)), 1, Duration::from_secs(1));
        let eta = |items, workers| service.time_for(items, Some(100), workers);
        assert_eq!(eta(145, 1), Some(Duration::from_secs(2)));
        assert_eq!(eta(145, 2), Some(Duration::from_secs(1)));
    }
}

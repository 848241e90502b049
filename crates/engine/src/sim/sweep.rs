//! Trying settings against a load: which keep the goal, and which of those needs the least time of workers.
//! Pure; does not know what a worker costs, only that less of its time is cheaper.

use super::{Load, Setup, simulate};
use crate::batcher::Wait;
use std::time::Duration;

/// Shares of the goal that are tried as windows, beside none and automatic ones.
const WINDOW_SHARES: [f64; 2] = [0.1, 0.3];
/// Sizes of microbatches that are tried below the largest.
const BATCH_SHARES: [f64; 3] = [0.25, 0.5, 1.0];
/// How many more workers than the load needs at its peak are tried.
const WORKERS_MORE: usize = 3;

/// What an author may choose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    pub many_max: Option<usize>,
    pub wait: Wait,
    pub workers_min: usize,
    pub workers_max: usize,
}

/// A setting with what came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tried {
    pub setting: Setting,
    pub p99: Duration,
    pub answered_share: f64,
    pub alive: Duration,
    pub workers_peak: usize,
    pub keeps_goal: bool,
}

impl Setting {
    pub fn of(setup: &Setup) -> Self {
        Self {
            many_max: setup.shape.many_max,
            wait: setup.shape.wait,
            workers_min: setup.workers_min,
            workers_max: setup.workers_max,
        }
    }

    pub fn applied(&self, setup: &Setup) -> Setup {
        let mut setup = setup.clone();
        setup.shape.many_max = self.many_max;
        setup.shape.wait = self.wait;
        (setup.workers_min, setup.workers_max) = (self.workers_min, self.workers_max);
        setup
    }
}

/// What is worth trying for a load: sizes of microbatches up to the largest, windows within the goal, and as many
/// workers as the peak may need.
pub fn settings(setup: &Setup, load: &Load) -> Vec<Setting> {
    let mut all = Vec::new();
    for many_max in batches(setup) {
        let size = many_max.unwrap_or(1);
        let call = setup.call.of(size).as_secs_f64();
        let needed = (load.peak() * call / size as f64).ceil().max(1.0) as usize;
        for wait in windows(setup, many_max) {
            for workers_max in needed..=needed + WORKERS_MORE {
                let mut mins = vec![0, 1, needed, workers_max];
                mins.dedup();
                all.extend(mins.into_iter().map(|workers_min| Setting {
                    many_max,
                    wait,
                    workers_min,
                    workers_max,
                }));
            }
        }
    }
    all
}

fn batches(setup: &Setup) -> Vec<Option<usize>> {
    let Some(max) = setup.shape.many_max else {
        return vec![None];
    };
    let mut sizes: Vec<_> = BATCH_SHARES
        .iter()
        .map(|share| ((max as f64 * share).round() as usize).max(1))
        .collect();
    sizes.dedup();
    sizes.into_iter().map(Some).collect()
}

fn windows(setup: &Setup, many_max: Option<usize>) -> Vec<Wait> {
    let mut all = vec![Wait::Fixed(Duration::ZERO)];
    if many_max.is_some_and(|max| max > 1) {
        let goal = setup.goal();
        all.extend(WINDOW_SHARES.map(|share| Wait::Fixed(in_millis(goal.mul_f64(share)))));
        all.push(Wait::Auto);
    }
    all
}

/// Nobody writes a window finer than that.
fn in_millis(window: Duration) -> Duration {
    Duration::from_millis(window.as_millis().max(1) as u64)
}

/// Tries settings one after the other, the cheapest that keeps the goal first; `tell` is told after each. A setting
/// keeps it when 99 of 100 answers come in time and nobody is refused or expires.
pub fn tried(
    setup: &Setup,
    load: &Load,
    settings: &[Setting],
    mut tell: impl FnMut(usize),
) -> Vec<Tried> {
    let mut all = Vec::with_capacity(settings.len());
    for (place, setting) in settings.iter().enumerate() {
        let outcome = simulate(&setting.applied(setup), load);
        let p99 = outcome.latencies.quantile(0.99);
        all.push(Tried {
            setting: *setting,
            p99,
            answered_share: outcome.answered_share(),
            alive: outcome.alive,
            workers_peak: outcome.workers_peak,
            keeps_goal: p99 <= setup.goal()
                && outcome.answered == outcome.accepted + outcome.refused,
        });
        tell(place + 1);
    }
    // Equal costs: the fewest workers, then the quicker answers.
    all.sort_by_key(|it| (!it.keeps_goal, it.alive, it.setting.workers_max, it.p99));
    all
}

//! The simulator: the engine's own decisions (queue, batcher, scaler, windows) in virtual time against a load.
//! Pure; starts no worker and waits for nothing. What it leaves out is named at `Setup`.

mod latencies;
mod load;
mod outcome;
mod random;
mod stage;
mod sweep;

#[cfg(test)]
mod schedule_tests;
#[cfg(test)]
mod tests;

pub use latencies::Latencies;
pub use load::{Chance, Load, Measures, Span};
pub use outcome::{Change, Outcome, Slice};
pub use random::Random;
pub use sweep::{Setting, Tried, settings, tried};

pub use crate::batcher::{Shape, Wait};
use std::time::Duration;

/// A version and what its author set, as far as latency and cost depend on it. Left out: the time of the gateway and
/// the network, cores that are shared, deaths of workers, and other versions that want the same host.
#[derive(Debug, Clone)]
pub struct Setup {
    pub shape: Shape,
    pub latency_goal: Option<Duration>,
    pub workers_min: usize,
    pub workers_max: usize,
    pub idle: Duration,
    /// As the engine chooses it when absent.
    pub queue_items_max: Option<usize>,
    /// How long a caller waits for its turn.
    pub deadline: Option<Duration>,
    pub call: CallTime,
    /// From the decision until a worker is ready.
    pub start: Duration,
    pub memory: Memory,
    /// How many take turns.
    pub callers: u64,
    pub seed: u64,
}

/// How long a call for n items takes: `fixed + n · each`, spread by chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CallTime {
    pub fixed: Duration,
    pub each: Duration,
    /// Standard deviation as a share of the mean.
    pub spread: f64,
}

impl CallTime {
    /// Expected.
    pub fn of(&self, items: usize) -> Duration {
        self.fixed + self.each * items as u32
    }

    fn draw(&self, items: usize, random: &mut Random) -> Duration {
        let seconds = self.of(items).as_secs_f64() * random.factor(self.spread);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 4)
    }
}

/// Bytes: held once however many workers there are, and by each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    pub shared: u64,
    pub each: u64,
}

impl Memory {
    pub fn of(&self, workers: usize) -> u64 {
        match workers {
            0 => 0,
            workers => self.shared + self.each * workers as u64,
        }
    }
}

/// What comes of a load.
pub fn simulate(setup: &Setup, load: &Load) -> Outcome {
    stage::Stage::new(setup, load).run()
}

//! The system's clock and random source: the one file of the house that reads either.

use onstage_core::{Clock, Timestamp};
use std::{
    cell::RefCell,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Random words fetched at once.
const POOL_WORDS: usize = 64;

thread_local! {
    static POOL: RefCell<Vec<u128>> = const { RefCell::new(Vec::new()) };
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clock"
    )]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// 128 random bits from the operating system, asked for in larger pieces: a request needs several.
///
/// # Panics
/// When the operating system has no random source, without which nothing here is safe.
pub fn entropy() -> u128 {
    POOL.with_borrow_mut(|pool| {
        pool.pop().unwrap_or_else(|| {
            let mut bytes = [0_u8; POOL_WORDS * 16];
            getrandom::fill(&mut bytes).expect("the operating system has a random source");
            let (words, _) = bytes.as_chunks();
            pool.extend(words.iter().map(|word| u128::from_le_bytes(*word)));
            pool.pop().expect("it has just been filled")
        })
    })
}

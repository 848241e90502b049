//! Slows down guessing: failed logins per address are limited, and many failures from anywhere slow every attempt.
//! Pure but for its own counts: time is passed in.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

const WINDOW: Duration = Duration::from_secs(60);
/// Failures of one address within the window.
const PER_ADDRESS_MAX: usize = 5;
/// Failures from anywhere within the window before every attempt is delayed.
const ANYWHERE_CALM_MAX: usize = 10;
/// That delay. Nobody is locked out: the password still works.
const DELAY: Duration = Duration::from_secs(3);
/// Attempts that may wait out the delay at once.
const WAITING_MAX: usize = 8;
/// Addresses remembered at once.
const ADDRESSES_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: Mutex<Failures>,
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Failures {
    anywhere: VecDeque<Duration>,
    by_address: HashMap<IpAddr, VecDeque<Duration>>,
}

/// What an attempt must do first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    Wait(Duration),
    /// Too many; come again after so long.
    Refuse(Duration),
}

impl Throttle {
    pub(crate) fn judge(&self, address: IpAddr, now: Duration) -> Verdict {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.forget(now);
        if let Some(own) = failures.by_address.get(&address)
            && own.len() >= PER_ADDRESS_MAX
        {
            let first = own.front().copied().unwrap_or(now);
            return Verdict::Refuse((first + WINDOW).saturating_sub(now));
        }
        if failures.anywhere.len() < ANYWHERE_CALM_MAX {
            return Verdict::Go;
        }
        if self.waiting.load(Relaxed) >= WAITING_MAX {
            return Verdict::Refuse(DELAY);
        }
        Verdict::Wait(DELAY)
    }

    /// Sleeps the delay, counted.
    pub(crate) async fn wait(&self, delay: Duration) {
        self.waiting.fetch_add(1, Relaxed);
        let _waiting = Waiting(&self.waiting);
        tokio::time::sleep(delay).await;
    }

    pub(crate) fn failed(&self, address: IpAddr, now: Duration) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.forget(now);
        failures.anywhere.push_back(now);
        if failures.anywhere.len() > ADDRESSES_MAX {
            failures.anywhere.pop_front();
        }
        if failures.by_address.len() < ADDRESSES_MAX || failures.by_address.contains_key(&address) {
            failures
                .by_address
                .entry(address)
                .or_default()
                .push_back(now);
        }
    }
}

impl Throttle {
    /// Takes back the failure that was booked for an attempt.
    pub(crate) fn succeeded(&self, address: IpAddr) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.anywhere.pop_back();
        if let Some(own) = failures.by_address.get_mut(&address) {
            own.pop_back();
        }
    }
}

impl Failures {
    fn forget(&mut self, now: Duration) {
        let old = |at: &Duration| now.saturating_sub(*at) >= WINDOW;
        while self.anywhere.front().is_some_and(old) {
            self.anywhere.pop_front();
        }
        self.by_address.retain(|_, times| {
            while times.front().is_some_and(old) {
                times.pop_front();
            }
            !times.is_empty()
        });
    }
}

/// Gives a waiting place back, also when the client goes away meanwhile.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_from_one_address_is_refused_and_from_many_slowed() {
        let throttle = Throttle::default();
        let one: IpAddr = "10.0.0.1".parse().unwrap();
        let clean: IpAddr = "10.0.0.2".parse().unwrap();
        let now = Duration::from_secs(100);
        for _ in 0..PER_ADDRESS_MAX {
            assert_eq!(throttle.judge(one, now), Verdict::Go);
            throttle.failed(one, now);
        }
        assert_eq!(throttle.judge(one, now), Verdict::Refuse(WINDOW));
        assert_eq!(throttle.judge(clean, now), Verdict::Go);
        for number in 0..PER_ADDRESS_MAX as u8 {
            throttle.failed(IpAddr::from([10, 0, 1, number]), now);
        }
        assert_eq!(throttle.judge(clean, now), Verdict::Wait(DELAY));
        assert_eq!(throttle.judge(one, now + WINDOW), Verdict::Go);
    }
}

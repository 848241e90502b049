//! Whether an idle worker is alive: pinged now and then, lost when it stays silent.
//! Pure. A busy worker is not pinged: code that holds the interpreter cannot answer, and its items have limits of their own.

use std::time::Duration;

/// How often an idle worker is pinged.
pub(super) const PING_EVERY: Duration = Duration::from_secs(15);
/// How long it may take to answer.
pub(super) const PONG_WITHIN_MAX: Duration = Duration::from_secs(10);

pub(super) struct Health {
    /// When it became idle or last answered; none while it is busy.
    quiet_since: Option<Duration>,
    /// When the ping that is not answered was sent.
    asked_at: Option<Duration>,
    pings: u64,
}

impl Health {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            quiet_since: Some(now),
            asked_at: None,
            pings: 0,
        }
    }

    pub(super) fn busy(&mut self) {
        self.quiet_since = None;
        self.asked_at = None;
    }

    pub(super) fn idle(&mut self, now: Duration) {
        self.quiet_since.get_or_insert(now);
    }

    /// Answers to earlier pings than the last are late, and still a sign of life.
    pub(super) fn pong(&mut self, n: u64, now: Duration) {
        if n <= self.pings && self.quiet_since.is_some() {
            self.asked_at = None;
            self.quiet_since = Some(now);
        }
    }

    /// The number of a ping to send now, if one is due.
    pub(super) fn ping(&mut self, now: Duration) -> Option<u64> {
        let due = self.quiet_since? + PING_EVERY <= now && self.asked_at.is_none();
        if !due {
            return None;
        }
        self.asked_at = Some(now);
        self.pings += 1;
        Some(self.pings)
    }

    pub(super) fn is_lost(&self, now: Duration) -> bool {
        self.asked_at
            .is_some_and(|asked| asked + PONG_WITHIN_MAX <= now)
    }

    pub(super) fn next_look(&self) -> Option<Duration> {
        match self.asked_at {
            Some(asked) => Some(asked + PONG_WITHIN_MAX),
            None => Some(self.quiet_since? + PING_EVERY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_idle_worker_that_stays_silent_is_lost() {
        let mut health = Health::new(at(0));
        assert_eq!(health.ping(at(14)), None);
        assert_eq!(health.ping(at(15)), Some(1));
        assert!(!health.is_lost(at(24)));
        assert!(health.is_lost(at(25)));
        health.pong(1, at(24));
        assert!(!health.is_lost(at(25)));
        assert_eq!(health.next_look(), Some(at(39)));
    }

    #[test]
    fn a_busy_worker_may_be_silent() {
        let mut health = Health::new(at(0));
        assert_eq!(health.ping(at(15)), Some(1));
        health.busy();
        assert!(!health.is_lost(at(1000)));
        assert_eq!(health.next_look(), None);
        health.idle(at(1000));
        assert_eq!(health.ping(at(1014)), None);
        assert_eq!(health.ping(at(1015)), Some(2));
    }
}

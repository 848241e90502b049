//! How long a version waits for its next task after tasks of it died at once.
//! Pure: time is passed in as the dispatcher's own monotonic time.

use onstage_core::model::VersionId;
use std::{collections::BTreeMap, time::Duration};

/// A task that ended badly within this time of its start counts as having died at once.
const EARLY_DEATH_S: u64 = 20;
/// The wait after the first early death; doubles with each further one.
const WAIT_BASE_MS: u64 = 250;
/// The longest wait between two tries.
const WAIT_MS_MAX: u64 = 60_000;

/// Versions with early deaths in a row.
#[derive(Debug, Default)]
pub struct Backoffs(BTreeMap<VersionId, Trouble>);

#[derive(Debug)]
struct Trouble {
    deaths: u32,
    until: Duration,
}

impl Backoffs {
    /// Whether a task of this version may start now.
    pub fn allows(&self, version: &VersionId, now: Duration) -> bool {
        self.0
            .get(version)
            .is_none_or(|trouble| trouble.until <= now)
    }

    /// A task of this version ended after `lived`. A good end, or a long life, clears what was held against the version.
    pub fn ended(&mut self, version: &VersionId, well: bool, lived: Duration, now: Duration) {
        if well || lived >= Duration::from_secs(EARLY_DEATH_S) {
            self.0.remove(version);
            return;
        }
        let trouble = self.0.entry(version.clone()).or_insert(Trouble {
            deaths: 0,
            until: now,
        });
        trouble.deaths += 1;
        trouble.until = now + wait(trouble.deaths);
    }
}

fn wait(deaths: u32) -> Duration {
    let doublings = deaths.saturating_sub(1).min(16);
    Duration::from_millis((WAIT_BASE_MS << doublings).min(WAIT_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_deaths_double_the_wait_and_a_good_end_clears_it() {
        let version = VersionId("v".into());
        let mut backoffs = Backoffs::default();
        let second = Duration::from_secs(1);
        let mut now = Duration::ZERO;
        for wait_ms in [
            250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000,
        ] {
            backoffs.ended(&version, false, second, now);
            assert!(!backoffs.allows(&version, now + Duration::from_millis(wait_ms / 2)));
            now += Duration::from_millis(wait_ms);
            assert!(backoffs.allows(&version, now), "{wait_ms}");
        }
        backoffs.ended(&version, true, second, now);
        backoffs.ended(&version, false, second, now);
        assert!(backoffs.allows(&version, now + second));
    }

    #[test]
    fn a_task_that_worked_for_a_while_before_it_died_is_replaced_at_once() {
        let version = VersionId("v".into());
        let mut backoffs = Backoffs::default();
        backoffs.ended(
            &version,
            false,
            Duration::from_secs(EARLY_DEATH_S),
            Duration::ZERO,
        );
        assert!(backoffs.allows(&version, Duration::ZERO));
    }
}

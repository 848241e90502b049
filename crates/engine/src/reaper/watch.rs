//! Which leases are dead, judged from beats on the reaper's own monotonic clock: a pure decision.
//! Never compares the clocks of two hosts and never looks at how long a job has run.

use onstage_core::{job::Lease, ports::RunningJob, task::Incarnation};
use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

/// A lease whose beat stood still for this long is dead.
pub const LEASE_S: u64 = 15;
/// A beat that stood still for this long is suspicious: tasks beat at least every 4 s.
const SUSPECT_S: u64 = 6;
/// When two looks are further apart than this, the time between them proves nothing: the store was away, or this process was frozen.
const BLIND_MS_MAX: u64 = 5_000;

/// What was seen of every running job.
#[derive(Debug, Default)]
pub struct Watch {
    seen: HashMap<Lease, Seen>,
    looked_at: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    beat: u64,
    /// Since when the beat is known to stand still.
    since: Duration,
}

/// A lease to end, if its beat is still the one observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    pub lease: Lease,
    pub observed: u64,
    pub why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// No beat for a whole lease.
    Silent,
    /// The process that owned it is known to be gone.
    Gone,
}

impl Watch {
    /// Takes in what runs now; answers what is dead. Owners in `gone` are known to have ended, so their leases need not run out.
    pub fn look(
        &mut self,
        running: &[RunningJob],
        gone: &BTreeSet<Incarnation>,
        now: Duration,
    ) -> Vec<Expiry> {
        let blind = self
            .looked_at
            .is_none_or(|before| now.saturating_sub(before) > Duration::from_millis(BLIND_MS_MAX));
        self.looked_at = Some(now);
        let before = std::mem::take(&mut self.seen);
        for job in running {
            let fresh = Seen {
                beat: job.beat,
                since: now,
            };
            let seen = match before.get(&job.lease) {
                Some(old) if old.beat == job.beat && !blind => *old,
                _ => fresh,
            };
            self.seen.insert(job.lease.clone(), seen);
        }
        running
            .iter()
            .filter_map(|job| self.verdict(job, gone, now))
            .collect()
    }

    /// Whether some beat has stood still for suspiciously long: then it must be known that beats could be written.
    pub fn suspects(&self, running: &[RunningJob], now: Duration) -> bool {
        running.iter().any(|job| {
            self.seen.get(&job.lease).is_some_and(|seen| {
                seen.beat == job.beat
                    && now.saturating_sub(seen.since) >= Duration::from_secs(SUSPECT_S)
            })
        })
    }

    /// The time up to now proves nothing: nobody could have written a beat.
    pub fn forget(&mut self) {
        self.looked_at = None;
    }

    fn verdict(
        &self,
        job: &RunningJob,
        gone: &BTreeSet<Incarnation>,
        now: Duration,
    ) -> Option<Expiry> {
        let still = self.seen.get(&job.lease)?;
        let why = if gone.contains(&job.lease.owner) {
            Why::Gone
        } else if now.saturating_sub(still.since) >= Duration::from_secs(LEASE_S) {
            Why::Silent
        } else {
            return None;
        };
        Some(Expiry {
            lease: job.lease.clone(),
            observed: job.beat,
            why,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::model::VersionId;
    use proptest::prelude::*;

    fn job(number: u32, run: u32, owner: &str, beat: u64) -> RunningJob {
        RunningJob {
            lease: Lease {
                job: format!("job-{number:05}").parse().unwrap(),
                run,
                owner: Incarnation(owner.into()),
            },
            version: VersionId("v".into()),
            beat,
        }
    }

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Looks every second from `from` to `to`, and answers what the last look found.
    fn look_on(watch: &mut Watch, jobs: &[RunningJob], from: u32, to: u32) -> Vec<Expiry> {
        let mut last = Vec::new();
        for second in from..=to {
            last = watch.look(jobs, &BTreeSet::new(), at(f64::from(second)));
        }
        last
    }

    #[test]
    fn time_in_which_nothing_could_be_written_does_not_count() {
        let mut watch = Watch::default();
        let jobs = [job(1, 1, "task-a", 7)];
        look_on(&mut watch, &jobs, 0, 4);
        assert!(!watch.suspects(&jobs, at(5.0)));
        look_on(&mut watch, &jobs, 5, 12);
        assert!(watch.suspects(&jobs, at(13.0)));
        watch.forget();
        assert_eq!(look_on(&mut watch, &jobs, 13, 27), []);
        assert!(!look_on(&mut watch, &jobs, 28, 29).is_empty());
    }

    #[test]
    fn a_silent_lease_expires_after_a_whole_lease_and_not_before() {
        let mut watch = Watch::default();
        let jobs = [job(1, 1, "a", 7)];
        assert!(look_on(&mut watch, &jobs, 0, LEASE_S as u32 - 1).is_empty());
        let found = look_on(&mut watch, &jobs, LEASE_S as u32, LEASE_S as u32);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].observed, &found[0].why), (7, &Why::Silent));
    }

    #[test]
    fn a_job_that_beats_is_never_rescued_however_long_it_runs() {
        let mut watch = Watch::default();
        for second in 0..100_000_u32 {
            let beat = u64::from(second / (LEASE_S as u32 - 2));
            let found = watch.look(
                &[job(1, 1, "a", beat)],
                &BTreeSet::new(),
                at(f64::from(second)),
            );
            assert!(found.is_empty(), "at {second} s");
        }
    }

    #[test]
    fn a_new_run_is_watched_from_its_start() {
        let mut watch = Watch::default();
        look_on(&mut watch, &[job(1, 1, "a", 0)], 0, 14);
        assert!(look_on(&mut watch, &[job(1, 2, "b", 0)], 15, 29).is_empty());
        assert_eq!(look_on(&mut watch, &[job(1, 2, "b", 0)], 30, 30).len(), 1);
    }

    #[test]
    fn after_an_outage_a_whole_lease_is_observed_first() {
        let mut watch = Watch::default();
        let jobs = [job(1, 1, "a", 3)];
        look_on(&mut watch, &jobs, 0, 10);
        assert!(look_on(&mut watch, &jobs, 610, 610 + LEASE_S as u32 - 1).is_empty());
        assert_eq!(look_on(&mut watch, &jobs, 625, 625).len(), 1);
    }

    #[test]
    fn jobs_of_an_owner_known_to_be_gone_expire_at_once() {
        let mut watch = Watch::default();
        let gone = BTreeSet::from([Incarnation("dead".into())]);
        let found = watch.look(
            &[job(1, 1, "dead", 4), job(2, 1, "alive", 4)],
            &gone,
            at(0.0),
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].lease.owner.0, "dead");
        assert_eq!(found[0].why, Why::Gone);
    }

    proptest! {
        /// Whatever the gaps between looks, nothing expires whose beat moved within the lease, and everything silent does in the end.
        #[test]
        fn only_the_silent_expire(gaps in prop::collection::vec(0.1_f64..20.0, 1..60), moves in prop::collection::vec(any::<bool>(), 60)) {
            let mut watch = Watch::default();
            let (mut now, mut beat, mut moved_at) = (0.0, 0_u64, 0.0);
            for (gap, moves) in gaps.iter().zip(&moves) {
                now += gap;
                if *moves {
                    beat += 1;
                    moved_at = now;
                }
                let found = watch.look(&[job(1, 1, "a", beat)], &BTreeSet::new(), at(now));
                prop_assert!(found.is_empty() || now - moved_at >= LEASE_S as f64);
            }
            let jobs = [job(1, 1, "a", beat)];
            let mut expired = false;
            for step in 1..=(LEASE_S + 1) {
                expired |= !watch.look(&jobs, &BTreeSet::new(), at(now + step as f64)).is_empty();
            }
            prop_assert!(expired);
        }
    }
}

//! Whether a version on probation is sick, by what its pool has counted since it went live.
//! Pure; does not know pools, workers or the store.

use std::{collections::VecDeque, time::Duration};

/// Deaths and failed starts with no good answer between them.
const TROUBLES_IN_A_ROW_MAX: u64 = 3;
/// Fewer answers prove nothing.
const ANSWERS_MIN: u64 = 20;
/// The answers looked at are those of this time at least, so that one burst of one caller is not all there is.
const RECENT_MIN: Duration = Duration::from_secs(2);

/// What a pool has counted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Answers, and refusals that the author meant.
    pub good: u64,
    /// Answers that are the version's fault: exceptions, bad outputs, timeouts, lost workers, setups that failed.
    pub bad: u64,
    /// Workers that died or did not start.
    pub troubles: u64,
}

impl Seen {
    /// More than half of its answers fail.
    pub(crate) fn fails(&self) -> bool {
        let answers = self.good + self.bad;
        answers >= ANSWERS_MIN && self.bad * 2 > answers
    }

    /// What came since `before`; all of it when the pool was opened anew since.
    fn since(self, before: Self) -> Self {
        let shrunk =
            self.good < before.good || self.bad < before.bad || self.troubles < before.troubles;
        if shrunk {
            return self;
        }
        Self {
            good: self.good - before.good,
            bad: self.bad - before.bad,
            troubles: self.troubles - before.troubles,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Undecided,
    Passed,
    Sick(Sickness),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sickness {
    /// Workers that ended in a row.
    Dies(u64),
    Fails {
        bad: u64,
        answers: u64,
    },
}

pub(crate) struct Judge {
    until: Duration,
    /// The version before failed as well, so failing proves nothing against this one.
    failed_before: bool,
    seen: Seen,
    troubles_in_a_row: u64,
    recent: VecDeque<(Duration, Seen)>,
}

impl Judge {
    /// `before` is what the replaced version has counted, `seen` what this one had before it went live.
    pub(crate) fn new(until: Duration, before: Seen, seen: Seen) -> Self {
        Self {
            until,
            failed_before: before.fails(),
            seen,
            troubles_in_a_row: 0,
            recent: VecDeque::new(),
        }
    }

    pub(crate) fn look(&mut self, now: Duration, seen: Seen) -> Verdict {
        let new = seen.since(self.seen);
        self.seen = seen;
        self.troubles_in_a_row = match new.good {
            0 => self.troubles_in_a_row + new.troubles,
            _ => 0,
        };
        if self.troubles_in_a_row >= TROUBLES_IN_A_ROW_MAX {
            return Verdict::Sick(Sickness::Dies(self.troubles_in_a_row));
        }
        let recent = self.recent(now, new);
        if recent.fails() && !self.failed_before {
            return Verdict::Sick(Sickness::Fails {
                bad: recent.bad,
                answers: recent.good + recent.bad,
            });
        }
        match now >= self.until {
            true => Verdict::Passed,
            false => Verdict::Undecided,
        }
    }

    /// The newest answers that are enough in number and time to judge by.
    fn recent(&mut self, now: Duration, new: Seen) -> Seen {
        if new.good + new.bad > 0 {
            self.recent.push_back((now, new));
        }
        let mut all = self
            .recent
            .iter()
            .fold(Seen::default(), |all, (_, it)| Seen {
                good: all.good + it.good,
                bad: all.bad + it.bad,
                troubles: 0,
            });
        while let Some((at, oldest)) = self.recent.front() {
            let left = all.good + all.bad - oldest.good - oldest.bad;
            if left < ANSWERS_MIN || *at + RECENT_MIN > now {
                break;
            }
            all.good -= oldest.good;
            all.bad -= oldest.bad;
            self.recent.pop_front();
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn seen(good: u64, bad: u64, troubles: u64) -> Seen {
        Seen {
            good,
            bad,
            troubles,
        }
    }

    fn judge(before: Seen) -> Judge {
        Judge::new(at(60_000), before, Seen::default())
    }

    #[test]
    fn a_version_that_answers_passes_when_its_time_is_over() {
        let mut judge = judge(Seen::default());
        for step in 0..600 {
            let verdict = judge.look(at(step * 100), seen(step * 20, step, 0));
            assert_eq!(verdict, Verdict::Undecided);
        }
        assert_eq!(
            judge.look(at(60_000), seen(12_000, 600, 0)),
            Verdict::Passed
        );
    }

    #[test]
    fn one_that_turns_sick_after_thousands_of_good_answers_is_found_out() {
        let mut judge = judge(seen(5_000, 10, 0));
        for step in 1..=100 {
            let verdict = judge.look(at(step * 100), seen(step * 20, 0, 0));
            assert_eq!(verdict, Verdict::Undecided);
        }
        let found = (1..=100).find(|step| {
            let verdict = judge.look(at(10_000 + step * 100), seen(2_000, step * 20, 0));
            matches!(verdict, Verdict::Sick(Sickness::Fails { .. }))
        });
        assert!(found.is_some_and(|step| step <= 30), "{found:?}");
    }

    #[test]
    fn failing_proves_nothing_when_the_version_before_failed_as_well() {
        let mut judge = judge(seen(10, 90, 0));
        for step in 1..600 {
            assert_eq!(
                judge.look(at(step * 100), seen(0, step, 0)),
                Verdict::Undecided
            );
        }
    }

    #[test]
    fn few_answers_prove_nothing_and_three_deaths_in_a_row_do() {
        let mut judge = judge(Seen::default());
        assert_eq!(judge.look(at(100), seen(0, 18, 0)), Verdict::Undecided);
        assert_eq!(judge.look(at(200), seen(0, 18, 2)), Verdict::Undecided);
        assert_eq!(judge.look(at(300), seen(1, 18, 3)), Verdict::Undecided);
        assert_eq!(judge.look(at(400), seen(1, 18, 5)), Verdict::Undecided);
        assert_eq!(
            judge.look(at(500), seen(1, 18, 6)),
            Verdict::Sick(Sickness::Dies(3))
        );
    }

    #[test]
    fn what_a_pool_that_was_opened_anew_counts_is_new() {
        let mut judge = Judge::new(at(60_000), Seen::default(), seen(100, 0, 0));
        assert_eq!(judge.look(at(100), seen(200, 0, 0)), Verdict::Undecided);
        assert_eq!(judge.look(at(200), seen(0, 0, 1)), Verdict::Undecided);
        assert_eq!(
            judge.look(at(300), seen(0, 0, 3)),
            Verdict::Sick(Sickness::Dies(3))
        );
    }

    proptest! {
        #[test]
        fn whoever_mostly_answers_and_rarely_dies_is_never_sick(steps in prop::collection::vec((1_u64..50, 0_u64..3), 1..300)) {
            let mut judge = judge(Seen::default());
            let mut all = Seen::default();
            for (step, (good, troubles)) in steps.into_iter().enumerate() {
                all = seen(all.good + good, all.bad + good - 1, all.troubles + troubles);
                let verdict = judge.look(at(step as u64 * 100), all);
                prop_assert!(!matches!(verdict, Verdict::Sick(_)), "{verdict:?}");
            }
        }
    }
}

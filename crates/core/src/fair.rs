//! Whose jobs are claimed next: people take turns, whatever each of them has queued.
//! Pure; knows who waits and whose turn was when, not the jobs.

use crate::Id;
use serde::{Deserialize, Serialize};

/// How urgent a job is among those of the same person, as RFC 9218 counts: 0 comes first, 7 last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Urgency(u8);

impl Urgency {
    pub const MAX: u8 = 7;

    pub fn new(urgency: u8) -> Option<Self> {
        (urgency <= Self::MAX).then_some(Self(urgency))
    }

    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for Urgency {
    fn default() -> Self {
        Self(3)
    }
}

/// Somebody whose jobs of a version are queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub by: Id,
    /// When their last turn was; 0 when they had none.
    pub turn: u64,
}

/// In the order in which they are served: those whose last turn is longest ago come first.
pub fn in_turn(mut waiting: Vec<Waiting>) -> Vec<Waiting> {
    waiting.sort_by(|a, b| (a.turn, &a.by).cmp(&(b.turn, &b.by)));
    waiting
}

/// How many jobs the next of `people` gets when `left` may be claimed: nobody has a second before everybody had a first.
pub fn quota(left: u32, people: usize) -> u32 {
    left.div_ceil(u32::try_from(people).unwrap_or(u32::MAX).max(1))
}

/// Jobs counted of a version's queue before it is only called long.
pub const QUEUE_COUNTED_MAX: u64 = 1_000;
/// Jobs of one person, and people, counted before a place in the queue is only called far.
pub const PLACES_COUNTED_MAX: u64 = 100;

/// About how many jobs come before one: `own` are those of the same person before it, `others` how many each other person has queued.
pub fn ahead(own: u64, others: impl IntoIterator<Item = u64>) -> u64 {
    let turns = own + 1;
    own + others
        .into_iter()
        .map(|queued| queued.min(turns))
        .sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn id(number: usize) -> Id {
        format!("person-{number:04}").parse().unwrap()
    }

    /// Serves people as a store does: in turn, each up to the quota; answers who got how many.
    fn serve(
        left: &mut BTreeMap<Id, u32>,
        turns: &mut BTreeMap<Id, u64>,
        limit: u32,
    ) -> Vec<(Id, u32)> {
        let people = left.keys().cloned().map(|by| Waiting {
            turn: turns.get(&by).copied().unwrap_or(0),
            by,
        });
        let people = in_turn(people.collect());
        let (count, mut rest, mut served) = (people.len(), limit, Vec::new());
        let mut latest = turns.values().copied().max().unwrap_or(0);
        for (place, one) in people.into_iter().enumerate() {
            let theirs = left.get_mut(&one.by).unwrap();
            let jobs = quota(rest, count - place).min(*theirs);
            if jobs > 0 {
                latest += 1;
                (*theirs, rest) = (*theirs - jobs, rest - jobs);
                turns.insert(one.by.clone(), latest);
                served.push((one.by, jobs));
            }
        }
        served
    }

    #[test]
    fn who_was_served_longest_ago_comes_first() {
        let mut left = BTreeMap::from([(id(1), 9), (id(2), 9), (id(3), 1)]);
        let mut turns = BTreeMap::from([(id(1), 9), (id(3), 4)]);
        let first = serve(&mut left, &mut turns, 1);
        assert_eq!(first, [(id(2), 1)]);
        let next = serve(&mut left, &mut turns, 5);
        assert_eq!(next, [(id(3), 1), (id(1), 2), (id(2), 2)]);
        assert_eq!(turns[&id(2)], 13);
    }

    #[test]
    fn a_place_in_the_queue_counts_turns() {
        assert_eq!(ahead(0, []), 0);
        assert_eq!(ahead(0, [10_000]), 1);
        assert_eq!(ahead(3, [10_000, 2]), 3 + 4 + 2);
    }

    proptest! {
        /// Whoever waits is served before anybody else has been served twice.
        #[test]
        fn nobody_is_passed_over(
            queued in prop::collection::vec(0_u32..20, 1..8),
            limits in prop::collection::vec(1_u32..4, 0..60),
        ) {
            let mut left: BTreeMap<Id, u32> = queued.iter().enumerate().map(|(n, jobs)| (id(n), *jobs)).collect();
            let mut turns: BTreeMap<Id, u64> = BTreeMap::new();
            let mut since: BTreeMap<Id, BTreeMap<Id, u32>> = BTreeMap::new();
            for limit in limits {
                let people: Vec<Id> = left.iter().filter(|(_, jobs)| **jobs > 0).map(|(by, _)| by.clone()).collect();
                let served = serve(&mut left, &mut turns, limit);
                if served.iter().any(|(_, jobs)| *jobs > 1) {
                    prop_assert_eq!(served.len(), people.len(), "a second before everybody had a first");
                }
                let served: Vec<Id> = served.into_iter().map(|(by, _)| by).collect();
                for waits in people.iter().filter(|by| !served.contains(by)) {
                    let passed = since.entry(waits.clone()).or_default();
                    for by in &served {
                        let times = passed.entry(by.clone()).or_default();
                        *times += 1;
                        prop_assert!(*times <= 1, "{} was served twice before {}", by, waits);
                    }
                }
                for by in served {
                    since.remove(&by);
                }
            }
        }
    }
}

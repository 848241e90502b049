//! What may go wrong with a request, and with which.
//! A pure sequence: the same number of a request meets the same fault.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 500 before anything is done.
    Internal,
    /// 503 before anything is done.
    SlowDown,
    /// It is done, and the connection breaks in the middle of the answer.
    Reset,
    /// It is done, and the answer's body is half as long as it should be, with headers that say so.
    Truncated,
    /// A byte of the request's body changes on the way.
    Flipped,
}

const ALL: [Fault; 5] = [
    Fault::Internal,
    Fault::SlowDown,
    Fault::Reset,
    Fault::Truncated,
    Fault::Flipped,
];
const ONE_IN: u64 = 5;

/// The fault that the request with this number meets.
pub(crate) fn of(number: u64) -> Option<Fault> {
    let dice = scrambled(number);
    dice.is_multiple_of(ONE_IN)
        .then(|| ALL[(dice / ONE_IN % ALL.len() as u64) as usize])
}

/// Evenly spread, so that neither every fifth nor every second try of one call is met (splitmix64).
fn scrambled(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[derive(Default)]
pub(crate) struct Told(Mutex<BTreeMap<Fault, u64>>);

impl Told {
    pub(crate) fn add(&self, fault: Fault) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *told.entry(fault).or_default() += 1;
    }

    pub(crate) fn all(&self) -> BTreeMap<Fault, u64> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_requests_meets_each_fault_as_often() {
        let met: Vec<Fault> = (1..=10_000).filter_map(of).collect();
        assert!((1_900..2_100).contains(&met.len()), "{}", met.len());
        for fault in ALL {
            let times = met.iter().filter(|it| **it == fault).count();
            assert!((320..480).contains(&times), "{fault:?} {times}");
        }
    }
}

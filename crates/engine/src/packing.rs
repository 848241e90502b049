//! What fits on this host: a count of workers, and memory that is promised and not yet used.
//! Pure; is told how much memory is there.

use onstage_core::ports::HostMemory;

/// What is left to the system, as a share of the memory.
const RESERVE_SHARE: u64 = 20;

/// What one worker needs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Need {
    pub memory_bytes: u64,
    /// A share of one GPU, or a whole number of them. None: it is not told which it may use.
    pub gpu: Option<f64>,
}

/// Why a worker or a task cannot be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lack {
    /// A place or memory, until others give something up.
    Room,
    /// GPUs, until others give theirs up.
    Gpus,
    /// On this host: what is asked for and what there is.
    Ever(String),
}

impl Lack {
    /// For who waits.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Room => "waits for a place: others are using what this machine has".to_owned(),
            Self::Gpus => "waits for a GPU: others are using what this machine has".to_owned(),
            Self::Ever(why) => format!("waits for another machine: {why}"),
        }
    }
}

/// What a worker holds. Given back as it was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// It counts among the workers.
    pub counted: bool,
    /// Promised and not yet seen in use.
    pub promised_bytes: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Packing {
    workers_max: u32,
    workers: u32,
    promised_bytes: u64,
}

impl Packing {
    pub(crate) fn new(workers_max: u32) -> Self {
        Self {
            workers_max: workers_max.max(1),
            workers: 0,
            promised_bytes: 0,
        }
    }

    /// A place for one more worker.
    pub(crate) fn take(&mut self, need: &Need, memory: Option<HostMemory>) -> Result<Share, Lack> {
        check(need, memory)?;
        if self.workers >= self.workers_max || !self.has_memory(need, memory) {
            return Err(Lack::Room);
        }
        Ok(self.hold(need, true))
    }

    /// A place beyond the limits, for a trial or for the first worker of a version that takes over from one that fills
    /// the host. Only what can never be there is refused.
    pub(crate) fn take_beyond(
        &mut self,
        need: &Need,
        memory: Option<HostMemory>,
        counted: bool,
    ) -> Result<Share, Lack> {
        check(need, memory)?;
        Ok(self.hold(need, counted))
    }

    /// Counts what was on trial among the workers, if there is a place.
    pub(crate) fn count(&mut self, share: &mut Share) -> bool {
        if !share.counted && self.workers < self.workers_max {
            self.workers += 1;
            share.counted = true;
        }
        share.counted
    }

    /// What was promised is now in use, and measured as such with everything else.
    pub(crate) fn seen_in_use(&mut self, share: &mut Share, used_bytes: u64) {
        let seen = used_bytes.min(share.promised_bytes);
        share.promised_bytes -= seen;
        self.promised_bytes = self.promised_bytes.saturating_sub(seen);
    }

    pub(crate) fn give_back(&mut self, share: &Share) {
        self.workers -= u32::from(share.counted);
        self.promised_bytes = self.promised_bytes.saturating_sub(share.promised_bytes);
    }

    /// How many such workers could be started now, at most `most`.
    pub(crate) fn room_for(&self, need: &Need, memory: Option<HostMemory>, most: usize) -> usize {
        let mut tried = self.clone();
        (0..most)
            .take_while(|_| tried.take(need, memory).is_ok())
            .count()
    }

    fn has_memory(&self, need: &Need, memory: Option<HostMemory>) -> bool {
        memory.is_none_or(|memory| {
            let reserve = memory.total_bytes / RESERVE_SHARE;
            let wanted = need.memory_bytes + self.promised_bytes + reserve;
            wanted <= memory.available_bytes
        })
    }

    fn hold(&mut self, need: &Need, counted: bool) -> Share {
        self.workers += u32::from(counted);
        self.promised_bytes += need.memory_bytes;
        Share {
            counted,
            promised_bytes: need.memory_bytes,
        }
    }
}

/// Errors: memory that this host never has.
pub(crate) fn check(need: &Need, memory: Option<HostMemory>) -> Result<(), Lack> {
    if let Some(memory) = memory
        && need.memory_bytes > usable(memory.total_bytes)
    {
        return Err(Lack::Ever(format!(
            "the model asks for {} MiB of memory, and this machine has {} MiB for models",
            need.memory_bytes >> 20,
            usable(memory.total_bytes) >> 20
        )));
    }
    Ok(())
}

fn usable(total_bytes: u64) -> u64 {
    total_bytes - total_bytes / RESERVE_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GIB: u64 = 1 << 30;

    fn memory(total: u64, available: u64) -> Option<HostMemory> {
        Some(HostMemory {
            total_bytes: total * GIB,
            available_bytes: available * GIB,
        })
    }

    #[test]
    fn memory_that_was_promised_is_not_given_twice() {
        let need = Need {
            memory_bytes: 4 * GIB,
            gpu: None,
        };
        let mut packing = Packing::new(9);
        assert_eq!(packing.room_for(&need, memory(20, 10), 9), 2);
        let mut first = packing.take(&need, memory(20, 10)).unwrap();
        assert_eq!(packing.room_for(&need, memory(20, 10), 9), 1);
        // Once it is in use, it is missing from what is there.
        packing.seen_in_use(&mut first, 9 * GIB);
        assert_eq!(packing.room_for(&need, memory(20, 6), 9), 1);
        packing.give_back(&first);
        assert!(matches!(
            packing.take(&need, memory(4, 4)),
            Err(Lack::Ever(_))
        ));
        assert_eq!(packing.take(&need, memory(20, 4)), Err(Lack::Room));
    }

    #[test]
    fn a_trial_counts_only_when_there_is_a_place() {
        let mut packing = Packing::new(1);
        let mut trial = packing.take_beyond(&Need::default(), None, false).unwrap();
        let worker = packing.take(&Need::default(), None).unwrap();
        assert!(!packing.count(&mut trial));
        packing.give_back(&worker);
        assert!(packing.count(&mut trial));
        assert_eq!(packing.take(&Need::default(), None), Err(Lack::Room));
    }

    proptest! {
        #[test]
        fn what_is_given_back_is_free_again_and_nothing_is_given_twice(
            needs in prop::collection::vec(0_u64..6, 0..40), order in any::<u64>(),
        ) {
            let mut packing = Packing::new(12);
            let mut held = Vec::new();
            for (place, gib) in needs.iter().enumerate() {
                let need = Need { memory_bytes: gib * GIB, gpu: None };
                if let Ok(share) = packing.take(&need, memory(24, 20)) {
                    held.push(share);
                }
                prop_assert!(packing.workers <= 12 && packing.promised_bytes <= 20 * GIB);
                if order >> (place % 64) & 1 == 1 && !held.is_empty() {
                    packing.give_back(&held.swap_remove(place % held.len()));
                }
            }
            held.iter().for_each(|share| packing.give_back(share));
            prop_assert!(packing.workers == 0 && packing.promised_bytes == 0);
        }
    }
}

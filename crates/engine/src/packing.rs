//! What fits on this host: a count of workers, memory that is promised and not yet used, shares of GPUs.
//! Pure; is told how much memory is there.

use onstage_core::ports::HostMemory;

/// What is left to the system, as a share of the memory.
const RESERVE_SHARE: u64 = 20;
/// Shares of a GPU are counted in thousandths.
const WHOLE: u32 = 1_000;

/// What one worker needs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Need {
    pub memory_bytes: u64,
    /// A share of one GPU, or a whole number of them. None: it is not told which it may use.
    pub gpu: Option<f64>,
}

/// Why a worker cannot be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lack {
    /// When others give something up.
    Now,
    /// On this host: what is asked for and what there is.
    Ever(String),
}

/// What a worker holds. Given back as it was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// It counts among the workers.
    pub counted: bool,
    /// Promised and not yet seen in use.
    pub promised_bytes: u64,
    /// Places of devices, and thousandths of each.
    gpus: Vec<(usize, u32)>,
    names_gpus: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Packing {
    workers_max: u32,
    workers: u32,
    promised_bytes: u64,
    /// Names for `CUDA_VISIBLE_DEVICES`, and thousandths in use.
    gpus: Vec<(String, u32)>,
}

impl Packing {
    pub(crate) fn new(workers_max: u32, gpus: &[String]) -> Self {
        Self {
            workers_max: workers_max.max(1),
            workers: 0,
            promised_bytes: 0,
            gpus: gpus.iter().map(|name| (name.clone(), 0)).collect(),
        }
    }

    /// A place for one more worker.
    pub(crate) fn take(&mut self, need: &Need, memory: Option<HostMemory>) -> Result<Share, Lack> {
        self.check(need, memory)?;
        if self.workers >= self.workers_max || !self.has_memory(need, memory) {
            return Err(Lack::Now);
        }
        let gpus = self.free_gpus(need).ok_or(Lack::Now)?;
        Ok(self.hold(need, gpus, true))
    }

    /// A place beyond the limits, for a trial or for the first worker of a version that takes over from one that fills
    /// the host: it shares the devices that are used least. Only what can never be there is refused.
    pub(crate) fn take_beyond(
        &mut self,
        need: &Need,
        memory: Option<HostMemory>,
        counted: bool,
    ) -> Result<Share, Lack> {
        self.check(need, memory)?;
        let gpus = match self.free_gpus(need) {
            Some(gpus) => gpus,
            None => self.least_used(need),
        };
        Ok(self.hold(need, gpus, counted))
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
        for (place, part) in &share.gpus {
            let used = &mut self.gpus[*place].1;
            *used = used.saturating_sub(*part);
        }
    }

    /// How many such workers could be started now, at most `most`.
    pub(crate) fn room_for(&self, need: &Need, memory: Option<HostMemory>, most: usize) -> usize {
        let mut tried = self.clone();
        (0..most)
            .take_while(|_| tried.take(need, memory).is_ok())
            .count()
    }

    /// For `CUDA_VISIBLE_DEVICES`; none when the model does not say what it needs.
    pub(crate) fn devices(&self, share: &Share) -> Option<String> {
        let names = share.gpus.iter().map(|(place, _)| &*self.gpus[*place].0);
        share
            .names_gpus
            .then(|| names.collect::<Vec<_>>().join(","))
    }

    /// Errors: what this host never has.
    pub(crate) fn check(&self, need: &Need, memory: Option<HostMemory>) -> Result<(), Lack> {
        let asked = need.gpu.unwrap_or(0.0);
        if asked > self.gpus.len() as f64 {
            return Err(Lack::Ever(format!(
                "the model asks for {asked} GPU, and this machine has {}",
                self.gpus.len()
            )));
        }
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

    fn has_memory(&self, need: &Need, memory: Option<HostMemory>) -> bool {
        memory.is_none_or(|memory| {
            let reserve = memory.total_bytes / RESERVE_SHARE;
            let wanted = need.memory_bytes + self.promised_bytes + reserve;
            wanted <= memory.available_bytes
        })
    }

    fn free_gpus(&self, need: &Need) -> Option<Vec<(usize, u32)>> {
        let (count, part) = parts(need);
        // The fullest that has room, so that whole ones stay whole.
        let mut free: Vec<usize> = (0..self.gpus.len())
            .filter(|place| self.gpus[*place].1 + part <= WHOLE)
            .collect();
        free.sort_by_key(|place| std::cmp::Reverse(self.gpus[*place].1));
        (free.len() >= count).then(|| free.into_iter().take(count).map(|it| (it, part)).collect())
    }

    fn least_used(&self, need: &Need) -> Vec<(usize, u32)> {
        let (count, part) = parts(need);
        let mut all: Vec<usize> = (0..self.gpus.len()).collect();
        all.sort_by_key(|place| self.gpus[*place].1);
        all.into_iter().take(count).map(|it| (it, part)).collect()
    }

    fn hold(&mut self, need: &Need, gpus: Vec<(usize, u32)>, counted: bool) -> Share {
        self.workers += u32::from(counted);
        self.promised_bytes += need.memory_bytes;
        for (place, part) in &gpus {
            self.gpus[*place].1 += part;
        }
        Share {
            counted,
            promised_bytes: need.memory_bytes,
            gpus,
            names_gpus: need.gpu.is_some(),
        }
    }
}

/// How many devices, and how much of each.
fn parts(need: &Need) -> (usize, u32) {
    match need.gpu.unwrap_or(0.0) {
        gpu if gpu <= 0.0 => (0, 0),
        gpu if gpu < 1.0 => (1, ((gpu * f64::from(WHOLE)).ceil() as u32).max(1)),
        gpu => (gpu.ceil() as usize, WHOLE),
    }
}

fn usable(total_bytes: u64) -> u64 {
    total_bytes - total_bytes / RESERVE_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GIB: u64 = 1 << 30;

    fn gpus(count: usize) -> Vec<String> {
        (0..count).map(|place| place.to_string()).collect()
    }

    fn gpu(gpu: f64) -> Need {
        Need {
            memory_bytes: 0,
            gpu: Some(gpu),
        }
    }

    fn memory(total: u64, available: u64) -> Option<HostMemory> {
        Some(HostMemory {
            total_bytes: total * GIB,
            available_bytes: available * GIB,
        })
    }

    #[test]
    fn shares_of_a_gpu_are_packed_and_whole_ones_are_alone() {
        let mut packing = Packing::new(99, &gpus(2));
        let half = packing.take(&gpu(0.5), None).unwrap();
        let other = packing.take(&gpu(0.5), None).unwrap();
        assert_eq!(packing.devices(&half), packing.devices(&other));
        let whole = packing.take(&gpu(1.0), None).unwrap();
        assert_ne!(packing.devices(&half), packing.devices(&whole));
        assert_eq!(packing.take(&gpu(0.1), None), Err(Lack::Now));
        packing.give_back(&whole);
        assert_eq!(packing.take(&gpu(2.0), None), Err(Lack::Now));
        packing.give_back(&half);
        packing.give_back(&other);
        let both = packing.take(&gpu(2.0), None).unwrap();
        assert_eq!(packing.devices(&both).as_deref(), Some("0,1"));
        let Err(Lack::Ever(why)) = packing.take(&gpu(3.0), None) else {
            panic!("three of two");
        };
        assert!(
            why.contains("asks for 3 GPU, and this machine has 2"),
            "{why}"
        );
    }

    #[test]
    fn a_model_that_asks_for_no_gpu_sees_none_and_one_that_says_nothing_is_told_nothing() {
        let mut packing = Packing::new(9, &gpus(1));
        let none = packing.take(&gpu(0.0), None).unwrap();
        assert_eq!(packing.devices(&none).as_deref(), Some(""));
        let silent = packing.take(&Need::default(), None).unwrap();
        assert_eq!(packing.devices(&silent), None);
    }

    #[test]
    fn memory_that_was_promised_is_not_given_twice() {
        let need = Need {
            memory_bytes: 4 * GIB,
            gpu: None,
        };
        let mut packing = Packing::new(9, &[]);
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
        assert_eq!(packing.take(&need, memory(20, 4)), Err(Lack::Now));
    }

    #[test]
    fn a_trial_counts_only_when_there_is_a_place() {
        let mut packing = Packing::new(1, &[]);
        let mut trial = packing.take_beyond(&Need::default(), None, false).unwrap();
        let worker = packing.take(&Need::default(), None).unwrap();
        assert!(!packing.count(&mut trial));
        packing.give_back(&worker);
        assert!(packing.count(&mut trial));
        assert_eq!(packing.take(&Need::default(), None), Err(Lack::Now));
    }

    proptest! {
        #[test]
        fn what_is_given_back_is_free_again_and_nothing_is_given_twice(
            needs in prop::collection::vec((0_u64..6, prop::option::of(0_u32..2_500)), 0..40), order in any::<u64>(),
        ) {
            let mut packing = Packing::new(12, &gpus(3));
            let mut held = Vec::new();
            for (place, (gib, gpu)) in needs.iter().enumerate() {
                let need = Need { memory_bytes: gib * GIB, gpu: gpu.map(|it| f64::from(it) / 1000.0) };
                if let Ok(share) = packing.take(&need, memory(24, 20)) {
                    held.push(share);
                }
                prop_assert!(packing.workers <= 12 && packing.promised_bytes <= 20 * GIB);
                prop_assert!(packing.gpus.iter().all(|(_, used)| *used <= WHOLE));
                if order >> (place % 64) & 1 == 1 && !held.is_empty() {
                    packing.give_back(&held.swap_remove(place % held.len()));
                }
            }
            held.iter().for_each(|share| packing.give_back(share));
            prop_assert!(packing.workers == 0 && packing.promised_bytes == 0 && packing.gpus.iter().all(|(_, used)| *used == 0));
        }
    }
}

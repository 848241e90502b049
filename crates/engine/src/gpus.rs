//! The GPUs of this host, and what of them is reserved for workers and for tasks.
//! Does not know what they are used for.

use crate::packing::Lack;
use onstage_core::gpu::GpuShare;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// Shares of a GPU are counted in thousandths.
const WHOLE: u32 = 1_000;

/// Handles are clones of each other.
#[derive(Debug, Clone)]
pub(crate) struct Gpus(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ledger: Mutex<Ledger>,
    /// Somebody waits for some.
    wanted: AtomicBool,
}

/// A share of them; given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    gpus: Gpus,
    share: GpuShare,
}

impl Reservation {
    pub(crate) fn share(&self) -> &GpuShare {
        &self.share
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.gpus.ledger().give_back(&self.share);
    }
}

impl Gpus {
    /// By their names for `CUDA_VISIBLE_DEVICES`.
    pub(crate) fn new(names: &[String]) -> Self {
        Self(Arc::new(Shared {
            ledger: Mutex::new(Ledger::new(names)),
            wanted: AtomicBool::new(false),
        }))
    }

    /// Tells those who start tasks that somebody waits: what only lingers may go.
    pub(crate) fn want(&self) {
        self.0.wanted.store(true, Relaxed);
    }

    /// Whether somebody has said so since it was last asked.
    pub(crate) fn were_wanted(&self) -> bool {
        self.0.wanted.swap(false, Relaxed)
    }

    /// A share of one GPU, or a whole number of them; 0 sees none. Who says nothing is not told which it may use, and holds nothing.
    /// Errors: what is lacking.
    pub(crate) fn reserve(&self, asked: Option<f64>) -> Result<Option<Reservation>, Lack> {
        let Some(asked) = asked else { return Ok(None) };
        let share = self.ledger().take(asked)?;
        Ok(Some(self.reservation(share)))
    }

    /// The same beyond what is free: it shares the devices that are used least. Only what can never be there is refused.
    pub(crate) fn reserve_beyond(&self, asked: Option<f64>) -> Result<Option<Reservation>, Lack> {
        let Some(asked) = asked else { return Ok(None) };
        let share = self.ledger().take_beyond(asked)?;
        Ok(Some(self.reservation(share)))
    }

    /// Counts what somebody uses already.
    pub(crate) fn hold(&self, share: GpuShare) -> Reservation {
        self.ledger().hold(&share);
        self.reservation(share)
    }

    /// Errors: what this host never has, or not now.
    pub(crate) fn look(&self, asked: Option<f64>) -> Result<(), Lack> {
        asked.map_or(Ok(()), |asked| self.ledger().clone().take(asked).map(drop))
    }

    /// Errors: what this host never has.
    pub(crate) fn check(&self, asked: Option<f64>) -> Result<(), Lack> {
        self.ledger().check(asked.unwrap_or(0.0))
    }

    /// For how many such there is room now, at most `most`.
    pub(crate) fn room_for(&self, asked: Option<f64>, most: usize) -> usize {
        let Some(asked) = asked else { return most };
        let mut tried = self.ledger().clone();
        (0..most).take_while(|_| tried.take(asked).is_ok()).count()
    }

    fn reservation(&self, share: GpuShare) -> Reservation {
        Reservation {
            gpus: self.clone(),
            share,
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names, and thousandths in use. Pure.
#[derive(Debug, Clone)]
struct Ledger(Vec<(String, u32)>);

impl Ledger {
    fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| (name.clone(), 0)).collect())
    }

    fn take(&mut self, asked: f64) -> Result<GpuShare, Lack> {
        self.check(asked)?;
        let (count, part) = parts(asked);
        // The fullest that has room, so that whole ones stay whole.
        let mut free: Vec<&(String, u32)> = (self.0.iter())
            .filter(|(_, used)| used + part <= WHOLE)
            .collect();
        free.sort_by_key(|(_, used)| std::cmp::Reverse(*used));
        if free.len() < count {
            return Err(Lack::Gpus);
        }
        Ok(self.held(share(&free[..count], part)))
    }

    fn take_beyond(&mut self, asked: f64) -> Result<GpuShare, Lack> {
        match self.take(asked) {
            Err(Lack::Gpus) => {}
            taken => return taken,
        }
        let (count, part) = parts(asked);
        let mut all: Vec<&(String, u32)> = self.0.iter().collect();
        all.sort_by_key(|(_, used)| *used);
        Ok(self.held(share(&all[..count], part)))
    }

    fn held(&mut self, share: GpuShare) -> GpuShare {
        self.hold(&share);
        share
    }

    /// Devices that are not there, as after a restart with fewer, are nobody's loss.
    fn hold(&mut self, share: &GpuShare) {
        self.each(share, |used| used.saturating_add(share.part));
    }

    fn give_back(&mut self, share: &GpuShare) {
        self.each(share, |used| used.saturating_sub(share.part));
    }

    fn each(&mut self, share: &GpuShare, change: impl Fn(u32) -> u32) {
        for (name, used) in &mut self.0 {
            if share.devices.contains(name) {
                *used = change(*used);
            }
        }
    }

    fn check(&self, asked: f64) -> Result<(), Lack> {
        if asked <= self.0.len() as f64 {
            return Ok(());
        }
        Err(Lack::Ever(format!(
            "the model asks for {asked} GPU, and this machine has {}",
            self.0.len()
        )))
    }
}

fn share(devices: &[&(String, u32)], part: u32) -> GpuShare {
    GpuShare {
        devices: devices.iter().map(|(name, _)| name.clone()).collect(),
        part,
    }
}

/// How many devices, and how much of each.
fn parts(asked: f64) -> (usize, u32) {
    match asked {
        asked if asked <= 0.0 => (0, 0),
        asked if asked < 1.0 => (1, ((asked * f64::from(WHOLE)).ceil() as u32).max(1)),
        asked => (asked.ceil() as usize, WHOLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gpus(count: usize) -> Gpus {
        let names: Vec<String> = (0..count).map(|place| place.to_string()).collect();
        Gpus::new(&names)
    }

    fn reserve(gpus: &Gpus, asked: f64) -> Reservation {
        gpus.reserve(Some(asked)).unwrap().unwrap()
    }

    fn lack(gpus: &Gpus, asked: f64) -> Lack {
        gpus.reserve(Some(asked)).unwrap_err()
    }

    #[test]
    fn shares_of_a_gpu_are_packed_and_whole_ones_are_alone() {
        let gpus = gpus(2);
        let half = reserve(&gpus, 0.5);
        let other = reserve(&gpus, 0.5);
        assert_eq!(half.share(), other.share());
        let whole = reserve(&gpus, 1.0);
        assert_ne!(half.share().devices, whole.share().devices);
        assert_eq!(lack(&gpus, 0.1), Lack::Gpus);
        drop(whole);
        assert_eq!(lack(&gpus, 2.0), Lack::Gpus);
        drop((half, other));
        let both = reserve(&gpus, 2.0);
        assert_eq!(both.share().visible(), "0,1");
        let Lack::Ever(why) = lack(&gpus, 3.0) else {
            panic!("three of two");
        };
        assert!(
            why.contains("asks for 3 GPU, and this machine has 2"),
            "{why}"
        );
    }

    #[test]
    fn who_asks_for_no_gpu_sees_none_and_who_says_nothing_is_told_nothing() {
        let gpus = gpus(1);
        assert_eq!(reserve(&gpus, 0.0).share().visible(), "");
        assert!(gpus.reserve(None).unwrap().is_none());
        assert_eq!(gpus.room_for(None, 7), 7);
    }

    #[test]
    fn what_was_held_before_this_process_began_is_not_given_away() {
        let gpus = gpus(2);
        let share = |device: &str| GpuShare {
            devices: vec![device.to_owned()],
            part: WHOLE,
        };
        let found = gpus.hold(share("1"));
        let _gone = gpus.hold(share("GPU-that-was"));
        assert_eq!(reserve(&gpus, 1.0).share().visible(), "0");
        assert_eq!(gpus.room_for(Some(1.0), 9), 1);
        drop(found);
        assert_eq!(gpus.room_for(Some(0.5), 9), 4);
    }

    #[test]
    fn beyond_what_is_free_the_least_used_is_shared() {
        let gpus = gpus(2);
        let held = [reserve(&gpus, 1.0), reserve(&gpus, 0.75)];
        let trial = gpus.reserve_beyond(Some(0.5)).unwrap().unwrap();
        assert_eq!(trial.share().devices, held[1].share().devices);
        assert!(matches!(gpus.reserve_beyond(Some(3.0)), Err(Lack::Ever(_))));
    }

    proptest! {
        #[test]
        fn nothing_is_given_twice_and_what_is_given_back_is_free_again(
            asked in prop::collection::vec(0_u32..3_500, 0..40), order in any::<u64>(),
        ) {
            let gpus = gpus(3);
            let mut held = Vec::new();
            for (place, asked) in asked.iter().enumerate() {
                let asked = f64::from(*asked) / 1000.0;
                let room = gpus.look(Some(asked)).is_ok();
                let reserved = gpus.reserve(Some(asked));
                prop_assert_eq!(room, reserved.is_ok());
                held.extend(reserved.ok().flatten());
                prop_assert!(gpus.ledger().0.iter().all(|(_, used)| *used <= WHOLE));
                if order >> (place % 64) & 1 == 1 && !held.is_empty() {
                    held.swap_remove(place % held.len());
                }
            }
            drop(held);
            prop_assert!(gpus.ledger().0.iter().all(|(_, used)| *used == 0));
        }
    }
}

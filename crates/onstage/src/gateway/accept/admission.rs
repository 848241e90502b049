//! How many connections there may be, in all and per address.
//! Does not open or close them.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// Counts who is inside.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    inside: Arc<Mutex<Inside>>,
    total_max: usize,
    per_address_max: usize,
    /// Proxies carry many people's connections and are not held to the limit per address.
    proxies: Arc<[IpAddr]>,
}

#[derive(Debug, Default)]
struct Inside {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place; gives it back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    inside: Arc<Mutex<Inside>>,
    counted: Option<IpAddr>,
}

impl Admission {
    pub(crate) fn new(total_max: usize, per_address_max: usize, proxies: &[IpAddr]) -> Self {
        Self {
            inside: Arc::default(),
            total_max,
            per_address_max,
            proxies: proxies.into(),
        }
    }

    /// A place for a connection from `address`, unless there are too many.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Place> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.total >= self.total_max {
            return None;
        }
        let exempt = address.is_loopback() || self.proxies.contains(&address);
        let counted = (!exempt).then_some(address);
        if let Some(address) = counted {
            let count = inside.by_address.entry(address).or_default();
            if *count >= self.per_address_max {
                return None;
            }
            *count += 1;
        }
        inside.total += 1;
        Some(Place {
            inside: Arc::clone(&self.inside),
            counted,
        })
    }

    pub(crate) fn total(&self) -> usize {
        self.inside
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .total
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.total -= 1;
        if let Some(address) = self.counted
            && let Some(count) = inside.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                inside.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_and_places_come_back() {
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let other: IpAddr = "10.0.0.2".parse().unwrap();
        let admission = Admission::new(4, 1, &[proxy]);
        let first = admission.enter(other).unwrap();
        assert!(admission.enter(other).is_none(), "one per address");
        let _more: Vec<Place> = [proxy, proxy, "127.0.0.1".parse().unwrap()]
            .into_iter()
            .map(|address| admission.enter(address).unwrap())
            .collect();
        assert!(admission.enter(proxy).is_none(), "four in all");
        drop(first);
        assert!(admission.enter(other).is_some());
        assert_eq!(admission.total(), 3);
    }
}

//! Credentials seen lately, so that a request that repeats one does not ask the store.
//! Does not judge them.

use onstage_core::people::Credential;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a revocation on another front may go unnoticed on this one.
const KEPT: Duration = Duration::from_secs(5);
/// Credentials held at once.
const ENTRIES_MAX: usize = 4096;

/// Keyed by the secret's SHA-256; `None` is a secret the store does not know.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<HashMap<[u8; 32], Entry>>);

#[derive(Debug, Clone)]
struct Entry {
    credential: Option<Arc<Credential>>,
    read_at: Duration,
}

impl Cache {
    /// What the store said within the last seconds.
    pub(crate) fn get(&self, digest: &[u8; 32], now: Duration) -> Option<Option<Arc<Credential>>> {
        self.entries()
            .get(digest)
            .filter(|entry| now.saturating_sub(entry.read_at) < KEPT)
            .map(|entry| entry.credential.clone())
    }

    pub(crate) fn put(&self, digest: [u8; 32], credential: Option<Arc<Credential>>, now: Duration) {
        let mut entries = self.entries();
        if entries.len() >= ENTRIES_MAX {
            entries.retain(|_, entry| now.saturating_sub(entry.read_at) < KEPT);
            if entries.len() >= ENTRIES_MAX {
                entries.clear();
            }
        }
        entries.insert(
            digest,
            Entry {
                credential,
                read_at: now,
            },
        );
    }

    /// After a revocation: nothing here is believed any more.
    pub(crate) fn clear(&self) {
        self.entries().clear();
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<[u8; 32], Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_grow_old_and_never_too_many() {
        let cache = Cache::default();
        cache.put([1; 32], None, Duration::ZERO);
        assert!(cache.get(&[1; 32], Duration::from_secs(4)).is_some());
        assert!(cache.get(&[1; 32], Duration::from_secs(5)).is_none());
        for number in 0..20_000_u32 {
            let mut digest = [0; 32];
            digest[..4].copy_from_slice(&number.to_le_bytes());
            cache.put(digest, None, Duration::from_secs(6));
        }
        assert!(cache.entries().len() <= ENTRIES_MAX);
        cache.clear();
        assert!(cache.entries().is_empty());
    }
}

//! Credentials seen lately, so that a request that repeats one does not ask the store, and is answered while the store is away.
//! Does not judge them, and does not read them.

use onstage_core::people::Credential;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a revocation on another front may go unnoticed on this one while the store answers.
const KEPT: Duration = Duration::from_secs(5);
/// And while it does not; then nobody else revokes anything either, unless it is only we who cannot reach it.
/// As long as a task goes on without it.
const KEPT_AWAY: Duration = Duration::from_secs(15 * 60);
/// How often the store is asked again for one that is older than `KEPT`; in between, the last answer counts.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Credentials held at once.
const ENTRIES_MAX: usize = 4096;

/// By the secret's SHA-256.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    known: HashMap<[u8; 32], Entry>,
    era: Era,
}

/// What was read before a revocation is not believed after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Era(u64);

#[derive(Debug, Clone)]
struct Entry {
    /// None: a secret that the store does not know.
    credential: Option<Arc<Credential>>,
    read_at: Duration,
    asked_at: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// What the store said just now.
    Lately(Option<Arc<Credential>>),
    /// To be asked for again; what the store said last counts if it does not answer.
    Before(Arc<Credential>),
    Never,
}

impl Cache {
    pub(crate) fn get(&self, digest: &[u8; 32], now: Duration) -> Seen {
        let mut entries = self.entries();
        let Some(entry) = entries.known.get_mut(digest) else {
            return Seen::Never;
        };
        if entry.is_new(now) {
            return Seen::Lately(entry.credential.clone());
        }
        // A secret that was not known may be by now.
        let Some(credential) = entry.credential.clone().filter(|_| entry.is_believed(now)) else {
            return Seen::Never;
        };
        if now.saturating_sub(entry.asked_at) < ASK_EVERY {
            return Seen::Lately(Some(credential));
        }
        entry.asked_at = now;
        Seen::Before(credential)
    }

    /// To be remembered before the store is asked for what is `put` then.
    pub(crate) fn era(&self) -> Era {
        self.entries().era
    }

    /// What the store said, when it was asked at `now`.
    pub(crate) fn put(
        &self,
        digest: [u8; 32],
        credential: Option<Arc<Credential>>,
        now: Duration,
        era: Era,
    ) {
        let mut entries = self.entries();
        if entries.era != era {
            return;
        }
        let known = &mut entries.known;
        if known.len() >= ENTRIES_MAX {
            known.retain(|_, entry| entry.is_new(now));
            if known.len() >= ENTRIES_MAX {
                known.clear();
            }
        }
        let entry = Entry {
            credential,
            read_at: now,
            asked_at: now,
        };
        known.insert(digest, entry);
    }

    /// After a revocation: nothing here is believed any more.
    pub(crate) fn clear(&self) {
        let mut entries = self.entries();
        entries.known.clear();
        entries.era.0 += 1;
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_new(&self, now: Duration) -> bool {
        now.saturating_sub(self.read_at) < KEPT
    }

    fn is_believed(&self, now: Duration) -> bool {
        now.saturating_sub(self.read_at) < KEPT_AWAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::{
        Timestamp,
        people::{CredentialKind, Role},
    };

    const SECRET: [u8; 32] = [1; 32];

    fn token() -> Option<Arc<Credential>> {
        Some(Arc::new(Credential {
            id: "session-1".parse().unwrap(),
            kind: CredentialKind::Token,
            secret_sha256: String::new(),
            role: Role::Owner,
            name: "kim".to_owned(),
            created_at: Timestamp(0),
            expires_at: None,
            last_used_at: None,
        }))
    }

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn entries_never_get_too_many() {
        let cache = Cache::default();
        for number in 0..20_000_u32 {
            let mut digest = [0; 32];
            digest[..4].copy_from_slice(&number.to_le_bytes());
            cache.put(digest, None, at(6.0), cache.era());
        }
        assert!(cache.entries().known.len() <= ENTRIES_MAX);
        cache.clear();
        assert!(cache.entries().known.is_empty());
    }

    #[test]
    fn the_store_is_asked_again_after_some_seconds_and_its_last_answer_counts_meanwhile() {
        let cache = Cache::default();
        let known = token();
        cache.put(SECRET, known.clone(), at(0.0), cache.era());
        assert_eq!(cache.get(&SECRET, at(4.9)), Seen::Lately(known.clone()));
        assert_eq!(
            cache.get(&SECRET, at(5.0)),
            Seen::Before(known.clone().unwrap())
        );
        assert_eq!(cache.get(&SECRET, at(5.5)), Seen::Lately(known.clone()));
        assert_eq!(cache.get(&SECRET, at(899.0)), Seen::Before(known.unwrap()));
        assert_eq!(cache.get(&SECRET, at(900.0)), Seen::Never);
    }

    #[test]
    fn who_was_not_known_is_asked_for_again() {
        let cache = Cache::default();
        cache.put(SECRET, None, at(0.0), cache.era());
        assert_eq!(cache.get(&SECRET, at(4.9)), Seen::Lately(None));
        assert_eq!(cache.get(&SECRET, at(5.0)), Seen::Never);
    }

    #[test]
    fn what_was_read_before_a_revocation_is_not_believed_after_it() {
        let cache = Cache::default();
        let before = cache.era();
        cache.put(SECRET, token(), at(0.0), before);
        cache.clear();
        assert_eq!(cache.get(&SECRET, at(0.1)), Seen::Never);
        cache.put(SECRET, token(), at(0.2), before);
        assert_eq!(cache.get(&SECRET, at(0.2)), Seen::Never);
    }
}

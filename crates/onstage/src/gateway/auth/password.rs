//! The stakeholders' shared password, held as an argon2id hash.
//! Does not count failures.

use argon2::{Algorithm, Argon2, Params, Version};
use onstage_core::{Error, Result};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Memory of one hash in KiB, passes and lanes: the smaller of the two recommended sets.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes computed at once, so that logins cannot eat the memory.
const AT_ONCE_MAX: usize = 2;
/// Longer passwords are refused before they are hashed.
const PASSWORD_BYTES_MAX: usize = 1024;

/// The password as this process knows it.
pub(crate) struct Password {
    hash: Arc<Hash>,
    seats: Arc<Semaphore>,
}

struct Hash {
    salt: [u8; 16],
    hash: [u8; 32],
}

impl Password {
    pub(crate) fn new(password: &str, salt: u128) -> Self {
        let salt = salt.to_le_bytes();
        Self {
            hash: Arc::new(Hash {
                salt,
                hash: hash(password, &salt),
            }),
            seats: Arc::new(Semaphore::new(AT_ONCE_MAX)),
        }
    }

    /// Whether `attempt` is the password. Takes some milliseconds of another thread.
    pub(crate) async fn check(&self, attempt: String) -> Result<bool> {
        if attempt.len() > PASSWORD_BYTES_MAX {
            return Ok(false);
        }
        let seat = Arc::clone(&self.seats)
            .acquire_owned()
            .await
            .map_err(|error| Error::internal("the password check is closed").because(error))?;
        let known = Arc::clone(&self.hash);
        tokio::task::spawn_blocking(move || {
            let _seat = seat;
            let different = hash(&attempt, &known.salt)
                .iter()
                .zip(&known.hash)
                .fold(0, |bits, (a, b)| bits | (a ^ b));
            different == 0
        })
        .await
        .map_err(|error| Error::internal("the password check broke").because(error))
    }
}

fn hash(password: &str, salt: &[u8; 16]) -> [u8; 32] {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).expect("the parameters are legal");
    let mut out = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut out)
        .expect("the lengths are legal");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_fits() {
        let password = Password::new("fish and chips", 7);
        assert!(password.check("fish and chips".to_owned()).await.unwrap());
        for wrong in ["fish and chip", "Fish and chips", "", &"x".repeat(5000)] {
            assert!(!password.check(wrong.to_owned()).await.unwrap(), "{wrong}");
        }
    }
}

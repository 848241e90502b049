//! Locks on files, so that a front and its tasks do not make the same thing twice.
//! The kernel frees a lock when its holder dies.

use onstage_core::{Error, Kind, Result};
use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    time::Duration,
};

const LOOK_AGAIN_MS: u64 = 50;

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Waits for the lock on `path`, which is created when it is not there. Errors: timeout, unavailable.
pub(crate) async fn lock(path: &Path, what: &str, wait_max: Duration) -> Result<Lock> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|error| unavailable(path, error))?;
    let look = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                // A lock that somebody holds cannot be awaited without a blocked thread; looking twenty times a second costs less.
                Err(TryLockError::WouldBlock) => {
                    tokio::time::sleep(Duration::from_millis(LOOK_AGAIN_MS)).await;
                }
                Err(TryLockError::Error(error)) => return Err(unavailable(path, error)),
            }
        }
    };
    match tokio::time::timeout(wait_max, look).await {
        Ok(result) => result.map(|()| Lock { _file: file }),
        Err(_) => Err(Error::timeout(format!(
            "{what} is still being made by another process after {} s",
            wait_max.as_secs()
        ))),
    }
}

fn unavailable(path: &Path, error: std::io::Error) -> Error {
    Error::new(
        Kind::Unavailable,
        format!("lock `{}` cannot be taken", path.display()),
    )
    .because(error)
}

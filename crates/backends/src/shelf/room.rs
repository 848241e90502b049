//! Which entries make room: those that were used longest ago and that nobody reads.
//! Does not fetch anything.

use super::{
    entry::{ARRIVING, ARRIVING_BEFORE, Entry, LOCK_ENDING, noted_size},
    on_disk,
};
use onstage_core::Result;
use std::{fs, path::Path, path::PathBuf, time::SystemTime};

struct Known {
    lock: PathBuf,
    bytes: u64,
    used_at: SystemTime,
}

/// Removes until no more than `bytes_max` are left, or nothing that is not in use; what has just come, for somebody who will take it at once, stays.
pub(crate) fn make(folder: &Path, bytes_max: u64, came: Option<&Entry>) -> Result<()> {
    let mut all = known(folder)?;
    let mut sum: u64 = all.iter().map(|one| one.bytes).sum();
    all.sort_by_key(|one| one.used_at);
    for one in all {
        if sum <= bytes_max {
            break;
        }
        let entry = Entry::at(one.lock.with_extension(""));
        if came.is_some_and(|came| came.place() == entry.place()) {
            continue;
        }
        let Some(lock) = entry.alone_now()? else {
            continue;
        };
        entry.remove(lock)?;
        tracing::info!(bytes = one.bytes, entry = %entry.place().display(), "what was used longest ago made room on this host");
        sum -= one.bytes;
    }
    Ok(())
}

/// Removes what was on its way when somebody died.
pub(crate) fn sweep(folder: &Path) {
    for found in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = found.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(ARRIVING) || name.starts_with(ARRIVING_BEFORE) {
            Entry::forget_arriving(folder, &name);
        }
    }
}

fn known(folder: &Path) -> Result<Vec<Known>> {
    let mut all = Vec::new();
    for found in fs::read_dir(folder).map_err(on_disk)? {
        let lock = found.map_err(on_disk)?.path();
        if lock.extension().is_none_or(|ending| ending != LOCK_ENDING) {
            continue;
        }
        // One that is gone by now needs no room.
        let Ok(used_at) = fs::metadata(&lock).and_then(|facts| facts.modified()) else {
            continue;
        };
        all.push(Known {
            bytes: noted_size(&lock),
            lock,
            used_at,
        });
    }
    Ok(all)
}

//! Processes that came to us when their own parent ended (see `adopted`), and that nobody waits for: reaped here, so that none stays a zombie.
//! Does not end anything.

use super::{adopted::reap, procfs};
use rustix::process::{Pid, WaitOptions, waitpgid};
use std::{collections::BTreeSet, time::Duration};

/// How often the members of a killed group are looked for.
const TRIES_MAX: u32 = 20;
const TRY_EVERY: Duration = Duration::from_millis(25);

/// Reaps what has come to us of a group that was just killed and whose leader is reaped already.
pub(super) async fn reap_group(leader: u32) {
    let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) else {
        return;
    };
    for _ in 0..TRIES_MAX {
        loop {
            match waitpgid(group, WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                // No child of ours is in it.
                Err(_) => return,
            }
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
}

/// The zombies among our children at the last look.
#[derive(Debug, Default)]
pub(super) struct Strays(BTreeSet<u32>);

impl Strays {
    /// Reaps zombies that were there at the last look as well: whoever waits for a child of his own has done so long before.
    pub(super) fn look(&mut self) {
        if !any() {
            return self.0.clear();
        }
        let now: BTreeSet<u32> = procfs::dead_children(std::process::id()).collect();
        for pid in now.intersection(&self.0) {
            if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                let _ = reap(pid);
            }
        }
        self.0 = now;
    }
}

/// Whether any child of ours is a zombie: asks without reaping, and without reading all of /proc.
fn any() -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::All, look), Ok(Some(_)))
    }
    #[cfg(not(target_os = "linux"))]
    false
}

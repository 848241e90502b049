//! Which process a number meant when it was written down, so that a reused number fools nobody.
//! Does not start anything; where the platform does not tell, a process is not taken for dead.

use super::{child::signal_group, procfs};
use rustix::{
    io::Errno,
    process::{Pid, Signal, test_kill_process},
};
use serde::{Deserialize, Serialize};

/// A process, as nobody else can be it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// 0 where the platform does not tell.
    pub(super) start_ticks: u64,
    /// Empty where the platform does not tell.
    pub(super) boot_id: String,
}

impl Process {
    pub(super) fn of(pid: u32) -> Self {
        Self {
            pid,
            start_ticks: procfs::stat(pid).map_or(0, |stat| stat.start_ticks),
            boot_id: procfs::boot_id(),
        }
    }

    /// Whether this very process still runs; one that has ended but was not reaped does not.
    /// Without /proc only a number that nobody has is known to be dead.
    pub(super) fn is_alive(&self) -> bool {
        let boot_id = procfs::boot_id();
        if boot_id.is_empty() || self.boot_id.is_empty() {
            return is_somebody(self.pid);
        }
        self.boot_id == boot_id
            && procfs::stat(self.pid).is_some_and(|stat| {
                stat.start_ticks == self.start_ticks && !matches!(stat.state, 'Z' | 'X')
            })
    }

    /// Ends what is left of the group of a process that has ended. A group's number is not given to a new process while the group has
    /// members; when the number belongs to somebody else by now, the group was empty, and nobody is touched.
    pub(super) fn end_leftovers(&self) {
        let known = !self.boot_id.is_empty() && self.start_ticks > 0;
        if !known || self.boot_id != procfs::boot_id() {
            return;
        }
        let reused =
            procfs::stat(self.pid).is_some_and(|stat| stat.start_ticks != self.start_ticks);
        // Members are children of the leader: an older one says that the number is another's.
        let foreign = || procfs::group_began(self.pid).is_some_and(|at| at < self.start_ticks);
        if !reused && !foreign() {
            signal_group(self.pid, Signal::KILL);
        }
    }
}

/// Whether any process has this number now.
fn is_somebody(pid: u32) -> bool {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_dead() {
        let nameless = |pid| Process {
            pid,
            start_ticks: 0,
            boot_id: String::new(),
        };
        assert!(nameless(std::process::id()).is_alive());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(!nameless(pid).is_alive(), "nobody has this number");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn another_with_the_same_number_is_somebody_else() {
        let own = Process::of(std::process::id());
        assert!(own.is_alive());
        let earlier = Process {
            start_ticks: own.start_ticks - 1,
            ..own.clone()
        };
        assert!(!earlier.is_alive());
        let before_boot = Process {
            boot_id: "another".to_owned(),
            ..own
        };
        assert!(!before_boot.is_alive());
    }
}

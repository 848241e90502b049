//! How often the kernel killed for memory in our control group: what turns a SIGKILL of unknown origin into "out of memory".
//! A guess by counting; without the counters the answer is always no.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Up to here the counter has been taken for somebody's end. Of two that the kernel killed at one moment the second may find nothing
/// left; told the other way, one kill would make every later SIGKILL of an old worker one for memory.
static SEEN: AtomicU64 = AtomicU64::new(0);

/// The counter before a process started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    before: Option<u64>,
}

impl Watch {
    pub(super) fn start() -> Self {
        Self { before: count() }
    }

    /// Whether the kernel has killed anything in our control group since that explains no other end. Whoever asks takes it for its own.
    pub(super) fn grew(self) -> bool {
        matches!((self.before, count()), (Some(before), Some(now)) if rose(&SEEN, before, now))
    }
}

fn rose(seen: &AtomicU64, before: u64, now: u64) -> bool {
    now > before && seen.fetch_max(now, Relaxed) < now
}

fn count() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    counter_files(&groups)
        .into_iter()
        .find_map(|file| parse(&fs::read_to_string(file).ok()?))
}

/// Where the counter may be, for both versions of control groups, seen from the host or from inside a container.
fn counter_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        if controllers.split(',').any(|name| name == "memory") {
            files.push(format!("/sys/fs/cgroup/memory{path}/memory.oom_control"));
            files.push("/sys/fs/cgroup/memory/memory.oom_control".to_owned());
        } else if controllers.is_empty() {
            files.push(format!("/sys/fs/cgroup{path}/memory.events"));
            files.push("/sys/fs/cgroup/memory.events".to_owned());
        }
    }
    files.into_iter().map(PathBuf::from).collect()
}

/// The counter in a file of either version.
pub(super) fn parse(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .and_then(|count| count.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_explains_one_end() {
        let seen = AtomicU64::new(0);
        assert!(!rose(&seen, 3, 3), "nothing was killed");
        assert!(rose(&seen, 2, 3), "not taken by who started after it");
        assert!(!rose(&seen, 0, 3), "an old worker that somebody killed");
        assert!(rose(&seen, 0, 4));
    }

    #[test]
    fn counters_of_both_versions_are_found() {
        let files = counter_files("4:memory:/a/b\n1:cpu,cpuacct:/\n0::/user.slice\n");
        assert_eq!(
            files,
            [
                "/sys/fs/cgroup/memory/a/b/memory.oom_control",
                "/sys/fs/cgroup/memory/memory.oom_control",
                "/sys/fs/cgroup/user.slice/memory.events",
                "/sys/fs/cgroup/memory.events",
            ]
            .map(PathBuf::from)
        );
        assert_eq!(
            parse("low 0\noom 3\noom_kill 2\noom_group_kill 0\n"),
            Some(2)
        );
        assert_eq!(
            parse("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"),
            Some(5)
        );
        assert_eq!(parse("under_oom 0\n"), None);
    }
}

//! Control groups that bound the memory of a worker together with all its children, where this process may make them.
//! Where it may not, nothing is bound here; the limit on each single process stays.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

const PREFIX: &str = "onstage-";
/// In version 2 a group with processes of its own cannot bound groups inside it, so we move into this one.
const OWN: &str = "onstage-front";

/// Files of the two versions of control groups.
#[derive(Debug, Clone, Copy)]
struct Files {
    limit: &'static str,
    /// The limit of what is paged out.
    swap: &'static str,
    /// That limit counts memory in.
    swap_with_memory: bool,
    peak: &'static str,
    kills: &'static str,
    /// Has the kernel kill all of a group rather than one of it.
    together: Option<&'static str>,
    /// Kills all that is in a group.
    kill: Option<&'static str>,
}

const ONE: Files = Files {
    limit: "memory.limit_in_bytes",
    swap: "memory.memsw.limit_in_bytes",
    swap_with_memory: true,
    peak: "memory.max_usage_in_bytes",
    kills: "memory.oom_control",
    together: None,
    kill: None,
};
const TWO: Files = Files {
    limit: "memory.max",
    swap: "memory.swap.max",
    swap_with_memory: false,
    peak: "memory.peak",
    kills: "memory.events",
    together: Some("memory.oom.group"),
    kill: Some("cgroup.kill"),
};

/// Where groups are made.
#[derive(Debug)]
pub(super) struct MemoryGroups {
    base: PathBuf,
    files: Files,
    made: AtomicU64,
    left: Left,
}

/// Groups whose processes were still ending when they were let go.
#[derive(Debug, Clone, Default)]
struct Left(Arc<Mutex<Vec<PathBuf>>>);

/// The memory of one worker. Dropped, the group goes when its processes have.
#[derive(Debug)]
pub(super) struct MemoryGroup {
    folder: PathBuf,
    files: Files,
    left: Left,
    /// Kills that were counted at the last look and at the one before.
    known: Mutex<[u64; 2]>,
}

impl MemoryGroups {
    /// `None` where this process may not bound anybody's memory.
    pub(super) fn find() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let (base, files) = place(Path::new("/sys/fs/cgroup"), &own)?;
        let groups = Self {
            base,
            files,
            made: AtomicU64::new(0),
            left: Left::default(),
        };
        if files.together.is_some() {
            groups.hand_down().ok()?;
        }
        // The proof that it works.
        let first = groups.make(u64::MAX >> 1).ok()?;
        drop(first);
        groups.sweep();
        Some(groups)
    }

    /// Errors: what the system says.
    pub(super) fn make(&self, bytes_max: u64) -> io::Result<MemoryGroup> {
        self.left.remove();
        let number = self.made.fetch_add(1, Relaxed);
        let folder = self
            .base
            .join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        let group = MemoryGroup {
            folder,
            files: self.files,
            left: self.left.clone(),
            known: Mutex::default(),
        };
        group.write(self.files.limit, &bytes_max.to_string())?;
        // Nothing beyond the limit is paged out, where the kernel counts that.
        let most = if self.files.swap_with_memory {
            bytes_max
        } else {
            0
        };
        let _ = group.write(self.files.swap, &most.to_string());
        if let Some(together) = self.files.together {
            let _ = group.write(together, "1");
        }
        Ok(group)
    }

    /// Lets groups inside ours have limits (version 2).
    fn hand_down(&self) -> io::Result<()> {
        let control = self.base.join("cgroup.subtree_control");
        if fs::write(&control, "+memory").is_ok() {
            return Ok(());
        }
        let me = std::process::id().to_string();
        if fs::read_to_string(self.base.join("cgroup.procs"))?.trim() != me {
            // Somebody's session: it is not ours to arrange.
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let own = self.base.join(OWN);
        if !own.is_dir() {
            fs::create_dir(&own)?;
        }
        fs::write(own.join("cgroup.procs"), me)?;
        fs::write(&control, "+memory")
    }

    /// Removes empty groups of processes that are gone.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.base).into_iter().flatten().flatten() {
            if let Some(owner) = owner(&entry.file_name().to_string_lossy())
                && !Path::new("/proc").join(owner.to_string()).exists()
            {
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

impl MemoryGroup {
    /// From now on the process and the children it starts are in it.
    pub(super) fn add(&self, pid: u32) -> io::Result<()> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// Whether the kernel has killed one of it for memory, ever.
    pub(super) fn was_hit(&self) -> bool {
        self.kills() > 0
    }

    /// Whether it has since the last look but one: whoever ends over a lost child may take a while for it.
    pub(super) fn was_hit_lately(&self) -> bool {
        self.kills() > self.known()[0]
    }

    /// Is to be called now and then; what was counted two calls ago is old.
    pub(super) fn look(&self) {
        let kills = self.kills();
        let mut known = self.known();
        *known = [known[1], kills];
    }

    fn kills(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join(self.files.kills)).unwrap_or_default();
        super::kernel_kills::parse(&text).unwrap_or(0)
    }

    fn known(&self) -> MutexGuard<'_, [u64; 2]> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The most that it held at a time, where the kernel tells.
    pub(super) fn peak_bytes(&self) -> Option<u64> {
        let text = fs::read_to_string(self.folder.join(self.files.peak)).ok()?;
        text.trim().parse().ok()
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        fs::write(self.folder.join(file), text)
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // Also what has left the worker's process group.
        if let Some(kill) = self.files.kill {
            let _ = self.write(kill, "1");
        }
        // While the last of it are being killed the kernel refuses; then it goes when the next one is made.
        if fs::remove_dir(&self.folder).is_err() {
            self.left.paths().push(std::mem::take(&mut self.folder));
        }
    }
}

impl Left {
    fn remove(&self) {
        self.paths()
            .retain(|path| fs::remove_dir(path).is_err() && path.exists());
    }

    fn paths(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where our own group is mounted, and how its files are called.
fn place(mounted: &Path, own: &str) -> Option<(PathBuf, Files)> {
    let mut found = None;
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let path = path.trim_start_matches('/');
        if controllers.split(',').any(|name| name == "memory") {
            return Some((mounted.join("memory").join(path), ONE));
        }
        if controllers.is_empty() {
            // Where a front has moved into its own group, groups are made beside that.
            let path = path.strip_suffix(OWN).unwrap_or(path);
            found = Some((mounted.join(path), TWO));
        }
    }
    found
}

/// The process that has made a group of this name.
fn owner(name: &str) -> Option<u32> {
    let (pid, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
    pid.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn our_own_group_is_found_in_both_versions() {
        let mounted = Path::new("/mounted");
        let place = |text| place(mounted, text).map(|(base, files)| (base, files.limit));
        assert_eq!(
            place("4:memory:/a/b\n0::/\n"),
            Some((mounted.join("memory/a/b"), "memory.limit_in_bytes"))
        );
        assert_eq!(
            place("0::/user.slice/x.service\n"),
            Some((mounted.join("user.slice/x.service"), "memory.max"))
        );
        assert_eq!(
            place("0::/system.slice/x.service/onstage-front\n"),
            Some((mounted.join("system.slice/x.service/"), "memory.max"))
        );
        assert_eq!(place(""), None);
    }

    #[test]
    fn a_group_is_bound_as_a_whole_and_goes_when_it_is_empty() {
        let Some(groups) = MemoryGroups::find() else {
            println!("skipped: no control groups can be made here");
            return;
        };
        let group = groups.make(48 << 20).unwrap();
        let folder = group.folder.clone();
        // Two children of 30 MiB each are too much together, not alone.
        let eats = "x = bytearray(30 << 20); import time; time.sleep(30)";
        let script = format!(
            r#"read go; for n in 1 2; do python3 -c "{eats}" & done; wait -n && exit; kill $(jobs -p); wait; exit 1"#
        );
        let mut child = Command::new("bash")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        group.add(child.id()).unwrap();
        drop(child.stdin.take());
        assert!(!child.wait().unwrap().success());
        assert!(group.was_hit() && group.was_hit_lately());
        group.look();
        assert!(group.was_hit_lately(), "it may still be ending over it");
        group.look();
        assert!(group.was_hit() && !group.was_hit_lately());
        assert!(group.peak_bytes().is_some_and(|bytes| bytes <= 49 << 20));
        drop(group);
        // Those that were killed may still be on their way out.
        for _ in 0..2_000 {
            drop(groups.make(1 << 30).unwrap());
            if !folder.exists() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("`{}` is still there", folder.display());
    }

    #[test]
    fn only_groups_of_workers_have_an_owner() {
        assert_eq!(owner("onstage-417-3"), Some(417));
        assert_eq!(owner("onstage-front"), None);
        assert_eq!(owner("docker-417-3"), None);
    }
}

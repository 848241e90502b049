//! Control groups that bound the memory and the processors of a worker together with all its children, where this process may make them.
//! Where it may not, nothing is bound here; the limit on the memory of each single process stays.

mod folder;
mod memory;
mod place;
#[cfg(test)]
mod tests;

use folder::{Folder, Left};
pub(super) use memory::Memory;
use place::{PREFIX, Place, Version, owner};
use std::{
    fs, io,
    path::Path,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// The processors' time is given out anew so often.
const PERIOD_US: u64 = 100_000;
/// The kernel gives no less at a time.
const QUOTA_US_MIN: u64 = 1_000;

/// Groups of this process, by which they have different names.
static MADE: AtomicU64 = AtomicU64::new(0);

/// What a worker and its children may have together; `None` is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    pub(super) memory_bytes: Option<u64>,
    /// Processors' worth of time, also a fraction.
    pub(super) cpus: Option<f64>,
}

/// Where groups are made.
#[derive(Debug)]
pub(super) struct ControlGroups {
    memory: Option<Place>,
    cpu: Option<Place>,
    left: Left,
}

/// The group of one worker. Dropped, it goes when its processes have.
#[derive(Debug)]
pub(super) struct ControlGroup {
    memory: Option<Memory>,
    folders: Vec<Folder>,
}

impl ControlGroups {
    /// Limits that this process may not set are not.
    pub(super) fn find() -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let place = |controller| Place::of(controller, Path::new("/sys/fs/cgroup"), &own);
        let mut groups = Self {
            memory: place("memory"),
            cpu: place("cpu"),
            left: Left::default(),
        };
        // The proof that it works, of each by itself.
        let (memory_bytes, cpus) = (Some(u64::MAX >> 1), Some(0.01));
        let none = Limits::default();
        if !groups.can(Limits {
            memory_bytes,
            ..none
        }) {
            groups.memory = None;
        }
        if !groups.can(Limits { cpus, ..none }) {
            groups.cpu = None;
        }
        for place in [&groups.memory, &groups.cpu].into_iter().flatten() {
            sweep(&place.base);
        }
        groups
    }

    fn can(&self, limits: Limits) -> bool {
        let places = [
            (&self.memory, limits.memory_bytes.is_some()),
            (&self.cpu, limits.cpus.is_some()),
        ];
        let mut wanted = places.into_iter().filter(|(_, wanted)| *wanted);
        wanted.all(|(place, _)| {
            place
                .as_ref()
                .is_some_and(|place| place.hand_down().is_ok())
        }) && self.make(limits).is_ok()
    }

    /// A group with those of the limits that can be set here; `None` when that is none. Errors: what the system says.
    pub(super) fn make(&self, limits: Limits) -> io::Result<Option<ControlGroup>> {
        self.left.remove();
        let memory = self.memory.as_ref().zip(limits.memory_bytes);
        let cpu = self.cpu.as_ref().zip(limits.cpus);
        let number = MADE.fetch_add(1, Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let mut group = ControlGroup {
            memory: None,
            folders: Vec::new(),
        };
        if let Some((place, bytes_max)) = memory {
            let folder = group.folder(place, &name, &self.left)?;
            group.memory = Some(Memory::bound(folder, place.version, bytes_max)?);
        }
        if let Some((place, cpus)) = cpu {
            let folder = group.folder(place, &name, &self.left)?;
            bound_cpu(&folder, place.version, cpus)?;
        }
        Ok((!group.folders.is_empty()).then_some(group))
    }
}

impl ControlGroup {
    /// From now on the process and the children it starts are in it.
    pub(super) fn add(&self, pid: u32) -> io::Result<()> {
        self.folders
            .iter()
            .try_for_each(|folder| fs::write(folder.path.join("cgroup.procs"), pid.to_string()))
    }

    /// Where its memory is bound, what the kernel says about that.
    pub(super) fn memory(&self) -> Option<&Memory> {
        self.memory.as_ref()
    }

    /// The one at this place; in version 2 all limits are in the same.
    fn folder(&mut self, place: &Place, name: &str, left: &Left) -> io::Result<std::path::PathBuf> {
        let path = place.base.join(name);
        if self.folders.iter().all(|folder| folder.path != path) {
            let kill = (place.version == Version::Two).then_some("cgroup.kill");
            self.folders.push(Folder::make(path.clone(), kill, left)?);
        }
        Ok(path)
    }
}

fn bound_cpu(folder: &Path, version: Version, cpus: f64) -> io::Result<()> {
    let quota = ((cpus * PERIOD_US as f64) as u64).max(QUOTA_US_MIN);
    let set = match version {
        Version::One => {
            fs::write(folder.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
            fs::write(folder.join("cpu.cfs_quota_us"), quota.to_string())
        }
        Version::Two => fs::write(folder.join("cpu.max"), format!("{quota} {PERIOD_US}")),
    };
    match set {
        // The groups around it give less than that anyway.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        set => set,
    }
}

/// Removes empty groups of processes that are gone.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        if let Some(owner) = owner(&entry.file_name().to_string_lossy())
            && !Path::new("/proc").join(owner.to_string()).exists()
        {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

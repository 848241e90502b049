//! The limit on a group's memory, and what the kernel tells of it.
//! Makes no folders.

use super::place::Version;
use crate::process::kernel_kills;
use std::{
    fs, io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

#[derive(Debug)]
pub(in crate::process) struct Memory {
    folder: PathBuf,
    files: Files,
    /// Kills that were counted at the last look and at the one before.
    known: Mutex<[u64; 2]>,
}

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
}

const ONE: Files = Files {
    limit: "memory.limit_in_bytes",
    swap: "memory.memsw.limit_in_bytes",
    swap_with_memory: true,
    peak: "memory.max_usage_in_bytes",
    kills: "memory.oom_control",
    together: None,
};
const TWO: Files = Files {
    limit: "memory.max",
    swap: "memory.swap.max",
    swap_with_memory: false,
    peak: "memory.peak",
    kills: "memory.events",
    together: Some("memory.oom.group"),
};

impl Memory {
    pub(super) fn bound(folder: PathBuf, version: Version, bytes_max: u64) -> io::Result<Self> {
        let files = match version {
            Version::One => ONE,
            Version::Two => TWO,
        };
        let memory = Self {
            folder,
            files,
            known: Mutex::default(),
        };
        memory.write(files.limit, bytes_max)?;
        // Nothing beyond the limit is paged out, where the kernel counts that.
        let most = if files.swap_with_memory { bytes_max } else { 0 };
        let _ = memory.write(files.swap, most);
        if let Some(together) = files.together {
            let _ = memory.write(together, 1);
        }
        Ok(memory)
    }

    /// Whether the kernel has killed one of it for memory, ever.
    pub(in crate::process) fn was_hit(&self) -> bool {
        self.kills() > 0
    }

    /// Whether it has since the last look but one: whoever ends over a lost child may take a while for it.
    pub(in crate::process) fn was_hit_lately(&self) -> bool {
        self.kills() > self.known()[0]
    }

    /// Is to be called now and then; what was counted two calls ago is old.
    pub(in crate::process) fn look(&self) {
        let kills = self.kills();
        let mut known = self.known();
        *known = [known[1], kills];
    }

    /// The most that it held at a time, where the kernel tells.
    pub(in crate::process) fn peak_bytes(&self) -> Option<u64> {
        let text = fs::read_to_string(self.folder.join(self.files.peak)).ok()?;
        text.trim().parse().ok()
    }

    fn kills(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join(self.files.kills)).unwrap_or_default();
        kernel_kills::parse(&text).unwrap_or(0)
    }

    fn known(&self) -> MutexGuard<'_, [u64; 2]> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, file: &str, number: u64) -> io::Result<()> {
        fs::write(self.folder.join(file), number.to_string())
    }
}

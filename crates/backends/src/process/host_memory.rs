//! How much memory this host has and how much of it is free, a container's own limit included.
//! Reads /proc and cgroup files; on other platforms the answer is "unknown".

use onstage_core::ports::HostMemory;
use std::{fs, path::Path};

pub(super) fn host_memory() -> Option<HostMemory> {
    let machine = parse_meminfo(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(
        match own.lines().find_map(|line| line.strip_prefix("0::/")) {
            Some(own) => narrowed(machine, Path::new("/sys/fs/cgroup"), own),
            None => machine,
        },
    )
}

fn parse_meminfo(text: &str) -> Option<HostMemory> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().split_ascii_whitespace().next()?.parse().ok()?;
        Some(kib * 1024)
    };
    Some(HostMemory {
        total_bytes: field("MemTotal:")?,
        available_bytes: field("MemAvailable:")?,
    })
}

/// Each group (version 2) bounds what is below it: the narrowest counts, which need not be our own.
fn narrowed(machine: HostMemory, mounted: &Path, own: &str) -> HostMemory {
    let own = mounted.join(own);
    let groups = own.ancestors().take_while(|at| at.starts_with(mounted));
    groups.filter_map(limit).fold(machine, |a, b| HostMemory {
        total_bytes: a.total_bytes.min(b.total_bytes),
        available_bytes: a.available_bytes.min(b.available_bytes),
    })
}

/// What a control group allows, where it has a limit.
fn limit(folder: &Path) -> Option<HostMemory> {
    let number = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        text.trim().parse().ok()
    };
    let (total, used) = (number("memory.max")?, number("memory.current")?);
    // Pages of files are given up when they are needed.
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let files = stat
        .lines()
        .find_map(|line| line.strip_prefix("inactive_file "))
        .and_then(|bytes| bytes.parse::<u64>().ok())
        .unwrap_or(0);
    Some(HostMemory {
        total_bytes: total,
        available_bytes: total.saturating_sub(used.saturating_sub(files)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_words_are_read() {
        let text = "MemTotal:       24000000 kB\nMemFree:  1 kB\nMemAvailable:   20000000 kB\n";
        let read = parse_meminfo(text).unwrap();
        assert_eq!(read.total_bytes, 24_000_000 * 1024);
        assert_eq!(read.available_bytes, 20_000_000 * 1024);
        assert_eq!(parse_meminfo("MemTotal: 1 kB"), None);
    }

    #[test]
    fn the_narrowest_group_above_us_counts() {
        const GIB: u64 = 1 << 30;
        let mounted = tempfile::tempdir().unwrap();
        let group = |path: &str, max: &str, current: u64, files: u64| {
            let folder = mounted.path().join(path);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("memory.max"), format!("{max}\n")).unwrap();
            fs::write(folder.join("memory.current"), format!("{current}\n")).unwrap();
            let stat = format!("anon 1\ninactive_file {files}\n");
            fs::write(folder.join("memory.stat"), stat).unwrap();
        };
        group("a", &(8 * GIB).to_string(), 7 * GIB, 0);
        group("a/service", &(4 * GIB).to_string(), 2 * GIB, GIB);
        group("a/service/onstage-front", "max", GIB, 0);
        let machine = HostMemory {
            total_bytes: 16 * GIB,
            available_bytes: 10 * GIB,
        };
        let narrowed = |own| {
            let memory = narrowed(machine, mounted.path(), own);
            (memory.total_bytes / GIB, memory.available_bytes / GIB)
        };
        assert_eq!(narrowed("a/service/onstage-front"), (4, 1));
        assert_eq!(narrowed("a"), (8, 1));
        assert_eq!(narrowed(""), (16, 10));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_host_has_memory() {
        let memory = host_memory().unwrap();
        assert!(memory.available_bytes > 0 && memory.available_bytes <= memory.total_bytes);
    }
}

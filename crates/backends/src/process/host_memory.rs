//! How much memory this host has and how much of it is free, a container's own limit included.
//! Reads /proc and cgroup files; on other platforms the answer is "unknown".

use onstage_core::ports::HostMemory;
use std::{fs, path::Path};

pub(super) fn host_memory() -> Option<HostMemory> {
    let machine = parse_meminfo(&fs::read_to_string("/proc/meminfo").ok()?)?;
    Some(match cgroup(Path::new("/sys/fs/cgroup")) {
        Some(limit) if limit.total_bytes < machine.total_bytes => HostMemory {
            total_bytes: limit.total_bytes,
            available_bytes: limit.available_bytes.min(machine.available_bytes),
        },
        _ => machine,
    })
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

/// The limit of this process's control group (version 2), where there is one.
fn cgroup(root: &Path) -> Option<HostMemory> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = root.join(own);
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

    #[cfg(target_os = "linux")]
    #[test]
    fn this_host_has_memory() {
        let memory = host_memory().unwrap();
        assert!(memory.available_bytes > 0 && memory.available_bytes <= memory.total_bytes);
    }
}

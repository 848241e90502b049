//! What /proc tells about processes: whether one still is the one we started, its group, its memory.
//! On platforms without /proc every answer is "unknown".

use std::fs;

/// A process's line in /proc: enough to tell it from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) state: char,
    parent: u32,
    pub(super) group: u32,
    /// Clock ticks after boot.
    pub(super) start_ticks: u64,
}

pub(super) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in brackets may hold spaces and brackets, so the fields count from the last closing one.
fn parse_stat(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        start_ticks: fields.get(19)?.parse().ok()?,
    })
}

/// A different text after every boot.
pub(super) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// The proportional set size of a group: shared pages count in parts, so that forked workers are not counted twice.
pub(super) fn group_memory_bytes(group: u32) -> Option<u64> {
    let mut total = None;
    for pid in pids() {
        if stat(pid).is_some_and(|stat| stat.group == group)
            && let Some(bytes) = pss_bytes(pid)
        {
            *total.get_or_insert(0) += bytes;
        }
    }
    total
}

/// When the oldest member of a group was started, in clock ticks after boot.
pub(super) fn group_began(group: u32) -> Option<u64> {
    pids()
        .filter_map(stat)
        .filter(|stat| stat.group == group)
        .map(|stat| stat.start_ticks)
        .min()
}

/// The children of a process that have ended and were not reaped.
pub(super) fn dead_children(parent: u32) -> impl Iterator<Item = u32> {
    pids().filter(move |pid| {
        stat(*pid).is_some_and(|stat| stat.parent == parent && stat.state == 'Z')
    })
}

fn pids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn pss_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find(|line| line.starts_with("Pss:"))?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_confuse() {
        let line = "42 (a) b (c) S 1 40 40 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 2";
        let stat = parse_stat(line).unwrap();
        assert_eq!(
            (stat.state, stat.group, stat.start_ticks),
            ('S', 40, 98_765)
        );
        assert_eq!(parse_stat("42 (a) S"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_a_start_and_memory() {
        let own = stat(std::process::id()).unwrap();
        assert!(own.start_ticks > 0);
        assert!(group_memory_bytes(own.group).unwrap() > 1 << 20);
        assert_eq!(stat(u32::MAX), None);
    }
}

//! Groups with real processes in them, where this machine lets us make some.

use super::*;
use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// Waits for a line before it does anything, so that it can be put into a group.
fn waiting(script: &str) -> Child {
    Command::new("bash")
        .args(["-c", &format!("read go; {script}")])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
}

fn run_in(group: &ControlGroup, script: &str) -> bool {
    let mut child = waiting(script);
    group.add(child.id()).unwrap();
    drop(child.stdin.take());
    child.wait().unwrap().success()
}

fn folders(group: &ControlGroup) -> Vec<PathBuf> {
    let folders = group.folders.iter();
    folders.map(|folder| folder.path.clone()).collect()
}

#[test]
fn memory_is_bound_as_a_whole_and_the_group_goes_when_it_is_empty() {
    let groups = ControlGroups::find();
    let bytes = |bytes| Limits {
        memory_bytes: Some(bytes),
        cpus: None,
    };
    let Some(group) = groups.make(bytes(48 << 20)).unwrap() else {
        println!("skipped: no memory can be bound by control groups here");
        return;
    };
    let folders = folders(&group);
    // Two children of 30 MiB each are too much together, not alone.
    let eats = "x = bytearray(30 << 20); import time; time.sleep(30)";
    let script = format!(
        r#"for n in 1 2; do python3 -c "{eats}" & done; wait -n && exit; kill $(jobs -p); wait; exit 1"#
    );
    assert!(!run_in(&group, &script));
    let memory = group.memory().unwrap();
    assert!(memory.was_hit() && memory.was_hit_lately());
    memory.look();
    assert!(memory.was_hit_lately(), "it may still be ending over it");
    memory.look();
    assert!(memory.was_hit() && !memory.was_hit_lately());
    assert!(memory.peak_bytes().is_some_and(|bytes| bytes <= 49 << 20));
    drop(group);
    // Those that were killed may still be on their way out.
    for _ in 0..2_000 {
        drop(groups.make(bytes(1 << 30)).unwrap());
        if folders.iter().all(|folder| !folder.exists()) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("{folders:?} are still there");
}

#[test]
fn processors_are_bound_and_memory_is_not() {
    let groups = ControlGroups::find();
    let held_up = |cpus| {
        let limits = Limits {
            memory_bytes: None,
            cpus: Some(cpus),
        };
        let group = groups.make(limits).unwrap()?;
        assert!(group.memory().is_none());
        // For more of the processor's time than a half of one gives in a period.
        let works = "import time\nwhile time.process_time() < 0.3: pass";
        assert!(run_in(&group, &format!("python3 -c '{works}'")));
        let told = fs::read_to_string(folders(&group)[0].join("cpu.stat")).unwrap();
        let times = told
            .lines()
            .find_map(|line| line.strip_prefix("nr_throttled "));
        times.unwrap().trim().parse::<u64>().ok()
    };
    let (Some(half), Some(all)) = (held_up(0.5), held_up(64.0)) else {
        println!("skipped: no processors can be bound by control groups here");
        return;
    };
    assert!(half > 0, "it had more than its half");
    assert_eq!(all, 0);
}

#[test]
fn what_is_not_limited_has_no_group() {
    assert!(
        ControlGroups::find()
            .make(Limits::default())
            .unwrap()
            .is_none()
    );
}

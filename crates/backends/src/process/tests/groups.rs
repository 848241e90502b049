//! What is left of workers whose owner was killed.

use super::{
    host::{DIAL, Host},
    number_in, runs, until,
};
use crate::process::{
    child::{Confinement, confine},
    groups,
    identity::Process,
    owned_dir::OwnedDir,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command},
};

/// A leader with a child, whose number is in the file.
fn family(noted: &Path) -> Child {
    let mut command = Command::new("sh");
    let script = format!("sleep 600 & echo $! > {}; wait", noted.display());
    command.args(["-c", &script]);
    confine(&mut command, Confinement::default());
    command.spawn().unwrap()
}

fn groups_in(data: &Path) -> Vec<PathBuf> {
    let owners = fs::read_dir(data.join("tmp")).unwrap().flatten();
    owners
        .flat_map(|owner| fs::read_dir(owner.path()).unwrap().flatten())
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "group"))
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_workers_of_a_killed_owner_started_ends_with_their_folder() {
    let base = tempfile::tempdir().unwrap();
    let dead = base.path().join("onstage-dead");
    fs::create_dir(&dead).unwrap();
    File::create(dead.join(".lock")).unwrap();
    let (one, two) = (base.path().join("one"), base.path().join("two"));
    let (mut worker, mut other) = (family(&one), family(&two));
    until("both have a child", || {
        [&one, &two].iter().all(|file| number_in(file).is_some())
    })
    .await;
    let (grandchild, bystander) = (number_in(&one).unwrap(), number_in(&two).unwrap());
    std::mem::forget(groups::record(&dead, "7", worker.id()));
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert!(runs(grandchild), "the worker alone was killed");
    // A number that was given to somebody else meanwhile.
    let mut earlier = Process::of(other.id());
    earlier.start_ticks -= 1;
    let text = serde_json::to_vec(&earlier).unwrap();
    fs::write(dead.join("8.group"), text).unwrap();

    let _next = OwnedDir::create(base.path()).unwrap();
    until("the grandchild is gone", || !runs(grandchild)).await;
    assert!(!dead.exists());
    assert!(runs(bystander) && runs(other.id()));
    Process::of(other.id()).end_leftovers();
    other.wait().unwrap();
}

#[tokio::test]
async fn the_group_of_a_worker_is_written_down_while_it_runs() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::new(data.path(), &[]);
    let spec = host.script("", &format!("{DIAL}time.sleep(600)")).await;
    let worker = host.launch(&spec).await.unwrap();
    let written = groups_in(data.path());
    assert_eq!(written.len(), 1);
    let process: Process = serde_json::from_slice(&fs::read(&written[0]).unwrap()).unwrap();
    assert_eq!(process, Process::of(worker.pid()));
    drop(worker);
    assert!(groups_in(data.path()).is_empty());
}

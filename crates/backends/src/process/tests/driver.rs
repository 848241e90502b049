//! The driver with real processes: shell scripts in place of `onstage task`.

use super::{number_in, runs, until};
use crate::process::ProcessDriver;
use onstage_core::{
    Id,
    model::VersionId,
    ports::{Driver, RunState, TaskSpec},
    task::Lane,
};
use std::{fs, path::Path, sync::Arc, time::Duration};

const GRACE: Duration = Duration::from_secs(20);

/// The arguments that follow the script are the task's: `$1` is `--id`.
fn driver(data: &Path, script: &str) -> ProcessDriver {
    let args = ["-c", script, "task"].map(Into::into).into();
    ProcessDriver::new(data, "/bin/sh".into(), args).unwrap()
}

fn spec(id: &str) -> TaskSpec {
    TaskSpec {
        id: id.parse().unwrap(),
        version: VersionId("v1".to_owned()),
        lane: Lane::Jobs,
        memory_bytes: None,
        cpu: None,
        gpus: None,
        stop_after: Duration::from_secs(3600),
    }
}

async fn state(driver: &ProcessDriver, id: &Id) -> Option<RunState> {
    let all = driver.list().await.unwrap();
    all.into_iter()
        .find(|running| running.id == *id)
        .map(|running| running.state)
}

async fn end(driver: &ProcessDriver, id: &Id) -> String {
    for _ in 0..3_000 {
        match state(driver, id).await {
            Some(RunState::Ended(how)) => return how,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("the task never ended");
}

fn pid_of(data: &Path, id: &Id) -> u32 {
    let text = fs::read_to_string(data.join(format!("tasks/{id}.json"))).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    file["pid"].as_u64().unwrap() as u32
}

#[tokio::test]
async fn starting_the_same_id_again_starts_nothing() {
    let data = tempfile::tempdir().unwrap();
    let driver = driver(data.path(), "echo \"$@\"; sleep 600");
    let spec = spec("task-0001");
    let (first, second) = tokio::join!(driver.start(&spec), driver.start(&spec));
    first.and(second).unwrap();
    driver.start(&spec).await.unwrap();
    let log = data.path().join("tasks/task-0001.log");
    until("it wrote its arguments", || {
        fs::read_to_string(&log).is_ok_and(|text| text.ends_with('\n'))
    })
    .await;
    assert_eq!(
        fs::read_to_string(&log).unwrap(),
        "--id task-0001 --version v1 --lane jobs --stop-after 3600\n"
    );
    assert_eq!(driver.list().await.unwrap().len(), 1);
    assert_eq!(state(&driver, &spec.id).await, Some(RunState::Alive));
    driver.stop(&spec.id, GRACE).await.unwrap();
    assert_eq!(end(&driver, &spec.id).await, "killed by signal 15");
    driver.start(&spec).await.unwrap();
    assert_eq!(
        end(&driver, &spec.id).await,
        "killed by signal 15",
        "an ended id starts again"
    );
}

#[tokio::test]
async fn how_a_task_ended_is_told() {
    let data = tempfile::tempdir().unwrap();
    let driver = driver(
        data.path(),
        "case $2 in task-exit) exit 3;; task-kill) kill -9 $$;; *) exit 0;; esac",
    );
    for (id, how) in [
        ("task-exit", "exit code 3"),
        ("task-kill", "killed by signal 9"),
        ("task-fine", "exit code 0"),
    ] {
        driver.start(&spec(id)).await.unwrap();
        assert_eq!(end(&driver, &id.parse().unwrap()).await, how);
    }
    assert_eq!(
        driver.list().await.unwrap().len(),
        3,
        "they are reported for a while"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_who_look_at_once_are_told_the_same_end() {
    let data = tempfile::tempdir().unwrap();
    let driver = Arc::new(driver(data.path(), "sleep 0.1"));
    for number in 0..10 {
        let spec = spec(&format!("task-000{number}"));
        driver.start(&spec).await.unwrap();
        let looks = (0..4).map(|_| {
            let (driver, id) = (driver.clone(), spec.id.clone());
            crate::spawn::spawn("looker", async move {
                loop {
                    if let Some(RunState::Ended(how)) = state(&driver, &id).await {
                        return how;
                    }
                    tokio::task::yield_now().await;
                }
            })
        });
        for how in futures::future::join_all(looks).await {
            assert_eq!(how.unwrap().unwrap(), "exit code 0");
        }
    }
}

#[tokio::test]
async fn a_front_that_starts_again_knows_its_tasks() {
    let data = tempfile::tempdir().unwrap();
    let spec = spec("task-0001");
    let before = driver(data.path(), "sleep 600");
    before.start(&spec).await.unwrap();
    let after = driver(data.path(), "sleep 600");
    assert_eq!(state(&after, &spec.id).await, Some(RunState::Alive));
    after.start(&spec).await.unwrap();
    let pid = pid_of(data.path(), &spec.id);
    after.stop(&spec.id, GRACE).await.unwrap();
    assert!(!runs(pid));
    assert_eq!(end(&after, &spec.id).await, "is gone");
    assert_eq!(end(&before, &spec.id).await, "killed by signal 15");
}

#[tokio::test]
async fn a_task_that_ignores_the_request_is_killed_with_its_children() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("child");
    let script = format!(
        "trap '' TERM; sleep 600 & echo $! > {}; while :; do sleep 1; done",
        file.display()
    );
    let driver = driver(data.path(), &script);
    let spec = spec("task-0001");
    driver.start(&spec).await.unwrap();
    until("its child runs", || number_in(&file).is_some_and(runs)).await;
    driver
        .stop(&spec.id, Duration::from_millis(200))
        .await
        .unwrap();
    assert_eq!(end(&driver, &spec.id).await, "killed by signal 9");
    until("its child is gone", || !runs(number_in(&file).unwrap())).await;
    driver.stop(&spec.id, GRACE).await.unwrap();
    driver
        .stop(&"never-was-1".parse().unwrap(), GRACE)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_a_dead_task_left_in_its_group_is_ended() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("child");
    let driver = driver(
        data.path(),
        &format!("sleep 600 & echo $! > {}; exit 4", file.display()),
    );
    let spec = spec("task-0001");
    driver.start(&spec).await.unwrap();
    until("its child runs", || number_in(&file).is_some()).await;
    assert_eq!(end(&driver, &spec.id).await, "exit code 4");
    until("its child is gone", || !runs(number_in(&file).unwrap())).await;
}

#[tokio::test]
async fn a_reused_process_number_is_not_taken_for_the_task() {
    let data = tempfile::tempdir().unwrap();
    let driver = driver(data.path(), "exit 0");
    let mut innocent = std::process::Command::new("/bin/sh");
    std::os::unix::process::CommandExt::process_group(&mut innocent, 0);
    let mut innocent = innocent.args(["-c", "sleep 600"]).spawn().unwrap();
    let mut process = super::super::identity::Process::of(innocent.id());
    process.start_ticks -= 1;
    let json = serde_json::json!({"version": "v1", "pid": process.pid, "start_ticks": process.start_ticks, "boot_id": process.boot_id});
    fs::write(data.path().join("tasks/task-0001.json"), json.to_string()).unwrap();
    fs::write(data.path().join("tasks/task-0002.json"), "{\"vers").unwrap();
    fs::write(
        data.path().join("tasks/task-0003.json"),
        "{\"version\":\"v1\"}",
    )
    .unwrap();
    let id = "task-0001".parse().unwrap();
    assert_eq!(
        state(&driver, &id).await,
        Some(RunState::Ended("is gone".to_owned()))
    );
    for id in ["task-0002", "task-0003"] {
        assert_eq!(
            end(&driver, &id.parse().unwrap()).await,
            "was never started"
        );
    }
    driver.stop(&id, GRACE).await.unwrap();
    assert_eq!(
        innocent.try_wait().unwrap(),
        None,
        "an innocent process was ended"
    );
    let group = innocent.id();
    super::super::child::signal_group(group, rustix::process::Signal::KILL);
    innocent.wait().unwrap();
}

#[tokio::test]
async fn a_program_that_is_not_there_leaves_no_claim() {
    let data = tempfile::tempdir().unwrap();
    let driver = ProcessDriver::new(data.path(), "/nowhere/onstage".into(), vec![]).unwrap();
    let error = driver.start(&spec("task-0001")).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("task `task-0001` could not start"),
        "{error}"
    );
    assert!(driver.list().await.unwrap().is_empty());
}

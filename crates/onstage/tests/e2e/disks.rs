//! The data folder in trouble: a full disk, a folder that a newer Onstage has written.

use crate::world::{World, answer, text};
use reqwest::Method;
use serde_json::json;
use std::process::Command;

const ECHO: &str = "import onstage as on\n\n@on.predict\ndef echo(x: int) -> int:\n    return x\n";

/// A small disk of its own, mounted under the world's data folder; `None` where that is not allowed.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: &std::path::Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={megabytes}m");
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .output()
            .ok()?;
        done.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_in_words_loses_nothing_and_heals_by_itself() {
    let world = World::start().await;
    world.push("echo", ECHO, &[]).await;
    let blobs = world.data().join("blobs");
    let kept = world.upload("kept.txt", "kept").await;
    let Some(disk) = SmallDisk::mount(&blobs, 1) else {
        eprintln!("SKIPPED: mounting a small disk is not allowed here");
        world.close().await;
        return;
    };
    let part = reqwest::multipart::Part::bytes(vec![7; 4 << 20]).file_name("big.bin");
    let form = reqwest::multipart::Form::new().part("content", part);
    let (status, problem) = answer(world.request(Method::POST, "/v1/files").multipart(form)).await;
    assert_eq!(status, 507, "{problem:#}");
    assert!(problem["detail"].is_string(), "{problem:#}");
    let (status, answer_) = world.predict("echo", json!({"x": 1})).await;
    assert_eq!(
        (status, &answer_["output"]),
        (201, &json!(1)),
        "{answer_:#}"
    );
    drop(disk);
    assert!(!world.upload("again.bin", vec![7; 4 << 20]).await.is_empty());
    let (status, content) = world.get(&format!("/v1/files/{kept}/content")).await;
    assert_eq!((status, content), (200, json!("kept")));
    world.close().await;
}

#[tokio::test]
async fn a_folder_of_a_newer_onstage_is_left_alone() {
    let mut world = World::start().await;
    world.kill_server();
    let code = format!(
        "import sqlite3; db = sqlite3.connect({:?}); print(db.execute(\"update meta set value = 999 where name = 'schema_version'\").rowcount); db.commit()",
        world.data().join("onstage.db").to_str().unwrap()
    );
    let changed = Command::new("python3")
        .args(["-c", &code])
        .output()
        .unwrap();
    assert_eq!(
        text(&changed.stdout).trim(),
        "1",
        "{}",
        text(&changed.stderr)
    );
    let refused = world.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(!refused.status.success());
    let said = text(&refused.stderr);
    assert!(said.contains("999") && said.contains("hint:"), "{said}");
    world.close().await;
}

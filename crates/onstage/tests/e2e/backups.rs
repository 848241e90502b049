//! Backups of a server at work, and what comes back of them elsewhere.

use crate::world::{World, text};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

const ECHO: &str = "import onstage as on\n\n@on.predict\ndef echo(x: int) -> int:\n    return x\n";
const SLOW: &str = "import onstage as on, time\n\n@on.predict\ndef slow(x: int) -> int:\n    time.sleep(0.02)\n    return x * 2\n";

/// F43: whatever was acknowledged before a backup began is in it, and it runs.
#[tokio::test]
async fn a_backup_of_a_server_at_work_runs_elsewhere_and_lacks_nothing() {
    let mut world = World::start().await;
    world.push("echo", ECHO, &[]).await;
    world.push("slow", SLOW, &[]).await;
    let table: String = "x\n".to_owned() + &(0..400).map(|x| format!("{x}\n")).collect::<String>();
    let (_, batch) = world.batch("slow", "t.csv", table, json!({})).await;
    let batch = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    let kept = world.upload("kept.txt", "kept").await;
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = async {
        let (mut n, mut ids) = (0, Vec::new());
        while !stop.load(Relaxed) {
            let path = "/v1/models/lab/echo/predictions";
            let request = world.request(reqwest::Method::POST, path);
            // A key makes each of them a durable job before its answer.
            let request = request.header("idempotency-key", format!("n{n}"));
            let (status, made) =
                crate::world::answer(request.json(&json!({"input": {"x": n}}))).await;
            assert_eq!((status, &made["output"]), (201, &json!(n)), "{made:#}");
            ids.push(made["id"].as_str().unwrap().to_owned());
            n += 1;
            answered.store(n, Relaxed);
            world.upload("more.txt", format!("more {n}")).await;
        }
        ids
    };
    let backups = world.folder.path().join("backups");
    let place = backups.to_str().unwrap();
    let back_up = async {
        let mut before = 0;
        for _ in 0..2 {
            while answered.load(Relaxed) < before + 5 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await; // poll
            }
            before = answered.load(Relaxed);
            world.ok_json(&["backup", place]).await;
        }
        stop.store(true, Relaxed);
        before
    };
    let (made, before) = tokio::join!(load, back_up);
    world.finished(&batch).await;
    world.kill_server();

    let other = restored(place).await;
    for (n, id) in made[..before].iter().enumerate() {
        // An end is written behind its answer: what the backup came before runs again.
        let found = other.finished(&format!("/v1/predictions/{id}")).await;
        assert_eq!(found["output"], n, "{found:#}");
    }
    let (status, content) = other.get(&format!("/v1/files/{kept}/content")).await;
    assert_eq!((status, content), (200, json!("kept")));
    // The batch job was under way, and goes on when the lease of its task, which is not here, has run out.
    let (status, still) = other.get(&batch).await;
    assert_eq!(
        (status, &still["counts"]["failed"]),
        (200, &json!(0)),
        "{still:#}"
    );
    let (status, made) = other.predict("echo", json!({"x": 7})).await;
    assert_eq!((status, &made["output"]), (201, &json!(7)), "{made:#}");
    other.close().await;
    world.close().await;
}

/// A server on what comes back of the newest backup.
async fn restored(place: &str) -> World {
    let mut other = World::start().await;
    other.kill_server();
    let back = other.folder.path().join("back");
    let restored = other
        .ok_json(&["restore", place, "--data", back.to_str().unwrap()])
        .await;
    assert!(restored["files"].as_u64().unwrap() > 5, "{restored:#}");
    let refused = other
        .run(&["restore", place, "--data", back.to_str().unwrap()])
        .await;
    assert_eq!(refused.status.code(), Some(3));
    assert!(
        text(&refused.stderr).contains("not empty"),
        "{}",
        text(&refused.stderr)
    );
    let environments = std::fs::read_link(other.data().join("environments")).unwrap();
    std::os::unix::fs::symlink(environments, back.join("environments")).unwrap();
    std::fs::remove_dir_all(other.data()).unwrap();
    std::fs::rename(&back, other.data()).unwrap();
    other.serve().await;
    other
}

#[tokio::test]
async fn a_store_elsewhere_is_backed_up_by_its_own_means() {
    let mut world = World::start().await;
    world.set("ONSTAGE_STORE", "postgres://kim:geheim@127.0.0.1:1/onstage");
    let refused = world.run(&["backup", "there"]).await;
    let said = text(&refused.stderr);
    assert!(
        said.contains("pg_dump") && !said.contains("geheim"),
        "{said}"
    );
    assert!(!world.folder.path().join("there").exists());
    world.close().await;
}

//! Who has the store open: a worker never, however it was started; whoever has does not hand it on to programs that it starts.

use crate::world::{PATIENCE, World};
use serde_json::json;
use std::{
    fs,
    time::{Duration, Instant},
};

/// The flag of a descriptor that a started program does not get.
const CLOSE_ON_EXEC: u32 = 0o2_000_000;

/// Waits until it is told that it may go on, so that there is time to look.
const WAITS: &str = r#"
import pathlib, time
import onstage as on

@on.predict(background=BACKGROUND)
def waits(go: str) -> int:
    while not pathlib.Path(go).exists():
        time.sleep(0.02)
    return 1
"#;

/// The store's files that a process has open: each descriptor's flags.
fn open_stores(pid: u32) -> Vec<u32> {
    let mut flags = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        if target.to_string_lossy().contains("onstage.db") {
            let fd = entry.file_name();
            let about = format!("/proc/{pid}/fdinfo/{}", fd.to_string_lossy());
            let about = fs::read_to_string(about).unwrap_or_default();
            let said = about.lines().find_map(|line| line.strip_prefix("flags:"));
            flags.extend(said.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()));
        }
    }
    flags
}

#[tokio::test]
async fn no_worker_holds_the_store_open() {
    let world = World::start().await;
    for (name, background, share) in [
        ("job", "True", "import"),
        ("forked", "False", "import"),
        ("alone", "False", "none"),
    ] {
        let code = WAITS.replace("BACKGROUND", background);
        let toml = format!("[model]\nname = \"{name}\"\n[realtime]\nshare = \"{share}\"\n");
        world.push(name, &code, &[("onstage.toml", &toml)]).await;
    }
    let go = world.folder.path().join("go");
    let input = json!({"go": go.to_str().unwrap()});
    let calls = async {
        let (job, forked, alone) = tokio::join!(
            world.predict("job", input.clone()),
            world.predict("forked", input.clone()),
            world.predict("alone", input.clone()),
        );
        for (status, made) in [job, forked, alone] {
            assert!(matches!(status, 201 | 202), "{made}");
        }
    };
    let look = async {
        let deadline = Instant::now() + PATIENCE;
        let workers = loop {
            let workers = world.pids("onstage.worker");
            // Of three models, each with at least one.
            if workers.len() >= 3 && !world.pids(" task ").is_empty() {
                break workers;
            }
            assert!(Instant::now() < deadline, "{:?}", world.processes());
            tokio::time::sleep(Duration::from_millis(20)).await; // poll
        };
        for pid in workers {
            assert!(open_stores(pid).is_empty(), "a worker has the store open");
        }
        let mut owners = world.pids(" task ");
        owners.push(world.server_pid());
        for pid in owners {
            let flags = open_stores(pid);
            assert!(!flags.is_empty(), "{pid} has a store of its own");
            let closed = flags.iter().all(|flags| flags & CLOSE_ON_EXEC != 0);
            assert!(closed, "{pid} hands it on: {flags:?}");
        }
        fs::write(&go, "").unwrap();
    };
    tokio::join!(calls, look);
    world.close().await;
}

//! `onstage dev`: what is saved is on stage soon, whatever was saved before it.

use crate::world::World;
use std::{fs, time::Duration};

/// How long the worker of a version that was given up may live on.
const GONE_MAX: Duration = Duration::from_secs(20);

const MODEL: &str = r#"
import time
import onstage as on

@on.setup
def load():
    print("loading for SECONDS s", flush=True)
    time.sleep(SECONDS)

@on.predict
def saved(x: int = 1) -> int:
    return x
"#;

#[tokio::test]
async fn a_save_gives_up_the_version_that_is_still_loading() {
    let world = World::start().await;
    let folder = world.model("saved", &MODEL.replace("SECONDS", "100"), &[]);
    let mut dev = world.begin(&[
        "dev",
        folder.to_str().unwrap(),
        "--no-open",
        "--listen",
        "127.0.0.1:0",
    ]);
    dev.says("loading for 100 s").await;
    fs::write(folder.join("model.py"), MODEL.replace("SECONDS", "0")).unwrap();
    dev.says("lab/saved v1 is given up").await;
    dev.says("lab/saved v2 is live").await;
    // The worker of the first version goes as well, long before its 100 s are over.
    let gone = async {
        while world.pids("onstage.worker").len() != 1 {
            tokio::time::sleep(Duration::from_millis(50)).await; // poll
        }
    };
    let gone = tokio::time::timeout(GONE_MAX, gone).await;
    assert!(gone.is_ok(), "{:?}", world.processes());
    dev.interrupt();
    assert_eq!(dev.ends().await, Some(0), "{}", dev.err());
    world.close().await;
}

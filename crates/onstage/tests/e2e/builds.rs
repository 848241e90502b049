//! Builds that are watched: lines as they are printed, and a failure told once with what to do about it.

use crate::world::{World, text};

const TALKS: &str = r#"
import time
import onstage as on

@on.setup
def load():
    print("first words of setup", flush=True)
    time.sleep(6)
    print("last words of setup", flush=True)

@on.predict
def talks(x: int = 1) -> int:
    return x
"#;

#[tokio::test]
async fn a_build_is_seen_as_it_happens() {
    let world = World::start().await;
    let folder = world.model("talks", TALKS, &[]);
    let mut push = world.begin(&["push", folder.to_str().unwrap()]);
    push.says("first words of setup").await;
    assert!(!push.err().contains("last words of setup"));
    let mut logs = world.begin(&["logs", "talks"]);
    assert_eq!(logs.ends().await, Some(0), "{}", logs.err());
    assert!(
        logs.out().contains("first words of setup"),
        "{}",
        logs.out()
    );
    assert!(push.running(), "the log was there only at the end");
    assert_eq!(push.ends().await, Some(0), "{}", push.err());
    assert_eq!(push.err().matches("last words of setup").count(), 1);
    world.close().await;
}

/// Pushes what must fail; answers what was said.
async fn refused(world: &World, name: &str, code: &str, more: &[(&str, &str)]) -> String {
    let folder = world.model(name, code, more);
    let output = world.run(&["push", folder.to_str().unwrap()]).await;
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[tokio::test]
async fn a_failed_build_is_told_once_with_what_to_do() {
    let world = World::start().await;
    let breaks = TALKS.replace("time.sleep(6)", "raise ValueError('no such weights')");
    let said = refused(&world, "breaks", &breaks, &[]).await;
    // In the message and at the end of the traceback.
    assert_eq!(
        said.matches("ValueError: no such weights").count(),
        2,
        "{said}"
    );
    assert_eq!(said.matches("Traceback").count(), 1, "{said}");
    assert!(
        said.trim_end()
            .lines()
            .last()
            .unwrap()
            .starts_with("hint: "),
        "{said}"
    );

    let config = "[model]\nname = \"secretive\"\n[secrets]\nnames = [\"API_KEY_NOBODY_SET\"]\n";
    let said = refused(&world, "secretive", TALKS, &[("onstage.toml", config)]).await;
    assert_eq!(said.matches("hint: ").count(), 1, "{said}");
    assert!(
        said.contains("hint: set `API_KEY_NOBODY_SET` in the environment"),
        "{said}"
    );

    let config = "[model]\nname = \"late\"\n[realtime]\nstartup_timeout = \"1s\"\n";
    let said = refused(&world, "late", TALKS, &[("onstage.toml", config)]).await;
    assert!(
        said.contains("hint: give it more time with `[realtime] startup_timeout"),
        "{said}"
    );

    let greedy = TALKS.replace("time.sleep(6)", "bytearray(1 << 33)");
    let config = "[model]\nname = \"greedy\"\n[realtime]\nmemory = \"256MiB\"\n";
    let said = refused(&world, "greedy", &greedy, &[("onstage.toml", config)]).await;
    assert!(said.contains("[realtime] memory"), "{said}");
    world.close().await;
}

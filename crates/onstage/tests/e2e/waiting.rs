//! Verbs that wait: through a restart of the server, behind other work, and no longer than they were asked to.

use crate::world::{World, text};

const SLOW: &str = r#"
import time
import onstage as on

@on.predict(background=True)
def slow(seconds: float = 3.0, *, ctx: on.Ctx) -> str:
    print("slow begins", flush=True)
    time.sleep(seconds)
    return "slow is done"
"#;

#[tokio::test]
async fn a_waiting_verb_rides_out_a_restart_of_the_server() {
    let mut world = World::start().await;
    world.push("slow", SLOW, &[]).await;
    let mut run = world.begin(&["run", "slow", "seconds=4"]);
    run.says("slow begins").await;
    world.kill_server();
    run.says("the server is away; waiting up to 30 s").await;
    world.serve().await;
    assert_eq!(run.ends().await, Some(0), "{}", run.err());
    assert!(run.out().contains("slow is done"), "{}", run.out());
    world.close().await;
}

#[tokio::test]
async fn a_run_behind_another_says_how_many_are_ahead() {
    let world = World::start().await;
    world.push("slow", SLOW, &[]).await;
    let mut first = world.begin(&["run", "slow", "seconds=6"]);
    first.says("slow begins").await;
    let mut second = world.begin(&["run", "slow", "seconds=0"]);
    second.says("queued: next to start").await;
    let mut third = world.begin(&["run", "slow", "seconds=0"]);
    third.says("queued: 1 is ahead").await;
    assert_eq!(third.ends().await, Some(0), "{}", third.err());
    assert_eq!(second.ends().await, Some(0), "{}", second.err());
    assert_eq!(first.ends().await, Some(0), "{}", first.err());
    world.close().await;
}

#[tokio::test]
async fn waiting_ends_when_it_was_asked_to_and_not_before() {
    // The server itself waits no longer than a second, which is no reason to give up.
    let world = World::with(&[("ONSTAGE_WAIT_MAX", "1s")]).await;
    world.push("slow", SLOW, &[]).await;
    let realtime = SLOW
        .replace("background=True", "")
        .replace("def slow", "def direct");
    world.push("direct", &realtime, &[]).await;
    for model in ["slow", "direct"] {
        let answer = world.ok(&["run", model, "--wait", "60", "seconds=3"]).await;
        assert!(answer.contains("slow is done"), "{model}: {answer}");
        let output = world
            .run(&["run", model, "--wait", "1", "seconds=20"])
            .await;
        let id = text(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(
            text(&output.stderr).contains(&format!("onstage jobs result {id}")),
            "{}",
            text(&output.stderr)
        );
        world.ok(&["jobs", "cancel", &id]).await;
    }
    world.close().await;
}

#[tokio::test]
async fn ctrl_c_says_how_to_find_what_goes_on() {
    let world = World::start().await;
    world.push("slow", SLOW, &[]).await;
    let mut run = world.begin(&["run", "slow", "seconds=5"]);
    run.says("slow begins").await;
    run.interrupt();
    assert_eq!(run.ends().await, Some(130), "{}", run.err());
    let said = run.err();
    let id = said
        .split("onstage jobs result ")
        .nth(1)
        .and_then(|rest| rest.split('`').next())
        .unwrap_or_else(|| panic!("{said}"));
    let record = world.finished(&format!("/v1/predictions/{id}")).await;
    assert_eq!(record["output"], "slow is done", "{record:#}");
    world.close().await;
}

//! What the workers of one model share and what not: forked from one process that has imported the model, or also set it up.

use crate::world::{World, signal, text};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, time::Duration};

/// Counts its imports and set-ups in files, and says who answers.
const COUNTED: &str = r#"
import os, random, time
import onstage as on

def count(what):
    with open(os.path.join("FOLDER", what), "a") as file:
        file.write(f"{os.getpid()}\n")

count("imports")

@on.setup
def net():
    count("setups")
    return os.getpid()

@on.predict
def f(seconds: float = 0.0, die: bool = False, *, net) -> dict:
    count("asks")
    time.sleep(seconds)
    if die:
        os.kill(os.getpid(), 9)
    return {"pid": os.getpid(), "random": random.random()}
"#;

async fn push(world: &World, name: &str, code: &str, realtime: &str) {
    let code = code.replace("FOLDER", world.folder.path().to_str().unwrap());
    let toml = format!("[model]\nname = \"{name}\"\n[realtime]\n{realtime}\n");
    world.push(name, &code, &[("onstage.toml", &toml)]).await;
}

/// Three workers that are awake for good.
async fn three(share: &str) -> World {
    let world = World::start().await;
    let realtime = format!("share = \"{share}\"\nworkers = {{ min = 3, max = 3 }}");
    push(&world, "counted", COUNTED, &realtime).await;
    until_ready(&world, "counted", 3).await;
    world
}

async fn until_ready(world: &World, name: &str, workers: u64) {
    let model = format!("/v1/models/lab/{name}");
    world
        .until(&model, |model| model["readiness"]["workers"] == workers)
        .await;
}

fn counted(world: &World, what: &str) -> usize {
    let text = fs::read_to_string(world.folder.path().join(what)).unwrap();
    text.lines().count()
}

/// Asks until every worker has answered; answers who drew which number.
async fn everybody(world: &World, workers: usize) -> Vec<Value> {
    let mut pids = BTreeSet::new();
    let mut all = Vec::new();
    while pids.len() < workers {
        let calls = (0..workers * 4).map(|_| world.predict("counted", json!({"seconds": 0.05})));
        for (status, answer) in futures::future::join_all(calls).await {
            assert_eq!(
                (status, &answer["reason"]),
                (201, &json!("ok")),
                "{answer:#}"
            );
            pids.insert(answer["output"]["pid"].as_u64());
            all.push(answer["output"].clone());
        }
    }
    all
}

fn state(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Children of the server and of its templates that have ended and that nobody has reaped.
fn zombies(world: &World) -> Vec<u32> {
    let mut parents = world.pids("onstage.template");
    parents.push(world.server_pid());
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            state(*pid).is_some_and(|(state, parent)| state == 'Z' && parents.contains(&parent))
        })
        .collect()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let look = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await; // poll
        }
    };
    tokio::time::timeout(crate::world::PATIENCE, look)
        .await
        .unwrap_or_else(|_| panic!("never came true: {what}"));
}

#[tokio::test]
async fn set_up_once_for_all_workers_when_the_author_says_so() {
    let world = three("setup").await;
    let answers = everybody(&world, 3).await;
    assert_eq!(
        (counted(&world, "imports"), counted(&world, "setups")),
        (1, 1)
    );
    let drawn: BTreeSet<String> = answers.iter().map(|it| it["random"].to_string()).collect();
    assert_eq!(drawn.len(), answers.len(), "workers draw the same numbers");
    world.close().await;
}

#[tokio::test]
async fn imported_once_and_set_up_by_every_worker_by_default() {
    let world = three("import").await;
    everybody(&world, 3).await;
    assert_eq!(
        (counted(&world, "imports"), counted(&world, "setups")),
        (1, 3)
    );
    assert_eq!(world.pids("onstage.template").len(), 1);
    assert_eq!(world.pids("onstage.worker").len(), 3);
    world.close().await;
}

#[tokio::test]
async fn nothing_is_shared_when_the_author_says_so() {
    let world = three("none").await;
    everybody(&world, 3).await;
    assert_eq!(
        (counted(&world, "imports"), counted(&world, "setups")),
        (3, 3)
    );
    assert!(world.pids("onstage.template").is_empty());
    world.close().await;
}

#[tokio::test]
async fn a_killed_worker_is_replaced_and_its_neighbours_answer() {
    let world = three("setup").await;
    let before = world.pids("onstage.worker");
    let victim = before[0];
    signal(victim, "KILL");
    until("the worker is reaped", || state(victim).is_none()).await;
    until_ready(&world, "counted", 3).await;
    everybody(&world, 3).await;
    let after = world.pids("onstage.worker");
    assert!(
        before[1..].iter().all(|pid| after.contains(pid)),
        "{before:?} {after:?}"
    );
    assert_eq!(
        counted(&world, "setups"),
        1,
        "the new one is forked as well"
    );
    let (_, answer) = world.predict("counted", json!({"die": true})).await;
    assert_eq!(answer["reason"], "worker_lost", "{answer:#}");
    let said = answer["error"].as_str().unwrap();
    assert!(
        world.printed().contains("was killed (SIGKILL)"),
        "{said}\n{}",
        world.printed()
    );
    until("nothing stays a zombie", || zombies(&world).is_empty()).await;
    world.close().await;
}

#[tokio::test]
async fn a_killed_template_takes_no_request_with_it() {
    let world = three("setup").await;
    let workers = world.pids("onstage.worker");
    let asked = futures::future::join_all(
        (0..12).map(|_| world.predict("counted", json!({"seconds": 0.3}))),
    );
    let template = world.pids("onstage.template")[0];
    let killed = async {
        // The first are being answered, the others wait.
        let asks = world.folder.path().join("asks");
        until("a worker computes", || asks.exists()).await;
        signal(template, "KILL");
        until("the template is reaped", || state(template).is_none()).await;
    };
    let (answers, ()) = futures::future::join(asked, killed).await;
    for (status, answer) in answers {
        assert_eq!(
            (status, &answer["reason"]),
            (201, &json!("ok")),
            "{answer:#}"
        );
    }
    assert_eq!(world.pids("onstage.worker"), workers, "its workers live on");
    // The next start makes another.
    signal(workers[0], "KILL");
    until("there is another template", || {
        world
            .pids("onstage.template")
            .iter()
            .any(|it| *it != template)
    })
    .await;
    until_ready(&world, "counted", 3).await;
    assert_eq!(counted(&world, "setups"), 2);
    world.close().await;
}

const FAILS: &str = "import onstage as on\n\nprint('printed by the import')\n\n@on.setup\ndef net():\n    raise ValueError('weights are missing')\n\n@on.predict\ndef f(x: int, *, net) -> int:\n    return x\n";
const HANGS: &str = "import onstage as on, time\n\ntime.sleep(600)\n\n@on.predict\ndef f(x: int) -> int:\n    return x\n";
const CRASHES: &str = "import onstage as on, os\n\nos.kill(os.getpid(), 11)\n\n@on.predict\ndef f(x: int) -> int:\n    return x\n";

/// What a push that fails says, without what differs from run to run.
async fn refusal(world: &World, name: &str, code: &str, realtime: &str) -> String {
    let toml = format!("[model]\nname = \"{name}\"\n[realtime]\n{realtime}\n");
    let folder = world.model(name, code, &[("onstage.toml", &toml)]);
    let output = world.run(&["push", folder.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let (_, versions) = world.get(&format!("/v1/models/lab/{name}/versions")).await;
    let version = &versions["results"][0];
    if code == CRASHES {
        // Where each thread stood is never the same.
        return format!(
            "{} {}",
            version["error"]["kind"], version["error"]["message"]
        );
    }
    let said = format!("{:#}\n{}", version["error"], text(&output.stderr));
    said.replace(name, "NAME")
}

#[tokio::test]
async fn a_failure_reads_the_same_whatever_is_shared() {
    let world = World::start().await;
    for (case, code, more, word) in [
        ("fails", FAILS, "", "weights are missing"),
        (
            "hangs",
            HANGS,
            "startup_timeout = \"2s\"",
            "startup_timeout",
        ),
        ("crashes", CRASHES, "", "segmentation fault"),
    ] {
        let mut told = Vec::new();
        for share in ["none", "import", "setup"] {
            let realtime = format!("share = \"{share}\"\n{more}");
            told.push(refusal(&world, &format!("{case}-{share}"), code, &realtime).await);
        }
        assert!(told[0].contains(word), "{}", told[0]);
        assert_eq!(told[1], told[0], "{case}, import");
        assert_eq!(told[2], told[0], "{case}, setup");
    }
    until("no template is kept for them", || {
        world.pids("onstage.template").is_empty()
    })
    .await;
    world.close().await;
}

const THREADS: &str = r#"
import threading, time
import onstage as on

threading.Thread(target=time.sleep, args=(600,), name="poller", daemon=True).start()

@on.predict
def f(x: int = 1) -> int:
    return x
"#;

#[tokio::test]
async fn a_model_with_threads_answers_from_workers_of_their_own() {
    let world = World::start().await;
    for share in ["import", "setup"] {
        let toml = format!(
            "[model]\nname = \"{share}\"\n[realtime]\nshare = \"{share}\"\nworkers = {{ min = 2, max = 2 }}\n"
        );
        let folder = world.model(share, THREADS, &[("onstage.toml", &toml)]);
        let said = text(&world.run(&["push", folder.to_str().unwrap()]).await.stderr);
        until_ready(&world, share, 2).await;
        let (status, answer) = world.predict(share, json!({"x": 3})).await;
        assert_eq!((status, &answer["output"]), (201, &json!(3)), "{answer:#}");
        let log = world.ok(&["logs", share]).await;
        let warned = format!("{said}{log}").contains("it runs other threads: `poller`");
        assert_eq!(warned, share == "setup", "{said}{log}");
    }
    assert!(world.pids("onstage.template").is_empty());
    world.close().await;
}

#[tokio::test]
async fn a_killed_server_leaves_no_process() {
    let mut world = three("setup").await;
    let all: Vec<u32> = world.processes().into_iter().map(|(pid, _)| pid).collect();
    assert!(all.len() >= 5, "{:?}", world.processes());
    world.kill_server();
    until("everything ends", || world.processes().is_empty()).await;
    world.close().await;
}

const LARGE: &str = r#"
import onstage as on

@on.setup
def held():
    return bytearray(b"x" * (64 << 20))

@on.predict
def f(x: int = 0, *, held) -> int:
    return held[x]
"#;

/// Shared pages count in parts, so that the sum over all who share them is what they take.
fn proportional_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

#[tokio::test]
async fn what_was_set_up_is_in_memory_once() {
    let world = World::start().await;
    let realtime = "share = \"setup\"\nworkers = { min = 3, max = 3 }";
    push(&world, "large", LARGE, realtime).await;
    until_ready(&world, "large", 3).await;
    for x in 0..12 {
        let (_, answer) = world.predict("large", json!({ "x": x })).await;
        assert_eq!(answer["output"], 120, "{answer:#}");
    }
    let all = world.pids("onstage.");
    assert_eq!(all.len(), 4, "{:?}", world.processes());
    let total: u64 = all.iter().copied().map(proportional_bytes).sum();
    assert!(total < 130 << 20, "{} MiB, not about 64", total >> 20);
    world.close().await;
}

//! Models that misbehave: every way ends in a clear answer, and the server and its neighbours live on.

use crate::world::{World, text};
use serde_json::json;

/// Pushes a model that cannot become ready; answers what the author is told.
async fn refused(world: &World, name: &str, code: &str) -> String {
    let folder = world.model(name, code, &[]);
    let output = world.run(&["push", folder.to_str().unwrap()]).await;
    assert_eq!(
        output.status.code(),
        Some(1),
        "`{name}` was accepted: {}",
        text(&output.stderr)
    );
    text(&output.stderr)
}

fn must_say(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "`{word}` is not in:\n{said}");
    }
}

#[tokio::test]
async fn models_that_cannot_load_say_why_and_where() {
    let world = World::start().await;
    let said = refused(&world, "empty", "x = 1\n").await;
    must_say(&said, &["model.py", "@on.predict"]);
    let said = refused(
        &world,
        "syntax",
        "import onstage as on\n\n@on.predict\ndef f(x: int -> int:\n    return x\n",
    )
    .await;
    must_say(&said, &["model.py", "line 4"]);
    let said = refused(&world, "imports", "import onstage as on\nimport no_such_module_here\n\n@on.predict\ndef f(x: int) -> int:\n    return x\n").await;
    must_say(&said, &["no_such_module_here", "model.py", "line 2"]);
    let said = refused(&world, "raises", "import onstage as on\n\n@on.setup\ndef net():\n    raise ValueError('weights are missing')\n\n@on.predict\ndef f(x: int, *, net) -> int:\n    return x\n").await;
    must_say(&said, &["weights are missing", "line 5"]);
    let (_, model) = world.get("/v1/models/lab/raises").await;
    assert_eq!(model["readiness"]["state"], "failed", "{model:#}");
    must_say(
        model["readiness"]["text"].as_str().unwrap(),
        &["v1", "weights are missing"],
    );
    let said = refused(
        &world,
        "annotates",
        "import onstage as on\n\n@on.predict\ndef f(x: complex) -> int:\n    return 1\n",
    )
    .await;
    must_say(&said, &["x"]);
    world.close().await;
}

#[tokio::test]
async fn a_folder_without_a_predictor_is_refused_before_anything_is_sent() {
    let world = World::start().await;
    std::fs::create_dir(world.folder.path().join("void")).unwrap();
    let output = world.run(&["push", "void"]).await;
    assert!(!output.status.success());
    must_say(&text(&output.stderr), &["model.py", "hint:"]);
    world.close().await;
}

#[tokio::test]
async fn a_setup_that_hangs_ends_at_its_limit() {
    let world = World::start().await;
    let code = "import onstage as on, time\n\n@on.setup\ndef net():\n    time.sleep(3600)\n\n@on.predict\ndef f(x: int, *, net) -> int:\n    return x\n";
    let folder = world.model(
        "hangs",
        code,
        &[(
            "onstage.toml",
            "[model]\nname = \"hangs\"\n[realtime]\nstartup_timeout = \"2s\"\n",
        )],
    );
    let output = world.run(&["push", folder.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(1));
    must_say(&text(&output.stderr), &["startup_timeout"]);
    world.close().await;
}

const TROUBLE: &str = r#"
import ctypes, os, sys, time
import onstage as on

@on.predict
def trouble(how: str, n: int = 0) -> int:
    if how == "raise":
        raise RuntimeError("the net is torn")
    if how == "refuse":
        raise on.UserError("the photo is too dark", field="how")
    if how == "exit":
        sys.exit(3)
    if how == "os-exit":
        os._exit(3)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "hang":
        time.sleep(3600)
    if how == "spin":
        while True:
            pass
    if how == "flood":
        while True:
            print("\n" * 100_000)
    if how == "text":
        return "seven"
    if how == "nan":
        return float("nan")
    if how == "print":
        print("a line on stdout")
        os.write(1, b"\x00\xff\xfe raw bytes on fd 1\n")
        print("a line on stderr", file=sys.stderr)
        ctypes.CDLL(None).puts(b"a line from C")
    return n
"#;

#[tokio::test]
async fn a_predict_that_misbehaves_ends_in_a_clear_answer_and_the_next_call_works() {
    let world = World::start().await;
    world
        .push(
            "trouble",
            TROUBLE,
            &[(
                "onstage.toml",
                "[model]\nname = \"trouble\"\n[realtime]\ntimeout = \"2s\"\n",
            )],
        )
        .await;
    for (how, reason, word) in [
        ("raise", "exception", "the net is torn"),
        ("refuse", "user_error", "the photo is too dark"),
        ("exit", "exception", "SystemExit"),
        ("os-exit", "worker_lost", "code 3"),
        ("segfault", "worker_lost", "segmentation fault"),
        ("hang", "timeout", "2 s"),
        ("spin", "timeout", "2 s"),
        ("flood", "timeout", "2 s"),
        ("text", "bad_output", "whole number"),
        ("nan", "bad_output", ""),
    ] {
        let (status, answer) = world.predict("trouble", json!({ "how": how })).await;
        assert_eq!(
            (status, answer["status"].as_str()),
            (201, Some("failed")),
            "{how}: {answer:#}"
        );
        assert_eq!(answer["reason"], reason, "{how}: {answer:#}");
        assert!(
            answer.to_string().contains(word),
            "`{word}` is not said for {how}: {answer:#}"
        );
        let (status, answer) = world
            .predict("trouble", json!({"how": "fine", "n": 7}))
            .await;
        assert_eq!(
            (status, &answer["output"]),
            (201, &json!(7)),
            "after {how}: {answer:#}"
        );
    }
    world.close().await;
}

#[tokio::test]
async fn prints_become_logs_and_never_disturb_the_answer() {
    let world = World::start().await;
    world.push("trouble", TROUBLE, &[]).await;
    let (_, answer) = world
        .predict("trouble", json!({"how": "print", "n": 5}))
        .await;
    assert_eq!(answer["output"], 5, "{answer:#}");
    let logs = answer["logs"].as_str().unwrap();
    must_say(
        logs,
        &[
            "a line on stdout",
            "raw bytes on fd 1",
            "a line on stderr",
            "a line from C",
        ],
    );
    world.close().await;
}

#[tokio::test]
async fn an_answer_of_100_mb_arrives_whole_or_is_refused_in_words() {
    let world = World::start().await;
    world
        .push(
            "large",
            "import onstage as on\n\n@on.predict\ndef f(n: int) -> str:\n    return 'x' * n\n",
            &[],
        )
        .await;
    let (status, answer) = world.predict("large", json!({"n": 100_000_000})).await;
    assert_eq!(status, 201);
    match answer["status"].as_str() {
        Some("succeeded") => assert!(
            answer["output"]
                .as_str()
                .is_some_and(|output| output.len() == 100_000_000 || output.contains("/v1/files/"))
        ),
        _ => assert_eq!(answer["reason"], "bad_output", "{answer:#}"),
    }
    let (_, answer) = world.predict("large", json!({"n": 3})).await;
    assert_eq!(answer["output"], "xxx", "{answer:#}");
    world.close().await;
}

#[tokio::test]
async fn a_setup_that_eats_memory_is_stopped_at_its_limit() {
    let world = World::start().await;
    let code = "import onstage as on\n\n@on.setup\ndef net():\n    return [bytearray(64 << 20) for _ in range(64)]\n\n@on.predict\ndef f(x: int, *, net) -> int:\n    return x\n";
    let folder = world.model(
        "hungry",
        code,
        &[(
            "onstage.toml",
            "[model]\nname = \"hungry\"\n[realtime]\nmemory = \"512MiB\"\n",
        )],
    );
    let output = world.run(&["push", folder.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    must_say(&text(&output.stderr), &["emory"]);
    world.close().await;
}

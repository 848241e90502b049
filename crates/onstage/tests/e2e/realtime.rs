//! Realtime predictions under load: order, limits, sleep and wake.

use crate::world::{World, answer};
use serde_json::json;

#[tokio::test]
async fn many_callers_each_get_their_own_answer() {
    let world = World::start().await;
    world
        .push(
            "echo",
            "import onstage as on\n\n@on.predict\ndef echo(x: int) -> int:\n    return x\n",
            &[],
        )
        .await;
    for _ in 0..10 {
        let calls = (0..100).map(|x| world.predict("echo", json!({ "x": x })));
        for (x, (status, answer)) in futures::future::join_all(calls)
            .await
            .into_iter()
            .enumerate()
        {
            assert_eq!((status, &answer["output"]), (201, &json!(x)), "{answer:#}");
        }
    }
    let (_, listed) = world.get("/v1/predictions?limit=5").await;
    assert_eq!(listed["results"].as_array().unwrap().len(), 5, "{listed:#}");
    assert!(listed["next"].is_string(), "{listed:#}");
    world.close().await;
}

#[tokio::test]
async fn a_full_queue_is_refused_with_a_time_to_come_back() {
    let world = World::start().await;
    let toml = "[model]\nname = \"busy\"\n[realtime]\nqueue = 4\nworkers = { max = 1 }\n";
    world.push("busy", "import onstage as on, time\n\n@on.predict\ndef busy(x: int) -> int:\n    time.sleep(0.3)\n    return x\n", &[("onstage.toml", toml)]).await;
    let calls = (0..30).map(|x| {
        let request = world
            .request(reqwest::Method::POST, "/v1/models/lab/busy/predictions")
            .json(&json!({"input": {"x": x}}));
        async move {
            let response = request.send().await.unwrap();
            (
                response.status().as_u16(),
                response.headers().get("retry-after").is_some(),
            )
        }
    });
    let answers = futures::future::join_all(calls).await;
    assert!(
        answers.iter().any(|(status, _)| *status == 201),
        "{answers:?}"
    );
    assert!(answers.contains(&(429, true)), "{answers:?}");
    assert!(
        answers
            .iter()
            .all(|(status, _)| [201, 429].contains(status)),
        "{answers:?}"
    );
    world.close().await;
}

#[tokio::test]
async fn a_model_sleeps_when_idle_and_wakes_for_the_next_call() {
    let world = World::start().await;
    let toml = "[model]\nname = \"sleepy\"\n[realtime]\nidle = \"1s\"\n";
    world
        .push(
            "sleepy",
            "import onstage as on\n\n@on.predict\ndef f(x: int) -> int:\n    return x\n",
            &[("onstage.toml", toml)],
        )
        .await;
    world.predict("sleepy", json!({"x": 1})).await;
    world
        .until("/v1/models/lab/sleepy", |model| {
            model["readiness"]["state"] == "asleep"
        })
        .await;
    assert!(
        world.pids("onstage.worker").is_empty(),
        "{:?}",
        world.processes()
    );
    let (status, woken) = world.predict("sleepy", json!({"x": 2})).await;
    assert_eq!((status, &woken["output"]), (201, &json!(2)), "{woken:#}");
    world.close().await;
}

#[tokio::test]
async fn one_model_alone_speaks_cogs_own_api() {
    let world = World::start().await;
    world
        .push(
            "echo",
            "import onstage as on\n\n@on.predict\ndef echo(x: int) -> int:\n    return x\n",
            &[],
        )
        .await;
    let (status, made) = world
        .post("/m/echo/predictions", &json!({"input": {"x": 3}}))
        .await;
    assert!(status == 200 || status == 201, "{made:#}");
    assert_eq!(
        (&made["status"], &made["output"]),
        (&json!("succeeded"), &json!(3)),
        "{made:#}"
    );
    let (status, health) = world.get("/m/echo/health-check").await;
    assert_eq!(
        (status, &health["status"]),
        (200, &json!("READY")),
        "{health:#}"
    );
    let (status, wrong) = world
        .post("/m/echo/predictions", &json!({"input": {"x": "three"}}))
        .await;
    assert_eq!(status, 422, "{wrong:#}");
    assert!(wrong["detail"][0]["loc"].is_array(), "{wrong:#}");
    let (status, document) = world.get("/m/echo/openapi.json").await;
    assert_eq!(
        (
            status,
            &document["components"]["schemas"]["Input"]["properties"]["x"]["type"]
        ),
        (200, &json!("integer"))
    );
    world.close().await;
}

#[tokio::test]
async fn files_travel_both_ways() {
    let world = World::start().await;
    let code = "import onstage as on\nimport pathlib, tempfile\n\n@on.predict\ndef f(data: on.File) -> on.File:\n    out = pathlib.Path(tempfile.mkdtemp()) / 'reversed.bin'\n    out.write_bytes(data.bytes()[::-1])\n    return out\n";
    world.push("reverse", code, &[]).await;
    let small = "data:application/octet-stream;base64,YWJj";
    let (status, made) = world.predict("reverse", json!({ "data": small })).await;
    assert_eq!(status, 201, "{made:#}");
    assert_eq!(
        crate::examples::data_url(made["output"].as_str().unwrap()),
        "cba",
        "{made:#}"
    );
    let bytes: Vec<u8> = (0..600_000_u32).map(|i| (i % 251) as u8).collect();
    let id = world.upload("big.bin", bytes.clone()).await;
    let (status, made) = world
        .predict("reverse", json!({"data": format!("onstage://files/{id}")}))
        .await;
    assert_eq!(status, 201, "{made:#}");
    let link = made["output"].as_str().unwrap();
    let back = world
        .request(reqwest::Method::GET, link)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(
        back.iter().rev().eq(bytes.iter()),
        "{} bytes came back",
        back.len()
    );
    let part = reqwest::multipart::Part::bytes(b"xyz".to_vec()).file_name("a.bin");
    let form = reqwest::multipart::Form::new().part("data", part);
    let (status, made) = answer(
        world
            .request(reqwest::Method::POST, "/v1/models/lab/reverse/predictions")
            .multipart(form),
    )
    .await;
    assert_eq!(status, 201, "{made:#}");
    assert_eq!(
        crate::examples::data_url(made["output"].as_str().unwrap()),
        "zyx",
        "{made:#}"
    );
    world.close().await;
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_prediction_with_it_if_it_says_so() {
    let world = World::start().await;
    let code = "import onstage as on, time\n\n@on.predict\ndef f(x: int) -> int:\n    time.sleep(60)\n    return x\n";
    world.push("slow", code, &[]).await;
    for accept in ["application/json", "text/event-stream"] {
        let request = world
            .request(reqwest::Method::POST, "/v1/models/lab/slow/predictions")
            .header("prefer", "wait=50, cancel-on-disconnect")
            .header("accept", accept)
            .json(&json!({"input": {"x": 1}}));
        // Its headers come at once for a stream, and never for an answer.
        let going = tokio::spawn(async move {
            let response = request.send().await.unwrap();
            response.bytes().await
        });
        world
            .until("/v1/models/lab/slow", |model| {
                model["readiness"]["state"] == "ready"
            })
            .await;
        world
            .until("/metrics", |page| {
                let mut lines = page.as_str().unwrap().lines();
                lines
                    .any(|line| line.starts_with("onstage_in_flight_items") && line.ends_with(" 1"))
            })
            .await;
        going.abort();
        let listed = world
            .until("/v1/predictions?status=canceled", |listed| {
                !listed["results"].as_array().unwrap().is_empty()
            })
            .await;
        let id = listed["results"][0]["id"].as_str().unwrap();
        assert_eq!(listed["results"][0]["reason"], "canceled", "{listed:#}");
        world
            .request(reqwest::Method::DELETE, &format!("/v1/predictions/{id}"))
            .send()
            .await
            .unwrap();
    }
    world.close().await;
}

#[tokio::test]
async fn a_server_that_is_stopped_while_workers_live_leaves_no_folders() {
    let mut world = World::start().await;
    let awake = "[model]\nname = \"echo\"\n[realtime]\nworkers = { min = 2, max = 3 }\n";
    let code = "import onstage as on\n\n@on.predict\ndef echo(x: int) -> int:\n    return x\n";
    world.push("echo", code, &[("onstage.toml", awake)]).await;
    let (status, made) = world.predict("echo", json!({"x": 3})).await;
    assert_eq!((status, &made["output"]), (201, &json!(3)), "{made:#}");
    let left = |world: &World| -> Vec<_> {
        let folders = ["tmp", "scratch"].map(|name| world.data().join(name));
        let found = folders
            .iter()
            .flat_map(|folder| std::fs::read_dir(folder).unwrap());
        found.map(|entry| entry.unwrap().path()).collect()
    };
    assert_eq!(
        left(&world).len(),
        3,
        "the front's, its lock, its workers': {:?}",
        left(&world)
    );
    world.stop().await;
    assert_eq!(left(&world), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn memory_that_a_model_frees_is_there_for_its_next_input() {
    let world = World::start().await;
    let code = "import onstage as on\nimport resource\n\n@on.predict\ndef faults(times: int) -> int:\n    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n    for _ in range(times):\n        [b'x' * (1 << 20) for _ in range(8)]\n    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n";
    world.push("blocks", code, &[]).await;
    let (status, made) = world.predict("blocks", json!({"times": 50})).await;
    assert_eq!(status, 201, "{made:#}");
    // Of 4 KiB each: 2,000 once for its 8 MiB, not 50 times.
    let faults = made["output"].as_u64().unwrap();
    assert!(faults < 10_000, "{faults} page faults");
    world.close().await;
}

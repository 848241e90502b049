//! Predictions: answers, refusals of inputs, failures, waiting, keys, lists.

use super::{ask::Reply, world::World};
use http::Method;
use serde_json::{Value, json};

pub(crate) const THING: &str = "
import time
import onstage as on

@on.predict
def thing(n: int = on.Input(default=1, ge=0, le=100), do: str = 'double', hush: str = '', wait: float = 0) -> int:
    print('doing', do)
    time.sleep(wait)
    if do == 'refuse':
        raise on.UserError('That number is unlucky.', field='n')
    if do == 'crash':
        raise KeyError('the secret of the house')
    return n * 2
";
pub(super) const PATH: &str = "/v1/models/lab/thing/predictions";

async fn finished(world: &World, id: &str) -> Value {
    let path = format!("/v1/predictions/{id}?wait=30");
    world.get(&path).send().await.is(200).json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prediction_is_answered_and_found_again() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let reply = world
        .post(PATH)
        .json(&json!({"input": {"n": 21}}))
        .send()
        .await
        .is(201);
    let made = reply.json();
    assert_eq!(made["output"], 42);
    assert_eq!(made["status"], "succeeded");
    assert_eq!(made["model"], "lab/thing");
    assert_eq!(made["input"], json!({"n": 21}));
    assert_eq!(made["logs"], "doing double\n");
    assert_eq!(made["reason"], "ok");
    assert_eq!(made["kind"], "realtime");
    assert!(made.get("rerun").is_none(), "only what failed is run again");
    assert!(made["metrics"]["predict_time"].as_f64().is_some());
    for url in made["urls"].as_object().unwrap().values() {
        assert!(
            url.as_str().is_some_and(|url| url.starts_with('/')),
            "{url}"
        );
    }
    let id = made["id"].as_str().unwrap();
    let again = finished(&world, id).await;
    assert_eq!(
        (&again["output"], &again["logs"]),
        (&made["output"], &made["logs"])
    );
    let logs = world
        .get(&format!("/v1/predictions/{id}/logs"))
        .send()
        .await;
    assert_eq!(logs.text(), "doing double\n");
    // A finished one can be cancelled without harm, by its version too, and not by a bare name.
    let canceled = world
        .post(&format!("/v1/predictions/{id}/cancel"))
        .send()
        .await
        .is(200);
    assert_eq!(canceled.json()["status"], "succeeded");
    for version in [
        made["version"].as_str().unwrap(),
        "lab/thing",
        "lab/thing:v1",
    ] {
        let ask = world
            .post("/v1/predictions")
            .json(&json!({"version": version, "input": {"n": 1}}));
        assert_eq!(ask.send().await.is(201).json()["output"], 2, "{version}");
    }
    for version in ["nothing", "lab/other", "lab/thing:v9", "", "x/y:z"] {
        let ask = world
            .post("/v1/predictions")
            .json(&json!({ "version": version, "input": {} }));
        assert_eq!(ask.send().await.status, 404, "{version}");
    }
    world
        .post("/v1/models/lab/none/predictions")
        .json(&json!({}))
        .send()
        .await
        .problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inputs_that_do_not_fit_never_reach_python() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let unfit = async |input: Value| -> Vec<String> {
        let reply = world
            .post(PATH)
            .json(&json!({ "input": input }))
            .send()
            .await;
        let problem = reply.problem(422, "invalid_input");
        let errors = problem["errors"].as_array().unwrap();
        errors
            .iter()
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(unfit(json!({"n": "three"})).await, ["/input/n"]);
    assert_eq!(
        unfit(json!({"n": 101, "do": 3})).await,
        ["/input/do", "/input/n"]
            .map(str::to_owned)
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
    assert_eq!(unfit(json!({"m": 1})).await, ["/input/m"]);
    assert_eq!(unfit(json!([])).await, ["/input"]);
    let nan = world
        .post(PATH)
        .header("content-type", "application/json")
        .body("{\"input\":{\"n\":NaN}}");
    nan.send().await.problem(400, "malformed_json");
    // The same in Cog's words.
    let cog = world
        .post("/m/thing/predictions")
        .json(&json!({"input": {"n": "three"}}));
    let cog = cog.send().await.is(422).json();
    assert_eq!(cog["detail"][0]["loc"], json!(["body", "input", "n"]));
    let fits = world
        .post("/m/thing/predictions")
        .json(&json!({"input": {"n": 4}}));
    assert_eq!(fits.send().await.is(200).json()["output"], 8);
    let health = world
        .get("/m/thing/health-check")
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(health["status"], "READY");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_of_the_author_are_answers() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let ask = async |token: &str, input: Value| {
        let ask = world.ask(Method::POST, PATH).bearer(token);
        ask.json(&json!({ "input": input }))
            .send()
            .await
            .is(201)
            .json()
    };
    let refused = ask(&world.stakeholder, json!({"do": "refuse"})).await;
    assert_eq!(refused["status"], "failed");
    assert_eq!(refused["reason"], "user_error");
    assert_eq!(refused["error"], "That number is unlucky.");
    let crashed = ask(&world.stakeholder, json!({"do": "crash"})).await;
    assert_eq!(crashed["reason"], "exception");
    let apology = crashed["error"].as_str().unwrap();
    assert!(
        apology.starts_with("Sorry") && !apology.contains("secret"),
        "{apology}"
    );
    assert!(crashed.get("traceback").is_none() && crashed.get("rerun").is_none());
    // The owner finds it by the code, with everything.
    let id = crashed["id"].as_str().unwrap();
    assert!(apology.contains(&id[id.len() - 8..].to_ascii_uppercase()));
    let seen = finished(&world, id).await;
    assert!(
        seen["error"]
            .as_str()
            .unwrap()
            .contains("the secret of the house")
    );
    assert!(seen["traceback"].as_str().unwrap().contains("KeyError"));
    assert!(
        seen["rerun"]
            .as_str()
            .unwrap()
            .contains("onstage run lab/thing@v1")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slowness_is_no_error() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let slow = json!({"input": {"n": 3, "wait": 1.0}});
    let reply = world
        .post(PATH)
        .header("prefer", "wait=0.2")
        .json(&slow)
        .send()
        .await
        .is(202);
    let made = reply.json();
    assert_eq!(made["status"], "starting");
    assert_eq!(
        reply.header("location"),
        format!("/v1/predictions/{}", made["id"].as_str().unwrap())
    );
    assert!(reply.header("retry-after").parse::<u32>().unwrap() >= 1);
    let end = finished(&world, made["id"].as_str().unwrap()).await;
    assert_eq!(
        (&end["status"], &end["output"]),
        (&json!("succeeded"), &json!(6))
    );
    // Asked for at once, it is answered at once.
    for (header, body) in [
        ("respond-async", slow.clone()),
        ("x", json!({"input": {"n": 3, "wait": 1.0}, "stream": true})),
    ] {
        let reply = world
            .post(PATH)
            .header("prefer", header)
            .json(&body)
            .send()
            .await
            .is(202);
        let id = reply.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(finished(&world, &id).await["output"], 6);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_prediction_can_be_cancelled() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let ask = world.post(PATH).header("prefer", "respond-async");
    let made = ask
        .json(&json!({"input": {"wait": 30}}))
        .send()
        .await
        .is(202)
        .json();
    let path = format!("/v1/predictions/{}/cancel", made["id"].as_str().unwrap());
    let other = world.ask(Method::POST, &path).bearer(&world.stakeholder);
    other.send().await.problem(403, "not_yours");
    world.post(&path).send().await.is(200);
    let end = finished(&world, made["id"].as_str().unwrap()).await;
    assert_eq!(
        (&end["status"], &end["output"]),
        (&json!("canceled"), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_requests_are_one_prediction() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let keyed = |n: u32| {
        let ask = world.post(PATH).header("idempotency-key", "abc");
        ask.json(&json!({"input": { "n": n }})).send()
    };
    let (first, second) = tokio::join!(keyed(1), keyed(1));
    assert_eq!(first.json()["id"], second.json()["id"]);
    keyed(2).await.problem(409, "conflict");
    let put = |n: u32, id: &str| {
        let path = format!("/v1/predictions/{id}");
        let ask = world.ask(Method::PUT, &path).bearer(&world.owner);
        ask.json(&json!({"model": "lab/thing", "input": { "n": n }}))
            .send()
    };
    let first = put(5, "my-own-id").await.is(201).json();
    assert_eq!(
        (first["id"].as_str(), &first["output"]),
        (Some("my-own-id"), &json!(10))
    );
    let second = put(5, "my-own-id").await;
    assert_eq!(finished(&world, "my-own-id").await["output"], 10);
    assert!(
        [201, 202].contains(&second.status.as_u16()),
        "{}",
        second.text()
    );
    put(6, "my-own-id").await.problem(409, "conflict");
    put(6, "NOT!an!id").await.problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_newest_first_in_pages_and_ones_own() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    for n in 0..5 {
        world
            .post(PATH)
            .json(&json!({"input": {"n": n}}))
            .send()
            .await
            .is(201);
    }
    let own = world.ask(Method::POST, PATH).bearer(&world.stakeholder);
    own.json(&json!({"input": {"n": 99}})).send().await.is(201);
    world
        .until("six are recorded", async || {
            let all = world.get("/v1/predictions").send().await.json();
            (all["results"].as_array().unwrap().len() == 6).then_some(())
        })
        .await;
    let mut seen = Vec::new();
    let mut next = "/v1/predictions?limit=2&model=lab/thing".to_owned();
    loop {
        let page = world.get(&next).send().await.is(200).json();
        seen.extend(
            page["results"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["input"]["n"].clone()),
        );
        match page["next"].as_str() {
            Some(link) => next = link.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, [99, 4, 3, 2, 1, 0].map(Value::from));
    let mine = world
        .ask(Method::GET, "/v1/predictions")
        .bearer(&world.stakeholder);
    let mine = mine.send().await.is(200).json();
    assert_eq!(mine["results"].as_array().unwrap().len(), 1);
    assert_eq!(
        world
            .get("/v1/predictions?status=failed")
            .send()
            .await
            .json()["results"],
        json!([])
    );
    world
        .get("/v1/predictions?model=nonsense")
        .send()
        .await
        .problem(400, "invalid_query");
    for wrong in ["limit=many", "status=done", "kind=slow", "mine=perhaps"] {
        let list = world.get(&format!("/v1/predictions?{wrong}"));
        list.send().await.problem(400, "invalid_query");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_be_hidden_is_hidden() {
    let world = World::new().await;
    world.live("lab/thing", THING).await;
    let input = json!({"input": {"n": 1, "hush": "hunter2", "wait": 0.5}});
    let check = |reply: &Reply| assert!(!reply.text().contains("hunter2"), "{}", reply.text());
    let made = world.post(PATH).json(&input).send().await.is(201);
    check(&made);
    let later = world
        .post(PATH)
        .header("prefer", "respond-async")
        .json(&input)
        .send()
        .await
        .is(202);
    check(&later);
    for reply in [&made, &later] {
        let id = reply.json()["id"].as_str().unwrap().to_owned();
        check(
            &world
                .get(&format!("/v1/predictions/{id}?wait=30"))
                .send()
                .await
                .is(200),
        );
        check(
            &world
                .get(&format!("/v1/predictions/{id}"))
                .send()
                .await
                .is(200),
        );
    }
    check(&world.get("/v1/predictions").send().await.is(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overflow_is_told_with_the_time_to_wait() {
    let world = World::with_engine(|settings| settings.queue_items_max = 1).await;
    world.live("lab/thing", THING).await;
    let ask = || {
        let ask = world.post(PATH).header("prefer", "wait=0");
        ask.json(&json!({"input": {"wait": 20}})).send()
    };
    let refused = world
        .until("the queue is full", async || {
            let reply = ask().await;
            (reply.status == 429).then_some(reply)
        })
        .await;
    let problem = refused.problem(429, "busy");
    assert_eq!(problem["retryable"], true);
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
}

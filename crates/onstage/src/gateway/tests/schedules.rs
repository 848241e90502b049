//! Schedules: made, changed and removed; and the jobs of their ticks, made as whoever made the schedule.

use super::{ask::Reply, world::World};
use crate::gateway::Submits;
use http::Method;
use onstage_core::{Kind, Timestamp, ports::Submitter, schedule::Schedule};
use serde_json::{Value, json};

const CODE: &str = "
import onstage as on

@on.predict
def f(x: int = 0) -> int:
    return x * 2

@on.train
def fit(data: on.Dataset, epochs: int = on.Input(default=3, ge=1), *, ctx: on.Ctx) -> str:
    return 'w'
";
const ALL: &str = "/v1/schedules";

async fn make(world: &World, more: Value) -> Reply {
    let mut wish = json!({"model": "lab/fish", "kind": "prediction", "every": "1h", "request": {"input": {"x": 5}}});
    for (key, value) in more.as_object().unwrap() {
        wish[key] = value.clone();
    }
    if more.get("cron").is_some() {
        wish.as_object_mut().unwrap().remove("every");
    }
    world.post(ALL).json(&wish).send().await
}

async fn patch(world: &World, id: &str, wish: Value) -> Reply {
    let ask = world
        .ask(Method::PATCH, &format!("{ALL}/{id}"))
        .bearer(&world.owner);
    ask.json(&wish).send().await
}

async fn record(world: &World, id: &Value) -> Schedule {
    let id = id.as_str().unwrap().parse().unwrap();
    world.parts.store.schedule(&id).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_is_made_changed_paused_and_removed() {
    let world = World::new().await;
    world.live("lab/fish", CODE).await;
    let more = json!({"cron": "30 6 * * mon-fri", "timezone": "Europe/Zurich", "version": "v1"});
    let reply = make(&world, more).await.is(201);
    let made = reply.json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(reply.header("location"), format!("{ALL}/{id}"));
    for (field, value) in [
        ("cron", json!("30 6 * * mon-fri")),
        ("timezone", json!("Europe/Zurich")),
        ("every", Value::Null),
        ("said", json!("at 06:30, Monday to Friday")),
        ("catch_up", json!(true)),
        ("overlap", json!("skip")),
        ("paused", json!(false)),
        ("last", Value::Null),
        ("created_by", json!("test")),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
    assert!(made["next_at"].is_string());
    let one = world
        .get(&format!("{ALL}/{id}"))
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(one, made);
    let paused = patch(&world, id, json!({"paused": true}))
        .await
        .is(200)
        .json();
    assert_eq!(
        (&paused["paused"], &paused["next_at"]),
        (&json!(true), &Value::Null)
    );
    let other = json!({"timezone": "UTC", "overlap": "queue", "request": {"input": {"x": 6}}});
    let changed = patch(&world, id, other).await.is(200).json();
    assert_eq!(changed["cron"], "30 6 * * mon-fri");
    assert_eq!(changed["timezone"], "UTC");
    assert_eq!(
        (&changed["paused"], &changed["request"]["input"]["x"]),
        (&json!(true), &json!(6))
    );
    let going = patch(&world, id, json!({"paused": false, "every": "90m"}))
        .await
        .is(200)
        .json();
    assert_eq!(
        (&going["every"], &going["cron"]),
        (&json!("90m"), &Value::Null)
    );
    listed_and_removed(&world, id, &going).await;
}

async fn listed_and_removed(world: &World, id: &str, going: &Value) {
    let listed = world
        .get(&format!("{ALL}?model=lab/fish"))
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(listed["results"], json!([going]));
    let none = world
        .get(&format!("{ALL}?model=lab/other"))
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(none["results"], json!([]));
    let remove = world
        .ask(Method::DELETE, &format!("{ALL}/{id}"))
        .bearer(&world.owner);
    remove.send().await.is(204);
    patch(world, id, json!({})).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ticks_are_told_before_there_is_a_schedule() {
    let world = World::new().await;
    let preview = |query: &str| world.get(&format!("{ALL}/preview?{query}")).send();
    let told = preview("cron=30+6+*+*+mon-fri&timezone=Europe/Zurich")
        .await
        .is(200)
        .json();
    assert_eq!(told["said"], "at 06:30, Monday to Friday");
    let next: Vec<&str> = told["next"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tick| tick.as_str().unwrap())
        .collect();
    assert_eq!(next.len(), 5);
    assert!(next.is_sorted() && next.iter().all(|tick| tick.contains(":30:00")));
    let told = preview("every=90m").await.is(200).json();
    assert_eq!(told["said"], "every 90 minutes");
    preview("cron=61+*+*+*+*")
        .await
        .problem(422, "invalid_input");
    preview("").await.problem(422, "invalid_input");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_that_is_paused_can_be_run_now() {
    let world = World::new().await;
    world.live("lab/fish", CODE).await;
    let made = make(&world, json!({"paused": true})).await.is(201).json();
    let now = format!("{ALL}/{}/run", made["id"].as_str().unwrap());
    let ran = world.post(&now).send().await.is(200).json();
    assert_eq!(
        (&ran["paused"], &ran["next_at"], &ran["last"]["outcome"]),
        (&json!(true), &Value::Null, &json!("made"))
    );
    let job = format!("/v1/jobs/{}", ran["last_job"].as_str().unwrap());
    let job = world.get(&job).send().await.is(200).json();
    assert_eq!(job["model"], "lab/fish");
    let wrong = json!({"paused": true, "request": {"input": {"x": "many"}}});
    let made = make(&world, wrong).await.is(201).json();
    let now = format!("{ALL}/{}/run", made["id"].as_str().unwrap());
    world
        .post(&now)
        .send()
        .await
        .problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_a_schedule_is_refused_by_its_field() {
    let world = World::new().await;
    world.live("lab/fish", CODE).await;
    for (more, at) in [
        (json!({"every": "1ms"}), "/every"),
        (json!({"every": "soon"}), "/every"),
        (json!({"every": null}), "/cron"),
        (json!({"cron": "61 * * * *"}), "/cron"),
        (json!({"cron": "0 0 31 2 *"}), "/cron"),
        (
            json!({"cron": "0 0 * * *", "timezone": "Mars/Base"}),
            "/timezone",
        ),
        (json!({"kind": "dance"}), "/kind"),
        (json!({"overlap": "maybe"}), "/overlap"),
        (json!({"kind": "batch"}), "/request/table"),
        (json!({"request": {"input": 5}}), "/request/input"),
        (
            json!({"request": {"input": {}, "version": "v1"}}),
            "/request/version",
        ),
        (
            json!({"request": {"input": {"x": "y".repeat(70_000)}}}),
            "/request",
        ),
    ] {
        let refused = make(&world, more.clone())
            .await
            .problem(422, "invalid_input");
        assert_eq!(refused["errors"][0]["pointer"], at, "{more}");
    }
    make(&world, json!({"model": "lab/none"}))
        .await
        .problem(404, "not_found");
    make(&world, json!({"version": "v7"}))
        .await
        .problem(404, "not_found");
    assert_eq!(make(&world, json!({"croon": "x"})).await.status, 422);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tick_makes_each_kind_of_job_once() {
    let world = World::new().await;
    world.live("lab/fish", CODE).await;
    let put = world
        .ask(Method::PUT, "/v1/datasets/fish?filename=fish.csv")
        .bearer(&world.owner);
    put.body("x\n1\n").send().await.is(201);
    let hand = Submits(world.state.clone());
    for (more, route) in [
        (json!({}), "predictions"),
        (json!({"version": "v1"}), "predictions"),
        (
            json!({"kind": "batch", "request": {"table": "onstage://datasets/fish"}}),
            "batches",
        ),
        (
            json!({"kind": "training", "request": {"input": {"data": "fish"}, "seed": 7}}),
            "trainings",
        ),
    ] {
        let made = make(&world, more.clone()).await.is(201).json();
        let schedule = record(&world, &made["id"]).await;
        let first = hand.submit(&schedule, Timestamp(60_000)).await.unwrap();
        let again = hand.submit(&schedule, Timestamp(60_000)).await.unwrap();
        let next = hand.submit(&schedule, Timestamp(120_000)).await.unwrap();
        assert!(
            first == again && first != next,
            "{more}: {first} {again} {next}"
        );
        let job = world.parts.store.job(&first).await.unwrap().unwrap();
        assert_eq!(
            (job.source.as_str(), &job.by),
            ("schedule", &schedule.by.id),
            "{more}"
        );
        world
            .get(&format!("/v1/{route}/{first}"))
            .send()
            .await
            .is(200);
    }
    // A dataset without a number is the newest at the tick.
    let put = world
        .ask(Method::PUT, "/v1/datasets/fish?filename=fish.csv")
        .bearer(&world.owner);
    put.body("x\n2\n").send().await.is(201);
    let batch = json!({"kind": "batch", "request": {"table": "onstage://datasets/fish"}});
    let made = make(&world, batch).await.is(201).json();
    let schedule = record(&world, &made["id"]).await;
    let job = hand.submit(&schedule, Timestamp(60_000)).await.unwrap();
    let job = world.parts.store.job(&job).await.unwrap().unwrap();
    assert_eq!(job.spec.datasets()[0].to_string(), "fish@v2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tick_says_why_it_makes_nothing() {
    let world = World::new().await;
    world.live("lab/fish", CODE).await;
    let hand = Submits(world.state.clone());
    for (more, kind, word) in [
        (
            json!({"request": {"input": {"x": "many"}}}),
            Kind::Invalid,
            "x",
        ),
        (
            json!({"kind": "batch", "request": {"table": "onstage://datasets/gone"}}),
            Kind::NotFound,
            "gone",
        ),
        (
            json!({"kind": "training", "request": {"input": {}}}),
            Kind::Invalid,
            "data",
        ),
    ] {
        let made = make(&world, more.clone()).await.is(201).json();
        let schedule = record(&world, &made["id"]).await;
        let error = hand.submit(&schedule, Timestamp(60_000)).await.unwrap_err();
        assert!(
            error.kind == kind && error.message.contains(word),
            "{more}: {error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_is_paused_when_its_token_is_gone() {
    let world = World::new().await;
    world.live("lab/fish", CODE).await;
    let made = make(&world, json!({})).await.is(201).json();
    let mut schedule = record(&world, &made["id"]).await;
    let hand = Submits(world.state.clone());
    hand.submit(&schedule, Timestamp(60_000)).await.unwrap();
    // Due now.
    schedule.go_on_after(Timestamp(schedule.created_at.0 - 1));
    world
        .parts
        .store
        .update_schedule(schedule.clone())
        .await
        .unwrap();
    world
        .parts
        .store
        .remove_credential(&schedule.by.id)
        .await
        .unwrap();
    onstage_engine::schedules::turn(&world.parts, &hand)
        .await
        .unwrap();
    let paused = record(&world, &made["id"]).await;
    let shown = serde_json::to_value(&paused.pace).unwrap();
    assert_eq!(shown["pace"], "paused", "{paused:?}");
    assert!(shown["why"].as_str().unwrap().contains("`test`"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_folder_asks_for_is_paused_here_and_changed_there() {
    let world = World::new().await;
    world.live("lab/fish", CODE).await;
    let id = make(&world, json!({})).await.is(201).json()["id"].clone();
    let mut of_folder = record(&world, &id).await;
    of_folder.id = "nightly-0000".parse().unwrap();
    of_folder.name = Some("nightly".to_owned());
    world.parts.store.add_schedule(of_folder).await.unwrap();
    let one = format!("{ALL}/nightly-0000");
    let shown = world.get(&one).send().await.is(200).json();
    assert_eq!(
        (&shown["source"], &shown["name"]),
        (&json!("folder"), &json!("nightly"))
    );
    let by_hand = world
        .get(&format!("{ALL}/{}", id.as_str().unwrap()))
        .send()
        .await
        .json();
    assert_eq!(
        (&by_hand["source"], &by_hand["name"]),
        (&json!("hand"), &Value::Null)
    );
    let refused = patch(&world, "nightly-0000", json!({"every": "2h"})).await;
    let refused = refused.problem(409, "schedule_of_folder");
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("[schedules.nightly]"),
        "{refused}"
    );
    let gone = world
        .ask(Method::DELETE, &one)
        .bearer(&world.owner)
        .send()
        .await;
    gone.problem(409, "schedule_of_folder");
    let paused = patch(&world, "nightly-0000", json!({"paused": true}))
        .await
        .is(200)
        .json();
    assert_eq!(paused["paused"], true);
}

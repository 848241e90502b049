//! Schedules: jobs made again and again, one a tick however many fronts there are, also when one is killed.

use crate::{
    databases::{Server, fresh},
    world::World,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const ECHO: &str = "import onstage as on\n\n@on.predict(background=True)\ndef echo(x: int) -> int:\n    return x\n";

async fn jobs(world: &World) -> BTreeSet<String> {
    let (mut all, mut path) = (
        BTreeSet::new(),
        "/v1/jobs?model=lab/echo&limit=200".to_owned(),
    );
    loop {
        let (status, page) = world.get(&path).await;
        assert_eq!(status, 200, "{page:#}");
        let ids = page["results"].as_array().unwrap().iter();
        all.extend(ids.map(|job| job["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut path),
            None => return all,
        }
    }
}

/// By tick and schedule, the jobs that were made or found for it.
type Ticks = BTreeMap<(i64, String), BTreeSet<String>>;

/// What a front's log says of ticks.
fn ticks(world: &World, into: &mut Ticks) {
    for line in world.printed().lines() {
        let Ok(said) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        if said["message"] == "the job of a tick is made" {
            let text = |field: &str| said[field].as_str().unwrap().to_owned();
            let tick = (said["tick"].as_i64().unwrap(), text("schedule"));
            into.entry(tick).or_default().insert(text("job"));
        }
    }
}

async fn made_at_least(world: &World, count: usize) {
    let deadline = std::time::Instant::now() + crate::world::PATIENCE;
    while jobs(world).await.len() < count {
        assert!(std::time::Instant::now() < deadline, "{}", world.printed());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await; // poll
    }
}

#[tokio::test]
async fn a_schedule_is_added_told_paused_and_resumed() {
    let world = World::start().await;
    world.push("echo", ECHO, &[]).await;
    let add = [
        "schedule",
        "add",
        "echo@v1",
        "x=7",
        "--every",
        "1s",
        "--overlap",
        "queue",
    ];
    let made = world.ok_json(&add).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        (&made["every"], &made["version"]),
        (&json!("1s"), &json!("v1"))
    );
    made_at_least(&world, 2).await;
    let shown = world.ok(&["schedule", "ls", "echo"]).await;
    assert!(
        shown.contains("lab/echo@v1") && shown.contains("every second"),
        "{shown}"
    );
    let job = world.get(&format!("/v1/schedules/{id}")).await.1["last_job"].clone();
    let done = world
        .finished(&format!("/v1/predictions/{}", job.as_str().unwrap()))
        .await;
    assert_eq!(
        (&done["output"], &done["source"]),
        (&json!(7), &json!("schedule")),
        "{done:#}"
    );

    let paused = world.ok_json(&["schedule", "pause", id]).await;
    assert_eq!(
        (&paused["paused"], &paused["next_at"]),
        (&json!(true), &Value::Null)
    );
    // What was under way when it was paused may still come.
    world
        .until(&format!("/v1/schedules/{id}"), |now| now["paused"] == true)
        .await;
    let resumed = world.ok_json(&["schedule", "resume", id]).await;
    assert!(resumed["next_at"].is_string());
    let before = jobs(&world).await.len();
    made_at_least(&world, before + 1).await;
    world.ok(&["schedule", "rm", id]).await;
    let none = world.ok_json(&["schedule", "ls"]).await;
    assert_eq!(none["results"], json!([]));
    world.close().await;
}

#[tokio::test]
async fn a_tick_that_came_while_nothing_ran_is_made_up_for_once() {
    let mut world = World::start().await;
    world.push("echo", ECHO, &[]).await;
    let mut ids = Vec::new();
    for more in [&[][..], &["--no-catch-up"]] {
        let mut add = vec![
            "schedule",
            "add",
            "echo",
            "x=1",
            "--every",
            "2s",
            "--overlap",
            "queue",
        ];
        add.extend(more);
        ids.push(world.ok_json(&add).await["id"].as_str().unwrap().to_owned());
    }
    made_at_least(&world, 2).await;
    world.kill_server();
    let before = {
        let mut known = Ticks::new();
        ticks(&world, &mut known);
        known
    };
    let several_ticks = std::time::Instant::now() + std::time::Duration::from_secs(7);
    while std::time::Instant::now() < several_ticks {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await; // poll
    }
    world.serve().await;
    made_at_least(&world, jobs(&world).await.len() + 2).await;
    for id in &ids {
        world.ok(&["schedule", "rm", id]).await;
    }
    let mut after = Ticks::new();
    ticks(&world, &mut after);
    let first_after = after
        .keys()
        .find(|tick| !before.contains_key(tick))
        .unwrap();
    let last_before = before.keys().next_back().unwrap();
    assert!(
        first_after.0 - last_before.0 >= 4_000,
        "ticks of a time when nothing ran were made one by one: {after:?}"
    );
    world.close().await;
}

/// Fronts on one store, of which one is killed while ticks come.
async fn one_job_a_tick(server: Server, count: usize) {
    let mut fronts = vec![World::first_of_many(&fresh(server), &[]).await];
    for _ in 1..count {
        fronts.push(fronts[0].beside().await);
    }
    fronts[0].push("echo", ECHO, &[]).await;
    let add = [
        "schedule",
        "add",
        "echo",
        "x=1",
        "--every",
        "1s",
        "--overlap",
        "queue",
    ];
    let id = fronts[0].ok_json(&add).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    made_at_least(&fronts[0], 8).await;
    fronts[1].kill_server();
    let before = jobs(&fronts[0]).await.len();
    made_at_least(&fronts[0], before + 5).await;
    fronts[1].serve().await;
    made_at_least(&fronts[0], before + 10).await;
    fronts[0].ok(&["schedule", "pause", &id]).await;
    let deadline = std::time::Instant::now() + crate::world::PATIENCE;
    let all = loop {
        let (all, mut told) = (jobs(&fronts[0]).await, Ticks::new());
        for front in &fronts {
            ticks(front, &mut told);
        }
        for (tick, made) in &told {
            assert_eq!(
                made.len(),
                1,
                "the tick {tick:?} has several jobs: {made:?}"
            );
        }
        let named: BTreeSet<String> = told.values().flatten().cloned().collect();
        assert_eq!(named.len(), told.len(), "no job is of two ticks");
        // The one that was killed may have made a job and not have told of it; nobody else has one that no tick names.
        if all.difference(&named).count() <= 1 {
            break all;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "more jobs than ticks: {all:?} {told:?}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(200)).await; // poll
    };
    assert!(all.len() >= 18, "{all:?}");
    for front in fronts {
        front.close().await;
    }
}

#[tokio::test]
async fn two_fronts_make_one_job_a_tick_on_postgres() {
    one_job_a_tick(Server::Postgres, 2).await;
}

#[tokio::test]
async fn four_fronts_make_one_job_a_tick_on_mysql() {
    one_job_a_tick(Server::MySql, 4).await;
}

#[tokio::test]
async fn a_folder_makes_changes_and_removes_its_own_schedules() {
    let mut world = World::start().await;
    let toml = |more: &str| format!("[model]\nname = \"echo\"\n{more}");
    let often = toml("[schedules.often]\nevery = \"1s\"\noverlap = \"queue\"\ninput = { x = 5 }\n");
    world.push("echo", ECHO, &[("onstage.toml", &often)]).await;
    let by_hand = world
        .ok_json(&["schedule", "add", "echo", "x=7", "--every", "30d"])
        .await;
    made_at_least(&world, 1).await;
    let schedules = async |world: &World| {
        let mut all = world.ok_json(&["schedule", "ls", "echo"]).await["results"].clone();
        let all = all.as_array_mut().unwrap();
        all.retain(|one| one["id"] != by_hand["id"]);
        all.clone()
    };
    let one = schedules(&world).await.remove(0);
    assert_eq!(
        (&one["source"], &one["name"], &one["every"]),
        (&json!("folder"), &json!("often"), &json!("1s"))
    );
    let shown = world.ok(&["schedule"]).await;
    assert!(shown.contains("onstage.toml [schedules.often]"), "{shown}");
    let path = format!("/v1/schedules/{}", one["id"].as_str().unwrap());
    let told = world.until(&path, |one| one["last_job"].is_string()).await;
    let job = format!("/v1/predictions/{}", told["last_job"].as_str().unwrap());
    assert_eq!(world.finished(&job).await["output"], 5);

    let rarely = toml("[schedules.often]\nevery = \"2d\"\ninput = { x = 6 }\n");
    world.push("echo", ECHO, &[("onstage.toml", &rarely)]).await;
    let changed = world.until(&path, |one| one["every"] == "2d").await;
    assert_eq!(changed["request"], json!({"input": {"x": 6}}));
    world
        .ok(&["schedule", "pause", one["id"].as_str().unwrap()])
        .await;
    world.kill_server();
    world.serve().await;
    assert_eq!(world.get(&path).await.1["paused"], true);

    world
        .push("echo", ECHO, &[("onstage.toml", &toml(""))])
        .await;
    world.until(&path, |one| one["status"] == 404).await;
    assert_eq!(schedules(&world).await, Vec::<Value>::new());
    world.ok(&["rollback", "echo"]).await;
    world.until(&path, |one| one["every"] == "2d").await;
    let left = world
        .get(&format!(
            "/v1/schedules/{}",
            by_hand["id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(left.0, 200);
    world.close().await;
}

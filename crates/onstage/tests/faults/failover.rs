//! The store is a PostgreSQL that stands still, dies, or hands over to another and only reads meanwhile: F07b, F07c, F08.

use crate::{
    databases::{self, Server},
    experiment::{Experiment, is_full},
    fronts::ask,
    kills::{
        caller::Caller,
        models::{self, Note},
    },
    outage,
    postgres::Alone,
    world::{PATIENCE, World},
};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

/// Clients that submit all the time.
const SUBMITTERS: u64 = 3;
/// Jobs that one of them has waiting at most, so that the queue never outgrows a slow machine.
const WAITING_MAX: usize = 5;
/// How long the store is away; in full, longer than a lease lasts.
const REDUCED: Duration = Duration::from_secs(5);
const FULL: Duration = Duration::from_secs(30);
/// How long the other server only reads, and how long nothing may be taken in.
const ONLY_READS: Duration = Duration::from_secs(10);
const GAP_MS_MAX: f64 = 15_000.0;

/// A front on a PostgreSQL, and those who submit to it.
struct Scene {
    front: World,
    store: String,
    caller: Caller,
    ledger: PathBuf,
    stop: AtomicBool,
    next: AtomicU64,
}

/// An acknowledged job, with what it computes.
struct Made {
    id: String,
    n: u64,
    at: Instant,
}

impl Scene {
    async fn open(store: &str) -> Self {
        let notes = std::env::temp_dir().join(format!("onstage-e2e-ledger-{}", std::process::id()));
        let _ = std::fs::remove_file(&notes);
        let front = World::first_of_many(store, &[("LEDGER", notes.to_str().unwrap())]).await;
        for (name, code, toml) in models::all("2s") {
            if name == "kept" {
                front.push(name, &code, &[("onstage.toml", &toml)]).await;
            }
        }
        outage::push(&front).await;
        let made = front.ok_json(&["token", "create", "--name", "jobs"]).await;
        Self {
            caller: Caller::new(&front.url, made["token"].as_str().unwrap()),
            front,
            store: store.to_owned(),
            ledger: notes,
            stop: AtomicBool::new(false),
            next: AtomicU64::new(0),
        }
    }

    /// Submits, one after the other, under keys, until it is told to stop.
    async fn submit(&self) -> Vec<Made> {
        let mut all = Vec::new();
        while !self.stop.load(SeqCst) {
            let n = self.next.fetch_add(1, SeqCst);
            let body = json!({"input": {"n": n, "ms": 20}});
            let path = "/v1/models/lab/kept/predictions";
            let (status, made) = self.caller.submit(path, &body, &format!("job {n}")).await;
            assert!(matches!(status, 200..=202), "{status} {made}");
            let id = made["id"].as_str().unwrap().to_owned();
            let at = Instant::now();
            all.push(Made { id, n, at });
            if all.len().is_multiple_of(WAITING_MAX) {
                self.wait_for(&all[all.len() - 1].id).await;
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        all
    }

    /// Also through times in which nobody can say how far it is.
    async fn wait_for(&self, id: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.caller.get(&format!("/v1/predictions/{id}")).await.1["completed_at"].is_string()
        {
            assert!(Instant::now() < deadline, "{id} does not end");
            tokio::time::sleep(Duration::from_millis(100)).await; // poll
        }
    }

    /// Has work done all the while `fault` goes on; answers what was acknowledged, and what the fault came to.
    async fn under_load<T>(&self, fault: impl Future<Output = T>) -> (Vec<Made>, T) {
        let fault = async {
            let came_to = fault.await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.stop.store(true, SeqCst);
            came_to
        };
        let all = futures::future::join_all((0..SUBMITTERS).map(|_| self.submit()));
        let (made, came_to) = tokio::join!(all, fault);
        let mut made: Vec<Made> = made.into_iter().flatten().collect();
        made.sort_by_key(|made| made.at);
        (made, came_to)
    }

    /// Nothing is lost, nothing ended twice; `unknown` jobs may be there of which nobody was told.
    async fn judge(self, it: &mut Experiment, made: &[Made], unknown: usize) {
        self.all_ended().await;
        let tokens = models::tokens(&models::ledger(&self.ledger));
        for one in made {
            let (_, job) = self.front.get(&format!("/v1/jobs/{}", one.id)).await;
            let runs = tokens.get(&one.n).map_or(&[][..], Vec::as_slice);
            let (_, record) = self.front.get(&format!("/v1/predictions/{}", one.id)).await;
            let token = record["output"]["token"].as_str().unwrap_or_default();
            let right = job["status"] == "succeeded" && runs.iter().any(|run| run == token);
            it.check(right, || format!("{}: {job} {runs:?} {record}", one.n));
        }
        let count = |sql: &str| ask(&self.store, sql).parse::<usize>().unwrap();
        let jobs = count("SELECT count(*) FROM jobs");
        let explained = jobs >= made.len() && jobs - made.len() <= unknown;
        it.check(explained, || {
            format!("{jobs} jobs of {} and {unknown}", made.len())
        });
        // Whoever watches a job is told its end by its record: the event beside it may be missing, never twice.
        let ends = "SELECT count(*) FROM events WHERE kind = 'completed'";
        let jobs_with = ends.replace("*", "DISTINCT job");
        let (ends, jobs_with) = (count(ends), count(&jobs_with));
        it.check(ends == jobs_with, || format!("{ends} ends of {jobs_with}"));
        it.measured("events_of_ends_missing", jobs - jobs_with);
        let again = count("SELECT count(*) FROM jobs WHERE run > 1");
        it.measured("jobs", jobs);
        it.measured("ran_again", again);
        let _ = std::fs::remove_file(&self.ledger);
        self.front.close().await;
    }

    async fn all_ended(&self) {
        let open = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')";
        let deadline = Instant::now() + PATIENCE;
        while ask(&self.store, open) != "0" {
            assert!(Instant::now() < deadline, "jobs do not end");
            tokio::time::sleep(Duration::from_millis(100)).await; // poll
        }
    }
}

/// A job that computes through the whole outage.
async fn long_job(scene: &Scene, n: u64, length: Duration) -> String {
    let body = json!({"input": {"n": n, "ms": length.as_millis() as u64 + 2_000}});
    let path = "/v1/models/lab/kept/predictions";
    let (_, made) = scene.caller.submit(path, &body, &format!("long {n}")).await;
    let deadline = Instant::now() + PATIENCE;
    let begun = |note: &Note| note.begins && note.n == n;
    while !models::ledger(&scene.ledger).iter().any(begun) {
        assert!(Instant::now() < deadline, "{n} does not begin");
        tokio::time::sleep(Duration::from_millis(20)).await; // poll
    }
    made["id"].as_str().unwrap().to_owned()
}

/// The store goes with one word and comes back with another.
async fn away(it: &mut Experiment, goes: &'static str, comes: &'static str) {
    let server = Alone::new();
    let url = server.tell("start").await;
    let scene = Scene::open(&url).await;
    let length = if is_full() { FULL } else { REDUCED };
    let rounds = it.rounds();
    let fault = async {
        let (mut unknown, mut long) = (0, Vec::new());
        for round in 0..rounds as u64 {
            long.push(long_job(&scene, 900_000_000 + round, length).await);
            server.tell(goes).await;
            let back = async { drop(server.tell(comes).await) };
            let (front, caller) = (&scene.front, &scene.caller);
            unknown += 1 + outage::sit_out(it, front, caller, length, back).await;
        }
        (unknown, long)
    };
    let (made, (unknown, long)) = scene.under_load(fault).await;
    for id in long {
        scene.front.finished(&format!("/v1/predictions/{id}")).await;
        let (_, job) = scene.caller.get(&format!("/v1/jobs/{id}")).await;
        it.check(went_on(&job), || format!("the outage ended a run: {job}"));
    }
    scene.judge(it, &made, unknown).await;
}

/// It succeeded in its first run.
fn went_on(job: &Value) -> bool {
    (&job["run"], &job["status"]) == (&json!(1), &json!("succeeded"))
}

#[tokio::test]
async fn f07b_a_store_that_stands_still_stops_no_call_and_loses_no_job() {
    let mut it = Experiment::new("F07b", "the PostgreSQL of the store stands still", 3, 1);
    away(&mut it, "freeze", "thaw").await;
    it.end();
}

#[tokio::test]
async fn f07c_a_store_that_was_killed_stops_no_call_and_loses_no_job() {
    let title = "the PostgreSQL of the store is killed and started again";
    let mut it = Experiment::new("F07c", title, 3, 1);
    away(&mut it, "kill", "start").await;
    it.end();
}

/// What a failover looks like from here: connections are cut, who connects again may only read, and in the end all is as before.
#[tokio::test]
async fn f08_a_failover_of_postgres_loses_nothing_and_is_waited_for() {
    let title = "connections to PostgreSQL are cut, then it only reads, then it writes again";
    let mut it = Experiment::new("F08", title, 5, 1);
    let store = databases::fresh(Server::Postgres);
    let scene = Scene::open(&store).await;
    let (name, rounds) = (database_of(&store), it.rounds());
    let only_reads = if is_full() { ONLY_READS } else { REDUCED / 2 };
    // From another database, which the change is not of.
    let server = store.replace(name, "postgres");
    let set = |value: &str| {
        let alter = format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}");
        ask(&server, &alter);
        let cut = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        ask(&server, &cut).parse::<u64>().unwrap_or_default()
    };
    let fault = async {
        let mut cut = 0;
        for _ in 0..rounds {
            tokio::time::sleep(Duration::from_secs(2)).await;
            cut += set("on");
            tokio::time::sleep(only_reads).await;
            cut += set("off");
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        cut
    };
    let (made, cut) = scene.under_load(fault).await;
    it.check(cut > 0, || "no connection was cut".to_owned());
    it.measured("cut", cut);
    let pairs = made.windows(2);
    let gap = pairs.map(|pair| pair[1].at - pair[0].at).max();
    it.check(gap > Some(only_reads / 2), || {
        format!("it wrote all the while: {gap:?}")
    });
    it.ms_at_most("nothing_taken_for", gap.unwrap_or_default(), GAP_MS_MAX);
    scene.judge(&mut it, &made, 0).await;
    it.end();
}

fn database_of(url: &str) -> &str {
    let (_, rest) = url.rsplit_once('/').unwrap();
    rest.split('?').next().unwrap()
}

//! The work that goes on while processes are killed: clients that submit, watch, cancel, fetch results, and run again what was set aside.
//! Each remembers what it was told; judges nothing but the results that it fetched.

use super::{
    caller::{Caller, Dice},
    judge::Told,
    stage::Stage,
};
use crate::world::PATIENCE;
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// Predictions that a client submits before it watches them.
const GROUP: u64 = 10;
const PREDICTORS: u64 = 5;
const BATCHERS: u64 = 2;
const CALLERS: u64 = 4;
const LOOK_EVERY: Duration = Duration::from_millis(120);
/// One of so many is cancelled.
const CANCEL_ONE_IN: u64 = 8;
/// One realtime call in so many does not wait: the front takes it over as a job.
const ADOPT_ONE_IN: u64 = 40;
/// Between trainings, each of which makes a version that is built.
const TRAININGS_EVERY: Duration = Duration::from_secs(4);

/// What a row is told that may have killed its worker: whoever wants it runs the failed rows again.
const KILLED: &str = ",the worker was killed (SIGKILL)";

/// What became of realtime calls.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) right: AtomicUsize,
    /// Refused or failed with a reason.
    pub(crate) told: AtomicUsize,
    /// The connection broke.
    pub(crate) broken: AtomicUsize,
    /// Rows of tables that were computed alone when their worker was killed, and say so.
    pub(crate) rows_told: AtomicUsize,
    pub(crate) wrong: Mutex<Vec<String>>,
}

struct Client {
    caller: Caller,
    trainer: String,
    long_one_in: u64,
    stop: AtomicBool,
    told: Mutex<Vec<Told>>,
    unknown: AtomicUsize,
    reruns: AtomicUsize,
    calls: Calls,
}

pub(crate) struct Load {
    client: Arc<Client>,
    running: Vec<JoinHandle<()>>,
}

/// What all clients know in the end.
pub(crate) struct Outcome {
    pub(crate) told: Vec<Told>,
    pub(crate) unknown: usize,
    pub(crate) reruns: usize,
    pub(crate) calls: Calls,
}

impl Load {
    /// One table in `long_one_in` takes so long that tasks share it.
    pub(crate) fn begin(stage: &Stage, mut dice: Dice, long_one_in: u64) -> Self {
        let client = Arc::new(Client {
            caller: stage.caller.clone(),
            trainer: stage.trainer.clone(),
            long_one_in,
            stop: AtomicBool::new(false),
            told: Mutex::default(),
            unknown: AtomicUsize::new(0),
            reruns: AtomicUsize::new(0),
            calls: Calls::default(),
        });
        let mut running = Vec::new();
        let mut next = || Dice::new(dice.below(u64::MAX));
        for who in 0..PREDICTORS {
            let (client, dice) = (client.clone(), next());
            running.push(tokio::spawn(async move { client.predict(who, dice).await }));
        }
        for who in 0..BATCHERS {
            let (client, dice) = (client.clone(), next());
            running.push(tokio::spawn(async move { client.batch(who, dice).await }));
        }
        let (trainer, dice) = (client.clone(), next());
        running.push(tokio::spawn(async move { trainer.train(dice).await }));
        for who in 0..CALLERS {
            let client = client.clone();
            running.push(tokio::spawn(async move { client.call(who).await }));
        }
        Self { client, running }
    }

    /// No more is begun; waits until all that was has ended.
    pub(crate) async fn end(self) -> Outcome {
        self.client.stop.store(true, SeqCst);
        for one in self.running {
            one.await.unwrap();
        }
        let client = Arc::into_inner(self.client).unwrap();
        Outcome {
            told: client.told.into_inner().unwrap(),
            unknown: client.unknown.into_inner(),
            reruns: client.reruns.into_inner(),
            calls: client.calls,
        }
    }
}

impl Client {
    fn goes_on(&self) -> bool {
        !self.stop.load(SeqCst)
    }

    async fn predict(&self, who: u64, mut dice: Dice) {
        let mut next = who * 1_000_000;
        while self.goes_on() {
            let mut group = Vec::new();
            for n in next..next + GROUP {
                let body = json!({"input": {"n": n, "ms": dice.below(40)}});
                let path = "/v1/models/lab/kept/predictions";
                let told = self.submit(path, &body, "prediction", n);
                group.push(told.await);
            }
            next += GROUP;
            for told in group {
                let dice = Dice::new(dice.below(u64::MAX));
                self.follow(told, dice).await;
            }
        }
    }

    async fn batch(&self, who: u64, mut dice: Dice) {
        while self.goes_on() {
            let mut rows = 2_000 + dice.below(2_000);
            let mut ms = 20;
            if dice.below(self.long_one_in) == 0 {
                (rows, ms) = (rows * 4, 150);
            }
            let lines: String = (0..rows).map(|x| format!("{x},{ms}\n")).collect();
            let table = format!("x,ms\n{lines}");
            let file = self.caller.upload("t.csv", &table).await;
            let body = json!({"table": format!("onstage://files/{file}")});
            let path = "/v1/models/lab/twice/batches";
            let told = self.submit(path, &body, "batch", rows).await;
            let dice = Dice::new(dice.below(u64::MAX) + who);
            self.follow(told, dice).await;
        }
    }

    async fn train(&self, mut dice: Dice) {
        let path = format!("/v1/models/lab/count/versions/{}/trainings", self.trainer);
        while self.goes_on() {
            let body = json!({"input": {"steps": 20 + dice.below(60)}});
            let told = self.submit(&path, &body, "training", 0).await;
            let dice = Dice::new(dice.below(u64::MAX));
            self.follow(told, dice).await;
            let until = Instant::now() + TRAININGS_EVERY;
            while self.goes_on() && Instant::now() < until {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    async fn submit(&self, path: &str, body: &Value, kind: &'static str, n: u64) -> Told {
        static KEYS: AtomicUsize = AtomicUsize::new(0);
        let key = format!("{kind} {}", KEYS.fetch_add(1, SeqCst));
        let (status, made) = self.caller.submit(path, body, &key).await;
        assert!(matches!(status, 200..=202), "{path}: {status} {made}");
        let mut told = Told {
            id: made["id"].as_str().unwrap().to_owned(),
            kind,
            n,
            ..Told::default()
        };
        see(&mut told, &made);
        told
    }

    /// Watches a job to its end, cancels some, checks what came out, and has what was set aside run again.
    async fn follow(&self, mut told: Told, mut dice: Dice) {
        loop {
            let last = self.watch(&mut told, &mut dice).await;
            let again = match &*last {
                "succeeded" => {
                    told.wrong = self.wrong(&told).await;
                    None
                }
                "failed" => self.again(&told).await,
                _ => None,
            };
            let next = again.map(|id| Told {
                id,
                seen: Vec::new(),
                ..told.clone()
            });
            self.told.lock().unwrap().push(told);
            match next {
                Some(next) => told = next,
                None => return,
            }
        }
    }

    async fn watch(&self, told: &mut Told, dice: &mut Dice) -> String {
        let path = record(told);
        let cancels = dice.below(CANCEL_ONE_IN) == 0;
        let cancel_after = dice.below(8);
        let deadline = Instant::now() + PATIENCE;
        for look in 0.. {
            if cancels && look == cancel_after {
                let cancel = format!("{path}/cancel");
                let request = || self.caller.request(Method::POST, &cancel);
                see(told, &self.caller.sure(request).await.1);
            }
            let (status, record) = self.caller.get(&path).await;
            assert_eq!(status, 200, "{path}: {record}");
            see(told, &record);
            let last = told.seen.last().cloned().unwrap_or_default();
            if matches!(&*last, "succeeded" | "failed" | "canceled") {
                // Once more: an end lasts.
                see(told, &self.caller.get(&path).await.1);
                return last;
            }
            assert!(
                Instant::now() < deadline || self.goes_on(),
                "it does not end: {record:#}"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        unreachable!("the loop has no end of its own")
    }

    /// What is wrong with the result of a batch job.
    async fn wrong(&self, told: &Told) -> Option<String> {
        if told.kind != "batch" {
            return None;
        }
        let path = format!("{}/result", record(told));
        let (status, result) = self.caller.get(&path).await;
        let text = result.as_str().unwrap_or_default();
        let mut lines = text.lines().skip(1);
        for x in 0..told.n {
            let line = lines.next().unwrap_or_default();
            let mut cells = line.split(',');
            let (first, answer) = (cells.next(), cells.nth(1));
            if first == Some(&x.to_string()) && answer == Some("") && line.ends_with(KILLED) {
                self.calls.rows_told.fetch_add(1, SeqCst);
                continue;
            }
            if first != Some(&x.to_string()) || answer != Some(&(2 * x).to_string()) {
                return Some(format!("row {x} of its result ({status}) is `{line}`"));
            }
        }
        lines.next().map(|line| format!("a row too many: `{line}`"))
    }

    /// Runs what was set aside again, as its owner would; answers the new job.
    async fn again(&self, told: &Told) -> Option<String> {
        let (_, job) = self.caller.get(&format!("/v1/jobs/{}", told.id)).await;
        job["dead"].as_str()?;
        let path = format!("/v1/jobs/{}/retry", told.id);
        loop {
            let request = self.caller.request(Method::POST, &path);
            match self.caller.ask(request).await {
                Some((200..=202, made)) => {
                    self.reruns.fetch_add(1, SeqCst);
                    return made["id"].as_str().map(str::to_owned);
                }
                Some((429 | 503 | 507, _)) => {}
                Some((status, answer)) => panic!("{path}: {status} {answer}"),
                // It has no key, so it may have been done.
                None => drop(self.unknown.fetch_add(1, SeqCst)),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Realtime calls one after the other.
    async fn call(&self, who: u64) {
        let calls = &self.calls;
        for n in (who * 1_000_000).. {
            if !self.goes_on() {
                return;
            }
            let path = "/v1/models/lab/quick/predictions";
            let request = self.caller.request(Method::POST, path);
            let mut request = request.json(&json!({"input": {"x": n}}));
            if n % ADOPT_ONE_IN == 0 {
                request = request.header("prefer", "respond-async");
            }
            match self.caller.ask(request).await {
                Some((201 | 202, made)) if n % ADOPT_ONE_IN == 0 => {
                    self.handed_over(&made, n).await;
                    calls.told.fetch_add(1, SeqCst)
                }
                Some((201, made)) if made["output"] == n => calls.right.fetch_add(1, SeqCst),
                Some((201, made)) if made["status"] == "failed" => calls.told.fetch_add(1, SeqCst),
                Some((202, made)) => {
                    self.handed_over(&made, n).await;
                    calls.told.fetch_add(1, SeqCst)
                }
                Some((429 | 503 | 507, _)) => calls.told.fetch_add(1, SeqCst),
                Some((status, answer)) => {
                    let said = format!("{n}: {status} {answer}");
                    calls.wrong.lock().unwrap().push(said);
                    0
                }
                None => {
                    // It may just have become a job.
                    self.unknown.fetch_add(1, SeqCst);
                    calls.broken.fetch_add(1, SeqCst)
                }
            };
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A call that became a job is a promise as well. One that had ended before has been answered: of programs' calls, not each is recorded.
    async fn handed_over(&self, made: &Value, n: u64) {
        let mut told = Told {
            id: made["id"].as_str().unwrap().to_owned(),
            kind: "call",
            n,
            ..Told::default()
        };
        let ended = made["completed_at"].is_string();
        let record = match ended {
            true => made.clone(),
            false => {
                self.watch(&mut told, &mut Dice::new(u64::MAX)).await;
                self.caller.get(&record(&told)).await.1
            }
        };
        see(&mut told, &record);
        if record["status"] == "succeeded" && record["output"] != n {
            told.wrong = Some(format!("{n} came out as {}", record["output"]));
        }
        self.told.lock().unwrap().push(told);
    }
}

fn record(told: &Told) -> String {
    let kind = match told.kind {
        "batch" => "batches",
        "training" => "trainings",
        _ => "predictions",
    };
    format!("/v1/{kind}/{}", told.id)
}

fn see(told: &mut Told, record: &Value) {
    if let Some(status) = record["status"].as_str()
        && told.seen.last().is_none_or(|last| last != status)
    {
        told.seen.push(status.to_owned());
    }
}

//! Writes that the work of the kill loop does not make: feedback, datasets, files, tokens, schedules, settings of models. One after the other, over and over.
//! An answer that says that it is done, gone or there already is as good as any.

use super::{caller::Caller, stage::Stage};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

pub(crate) struct Errands {
    stop: Arc<AtomicBool>,
    running: JoinHandle<usize>,
}

impl Errands {
    /// Answers how many jobs they have made and left.
    pub(crate) async fn end(self) -> usize {
        self.stop.store(true, SeqCst);
        self.running.await.unwrap()
    }
}

pub(crate) fn begin(stage: &Stage) -> Errands {
    let stop = Arc::new(AtomicBool::new(false));
    let (caller, over) = (stage.caller.clone(), stop.clone());
    let running = tokio::spawn(async move {
        let mut left = 0;
        for n in 0.. {
            if over.load(SeqCst) {
                break;
            }
            run(&caller, n).await;
            left += usize::from(!job(&Errand(&caller), n).await);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        left
    });
    Errands { stop, running }
}

async fn run(caller: &Caller, n: u64) {
    let to = Errand(caller);
    talk(&to, n).await;
    keep(&to, n).await;
    plan(&to).await;
    let name = format!("errand {n}");
    let token = to.post("/v1/tokens", json!({ "name": name })).await;
    to.delete(&format!("/v1/tokens/{}", id(&token))).await;
    let link = to.post("/v1/login-links", json!({})).await;
    let path = link["url"].as_str().unwrap_or_default();
    if let Some((_, path)) = path.split_once("/login") {
        to.get(&format!("/login{path}")).await;
    }
    let model = format!("/v1/models/lab/errand-{n}");
    to.post(
        "/v1/models",
        json!({"name": format!("errand-{n}"), "owner": "lab"}),
    )
    .await;
    let title = json!({"title": "Errand"});
    to.send(Method::PATCH, &model, Body::Json(title)).await;
    to.delete(&model).await;
}

/// A schedule whose tick nobody lives to see.
async fn plan(to: &Errand<'_>) {
    let request = json!({"input": {"n": 2_100_000_000}});
    let wish =
        json!({"model": "lab/kept", "kind": "prediction", "every": "24h", "request": request});
    let made = to.post("/v1/schedules", wish).await;
    let made = format!("/v1/schedules/{}", id(&made));
    let paused = Body::Json(json!({"paused": true}));
    to.send(Method::PATCH, &made, paused).await;
    to.delete(&made).await;
}

/// A prediction that is judged and removed.
async fn talk(to: &Errand<'_>, n: u64) {
    let path = "/v1/models/lab/quick/predictions";
    let made = to.post(path, json!({"input": {"x": n * 50}})).await;
    let made = format!("/v1/predictions/{}", id(&made));
    let judged = json!({"rating": 1, "comment": "right"});
    to.post(&format!("{made}/feedback"), judged).await;
    // Its record comes behind the answer; until then there is nothing to remove.
    tokio::time::sleep(Duration::from_millis(300)).await;
    to.delete(&made).await;
}

/// A job that is removed when it has ended; false when it did not end soon.
async fn job(to: &Errand<'_>, n: u64) -> bool {
    let path = "/v1/models/lab/kept/predictions";
    let body = json!({"input": {"n": 2_000_000_000 + n}});
    let (_, made) = to.0.submit(path, &body, &format!("errand {n}")).await;
    let made = format!("/v1/predictions/{}", id(&made));
    for _ in 0..40 {
        let record = to.get(&made).await;
        if record["completed_at"].is_string() {
            to.delete(&made).await;
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await; // poll
    }
    false
}

/// A file, a dataset, and an upload in parts that is completed or given up.
async fn keep(to: &Errand<'_>, n: u64) {
    let file = to.0.upload("errand.txt", &format!("{n}")).await;
    to.delete(&format!("/v1/files/{file}")).await;
    let dataset = format!("/v1/datasets/errand-{n}");
    let table = Body::Bytes(format!("n\n{n}\n"));
    to.send(Method::PUT, &format!("{dataset}?name=t.csv"), table)
        .await;
    to.delete(&dataset).await;
    let bytes = format!("part {n}");
    let wish = json!({"name": "part.txt", "size": bytes.len()});
    let upload = to.post("/v1/uploads", wish).await;
    let upload = format!("/v1/uploads/{}", id(&upload));
    let part = format!("{upload}/parts/1");
    to.send(Method::PUT, &part, Body::Bytes(bytes)).await;
    if n.is_multiple_of(2) {
        to.post(&format!("{upload}/complete"), json!({})).await;
    }
    to.delete(&upload).await;
}

struct Errand<'a>(&'a Caller);

enum Body {
    Nothing,
    Json(Value),
    Bytes(String),
}

impl Errand<'_> {
    async fn send(&self, method: Method, path: &str, body: Body) -> Value {
        let request = || {
            let request = self.0.request(method.clone(), path);
            match &body {
                Body::Nothing => request,
                Body::Json(json) => request.json(json),
                Body::Bytes(bytes) => request.body(bytes.clone()),
            }
        };
        let (status, answer) = self.0.sure(request).await;
        assert!(status < 500, "{method} {path}: {status} {answer}");
        answer
    }

    async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, Body::Nothing).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.send(Method::POST, path, Body::Json(body)).await
    }

    async fn delete(&self, path: &str) -> Value {
        self.send(Method::DELETE, path, Body::Nothing).await
    }
}

fn id(made: &Value) -> &str {
    made["id"].as_str().unwrap_or("none")
}

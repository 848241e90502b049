//! Several fronts on one store, behind nginx that sends each request to the next of them: nobody has to stay with one.

use crate::{
    databases::{Server, fresh},
    world::{PATIENCE, World, answer, signal, wait},
};
use reqwest::{Method, header};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};

const PASSWORD: &str = "open sesame";

/// nginx with no more than what sends requests on in turns.
struct Nginx {
    process: Child,
    folder: tempfile::TempDir,
    url: String,
}

impl Nginx {
    async fn before(fronts: &[World]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let servers: String = fronts
            .iter()
            .map(|front| format!("server {};", front.url.trim_start_matches("http://")))
            .collect();
        let place = folder.path().display();
        let settings = format!(
            "daemon off; pid {place}/pid; error_log stderr; events {{}}\n\
             http {{ access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;\n\
             fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;\n\
             upstream fronts {{ {servers} }}\n\
             server {{ listen 127.0.0.1:{port}; client_max_body_size 0; location / {{\n\
             proxy_pass http://fronts; proxy_http_version 1.1; proxy_buffering off; proxy_next_upstream off;\n\
             proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr; }} }} }}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, settings).unwrap();
        let process = Command::new("nginx")
            .args([
                "-p",
                folder.path().to_str().unwrap(),
                "-c",
                file.to_str().unwrap(),
            ])
            .env("PATH", "/usr/sbin:/usr/bin:/bin")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self {
            process,
            folder,
            url: format!("http://127.0.0.1:{port}"),
        };
        let deadline = std::time::Instant::now() + PATIENCE;
        while reqwest::get(format!("{}/readyz", nginx.url)).await.is_err() {
            assert!(std::time::Instant::now() < deadline, "nginx does not start");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await; // poll
        }
        nginx
    }

    fn end(mut self) {
        signal(self.process.id(), "TERM");
        assert_eq!(wait(&mut self.process, PATIENCE), Some(0));
        drop(self.folder.close());
    }
}

fn free_port() -> u16 {
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    probe.local_addr().unwrap().port()
}

async fn fronts(count: usize) -> Vec<World> {
    let store = fresh(Server::Postgres);
    let first = World::first_of_many(
        &store,
        &[
            ("ONSTAGE_PASSWORD", PASSWORD),
            ("ONSTAGE_PROXIES", "127.0.0.1"),
        ],
    );
    let mut fronts = vec![first.await];
    for _ in 1..count {
        fronts.push(fronts[0].beside().await);
    }
    fronts
}

const SLOW: &str = r#"
import time
import onstage as on

@on.predict
def slow(seconds: float = 0.0, *, ctx: on.Ctx) -> str:
    print("begun")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ctx.progress(0, 1, "at it")
        time.sleep(0.05)
    return "rested"
"#;

const STEPS: &str = r#"
import time
import onstage as on

@on.predict(background=True)
def steps(n: int = 20, *, ctx: on.Ctx) -> int:
    for i in range(n):
        ctx.progress(i, n, f"step {i}")
        time.sleep(0.1)
    return n
"#;

#[tokio::test]
async fn every_request_may_go_to_another_front() {
    let fronts = fronts(2).await;
    let nginx = Nginx::before(&fronts).await;
    fronts[0].push("slow", SLOW, &[]).await;
    let toml = "[model]\nname = \"steps\"\n[jobs]\nlinger = \"1s\"\n";
    fronts[1]
        .push("steps", STEPS, &[("onstage.toml", toml)])
        .await;

    // A stakeholder logs in through one front and is known to both; so is the end of the session.
    let browser = reqwest::Client::builder()
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let cookie = log_in(&browser, &nginx.url).await;
    let ask = |method: Method, path: &str| {
        browser
            .request(method, format!("{}{path}", nginx.url))
            .header("origin", &nginx.url)
            .header(header::COOKIE, &cookie)
    };
    pages_from_any(&ask).await;
    answers_from_any(&ask).await;
    cancel_through_another(&ask).await;
    events_through_another(&ask).await;
    log_out(&ask).await;
    nginx.end();
    for front in fronts {
        front.close().await;
    }
}

/// Answers the session's cookie.
async fn log_in(browser: &reqwest::Client, url: &str) -> String {
    let login = browser
        .post(format!("{}/v1/login", url))
        .header("origin", url)
        .json(&json!({"name": "kim", "password": PASSWORD}))
        .send()
        .await
        .unwrap();
    assert!(login.status().is_success(), "{login:?}");
    let cookie = login.headers()[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn log_out(ask: &impl Fn(Method, &str) -> reqwest::RequestBuilder) {
    assert_eq!(answer(ask(Method::POST, "/v1/logout")).await.0, 204);
    let mut ended = 0;
    let deadline = std::time::Instant::now() + PATIENCE;
    while ended < 4 {
        let (status, _) = answer(ask(Method::GET, "/v1/account")).await;
        ended = if status == 401 { ended + 1 } else { 0 };
        assert!(
            std::time::Instant::now() < deadline,
            "a session outlives its end"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await; // poll
    }
}

async fn pages_from_any(ask: &impl Fn(Method, &str) -> reqwest::RequestBuilder) {
    for _ in 0..4 {
        let (status, account) = answer(ask(Method::GET, "/v1/account")).await;
        assert_eq!(status, 200, "{account:#}");
        let (status, page) = answer(ask(Method::GET, "/m/lab/slow")).await;
        assert_eq!(status, 200, "{page:#}");
    }
    // Assets that the page names are the same everywhere.
    let (_, page) = answer(ask(Method::GET, "/")).await;
    for asset in page
        .as_str()
        .unwrap()
        .split('"')
        .filter(|text| text.starts_with("/assets/"))
    {
        for _ in 0..2 {
            assert_eq!(answer(ask(Method::GET, asset)).await.0, 200, "{asset}");
        }
    }
}

/// Answered by one, asked for at once of the other.
async fn answers_from_any(ask: &impl Fn(Method, &str) -> reqwest::RequestBuilder) {
    for _ in 0..10 {
        let make = ask(Method::POST, "/v1/models/lab/slow/predictions");
        let (status, made) = answer(make.json(&json!({"input": {}}))).await;
        assert_eq!(
            (status, &made["output"]),
            (201, &json!("rested")),
            "{made:#}"
        );
        let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
        for _ in 0..2 {
            let (status, found) = answer(ask(Method::GET, &path)).await;
            assert_eq!(
                (status, &found["output"]),
                (200, &json!("rested")),
                "{found:#}"
            );
        }
    }
}

/// A realtime prediction that one front holds is cancelled through the other, and found there until then.
async fn cancel_through_another(ask: &impl Fn(Method, &str) -> reqwest::RequestBuilder) {
    let make = ask(Method::POST, "/v1/models/lab/slow/predictions");
    let make = make.header("prefer", "respond-async");
    let (status, made) = answer(make.json(&json!({"input": {"seconds": 120}}))).await;
    assert_eq!(status, 202, "{made:#}");
    let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
    for _ in 0..4 {
        let (status, found) = answer(ask(Method::GET, &path)).await;
        assert_eq!(status, 200, "{found:#}");
        assert!(found["completed_at"].is_null(), "{found:#}");
    }
    // Three requests so that the two fronts take turns from here on, whoever made it.
    let (status, _) = answer(ask(Method::POST, &format!("{path}/cancel"))).await;
    assert_eq!(status, 200);
    let (_, ended) = answer(ask(Method::GET, &format!("{path}?wait=30"))).await;
    assert_eq!(ended["status"], "canceled", "{ended:#}");
}

/// A job's events come whole and in order, each page and the stream from whichever front is next.
async fn events_through_another(ask: &impl Fn(Method, &str) -> reqwest::RequestBuilder) {
    let make = ask(Method::POST, "/v1/models/lab/steps/predictions");
    let (status, made) = answer(make.json(&json!({"input": {}}))).await;
    assert_eq!(status, 202, "{made:#}");
    let path = format!("/v1/predictions/{}/events", made["id"].as_str().unwrap());
    let stream = ask(Method::GET, &path).header("accept", "text/event-stream");
    let stream = async { stream.send().await.unwrap().text().await.unwrap() };
    let polled = async {
        let (mut numbers, mut after) = (Vec::new(), 0);
        loop {
            let (status, page) =
                answer(ask(Method::GET, &format!("{path}?after={after}&wait=20"))).await;
            assert_eq!(status, 200, "{page:#}");
            let ids = page["events"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| event["id"].as_i64().unwrap());
            numbers.extend(ids);
            after = page["next"].as_u64().unwrap();
            if page["final"] == true {
                return numbers;
            }
        }
    };
    let (stream, polled) = tokio::join!(stream, polled);
    let streamed: Vec<i64> = stream
        .lines()
        .filter_map(|line| line.strip_prefix("id:"))
        .map(|id| id.trim().parse().unwrap())
        .collect();
    assert_eq!(polled, (1..=polled.len() as i64).collect::<Vec<_>>());
    assert_eq!(streamed, polled, "{stream}");
    assert!(stream.contains("step 19"), "{stream}");
}

#[tokio::test]
async fn a_version_pushed_to_one_front_answers_on_the_other() {
    let fronts = fronts(2).await;
    let version =
        |n: u32| format!("import onstage as on\n\n@on.predict\ndef f() -> int:\n    return {n}\n");
    for n in 1..=2 {
        fronts[n as usize - 1].push("turns", &version(n), &[]).await;
        for front in &fronts {
            let until = std::time::Instant::now() + PATIENCE;
            loop {
                let (status, made) = front.predict("turns", json!({})).await;
                assert_eq!(status, 201, "{made:#}");
                if made["output"] == json!(n) {
                    break;
                }
                assert!(
                    std::time::Instant::now() < until,
                    "still the old version: {made:#}"
                );
                tokio::time::sleep(std::time::Duration::from_millis(50)).await; // poll
            }
        }
    }
    let (_, versions) = fronts[0].get("/v1/models/lab/turns/versions").await;
    let states: Vec<&Value> = versions["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["state"])
        .collect();
    assert_eq!(states.len(), 2, "{versions:#}");
    for front in fronts {
        front.close().await;
    }
}

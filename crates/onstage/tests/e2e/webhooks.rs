//! Webhooks: messages of background predictions and batch jobs, signed, in order, through a receiver that fails and a server that is
//! killed; nothing goes where it may not.

use crate::world::World;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const BACKGROUND: &str = "
import onstage as on

@on.predict(background=True)
def twice(x: int) -> int:
    return 2 * x
";

/// Streams a word when it is let, and prints one before.
const STREAMING: &str = "
import time
from pathlib import Path
import onstage as on

@on.predict(background=True)
def words(gate: str) -> list[str]:
    for word in ('one', 'two'):
        print('now', word)
        yield word
        while not Path(gate, word).exists():
            time.sleep(0.01)
";

/// A message as it came: its headers in lower case, and its body.
type Came = (Vec<(String, String)>, String);

/// Answers 500 to the first so many messages, then 200, and keeps all.
struct Receiver {
    url: String,
    came: Arc<Mutex<Vec<Came>>>,
}

impl Receiver {
    fn start(refused: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let came: Arc<Mutex<Vec<Came>>> = Arc::default();
        let (kept, refused) = (came.clone(), AtomicUsize::new(refused));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let fine = refused
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                        left.checked_sub(1)
                    })
                    .is_err();
                if let Some(message) = read(stream, fine) {
                    kept.lock().unwrap().push(message);
                }
            }
        });
        Self { url, came }
    }

    async fn until(&self, count: usize) -> Vec<Came> {
        for _ in 0..600 {
            let came = self.came.lock().unwrap().clone();
            if came.len() >= count {
                return came;
            }
            tokio::time::sleep(Duration::from_millis(50)).await; // poll
        }
        panic!("of {count} messages came {:?}", self.came.lock().unwrap());
    }
}

fn read(mut stream: TcpStream, fine: bool) -> Option<Came> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut headers, mut line) = (Vec::new(), String::new());
    reader.read_line(&mut line).ok()?;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = header(&headers, "content-length").parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let status = if fine { "200 OK" } else { "500 Oh" };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).ok()?;
    Some((headers, String::from_utf8(body).ok()?))
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    let found = headers.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value)
}

async fn world() -> World {
    let world = World::with(&[
        ("ONSTAGE_WEBHOOK_HOSTS", "127.0.0.1, hooks.example.org"),
        ("ONSTAGE_WEBHOOK_LOOPBACK", "true"),
    ])
    .await;
    world.push("twice", BACKGROUND, &[]).await;
    world
}

async fn submit(world: &World, url: &str, more: Value) -> (u16, Value) {
    let mut body = json!({"input": {"x": 4}, "webhook": url});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    world.post("/v1/models/lab/twice/predictions", &body).await
}

#[tokio::test]
async fn a_job_is_told_of_in_order_also_to_a_receiver_that_fails_first() {
    let world = world().await;
    let receiver = Receiver::start(1);
    let (status, made) = submit(&world, &receiver.url, json!({})).await;
    assert_eq!(status, 202, "{made:#}");
    // The first is refused once, so it comes twice.
    let came = receiver.until(3).await;
    let told: Vec<Value> = came
        .iter()
        .map(|(_, body)| serde_json::from_str(body).unwrap())
        .collect();
    let words: Vec<&str> = told
        .iter()
        .map(|one| one["status"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["processing", "processing", "succeeded"]);
    assert_eq!(
        (&told[2]["id"], &told[2]["output"]),
        (&made["id"], &json!(8))
    );
    let ids: Vec<&str> = came
        .iter()
        .map(|(headers, _)| header(headers, "webhook-id"))
        .collect();
    assert_eq!(ids[0], ids[1], "a message that comes again has the same id");
    assert_ne!(ids[1], ids[2]);
    let (_, secret) = world.get("/v1/webhooks/default/secret").await;
    assert!(secret["key"].as_str().unwrap().starts_with("whsec_"));
    for (headers, _) in &came {
        assert!(header(headers, "webhook-signature").starts_with("v1,"));
        assert!(header(headers, "webhook-timestamp").parse::<i64>().is_ok());
    }
    world.close().await;
}

#[tokio::test]
async fn what_a_job_streams_and_prints_is_told_while_it_goes_on() {
    let world = world().await;
    world.push("words", STREAMING, &[]).await;
    let receiver = Receiver::start(0);
    let gate = tempfile::tempdir().unwrap();
    let body = json!({"input": {"gate": gate.path()}, "webhook": receiver.url});
    let path = "/v1/models/lab/words/predictions";
    let (status, made) = world.post(path, &body).await;
    assert_eq!(status, 202, "{made:#}");
    let brings = |one: &Value, output: Value, line: &str| {
        one["output"] == output && one["logs"].as_str().unwrap_or("").contains(line)
    };
    let first = until(&receiver, |one| brings(one, json!(["one"]), "now one")).await;
    assert_eq!(first["status"], "processing");
    let (_, shown) = world
        .get(&format!("/v1/predictions/{}", made["id"].as_str().unwrap()))
        .await;
    assert_eq!(shown["output"], json!(["one"]), "asked for meanwhile");
    std::fs::write(gate.path().join("one"), "").unwrap();
    until(&receiver, |one| {
        brings(one, json!(["one", "two"]), "now two")
    })
    .await;
    std::fs::write(gate.path().join("two"), "").unwrap();
    let last = until(&receiver, |one| one["status"] == "succeeded").await;
    assert!(brings(&last, json!(["one", "two"]), "now two"), "{last:#}");
    let came = receiver.until(4).await;
    let ids = came
        .iter()
        .map(|(headers, _)| header(headers, "webhook-id"));
    let ids: std::collections::BTreeSet<&str> = ids.collect();
    assert_eq!(ids.len(), came.len(), "each is a message of its own");
    world.close().await;
}

const FILES: &str = "
import time
from pathlib import Path
import onstage as on

@on.predict(background=True)
def files(gate: str) -> list[on.File]:
    for word in ('one', 'two'):
        yield on.File(word.encode(), name=word + '.txt')
        while not Path(gate, word).exists():
            time.sleep(0.01)
";

#[tokio::test]
async fn a_streamed_file_is_a_link_that_works_before_the_end_and_after() {
    let world = world().await;
    world.push("files", FILES, &[]).await;
    let receiver = Receiver::start(0);
    let gate = tempfile::tempdir().unwrap();
    let body = json!({"input": {"gate": gate.path()}, "webhook": receiver.url, "webhook_events_filter": ["output"]});
    let (status, made) = world.post("/v1/models/lab/files/predictions", &body).await;
    assert_eq!(status, 202, "{made:#}");
    let first = until(&receiver, |one| one["output"][0].is_string()).await;
    let link = first["output"][0].as_str().unwrap();
    assert!(link.starts_with("/v1/files/"), "{first:#}");
    assert_eq!(world.get(link).await, (200, json!("one")));
    for word in ["one", "two"] {
        std::fs::write(gate.path().join(word), "").unwrap();
    }
    let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
    let ended = world.finished(&path).await;
    assert_eq!(ended["status"], "succeeded", "{ended:#}");
    assert_eq!(world.get(link).await, (200, json!("one")));
    world.close().await;
}

/// The first message that is as wanted.
async fn until(receiver: &Receiver, wanted: impl Fn(&Value) -> bool) -> Value {
    for count in 1.. {
        let came = receiver.until(count).await;
        let body = serde_json::from_str(&came[count - 1].1).unwrap();
        if wanted(&body) {
            return body;
        }
    }
    unreachable!("the receiver ends it")
}

#[tokio::test]
async fn a_filter_chooses_and_what_is_not_allowed_is_refused() {
    let world = world().await;
    let receiver = Receiver::start(0);
    let only = json!({"webhook_events_filter": ["completed"]});
    let (status, _) = submit(&world, &receiver.url, only).await;
    assert_eq!(status, 202);
    let came = receiver.until(1).await;
    assert!(came[0].1.contains("succeeded"), "{}", came[0].1);
    for (url, more) in [
        ("http://169.254.169.254/latest", json!({})),
        ("https://evil.example.net/", json!({})),
        ("file:///etc/passwd", json!({})),
        (
            receiver.url.as_str(),
            json!({"webhook_events_filter": ["progress"]}),
        ),
    ] {
        let (status, problem) = submit(&world, url, more).await;
        assert!((400..500).contains(&status), "{url}: {status} {problem:#}");
    }
    assert_eq!(receiver.came.lock().unwrap().len(), 1);
    world.close().await;
}

#[tokio::test]
async fn webhooks_are_off_until_a_host_is_allowed() {
    let world = World::start().await;
    world.push("twice", BACKGROUND, &[]).await;
    let (status, problem) = submit(&world, "https://hooks.example.org/", json!({})).await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("webhooks_off")),
        "{problem:#}"
    );
    world.close().await;
}

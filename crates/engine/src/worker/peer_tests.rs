//! A worker's loop against a peer that follows a script over real sockets and pipes: what a Python worker would never say.
//! No process behind it; its end is part of the script.

use super::{End, Item, Sink, Start, Worker};
use crate::parts::tests::parts_with;
use async_trait::async_trait;
use bytes::BytesMut;
use onstage_core::{
    Result,
    model::{BuildFailure, Version, VersionId},
    outcome::Phase,
    ports::{Attached, Exit, Launcher, Preparing, WorkerProcess, WorkerSpec},
    value::{BlobRef, Value},
    wire::{Frame, to_worker::Work},
};
use std::{
    collections::VecDeque,
    io::{Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{Notify, oneshot};

pub(crate) type Script = Box<dyn FnOnce(Peer) + Send>;

/// The worker's side of the wire, with blocking reads.
pub(crate) struct Peer {
    socket: UnixStream,
    stdout: std::io::PipeWriter,
    inbox: BytesMut,
}

impl Peer {
    pub(crate) fn say(&mut self, header: &str) {
        let mut bytes = BytesMut::new();
        Frame::new(header.to_owned()).encode(&mut bytes);
        self.say_raw(&bytes);
    }

    fn say_raw(&mut self, bytes: &[u8]) {
        // The host may have hung up already; that is for the test to judge.
        let _ = self.socket.write_all(bytes);
    }

    /// The next message's header; `None` when the host hung up.
    pub(crate) fn hear(&mut self) -> Option<serde_json::Value> {
        let mut buffer = [0_u8; 4096];
        loop {
            if let Some(frame) = Frame::decode(&mut self.inbox).unwrap() {
                return Some(serde_json::from_slice(&frame.header).unwrap());
            }
            let read = self.socket.read(&mut buffer).unwrap_or(0);
            if read == 0 {
                return None;
            }
            self.inbox.extend_from_slice(&buffer[..read]);
        }
    }

    pub(crate) fn get_ready(&mut self) {
        self.say(r#"{"t":"hello","protocol":1,"pid":1,"runner":"script/1"}"#);
        assert_eq!(self.hear().unwrap()["t"], "setup");
        self.say(r#"{"t":"ready"}"#);
    }
}

/// Each worker that is launched follows the next script.
pub(crate) struct ScriptLauncher(pub(crate) Mutex<VecDeque<Script>>);

struct ScriptProcess {
    attached: Option<Attached>,
    killed: Arc<Notify>,
    done: Option<oneshot::Receiver<()>>,
}

#[async_trait]
impl Launcher for ScriptLauncher {
    async fn launch(&self, _: &WorkerSpec, _: &dyn Preparing) -> Result<Box<dyn WorkerProcess>> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (stdout, print) = std::io::pipe().unwrap();
        let (stderr, _) = std::io::pipe().unwrap();
        let script = self.0.lock().unwrap().pop_front().unwrap();
        let (ended, done) = oneshot::channel();
        std::thread::spawn(move || {
            script(Peer {
                socket: theirs,
                stdout: print,
                inbox: BytesMut::new(),
            });
            let _ = ended.send(());
        });
        Ok(Box::new(ScriptProcess {
            attached: Some(Attached {
                socket: ours.into(),
                stdout: OwnedFd::from(stdout),
                stderr: OwnedFd::from(stderr),
            }),
            killed: Arc::new(Notify::new()),
            done: Some(done),
        }))
    }

    async fn folder(&self, _: &BlobRef) -> Result<PathBuf> {
        Ok(PathBuf::new())
    }

    fn forget(&self, _: &VersionId) {}
}

#[async_trait]
impl WorkerProcess for ScriptProcess {
    fn pid(&self) -> u32 {
        1
    }
    fn attach(&mut self) -> Option<Attached> {
        self.attached.take()
    }
    async fn wait(&mut self) -> Exit {
        let done = async {
            match &mut self.done {
                Some(done) => done.await.map_or((), |()| ()),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = done => { self.done = None; Exit::Code(4) }
            () = self.killed.notified() => Exit::Signal(9),
        }
    }
    fn terminate(&self) {}
    fn kill(&self) {
        self.killed.notify_one();
    }
    fn memory_bytes(&self) -> Option<u64> {
        None
    }
}

struct Quiet;
impl Preparing for Quiet {
    fn phase(&self, _: Phase, _: &str) {}
    fn line(&self, _: &str) {}
}

pub(crate) fn version(more: &str) -> Version {
    serde_json::from_str(&format!(
        r#"{{"id": "v", "model": "lab/age", "number": 1, "bundle": {{"key": "b", "size_bytes": 0, "sha256": ""}}, "config": {{"model": {{"name": "age"}}{more}}},
            "examples": "", "state": {{"state": "building", "phase": "loading", "text": ""}}, "promote_when_ready": false, "created_at": 0}}"#
    ))
    .unwrap()
}

async fn start(
    more: &str,
    script: impl FnOnce(Peer) + Send + 'static,
) -> Result<Worker, BuildFailure> {
    let scripts: VecDeque<Script> = [Box::new(script) as Script].into();
    let parts = parts_with(Arc::new(ScriptLauncher(Mutex::new(scripts))));
    let how = Start {
        label: format!("script-{}", parts.new_id()),
        tempdir: std::env::temp_dir(),
        describe: false,
        cancel_grace: Duration::from_millis(100),
        environment: Vec::new(),
        work: Work::Predict,
    };
    Worker::start(&parts, &version(more), &how, &Quiet).await
}

/// Hands its end and its lines out.
struct Told(Mutex<Option<oneshot::Sender<End>>>, Mutex<Vec<String>>);

impl Sink for Told {
    fn log(&self, line: &super::LogLine<'_>) {
        self.1.lock().unwrap().push(line.text.to_owned());
    }
    fn end(&self, end: End) {
        let tell = self.0.lock().unwrap().take().expect("one end only");
        tell.send(end).unwrap();
    }
}

fn item(id: u64, limit: Duration) -> (Item, Arc<Told>, oneshot::Receiver<End>) {
    let (tell, told) = oneshot::channel();
    let sink = Arc::new(Told(Mutex::new(Some(tell)), Mutex::default()));
    let item = Item {
        id,
        input: Value::null(),
        seed: 0,
        limit,
        until: None,
        sink: sink.clone(),
    };
    (item, sink, told)
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn answers_for_nobody_reach_nobody_and_what_is_unknown_is_ignored() {
    let worker = start("", |mut peer| {
        peer.get_ready();
        let id = peer.hear().unwrap()["items"][0]["id"].clone();
        peer.say(r#"{"t":"telepathy"}"#);
        peer.say(r#"{"t":"result","items":[{"id":999,"output":"not yours"}]}"#);
        peer.say(r#"{"t":"chunk","id":999,"index":7,"output":1}"#);
        writeln!(peer.stdout, "\u{1e}999\nfor another\n\u{1e}{id}\nfor it").unwrap();
        peer.say(&format!(
            r#"{{"t":"result","items":[{{"id":{id},"output":"yours"}}]}}"#
        ));
        peer.say(&format!(
            r#"{{"t":"result","items":[{{"id":{id},"output":"twice"}}]}}"#
        ));
        assert_eq!(peer.hear().unwrap()["t"], "exit");
    })
    .await
    .unwrap();
    let (item, sink, told) = item(5, LONG);
    worker.run(vec![item]);
    assert!(
        matches!(told.await.unwrap(), End::Output { output, .. } if output.json == "\"yours\"")
    );
    assert_eq!(*sink.1.lock().unwrap(), ["for it"]);
    worker.stop(LONG).await;
}

/// The number of the item that comes alone in the next message.
fn next_id(peer: &mut Peer) -> u64 {
    peer.hear().unwrap()["items"][0]["id"].as_u64().unwrap()
}

fn answer(peer: &mut Peer, id: u64) {
    peer.say(&format!(
        r#"{{"t":"result","items":[{{"id":{id},"output":{id}}}]}}"#
    ));
}

#[tokio::test]
async fn the_next_microbatch_is_on_its_way_while_a_quick_worker_computes() {
    let worker = start("", |mut peer| {
        peer.get_ready();
        let first = next_id(&mut peer);
        answer(&mut peer, first);
        let (second, third) = (next_id(&mut peer), next_id(&mut peer));
        answer(&mut peer, second);
        answer(&mut peer, third);
        let fourth = next_id(&mut peer);
        answer(&mut peer, fourth);
        assert_eq!(peer.hear().unwrap()["t"], "exit");
    })
    .await
    .unwrap();
    let mut told = Vec::new();
    for id in 1..=4 {
        let (item, _, end) = item(id, LONG);
        worker.run(vec![item]);
        told.push(end);
    }
    for (end, id) in told.into_iter().zip(1..) {
        let end = end.await.unwrap();
        let right = |output: &Value| output.json == id.to_string();
        assert!(matches!(&end, End::Output { output, .. } if right(output)));
    }
    worker.stop(LONG).await;
}

#[tokio::test]
async fn a_death_is_explained_by_what_its_own_item_printed() {
    let worker = start("", |mut peer| {
        peer.get_ready();
        let first = peer.hear().unwrap()["items"][0]["id"].clone();
        writeln!(peer.stdout, "\u{1e}{first}\nof the first").unwrap();
        peer.say(&format!(
            r#"{{"t":"result","items":[{{"id":{first},"output":1}}]}}"#
        ));
        let second = peer.hear().unwrap()["items"][0]["id"].clone();
        writeln!(peer.stdout, "\u{1e}{second}\nof the second").unwrap();
    })
    .await
    .unwrap();
    let (item, _, told) = item(1, LONG);
    worker.run(vec![item]);
    assert!(matches!(told.await.unwrap(), End::Output { .. }));
    let (item, _, told) = self::item(2, LONG);
    worker.run(vec![item]);
    let End::Failed { failure, .. } = told.await.unwrap() else {
        panic!()
    };
    assert_eq!(failure.traceback.as_deref(), Some("of the second"));
    worker.ended().await;
}

#[tokio::test]
async fn garbage_of_any_kind_ends_the_worker_and_fails_the_one_it_had() {
    let garbage: [(&'static [u8], &str); 5] = [
        (b"\xff\xff\xff\xff\xff\xff\xff\xff", "over the limit"),
        (b"\x08\0\0\0\x04\0\0\0nope", "not a JSON object"),
        (b"\x0c\0\0\0\x08\0\0\0{\"t\":12}", "not a message"),
        (b"\x03\0\0\0\x09\0\0\0", "no room"),
        (b"\x0c\0\0\0\xff\0\0\0", "does not fit"),
    ];
    for (bytes, words) in garbage {
        let worker = start("", move |mut peer| {
            peer.get_ready();
            peer.hear();
            peer.say_raw(bytes);
            while peer.hear().is_some() {}
        })
        .await
        .unwrap();
        let (item, _, told) = item(1, LONG);
        worker.run(vec![item]);
        let End::Failed { failure, .. } = told.await.unwrap() else {
            panic!("{words}")
        };
        assert!(
            failure.message.contains(words),
            "{words}: {}",
            failure.message
        );
        worker.ended().await;
        // A worker that is gone gives back what comes later.
        let (late, _, told) = self::item(2, LONG);
        worker.run(vec![late]);
        assert!(matches!(
            told.await.unwrap(),
            End::Returned { alone: false, .. }
        ));
    }
}

#[tokio::test]
async fn a_worker_that_ignores_its_cancel_is_killed_after_the_grace() {
    let worker = start("", |mut peer| {
        peer.get_ready();
        while peer.hear().is_some() {}
    })
    .await
    .unwrap();
    let (item, _, told) = item(1, Duration::from_millis(50));
    worker.run(vec![item]);
    let End::Failed { failure, .. } = told.await.unwrap() else {
        panic!()
    };
    assert_eq!(failure.message, "it took longer than 0.05 s");
    assert!(
        matches!(worker.ended().await, super::Ended::Died(why) if why.message.contains("did not stop"))
    );
}

#[tokio::test]
async fn starts_that_go_wrong_say_how() {
    let cases: [(&str, &str, Script); 5] = [
        (
            "worker_lost",
            "version 9",
            Box::new(|mut peer| {
                peer.say(r#"{"t":"hello","protocol":9}"#);
                while peer.hear().is_some() {}
            }),
        ),
        (
            "worker_lost",
            "answered `hello` with `ready`",
            Box::new(|mut peer| {
                peer.say(r#"{"t":"ready"}"#);
                while peer.hear().is_some() {}
            }),
        ),
        (
            "worker_lost",
            "exited with code 4",
            Box::new(|mut peer| {
                peer.say(r#"{"t":"hello","protocol":1}"#);
                peer.hear();
            }),
        ),
        (
            "setup_failed",
            "no weights",
            Box::new(|mut peer| {
                peer.say(r#"{"t":"hello","protocol":1}"#);
                peer.hear();
                peer.say(r#"{"t":"failed","during":"setup","error":{"kind":"exception","message":"no weights"}}"#);
                while peer.hear().is_some() {}
            }),
        ),
        (
            "timeout",
            "0.2 s",
            Box::new(|mut peer| while peer.hear().is_some() {}),
        ),
    ];
    for (kind, words, script) in cases {
        let failure = start(r#", "realtime": {"startup_timeout": "200ms"}"#, script)
            .await
            .err()
            .unwrap();
        assert_eq!(failure.kind, kind, "{failure:?}");
        assert!(failure.message.contains(words), "{failure:?}");
    }
}

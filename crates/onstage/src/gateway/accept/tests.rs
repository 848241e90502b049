//! The accept loop on real sockets: what is ambiguous, slow, large or too much; and how it ends.

use super::{Limits, Patience, listen};
use crate::gateway::{serve, tests::world::World};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);

struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<Option<()>>,
    world: World,
}

async fn served(limits: Limits) -> Served {
    let world = World::with(|settings| settings.limits = limits).await;
    let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = serve(listener, world.state.clone(), stop.clone());
    let serving = onstage_engine::spawn::spawn("served", serving);
    Served {
        address,
        stop,
        serving,
        world,
    }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads until the server closes.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may close before it has read all.
        let _ = stream.write_all(bytes).await;
        read_to_end(&mut stream).await
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.serving)
            .await
            .expect("it ends")
            .unwrap();
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let read = tokio::time::timeout(PATIENCE, read)
        .await
        .expect("the server closes");
    if let Err(error) = read {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8())
            .await
            .expect("an answer comes");
        head.push(byte.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambiguous_requests_are_refused_and_the_connection_closed() {
    let served = served(Limits::default()).await;
    let smuggled = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for head in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\nContent-Length: 4",
        "Content-Length: 4\r\nContent-Length: 50",
        "Content-Length: 4, 4",
        "Content-Length: 0x4",
        "Content-Length: -1",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "X: a\nContent-Length: 4",
        " Content-Length: 4",
        "X: \0",
        "Bad Header: x",
    ] {
        let request = format!(
            "POST /v1/login HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n0\r\n\r\n{smuggled}"
        );
        let answer = served.exchange(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{head:?}: {answer}");
    }
    for request in [
        "GET /healthz HTTP/1.1\nHost: localhost\n\n".to_owned(),
        "CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
        format!(
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n{}",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
        ),
    ] {
        let answer = served.exchange(request.as_bytes()).await;
        assert!(answer.contains("HTTP/1.1 400"), "{request:?}: {answer}");
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_follow_each_other_on_one_connection() {
    let served = served(Limits::default()).await;
    let one = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let chunked = "POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    let last = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = served
        .exchange(format!("{one}{chunked}{one}{last}").as_bytes())
        .await;
    let codes: Vec<&str> = answer
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &answer[at + 9..at + 12])
        .collect();
    assert_eq!(codes, ["200", "422", "200", "200"], "{answer}");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_heads_are_refused() {
    let served = served(Limits::default()).await;
    let fields: String = (0..101).map(|n| format!("X-{n}: y\r\n")).collect();
    for head in [
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"),
        format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
            "y".repeat(64 * 1024)
        ),
        format!(
            "GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "y".repeat(1 << 20)
        ),
    ] {
        let answer = served.exchange(head.as_bytes()).await;
        let refused = ["400", "414", "431"]
            .iter()
            .any(|code| answer.starts_with(&format!("HTTP/1.1 {code}")));
        assert!(refused || answer.is_empty(), "{answer}");
    }
    served.end().await;
}

fn hurried() -> Limits {
    Limits {
        patience: Patience {
            first_byte: Duration::from_secs(1),
            head: Duration::from_secs(1),
            idle: Duration::from_secs(1),
            grace: Duration::from_secs(1),
            floor_bytes_per_s: 1024,
            stalled_answer: Duration::from_secs(1),
        },
        ..Limits::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slow_are_closed_and_the_quick_are_served_meanwhile() {
    let mut limits = hurried();
    // The quick may be late on a busy machine.
    limits.patience.first_byte = Duration::from_secs(5);
    limits.patience.head = Duration::from_secs(5);
    limits.patience.idle = Duration::from_secs(5);
    let served = served(limits).await;
    let mut silent = served.connect().await;
    let mut slow_head = served.connect().await;
    slow_head.write_all(b"GET / HT").await.unwrap();
    let mut slow_body = served.connect().await;
    slow_body
        .write_all(b"POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{")
        .await
        .unwrap();
    let mut idle = served.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    assert!(read_head(&mut idle).await.starts_with("HTTP/1.1 200"));
    let quick = served
        .exchange(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await;
    assert!(quick.starts_with("HTTP/1.1 200"), "{quick}");
    for stream in [&mut silent, &mut slow_head, &mut slow_body] {
        let answer = read_to_end(stream).await;
        assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
    }
    assert!(read_to_end(&mut idle).await.ends_with("ok\n"));
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_a_limit_to_connections() {
    let limits = Limits {
        connections_max: 2,
        ..Limits::default()
    };
    let served = served(limits).await;
    let mut first = served.connect().await;
    let mut second = served.connect().await;
    for stream in [&mut first, &mut second] {
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        assert!(read_head(stream).await.starts_with("HTTP/1.1 200"));
    }
    let mut third = served.connect().await;
    let refused = read_to_end(&mut third).await;
    assert!(
        refused.is_empty() || refused.starts_with("HTTP/1.1 503"),
        "{refused}"
    );
    drop(first);
    served
        .world
        .until("a place is free again", async || {
            let mut stream = served.connect().await;
            let _ = stream
                .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .await;
            read_to_end(&mut stream)
                .await
                .starts_with("HTTP/1.1 200")
                .then_some(())
        })
        .await;
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_is_bounded_and_open_requests_are_answered() {
    let limits = Limits {
        drain: Duration::from_secs(2),
        ..Limits::default()
    };
    let served = served(limits).await;
    let mut idle = served.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    read_head(&mut idle).await;
    // A request whose body never comes would hold the server for ever.
    let mut stuck = served.connect().await;
    stuck
        .write_all(b"POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        .await
        .unwrap();
    assert!(read_head(&mut stuck).await.starts_with("HTTP/1.1 100"));
    let address = served.address;
    served.end().await;
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
    assert!(!read_to_end(&mut stuck).await.contains("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_taken_port_is_told() {
    let first = listen(([127, 0, 0, 1], 0).into()).unwrap();
    let address = first.local_addr().unwrap();
    let error = listen(address).unwrap_err();
    assert_eq!(error.kind, onstage_core::Kind::Conflict);
    assert!(error.to_string().contains(&address.to_string()));
}

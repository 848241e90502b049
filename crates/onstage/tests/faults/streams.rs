//! Connections that take their time: slow readers, idle ones by the thousand, and those that never finish a head.

use crate::{
    actor::{self, act, echoes},
    experiment::{Experiment, is_full},
    gauges::{own_bytes, percentile},
    sockets::{connect, connect_narrow, get, head, read_to_end},
    world::World,
};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// More than all buffers between the blob and a client that does not read.
const LARGE_BYTES: usize = 16 << 20;

#[tokio::test]
async fn f21_slow_readers_are_cut_and_cost_little() {
    let mut it = Experiment::new("F21", "clients that read a byte a second", 200, 20);
    let world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 1, max = 1 }").await;
    let file = world.upload("large.bin", vec![7_u8; LARGE_BYTES]).await;
    let path = format!("/v1/files/{file}/content");
    let normal = if is_full() { 1_000 } else { 30 };
    let mut before = echoes(&world, &mut it, "actor", normal).await;
    let resident = own_bytes(world.server_pid());
    let mut clients = Vec::new();
    for _ in 0..it.rounds() {
        let mut stream = connect_narrow(&world).await;
        let head = head(&mut stream, &get(&world, &path, "")).await;
        it.check(head.starts_with("HTTP/1.1 200"), || head.clone());
        clients.push(stream);
    }
    // Until what can be buffered is.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let grown = own_bytes(world.server_pid()).saturating_sub(resident);
    it.at_most(
        "kib_held_for_each",
        grown as f64 / 1024.0 / it.rounds() as f64,
        64.0,
    );
    let mut during = echoes(&world, &mut it, "actor", normal).await;
    let base = percentile(&mut before, 0.99).as_secs_f64() * 1000.0;
    it.measured("others_p99_before_ms", (base * 100.0).round() / 100.0);
    it.ms_at_most(
        "others_p99_during",
        percentile(&mut during, 0.99),
        base * 1.1 + 1.0,
    );
    if is_full() {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            for client in &mut clients {
                let _ = tokio::time::timeout(Duration::from_millis(1), client.read_u8()).await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        for client in &mut clients {
            let (rest, ended) = read_to_end(client, Duration::from_secs(5)).await;
            it.check(ended && rest.len() < LARGE_BYTES, || {
                format!("still served after 30 s: {} bytes", rest.len())
            });
        }
    }
    drop(clients);
    world.close().await;
    it.end();
}

/// Connections that are opened at the same time.
const OPENED_AT_ONCE: usize = 100;

#[tokio::test]
async fn f36_idle_connections_up_to_the_limit_and_over_it() {
    // The limit is 12,288; a few are left for the test's own calls.
    let mut it = Experiment::new("F36", "idle keep-alive connections", 12_200, 300);
    let world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 1, max = 1 }").await;
    echoes(&world, &mut it, "actor", 20).await;
    let resident = own_bytes(world.server_pid());
    let mut idle = Vec::new();
    // Many at once: all must be there before the first has been idle for its time.
    while idle.len() < it.rounds() {
        let some = (0..OPENED_AT_ONCE).map(|_| async {
            let mut stream = connect(&world).await;
            let head = head(&mut stream, &get(&world, "/healthz", "")).await;
            (stream, head)
        });
        for (stream, head) in futures::future::join_all(some).await {
            it.check(head.starts_with("HTTP/1.1 200"), || head.clone());
            idle.push(stream);
        }
    }
    let grown = own_bytes(world.server_pid()).saturating_sub(resident);
    it.at_most(
        "front_grew_mib",
        grown as f64 / f64::from(1 << 20),
        it.rounds() as f64 * 320.0 / 10_000.0,
    );
    let mut fresh = Vec::new();
    for _ in 0..20 {
        let began = Instant::now();
        let mut stream = connect(&world).await;
        let head = head(
            &mut stream,
            &get(&world, "/v1/models/lab/actor", "connection: close\r\n"),
        )
        .await;
        it.check(head.starts_with("HTTP/1.1 200"), || head.clone());
        fresh.push(began.elapsed());
    }
    it.ms_at_most("new_request_p99", percentile(&mut fresh, 0.99), 50.0);
    if is_full() {
        over_the_limit(&world, &mut it).await;
    }
    drop(idle);
    let told = act(&world, "actor", "ok", 7).await;
    it.check(told.is(7), || format!("{told:?}"));
    world.close().await;
    it.end();
}

async fn over_the_limit(world: &World, it: &mut Experiment) {
    let (mut more, mut refused) = (Vec::new(), 0);
    for _ in 0..200 {
        let mut stream = connect(world).await;
        let mut first = [0_u8; 12];
        let read = tokio::time::timeout(Duration::from_millis(100), stream.read_exact(&mut first));
        match read.await {
            Ok(read) => {
                refused += 1;
                // Refused with words, or closed when it took none in time.
                it.check(read.is_err() || &first == b"HTTP/1.1 503", || {
                    String::from_utf8_lossy(&first).into_owned()
                });
            }
            Err(_) => more.push(stream),
        }
    }
    it.check(refused > 0, || "nobody was refused".to_owned());
    it.measured("refused_over_the_limit", refused);
}

#[tokio::test]
async fn s14_silent_and_dribbling_connections_are_closed() {
    let mut it = Experiment::new("S14", "slowloris (axum #2741, hyper #3756)", 4_000, 60);
    let world = World::start().await;
    actor::push(&world, "actor", "workers = { min = 1, max = 1 }").await;
    let began = Instant::now();
    let mut sockets = Vec::new();
    for n in 0..it.rounds() {
        let mut stream = connect(&world).await;
        if n % 2 == 1 {
            stream.write_all(b"GET / HT").await.unwrap();
        }
        sockets.push(stream);
    }
    let normal = if is_full() { 500 } else { 20 };
    echoes(&world, &mut it, "actor", normal).await;
    let ends = sockets.into_iter().enumerate().map(|(n, stream)| {
        tokio::spawn(async move {
            let (mut read, mut write) = stream.into_split();
            let dribbles = async {
                // A byte each second of a head that never ends, or nothing at all.
                while n % 2 == 1 && write.write_all(b"T").await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                std::future::pending::<()>().await;
            };
            let mut rest = Vec::new();
            tokio::select! {
                _ = read.read_to_end(&mut rest) => Some(began.elapsed()),
                () = dribbles => None,
                () = tokio::time::sleep(Duration::from_secs(60)) => None,
            }
        })
    });
    let mut times = Vec::new();
    for end in futures::future::join_all(ends).await {
        let end = end.unwrap();
        it.check(end.is_some(), || "a socket was never closed".to_owned());
        times.extend(end);
    }
    it.ms_at_most("closed_after_max", percentile(&mut times, 1.0), 15_000.0);
    world.close().await;
    it.end();
}

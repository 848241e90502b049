//! The hot parts alone, one a run, for a tool that counts instructions: `instructions list`, `instructions NAME`.
//! Prepares, then does the work once in `counted`; only that is counted. Does not count itself.

use bytes::{Bytes, BytesMut};
use onstage_core::{
    value::Value,
    wire::{Frame, FromWorker, ToWorker, to_worker::Item},
};
use onstage_engine::{
    batcher::{self, Shape, View, Wait},
    scaler::{self, Bounds, Seen},
};
use std::{hint::black_box, io::Write as _, time::Duration};

const ITEMS: u64 = 32;
const DECISIONS: u64 = 1_000;
const MEGABYTE: usize = 1 << 20;

type Work = Box<dyn FnMut()>;
type Part = (&'static str, fn() -> Work);

const PARTS: &[Part] = &[
    ("frame-encode", frame_encode),
    ("frame-decode", frame_decode),
    ("frame-decode-megabyte", frame_decode_megabyte),
    ("results-parse", results_parse),
    ("batcher-next", batcher_next),
    ("scaler-step", scaler_step),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo adds `--bench`.
    let wanted = std::env::args().skip(1).find(|word| word != "--bench");
    match wanted.as_deref() {
        None | Some("list") => {
            for (name, _) in PARTS {
                writeln!(std::io::stdout(), "{name}")?;
            }
        }
        Some(wanted) => {
            let (_, prepare) = PARTS
                .iter()
                .find(|(name, _)| *name == wanted)
                .ok_or_else(|| format!("no part is called `{wanted}`"))?;
            // What is only done the first time is not what is compared.
            prepare()();
            counted(&mut prepare());
        }
    }
    Ok(())
}

#[inline(never)]
fn counted(work: &mut Work) {
    work();
}

/// A microbatch of small inputs, to the bytes on the socket.
fn frame_encode() -> Work {
    let items = items();
    let mut out = BytesMut::with_capacity(MEGABYTE);
    Box::new(move || {
        ToWorker::Predict { items: &items }
            .frame()
            .encode(black_box(&mut out));
    })
}

fn items() -> Vec<Item> {
    (0..ITEMS)
        .map(|id| Item {
            id,
            input: Value::json(r#"{"x":7,"zone":"N","draws":10}"#),
            seed: id * 1_000_003,
            deadline_ms: Some(60_000),
        })
        .collect()
}

/// As many answers as come in one read of the socket, without attachments.
fn frame_decode() -> Work {
    let mut buffer = BytesMut::new();
    for id in 0..ITEMS {
        Frame::new(results(id..id + 1)).encode(&mut buffer);
    }
    Box::new(move || while let Ok(Some(_)) = black_box(Frame::decode(&mut buffer)) {})
}

/// One answer with a large attachment, which must not be copied.
fn frame_decode_megabyte() -> Work {
    let mut buffer = BytesMut::new();
    let header = format!(
        r#"{{"t":"result","items":[{{"id":1,"output":{{"$attachment":0}}}}],"attachments":[{MEGABYTE}]}}"#
    );
    let attachments = vec![Bytes::from(vec![0; MEGABYTE])];
    Frame {
        header: header.into(),
        attachments,
    }
    .encode(&mut buffer);
    Box::new(move || while let Ok(Some(_)) = black_box(Frame::decode(&mut buffer)) {})
}

/// The answers of a microbatch, out of their JSON.
fn results_parse() -> Work {
    let frame = Frame::new(results(0..ITEMS));
    Box::new(move || {
        let parsed = FromWorker::parse(black_box(&frame));
        assert!(matches!(parsed, Ok(FromWorker::Result(answers)) if answers.len() as u64 == ITEMS));
    })
}

fn results(ids: std::ops::Range<u64>) -> String {
    let items: Vec<String> = ids
        .map(|id| format!(r#"{{"id":{id},"output":{{"label":"cod","probability":0.875}}}}"#))
        .collect();
    format!(r#"{{"t":"result","items":[{}]}}"#, items.join(","))
}

/// How much of the queue the next worker takes, over queues of many lengths.
fn batcher_next() -> Work {
    let shape = Shape {
        many_max: Some(32),
        wait: Wait::Fixed(Duration::from_millis(5)),
    };
    Box::new(move || {
        for n in 0..DECISIONS {
            let view = View {
                window: Duration::from_millis(5),
                queued: (n % 64) as usize,
                oldest_at: Duration::from_millis(n),
                idle: (n % 3) as usize,
                ahead: (n % 2) as usize,
                ahead_max: None,
                item_time: Some(Duration::from_micros(20)),
                microbatch_time: Some(Duration::from_micros(400)),
            };
            let now = Duration::from_millis(n + n % 7);
            black_box(batcher::next(black_box(&shape), black_box(&view), now));
        }
    })
}

/// How many workers to start or stop, over pools of many sizes.
fn scaler_step() -> Work {
    let pools: Vec<Seen> = (0..DECISIONS)
        .map(|n| Seen {
            queued: (n % 200) as usize,
            oldest_at: Some(Duration::from_millis(n)),
            busy: (n % 5) as usize,
            idle_since: vec![Duration::from_millis(n); (n % 4) as usize],
            bounds: Bounds {
                max: 8,
                room: 4,
                idle: Duration::from_secs(10),
                ..Bounds::default()
            },
            items_max: 100,
            microbatch_time: Some(Duration::from_secs(1)),
            ..Seen::default()
        })
        .collect();
    Box::new(move || {
        for (n, seen) in pools.iter().enumerate() {
            black_box(scaler::step(
                black_box(seen),
                Duration::from_millis(n as u64 + 300),
            ));
        }
    })
}

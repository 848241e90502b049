//! What a caller gets: answers, logs, events, records, streams, waiting told in words.

use crate::world::{World, answer, model};
use onstage_core::{
    outcome::{Reason, Status},
    ports::{Page, StateOp},
    prediction::{PredictionEnd, PredictionFilter},
    value::Stored,
};
use onstage_engine::Refused;
use std::sync::Arc;

const ECHO: &str = "
import onstage as on

@on.predict
def echo(text: str) -> str:
    print('got', text)
    return text
";

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_its_logs_events_and_record() {
    let world = World::new().await;
    let live = world.live(ECHO, "").await;
    let ticket = world.predict(&live, r#"{"text": "hi"}"#);
    assert_eq!(answer(&ticket).await.unwrap(), "\"hi\"");
    assert_eq!(ticket.done().await.logs, "got hi\n");
    let kinds: Vec<_> = ticket
        .events_after(0)
        .iter()
        .map(|event| event.kind.name())
        .collect();
    assert_eq!(kinds, ["queued", "start", "log", "completed"]);
    assert_eq!(ticket.snapshot().status, Status::Succeeded);
    let id = ticket.id().clone();
    let record = world
        .until("the record is written", async || {
            world.parts.store.prediction(&id).await.unwrap()
        })
        .await;
    assert_eq!(
        record.end,
        PredictionEnd::Output(Stored::Inline("\"hi\"".into()))
    );
    assert!(world.engine.find(&id).is_none());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_at_once_are_each_answered_with_their_own() {
    let world = World::new().await;
    let live = world
        .live(
            ECHO,
            "[realtime]\nqueue = 2000\nworkers = { min = 0, max = 2 }\n",
        )
        .await;
    let tickets: Vec<_> = (0..1000)
        .map(|n| world.predict(&live, &format!(r#"{{"text": "{n}"}}"#)))
        .collect();
    for (n, ticket) in tickets.iter().enumerate() {
        assert_eq!(answer(ticket).await.unwrap(), format!("\"{n}\""));
        assert_eq!(ticket.done().await.logs, format!("got {n}\n"));
    }
    let gauges = world.engine.gauges();
    let pool = &gauges.pools[0];
    assert_eq!((pool.queued, pool.in_flight, pool.strays), (0, 0, 0));
    assert_eq!(pool.answers, [(Reason::Ok, 1000)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vectorised_models_get_microbatches_in_order() {
    let world = World::new().await;
    let code = "
import onstage as on

@on.predict
def double(n: int) -> int:
    return 2 * n

@double.many(max=10)
def _(rows):
    assert len(rows) <= 10
    return [2 * row['n'] for row in rows]
";
    let live = world.live(code, "[realtime]\nqueue = 500\n").await;
    let tickets: Vec<_> = (0..200)
        .map(|n| world.predict(&live, &format!(r#"{{"n": {n}}}"#)))
        .collect();
    for (n, ticket) in tickets.iter().enumerate() {
        assert_eq!(answer(ticket).await.unwrap(), (2 * n).to_string());
    }
    let microbatches = world.engine.gauges().pools[0].microbatches;
    assert!((20..200).contains(&microbatches), "{microbatches}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streamed_pieces_come_one_by_one_and_are_joined() {
    let world = World::new().await;
    let code = "
import onstage as on
from typing import Iterator

@on.predict
def words(n: int) -> Iterator[str]:
    for i in range(n):
        yield f'w{i}'
";
    let live = world.live(code, "").await;
    let ticket = world.predict(&live, r#"{"n": 3}"#);
    assert_eq!(answer(&ticket).await.unwrap(), r#"["w0","w1","w2"]"#);
    let pieces: Vec<_> = ticket
        .events_after(0)
        .into_iter()
        .filter(|event| event.kind.name() == "output")
        .map(|event| event.data)
        .collect();
    assert_eq!(pieces[2], r#"{"index":2,"chunk":"w2"}"#);
    assert_eq!(world.answer(&live, r#"{"n": 0}"#).await.unwrap(), "[]");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_author_are_told_with_their_traceback() {
    let world = World::new().await;
    let code = "
import onstage as on

@on.predict
def f(n: int) -> float:
    if n < 0:
        raise on.UserError('n is too small', field='n')
    return 1 / n
";
    let live = world.live(code, "").await;
    let refused = world.answer(&live, r#"{"n": -1}"#).await.unwrap_err();
    assert_eq!(
        (refused.reason, refused.field.as_deref()),
        (Reason::UserError, Some("n"))
    );
    let raised = world.answer(&live, r#"{"n": 0}"#).await.unwrap_err();
    assert_eq!(raised.reason, Reason::Exception);
    assert!(raised.traceback.unwrap().contains("return 1 / n"));
    assert_eq!(world.answer(&live, r#"{"n": 2}"#).await.unwrap(), "0.5");
    let filter = PredictionFilter::default();
    world
        .until("failed ones are recorded", async || {
            let page = Page {
                after: None,
                limit: 10,
            };
            let records = world
                .parts
                .store
                .predictions(&filter, page)
                .await
                .unwrap()
                .rows;
            (records.len() == 3).then_some(())
        })
        .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_says_when_to_come_again() {
    let world = World::new().await;
    let code = "
import time, onstage as on

@on.predict
def nap(s: float) -> float:
    time.sleep(s)
    return s
";
    let live = world
        .live(
            code,
            "[realtime]\nqueue = 3\nworkers = { min = 1, max = 1 }\n",
        )
        .await;
    let first = world.predict(&live, r#"{"s": 0.5}"#);
    world
        .until("it runs", async || {
            (first.snapshot().status == Status::Processing).then_some(())
        })
        .await;
    let waiting: Vec<_> = (0..3)
        .map(|_| world.predict(&live, r#"{"s": 0}"#))
        .collect();
    let refused = world
        .engine
        .predict(world.ask(&live, r#"{"s": 0}"#))
        .err()
        .unwrap();
    assert!(
        matches!(refused, Refused::Busy { queued: 3, retry_after } if retry_after.as_secs() >= 1)
    );
    let snapshot = waiting[2].snapshot();
    assert_eq!(
        (snapshot.position, snapshot.ahead, snapshot.text.as_str()),
        (Some(3), Some(2), "2 before it")
    );
    assert!(world.engine.cancel(waiting[1].id()));
    assert_eq!(
        answer(&waiting[1]).await.unwrap_err().reason,
        Reason::Canceled
    );
    assert_eq!(answer(&first).await.unwrap(), "0.5");
    assert_eq!(answer(&waiting[2]).await.unwrap(), "0.0");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn app_state_counts_for_real_but_not_while_examples_are_checked() {
    let world = World::new().await;
    let code = "
import onstage as on

@on.predict
def count(key: str, ctx: on.Ctx) -> int:
    return int(ctx.state.add(key, 1))
";
    let version = world
        .push_with(code, "", |folder| {
            std::fs::create_dir(folder.join("examples")).unwrap();
            std::fs::write(
                folder.join("examples/a.json"),
                r#"{"input": {"key": "k"}, "output": 1}"#,
            )
            .unwrap();
        })
        .await;
    assert_eq!(version.state.name(), "ready", "{:?}", version.state);
    let live = world
        .until("it answers", async || world.engine.live(&model()))
        .await;
    for expected in ["1", "2"] {
        assert_eq!(
            world.answer(&live, r#"{"key": "k"}"#).await.unwrap(),
            expected
        );
    }
    let counted = world
        .parts
        .store
        .state("lab/thing", "k", StateOp::Get)
        .await
        .unwrap();
    assert_eq!(counted.parse::<f64>().unwrap(), 2.0);
    world.end().await;
}

/// Prints figures; says nothing about how fast is fast enough.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn round_trips_per_second() {
    let world = World::new().await;
    let code = ECHO.replace("    print('got', text)\n", "");
    let live = world
        .live(&code, "[realtime]\nworkers = { min = 1, max = 1 }\n")
        .await;
    let world = Arc::new(world);
    for callers in [1_u32, 64] {
        let each = 20_000 / callers;
        let begin = world.parts.clock.monotonic();
        let work = (0..callers).map(|_| {
            let (world, live) = (world.clone(), live.clone());
            async move {
                for _ in 0..each {
                    world.answer(&live, r#"{"text":"hello"}"#).await.unwrap();
                }
            }
        });
        let tasks: Vec<_> = work
            .map(|work| onstage_engine::spawn::spawn("caller", work))
            .collect();
        futures::future::join_all(tasks).await;
        let took = world.parts.clock.monotonic() - begin;
        let gauges = world.engine.gauges();
        let rate = f64::from(each * callers) / took.as_secs_f64();
        println!(
            "{callers} callers: {rate:.0}/s, microbatches so far {}",
            gauges.pools[0].microbatches
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_item_holds_up_nobody_that_an_idle_worker_could_take() {
    let world = World::new().await;
    let code = "
import time
import onstage as on

@on.predict
def f(x: int) -> int:
    if x == 13:
        time.sleep(2)
    return x
";
    let config = "[realtime]\nworkers = { min = 2, max = 2 }\nqueue = 2000\n";
    let loaded = world.live(code, config).await;
    // Fast ones first, so that frames hold many and the next one is sent ahead.
    for _ in 0..20 {
        let fast: Vec<_> = (100..200)
            .map(|x| world.predict(&loaded, &format!("{{\"x\": {x}}}")))
            .collect();
        for ticket in &fast {
            answer(ticket).await.unwrap();
        }
    }
    let tickets: Vec<_> = (0..1_000)
        .map(|x| world.predict(&loaded, &format!("{{\"x\": {x}}}")))
        .collect();
    for (x, ticket) in tickets.iter().enumerate().filter(|(x, _)| *x != 13) {
        assert_eq!(answer(ticket).await.unwrap(), x.to_string());
    }
    assert!(
        tickets[13].finished().is_none(),
        "somebody waited for the slow one"
    );
    assert_eq!(answer(&tickets[13]).await.unwrap(), "13");
    world.end().await;
}

//! Models that misbehave: nobody else suffers, everybody is told, the next request works.

use crate::world::{World, answer, model};
use onstage_core::outcome::{Reason, Status};
use std::time::Duration;

/// Does whatever the input says.
const ACTOR: &str = "
import os, signal, sys, time, onstage as on

@on.predict
def act(do: str = 'ok') -> str:
    if do == 'exit':
        print('about to exit', file=sys.stderr)
        os._exit(3)
    if do == 'kill':
        os.kill(os.getpid(), signal.SIGKILL)
    if do == 'stop':
        os.kill(os.getpid(), signal.SIGSTOP)
    if do == 'sleep':
        time.sleep(60)
    if do == 'spin':
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
    if do == 'garbage':
        for fd in range(3, 50):
            try:
                if os.fstat(fd).st_mode & 0o170000 == 0o140000:
                    os.write(fd, b'\\xff' * 64)
            except OSError:
                pass
        time.sleep(60)
    if do == 'slow':
        time.sleep(0.2)
    return do
";

const ONE_WORKER: &str = "[realtime]\nworkers = { min = 0, max = 1 }\ntimeout = \"500ms\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_kills_its_worker_is_told_and_those_behind_it_are_answered() {
    let world = World::new().await;
    let live = world.live(ACTOR, ONE_WORKER).await;
    for (how, words) in [
        ("exit", "exited with code 3"),
        ("kill", "SIGKILL"),
        ("garbage", "was replaced"),
    ] {
        let before = world.predict(&live, r#"{"do": "slow"}"#);
        let guilty = world.predict(&live, &format!(r#"{{"do": "{how}"}}"#));
        let behind: Vec<_> = (0..5)
            .map(|_| world.predict(&live, r#"{"do": "ok"}"#))
            .collect();
        assert_eq!(answer(&before).await.unwrap(), "\"slow\"");
        let failure = answer(&guilty).await.unwrap_err();
        assert_eq!(failure.reason, Reason::WorkerLost, "{how}");
        assert!(
            failure.message.contains(words),
            "{how}: {}",
            failure.message
        );
        if how == "exit" {
            assert!(failure.traceback.unwrap().contains("about to exit"));
        }
        for ticket in &behind {
            assert_eq!(answer(ticket).await.unwrap(), "\"ok\"", "{how}");
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hangs_its_worker_is_told_at_the_deadline_and_the_worker_is_replaced() {
    let world = World::with(|settings| settings.cancel_grace = Duration::from_millis(200)).await;
    let live = world.live(ACTOR, ONE_WORKER).await;
    for how in ["sleep", "spin", "stop"] {
        let hung = world.predict(&live, &format!(r#"{{"do": "{how}"}}"#));
        let behind = world.predict(&live, r#"{"do": "ok"}"#);
        let failure = answer(&hung).await.unwrap_err();
        assert_eq!(
            failure.reason,
            Reason::Timeout,
            "{how}: {}",
            failure.message
        );
        assert_eq!(answer(&behind).await.unwrap(), "\"ok\"", "{how}");
    }
    let pool = &world.engine.gauges().pools[0];
    assert_eq!(pool.in_flight, 0);
    // A sleeping function can be interrupted; the two others had to be killed.
    assert_eq!(pool.deaths, 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_prediction_ends_and_its_worker_goes_on() {
    let world = World::with(|settings| settings.cancel_grace = Duration::from_millis(300)).await;
    let live = world
        .live(ACTOR, "[realtime]\nworkers = { min = 0, max = 1 }\n")
        .await;
    for how in ["sleep", "spin"] {
        let ticket = world.predict(&live, &format!(r#"{{"do": "{how}"}}"#));
        world
            .until("it runs", async || {
                (ticket.snapshot().status == Status::Processing).then_some(())
            })
            .await;
        assert!(world.engine.cancel(ticket.id()));
        assert_eq!(answer(&ticket).await.unwrap_err().reason, Reason::Canceled);
        assert!(!world.engine.cancel(ticket.id()));
        assert_eq!(
            world.answer(&live, r#"{"do": "ok"}"#).await.unwrap(),
            "\"ok\""
        );
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_guilty_of_a_microbatch_fails() {
    let world = World::new().await;
    let code = "
import os, onstage as on

@on.predict
def f(n: int) -> int:
    return g([{'n': n}])[0]

@f.many(max=8)
def g(rows):
    if any(row['n'] == 13 for row in rows):
        os._exit(1)
    return [row['n'] for row in rows]
";
    let code = code.replace(
        "return g([{'n': n}])[0]",
        "\n    if n == 13:\n        os._exit(1)\n    return n",
    );
    let live = world
        .live(&code, "[realtime]\nworkers = { min = 0, max = 1 }\n")
        .await;
    let tickets: Vec<_> = (8..16)
        .map(|n| world.predict(&live, &format!(r#"{{"n": {n}}}"#)))
        .collect();
    for (n, ticket) in (8..16).zip(&tickets) {
        match answer(ticket).await {
            Ok(output) => assert_eq!(output, n.to_string()),
            Err(failure) => assert_eq!((n, failure.reason), (13, Reason::WorkerLost)),
        }
    }
    assert!(answer(&tickets[5]).await.is_err());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_stops_loading_answers_at_once_with_its_last_words() {
    let world = World::new().await;
    let code = "
import pathlib, onstage as on

@on.setup
def net():
    flag = pathlib.Path('FLAG')
    if flag.exists():
        raise RuntimeError('the weights are gone')
    return 1

@on.predict
def f(n: int, *, net) -> int:
    if n < 0:
        import os
        pathlib.Path('FLAG').write_text('x')
        os._exit(1)
    return n
";
    let version = world
        .push(code, "[realtime]\nworkers = { min = 0, max = 1 }\n")
        .await;
    assert_eq!(version.state.name(), "ready", "{:?}", version.state);
    let live = world
        .until("it answers", async || world.engine.live(&model()))
        .await;
    assert_eq!(world.answer(&live, r#"{"n": 1}"#).await.unwrap(), "1");
    let deadly = world.answer(&live, r#"{"n": -1}"#).await.unwrap_err();
    assert_eq!(deadly.reason, Reason::WorkerLost);
    for _ in 0..50 {
        let failure = world.answer(&live, r#"{"n": 1}"#).await.unwrap_err();
        assert_eq!(failure.reason, Reason::SetupFailed, "{failure:?}");
        assert!(
            failure.message.contains("the weights are gone"),
            "{failure:?}"
        );
    }
    assert_eq!(world.engine.readiness(&model()).state, "failed");
    let starts = world.engine.gauges().pools[0].starts;
    assert!(starts <= 10, "{starts}");
    world.end().await;
}

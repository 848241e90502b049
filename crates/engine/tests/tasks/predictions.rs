//! Background predictions: done once, in order, with their logs, and ended well whatever the worker does.

use super::{
    crew::{Act, ScriptCrew},
    world::{run, world},
};
use onstage_core::{
    event::EventKind,
    job::JobState,
    lifecycle::Beat,
    outcome::{Failure, Phase, Reason},
};
use onstage_engine::{spawn::spawn, task::TaskEnd};
use serde_json::{Value, json};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

fn double(input: &Value) -> Act {
    Act::Answer((input["x"].as_i64().unwrap() * 2).to_string())
}

fn failure(state: &JobState) -> &Failure {
    match state {
        JobState::Failed { failure, .. } => failure,
        state => panic!("{state:?}"),
    }
}

#[tokio::test]
async fn a_task_drains_the_queue_with_one_worker_and_ends_itself() {
    let world = world(json!({})).await;
    let mut ids = Vec::new();
    for x in 0..20 {
        ids.push(world.predict(json!({ "x": x })).await);
    }
    let crew = ScriptCrew::new(double);
    assert_eq!(world.run(&crew).await, TaskEnd::Idle);
    for (x, id) in ids.iter().enumerate() {
        assert_eq!(world.output(id).await, json!(x * 2));
        let events = world.events(id).await;
        assert_eq!(events.first().unwrap().kind, EventKind::Start);
        assert_eq!(events.last().unwrap().kind, EventKind::Completed);
    }
    assert_eq!(crew.starts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn predictions_are_claimed_singly_as_soon_as_a_batch_job_waits() {
    let world = Arc::new(world(json!({"schema": {"many": {"max": 64}}})).await);
    for x in 0..200 {
        world.predict(json!({ "x": x })).await;
    }
    let busy = world.clone();
    let crew = ScriptCrew::new(move |input| {
        if input["x"] == 100 {
            let world = busy.clone();
            spawn("a batch job", async move {
                world.batch("{\"x\": 1000}\n", |_| {}).await
            });
            return Act::Later(50, "0".to_owned());
        }
        double(input)
    });
    assert_eq!(world.run(&crew).await, TaskEnd::Idle);
    // As many as the model takes at once, until the batch job came into the second; its one row is the last.
    let microbatches = crew.microbatches.lock().unwrap().clone();
    assert_eq!(microbatches[..2], [64, 64]);
    assert_eq!(microbatches[2..], vec![1; 200 - 128 + 1]);
}

#[tokio::test]
async fn a_task_with_nothing_to_do_starts_no_worker() {
    let world = world(json!({})).await;
    let crew = ScriptCrew::new(double);
    assert_eq!(world.run(&crew).await, TaskEnd::Idle);
    assert_eq!(crew.starts.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_doubled_launch_ends_at_once_and_claims_nothing() {
    let world = world(json!({})).await;
    let crew = ScriptCrew::new(double);
    let settings = world.settings();
    let stop = CancellationToken::new();
    let first = run(world.parts.clone(), settings.clone(), &crew, &stop).await;
    assert_eq!(first.unwrap(), TaskEnd::Idle);
    let id = world.predict(json!({"x": 1})).await;
    let second = run(world.parts.clone(), settings, &crew, &stop).await;
    assert_eq!(second.unwrap(), TaskEnd::Doubled);
    assert_eq!(world.job(&id).await.run, 0);
}

#[tokio::test]
async fn what_is_printed_and_streamed_is_in_the_log_and_the_output() {
    let world = world(json!({})).await;
    let chatty = world.predict(json!({"x": 1})).await;
    let streamed = world.predict(json!({"x": 2})).await;
    let crew = ScriptCrew::new(|input| match input["x"].as_i64() {
        Some(1) => Act::Chatter(vec!["one".into(), "two".into()], "5".into()),
        _ => Act::Stream(vec!["\"a\"".into(), "\"b\"".into()]),
    });
    world.run(&crew).await;
    let events = world.events(&chatty).await;
    let logs: Vec<&str> = events
        .iter()
        .filter(|event| event.kind == EventKind::Log && event.data.contains("stdout"))
        .map(|event| event.data.as_str())
        .collect();
    assert_eq!(logs.len(), 1, "lines share an event");
    assert!(logs[0].contains("one\\ntwo\\n"), "{}", logs[0]);
    assert!(events.iter().any(|event| event.kind == EventKind::Progress));
    assert_eq!(world.output(&streamed).await, json!(["a", "b"]));
    let pieces = world.events(&streamed).await;
    let pieces: Vec<&str> = pieces
        .iter()
        .filter(|event| event.kind == EventKind::Output)
        .map(|event| event.data.as_str())
        .collect();
    assert_eq!(
        pieces,
        [r#"{"index":0,"chunk":"a"}"#, r#"{"index":1,"chunk":"b"}"#]
    );
}

#[tokio::test]
async fn only_the_guilty_of_a_microbatch_fails() {
    let world =
        world(json!({"schema": {"many": {"max": 8}}, "jobs": {"linger": "10ms", "retries": 0}}))
            .await;
    let mut ids = Vec::new();
    for x in 0..8 {
        ids.push(world.predict(json!({ "x": x })).await);
    }
    let crew = ScriptCrew::new(|input| match input["x"].as_i64() {
        Some(5) => Act::Die,
        Some(6) => Act::Fail(Failure::new(Reason::UserError, "six is not liked")),
        Some(7) => Act::Answer("\"nonsense\"".into()),
        _ => double(input),
    });
    world.run(&crew).await;
    for (x, id) in ids.iter().enumerate().take(5) {
        assert_eq!(world.output(id).await, json!(x * 2));
    }
    for (x, reason) in [
        (5, Reason::WorkerLost),
        (6, Reason::UserError),
        (7, Reason::BadOutput),
    ] {
        let job = world.job(&ids[x]).await;
        assert_eq!(failure(&job.state).reason, reason);
    }
}

#[tokio::test]
async fn a_job_that_kills_its_worker_is_retried_and_then_given_up() {
    let world = world(json!({"jobs": {"retries": 1, "linger": "3s"}})).await;
    let id = world.predict(json!({"x": 1})).await;
    let crew = ScriptCrew::new(|_| Act::Die);
    world.run(&crew).await;
    let job = world.job(&id).await;
    assert_eq!(failure(&job.state).reason, Reason::WorkerLost);
    assert_eq!((job.run, job.attempts, job.history.len()), (2, 2, 1));
}

#[tokio::test]
async fn a_model_that_does_not_start_fails_its_jobs_with_the_traceback() {
    let world = world(json!({})).await;
    let id = world.predict(json!({"x": 1})).await;
    let crew = ScriptCrew::new(double);
    crew.bad_starts.store(2, Ordering::SeqCst);
    assert!(matches!(world.run(&crew).await, TaskEnd::NoWorker(_)));
    let job = world.job(&id).await;
    let failure = failure(&job.state);
    assert_eq!(failure.reason, Reason::SetupFailed);
    assert_eq!(failure.traceback.as_deref(), Some("Traceback: line 3"));
    assert_eq!(job.run, 1, "it is not tried for ever");
}

#[tokio::test]
async fn one_bad_start_is_forgiven() {
    let world = world(json!({})).await;
    let id = world.predict(json!({"x": 4})).await;
    let crew = ScriptCrew::new(double);
    crew.bad_starts.store(1, Ordering::SeqCst);
    assert_eq!(world.run(&crew).await, TaskEnd::Idle);
    assert_eq!(world.output(&id).await, json!(8));
}

#[tokio::test]
async fn a_cancel_stops_what_runs_and_the_rest_goes_on() {
    let world = world(json!({})).await;
    let hanging = world.predict(json!({"x": 1})).await;
    let fine = world.predict(json!({"x": 2})).await;
    let crew = ScriptCrew::new(|input| match input["x"].as_i64() {
        Some(1) => Act::Hang,
        _ => double(input),
    });
    let cancel = async {
        world
            .until(&hanging, |job| job.state.phase() == Phase::Running)
            .await;
        let now = world.parts.clock.now();
        world
            .parts
            .store
            .request_cancel(&hanging, now)
            .await
            .unwrap();
    };
    tokio::join!(world.run(&crew), cancel);
    assert_eq!(world.job(&hanging).await.state.name(), "canceled");
    assert_eq!(world.output(&fine).await, json!(4));
}

#[tokio::test]
async fn a_task_that_lost_its_lease_kills_its_worker_and_writes_nothing() {
    let world = world(json!({})).await;
    let id = world.predict(json!({"x": 1})).await;
    let crew = ScriptCrew::new(|_| Act::Hang);
    let lose = async {
        let job = world
            .until(&id, |job| job.state.phase() == Phase::Running)
            .await;
        let lease = job.lease().unwrap();
        let JobState::Running { beat, .. } = job.state else {
            unreachable!()
        };
        let gone = Failure::new(Reason::WorkerLost, "the network was cut");
        let now = world.parts.clock.now();
        // The beat may have moved in between, as it may for a reaper, which then looks again.
        for observed in beat..beat + 1_000 {
            if world
                .parts
                .store
                .expire(&lease, observed, gone.clone(), now)
                .await
                .is_ok()
            {
                break;
            }
        }
        // Somebody else takes it, and holds it.
        let me = onstage_core::task::Incarnation("other".into());
        let taken = world
            .parts
            .store
            .claim(&world.version, &me, 1, now)
            .await
            .unwrap();
        let lease = taken[0].lease().unwrap();
        let beat = Beat {
            phase: Phase::Running,
            progress: None,
        };
        world.parts.store.beat(&lease, beat).await.unwrap();
    };
    tokio::join!(world.run(&crew), lose);
    let job = world.job(&id).await;
    assert_eq!((job.run, job.state.name()), (2, "running"));
    assert!(crew.kills.load(Ordering::SeqCst) >= 1);
}

#[tokio::test]
async fn a_task_told_to_stop_hands_back_what_it_cannot_finish() {
    let world = world(json!({})).await;
    let id = world.predict(json!({"x": 1})).await;
    let later = world.predict(json!({"x": 2})).await;
    let crew = ScriptCrew::new(|_| Act::Hang);
    let stop = CancellationToken::new();
    let tell = async {
        world
            .until(&id, |job| job.state.phase() == Phase::Running)
            .await;
        stop.cancel();
    };
    let (end, ()) = tokio::join!(world.run_with(&crew, &stop), tell);
    assert_eq!(end, TaskEnd::Stopped);
    let job = world.job(&id).await;
    assert_eq!(
        (job.state.name(), job.attempts, job.restarts),
        ("queued", 0, 1)
    );
    assert_eq!(world.job(&later).await.run, 0);
}

#[tokio::test]
async fn a_prediction_that_takes_too_long_times_out() {
    let world = world(json!({"realtime": {"timeout": "50ms"}})).await;
    let id = world.predict(json!({"x": 1})).await;
    let crew = ScriptCrew::new(|_| Act::Hang);
    world.run(&crew).await;
    assert_eq!(failure(&world.job(&id).await.state).reason, Reason::Timeout);
}

#[tokio::test]
async fn a_job_may_not_run_longer_than_stop_after() {
    let world = world(json!({"jobs": {"stop_after": "100ms", "linger": "10ms"}})).await;
    let id = world.predict(json!({"x": 1})).await;
    let crew = ScriptCrew::new(|_| Act::Hang);
    let ended = tokio::time::timeout(Duration::from_secs(30), world.run(&crew)).await;
    ended.unwrap();
    let job = world.job(&id).await;
    assert_eq!(failure(&job.state).reason, Reason::Timeout);
    assert!(failure(&job.state).message.contains("stop_after"));
}

#[tokio::test]
async fn datasets_of_an_input_are_on_the_host_while_it_is_computed() {
    let world = world(json!({})).await;
    world.labels("a\n1\n").await;
    world.labels("a\n2\n").await;
    let first = world
        .predict(json!({"x": [{"$dataset": "labels@v1"}, 1]}))
        .await;
    let second = world
        .predict(json!({"x": [{"$dataset": "labels@v2"}, 1]}))
        .await;
    let gone = world
        .predict(json!({"x": [{"$dataset": "labels@v7"}]}))
        .await;
    let crew = ScriptCrew::new(|input| {
        let data = &input["x"][0];
        let path = data["$path"].as_str().unwrap_or_default();
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Act::Answer(json!([data["dataset"], data["name"], text]).to_string())
    });
    world.run(&crew).await;
    let expected = |which: &str, text: &str| json!([which, "labels.csv", text]);
    assert_eq!(world.output(&first).await, expected("labels@v1", "a\n1\n"));
    assert_eq!(world.output(&second).await, expected("labels@v2", "a\n2\n"));
    let job = world.job(&gone).await;
    let said = &failure(&job.state).message;
    assert!(said.contains("`labels@v7`"), "{said}");
}

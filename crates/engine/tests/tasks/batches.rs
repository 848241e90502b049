//! Batch jobs: every row answered once, bad rows reported, results in the table's own format, resumed after a stop.

use super::{
    crew::{Act, ScriptCrew},
    world::world,
};
use onstage_core::{
    batch::Counts,
    event::EventKind,
    job::{JobOutput, JobState},
    outcome::{Failure, Reason},
};
use onstage_engine::task::{ChunkLine, TaskEnd};
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio_util::sync::CancellationToken;

fn double(input: &Value) -> Act {
    Act::Answer((input["x"].as_i64().unwrap() * 2).to_string())
}

fn counts(output: &JobOutput) -> (Counts, Option<f64>) {
    match output {
        JobOutput::Batch {
            counts, accuracy, ..
        } => (*counts, *accuracy),
        output => panic!("{output:?}"),
    }
}

fn table(rows: u64) -> String {
    (0..rows)
        .map(|x| format!("{{\"x\":{x},\"name\":\"row {x}\"}}\n"))
        .collect()
}

#[tokio::test]
async fn every_row_is_answered_and_bad_rows_do_not_fail_the_rest() {
    let world = world(json!({"schema": {"many": {"max": 3}}})).await;
    let lines = "{\"x\":1,\"truth\":2}\n{\"x\":\"2\",\"truth\":\"4\"}\n{\"x\":\"many\",\"truth\":0}\nnot json\n{\"x\":5,\"truth\":11}\n{\"x\":6,\"truth\":12}\n{\"x\":7,\"answer\":1}\n";
    let id = world
        .batch(lines, |spec| spec.label = Some("truth".into()))
        .await;
    let crew = ScriptCrew::new(|input| match input["x"].as_f64() {
        Some(6.0) => Act::Fail(Failure::new(Reason::UserError, "six is not liked")),
        Some(x) => Act::Answer((x * 2.0).to_string()),
        None => Act::Die,
    });
    assert_eq!(world.run(&crew).await, TaskEnd::Idle);
    let (rows, output) = world.result(&id).await;
    let expected = [
        json!({"x": 1, "truth": 2, "answer_2": 2}),
        json!({"x": "2", "truth": "4", "answer_2": 4}),
        json!({"x": "many", "truth": 0, "error": "`x` should be a number, got \"many\""}),
        rows[3].clone(),
        json!({"x": 5, "truth": 11, "answer_2": 10}),
        json!({"x": 6, "truth": 12, "error": "six is not liked"}),
        json!({"x": 7, "answer": 1, "answer_2": 14}),
    ];
    assert_eq!(rows, expected);
    assert!(
        rows[3]["error"]
            .as_str()
            .unwrap()
            .starts_with("the row cannot be read")
    );
    let (counts, accuracy) = counts(&output);
    assert_eq!(
        counts,
        Counts {
            done: 4,
            failed: 3,
            matched: 2
        }
    );
    assert_eq!(accuracy, Some(0.5));
    let events = world.events(&id).await;
    let failed = events
        .iter()
        .filter(|event| event.kind == EventKind::Item)
        .count();
    assert_eq!(failed, 3);
    assert_eq!(events.last().unwrap().kind, EventKind::Completed);
    assert!(
        std::fs::read_dir(world.folder.path())
            .unwrap()
            .next()
            .is_none(),
        "temporary files are gone"
    );
}

#[tokio::test]
async fn every_row_failing_is_still_a_result() {
    let world = world(json!({})).await;
    let id = world.batch(&table(5), |_| {}).await;
    let crew = ScriptCrew::new(|_| Act::Fail(Failure::new(Reason::Exception, "ZeroDivisionError")));
    world.run(&crew).await;
    let (rows, output) = world.result(&id).await;
    assert_eq!(rows.len(), 5);
    assert_eq!(
        counts(&output).0,
        Counts {
            done: 0,
            failed: 5,
            matched: 0
        }
    );
}

#[tokio::test]
async fn a_file_that_is_no_table_fails_the_job_with_words() {
    let world = world(json!({})).await;
    let id = world.batch("garbage", |_| {}).await;
    let empty = world.batch("", |_| {}).await;
    let gone = world
        .batch(&table(1), |spec| spec.table.key = "files/none".into())
        .await;
    let crew = ScriptCrew::new(double);
    world.run(&crew).await;
    for (id, says) in [
        (
            id,
            "`table.jsonl` cannot be read: the table is not JSON lines",
        ),
        (empty, "the table is an empty file"),
        (gone, "not there any more"),
    ] {
        let job = world.job(&id).await;
        let JobState::Failed { failure, .. } = &job.state else {
            panic!("{job:?}")
        };
        assert_eq!(failure.reason, Reason::UserError);
        assert!(failure.message.contains(says), "{}", failure.message);
        assert_eq!(job.run, 1);
    }
}

#[tokio::test]
async fn rows_that_kill_the_worker_are_found_one_by_one() {
    let world = world(json!({"schema": {"many": {"max": 10}}})).await;
    let id = world.batch(&table(100), |_| {}).await;
    let crew = ScriptCrew::new(|input| match input["x"].as_i64() {
        Some(17 | 63) => Act::Die,
        _ => double(input),
    });
    world.run(&crew).await;
    let (rows, output) = world.result(&id).await;
    assert_eq!(
        counts(&output).0,
        Counts {
            done: 98,
            failed: 2,
            matched: 0
        }
    );
    for (x, row) in rows.iter().enumerate() {
        if x == 17 || x == 63 {
            assert!(row["error"].as_str().unwrap().contains("SIGKILL"), "{row}");
        } else {
            assert_eq!(row["answer"], json!(x * 2));
        }
    }
    assert!(crew.starts.load(Ordering::SeqCst) >= 3);
}

#[tokio::test]
async fn a_model_that_dies_on_every_row_is_given_up() {
    let world = world(json!({"jobs": {"retries": 0, "linger": "10ms"}})).await;
    let id = world.batch(&table(100), |_| {}).await;
    let crew = ScriptCrew::new(|_| Act::Die);
    world.run(&crew).await;
    let job = world.job(&id).await;
    let JobState::Failed { failure, .. } = &job.state else {
        panic!("{job:?}")
    };
    assert_eq!(failure.reason, Reason::WorkerLost);
    assert_eq!(crew.starts.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_stop_keeps_what_is_done_and_the_next_run_goes_on_from_there() {
    let world = world(json!({})).await;
    let id = world.batch(&table(500), |_| {}).await;
    let stop = CancellationToken::new();
    let computed = Arc::new(AtomicU64::new(0));
    let (counter, stopper) = (computed.clone(), stop.clone());
    let crew = ScriptCrew::new(move |input| {
        counter.fetch_add(1, Ordering::SeqCst);
        match input["x"].as_i64() {
            Some(300) => {
                stopper.cancel();
                Act::Hang
            }
            _ => double(input),
        }
    });
    assert_eq!(world.run_with(&crew, &stop).await, TaskEnd::Stopped);
    let job = world.job(&id).await;
    assert_eq!((job.state.name(), job.attempts), ("queued", 0));
    let chunks = world.parts.store.chunks(&id).await.unwrap();
    let kept: u64 = chunks.iter().map(|chunk| chunk.rows).sum();
    assert_eq!(kept, 300);
    let crew = ScriptCrew::new(double);
    world.run(&crew).await;
    let (rows, output) = world.result(&id).await;
    assert_eq!(counts(&output).0.done, 500);
    assert!(
        rows.iter()
            .enumerate()
            .all(|(x, row)| row["answer"] == json!(x * 2))
    );
    assert_eq!(world.job(&id).await.run, 2);
    let chunks = world.parts.store.chunks(&id).await.unwrap();
    assert_eq!(chunks[0].run, 1);
    assert_eq!(chunks[1].run, 2);
}

#[tokio::test]
async fn only_the_failed_rows_of_another_job_run_again() {
    let world = world(json!({})).await;
    let first = world.batch(&table(50), |_| {}).await;
    let crew = ScriptCrew::new(|input| match input["x"].as_i64() {
        Some(x) if x % 10 == 3 => Act::Fail(Failure::new(Reason::Exception, "not today")),
        _ => double(input),
    });
    world.run(&crew).await;
    let again = world
        .batch(&table(50), |spec| spec.only_rows_of = Some(first.clone()))
        .await;
    let limited = world
        .batch(&table(50), |spec| spec.limit_rows = Some(7))
        .await;
    let crew = ScriptCrew::new(double);
    world.run(&crew).await;
    let (rows, output) = world.result(&again).await;
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["row 3", "row 13", "row 23", "row 33", "row 43"]);
    assert_eq!(counts(&output).0.done, 5);
    assert_eq!(world.result(&limited).await.0.len(), 7);
}

#[tokio::test]
async fn a_cancel_ends_a_batch_job_without_a_result() {
    let world = world(json!({})).await;
    let id = world.batch(&table(50), |_| {}).await;
    let crew = ScriptCrew::new(|input| match input["x"].as_i64() {
        Some(20) => Act::Hang,
        _ => double(input),
    });
    let cancel = async {
        world
            .until(&id, |job| {
                job.progress
                    .as_ref()
                    .is_some_and(|progress| progress.done > 0.0)
            })
            .await;
        world
            .parts
            .store
            .request_cancel(&id, world.parts.clock.now())
            .await
            .unwrap();
    };
    tokio::join!(world.run(&crew), cancel);
    assert_eq!(world.job(&id).await.state.name(), "canceled");
    let chunks = world.parts.store.chunks(&id).await.unwrap();
    let lines = world.lines(&chunks[0].blob).await;
    assert_eq!(
        lines[3],
        json!({"index": 3, "input": {"x": 3}, "output": 6})
    );
    let text = lines[3].to_string();
    assert_eq!(ChunkLine::parse(text.as_bytes()).unwrap().index, 3);
}

#[tokio::test]
async fn objects_become_columns() {
    let world = world(json!({})).await;
    let id = world.batch(&table(2), |_| {}).await;
    let crew = ScriptCrew::new(|input| match input["x"].as_i64() {
        Some(0) => Act::Answer(r#"{"age": 3, "zone": "N"}"#.into()),
        _ => Act::Answer(r#"{"age": 4, "note": "old"}"#.into()),
    });
    world.run(&crew).await;
    let (rows, _) = world.result(&id).await;
    assert_eq!(
        rows[0],
        json!({"x": 0, "name": "row 0", "answer.age": 3, "answer.zone": "N"})
    );
    assert_eq!(
        rows[1],
        json!({"x": 1, "name": "row 1", "answer.age": 4, "answer.note": "old"})
    );
}

#[tokio::test]
async fn a_prediction_and_a_batch_job_that_wait_together_are_both_done() {
    let world = world(json!({"schema": {"many": {"max": 8}}})).await;
    let one = world.predict(json!({"x": 1})).await;
    let batch = world.batch(&table(10), |_| {}).await;
    let two = world.predict(json!({"x": 2})).await;
    let crew = ScriptCrew::new(double);
    world.run(&crew).await;
    assert_eq!(world.output(&one).await, json!(2));
    assert_eq!(world.output(&two).await, json!(4));
    assert_eq!(world.result(&batch).await.0.len(), 10);
    assert_eq!(crew.starts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_table_that_breaks_off_fails_the_job_and_names_the_place() {
    let world = world(json!({})).await;
    let endless = format!("{{\"x\":\"{}\"}}\n", "x".repeat(17 << 20));
    let lines = [table(3), endless, table(2)].concat();
    let id = world.batch(&lines, |_| {}).await;
    let crew = ScriptCrew::new(double);
    assert_eq!(world.run(&crew).await, TaskEnd::Idle);
    match world.job(&id).await.state {
        JobState::Failed { failure, .. } => {
            assert_eq!(failure.reason, Reason::UserError);
            assert!(failure.message.contains("line 4"), "{}", failure.message);
        }
        state => panic!("{state:?}"),
    }
}

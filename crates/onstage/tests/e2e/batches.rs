//! Batch jobs: mapping, limits, retries of what failed, many rows in little memory.

use crate::world::{World, signal};
use serde_json::json;

#[tokio::test]
pub(crate) async fn columns_are_mapped_and_only_the_failed_rows_are_tried_again() {
    let world = World::start().await;
    let code = "import onstage as on\n\n@on.predict\ndef f(x: int, *, ctx: on.Ctx) -> int:\n    if x == 2 and ctx.state.add('tries', 1) == 1:\n        raise on.UserError('not yet')\n    return x * 10\n";
    world.push("late", code, &[]).await;
    let (_, batch) = world
        .batch(
            "late",
            "t.csv",
            "number\n1\n2\n3\n",
            json!({"map": {"x": "number"}}),
        )
        .await;
    let batch = world
        .finished(&format!("/v1/batches/{}", batch["id"].as_str().unwrap()))
        .await;
    assert_eq!(
        (&batch["counts"]["done"], &batch["counts"]["failed"]),
        (&json!(2), &json!(1)),
        "{batch:#}"
    );
    let (status, again) = world
        .post(
            &format!("/v1/batches/{}/retry", batch["id"].as_str().unwrap()),
            &json!({"only": "failed"}),
        )
        .await;
    assert_eq!(status, 202, "{again:#}");
    let again = world
        .finished(&format!("/v1/batches/{}", again["id"].as_str().unwrap()))
        .await;
    assert_eq!(
        (&again["counts"]["done"], &again["counts"]["failed"]),
        (&json!(1), &json!(0)),
        "{again:#}"
    );
    world.close().await;
}

const PLUS: &str = "import onstage as on\n\n@on.predict\ndef f(x: int) -> int:\n    return x + 1\n\n@f.many(max=1000)\ndef _(rows):\n    return [x + 1 for x in rows.column('x')]\n";

/// The most memory a process has had, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(0, |line| {
        line.trim().trim_end_matches(" kB").trim().parse().unwrap()
    })
}

#[tokio::test]
async fn a_million_rows_come_back_in_order_and_take_no_more_memory_than_a_few() {
    let world = World::start().await;
    let toml = "[model]\nname = \"plus\"\n[jobs]\nlinger = \"60s\"\n";
    world.push("plus", PLUS, &[("onstage.toml", toml)]).await;
    let mut peaks = Vec::new();
    for rows in [50_000_u64, 1_000_000] {
        let table: String = std::iter::once("x\n".to_owned())
            .chain((0..rows).map(|x| format!("{x}\n")))
            .collect();
        let (_, batch) = world.batch("plus", "t.csv", table, json!({})).await;
        let batch = world
            .finished(&format!("/v1/batches/{}", batch["id"].as_str().unwrap()))
            .await;
        assert_eq!(
            (&batch["status"], &batch["counts"]["done"]),
            (&json!("succeeded"), &json!(rows)),
            "{batch:#}"
        );
        let result = format!("/v1/batches/{}/result", batch["id"].as_str().unwrap());
        let (_, result) = world.get(&result).await;
        let mut lines = result.as_str().unwrap().lines().skip(1);
        assert!((0..rows).all(|x| {
            lines
                .next()
                .is_some_and(|line| line.starts_with(&format!("{x},{}", x + 1)))
        }));
        // The task lingers, so both jobs ran in the same one.
        let tasks = world.pids(" task ");
        assert_eq!(tasks.len(), 1, "{:?}", world.processes());
        peaks.push((peak_kib(tasks[0]), peak_kib(world.server_pid())));
    }
    // A task outlives the front on purpose; this one would linger a minute.
    for pid in world.pids(" task ") {
        signal(pid, "TERM");
    }
    let [few, many] = peaks[..] else {
        unreachable!()
    };
    // Held in memory, a million rows and their answers would take several hundred MB.
    for (few, many) in [(few.0, many.0), (few.1, many.1)] {
        assert!(many < few + 60_000, "memory grew: {peaks:?} KiB");
    }
    world.close().await;
}

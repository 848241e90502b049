//! `onstage plan`: what it says of a folder, of a load, of wrong flags; and whether it comes true.

use crate::world::{PATIENCE, World, example};
use serde_json::json;
use std::time::{Duration, Instant};

/// Sleeps for as long as a call takes, whatever its size.
const SLEEPER: &str = "import onstage as on, time

@on.predict
def sleeper(x: int) -> int:
    time.sleep(0.2)
    return x

@sleeper.many(max=20, wait_ms=\"auto\")
def many(rows):
    time.sleep(0.2)
    return [row[\"x\"] for row in rows]
";
const TOML: &str = "[model]
name = \"sleeper\"
[realtime]
workers = { min = 2, max = 4 }
idle = \"3s\"
latency_goal = \"400ms\"
queue = 2000
";

#[tokio::test]
async fn a_folder_is_planned_without_a_server() {
    let world = World::start().await;
    let folder = world.model("sleeper", SLEEPER, &[("onstage.toml", TOML)]);
    let folder = folder.to_str().unwrap();
    let call = ["--call", "200ms", "--start", "300ms"];
    let load = ["--shape", "spike", "--peak", "100", "--minutes", "2"];
    let plan = [&["plan", folder], &call[..], &load[..]].concat();
    let planned = world.ok_json(&plan).await;
    assert_eq!(planned["model"], "lab/sleeper", "{planned:#}");
    assert_eq!(planned["refused"], 0, "{planned:#}");
    assert_eq!(planned["goal_s"], 0.4, "{planned:#}");
    assert!(planned["workers_max"].as_u64().unwrap() <= 4, "{planned:#}");
    let svg = world.folder.path().join("plan.svg");
    let with_svg = [&plan[..], &["--svg", svg.to_str().unwrap()]].concat();
    let shown = world.ok(&with_svg).await;
    for part in [
        "p99",
        "worker-seconds",
        "price: Fargate",
        "price: Lambda",
        "█",
    ] {
        assert!(shown.contains(part), "no `{part}` in:\n{shown}");
    }
    let drawn = std::fs::read_to_string(svg).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"));
    let swept = world.ok(&[&plan[..], &["--sweep"]].concat()).await;
    assert!(swept.contains("[realtime]\nworkers = {"), "{swept}");
    for (wrong, part) in [
        (&["plan", folder, "--call", "1s"][..], "needs a load"),
        (&["plan", folder, "--rps", "5"][..], "--call 1s"),
        (
            &["plan", folder, "--rps", "5", "--call", "soon"][..],
            "`soon` is not a duration",
        ),
    ] {
        let output = world.run(wrong).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(part),
            "{wrong:?}: {said}"
        );
    }
    world.close().await;
}

#[tokio::test]
async fn the_plans_of_the_guide_work_as_they_are_written() {
    let world = World::start().await;
    let guide = std::fs::read_to_string(example("heavy").join("../../docs/guide.md")).unwrap();
    let plans = guide
        .lines()
        .filter(|line| line.starts_with("onstage plan "));
    let heavy = example("heavy");
    let mut count = 0;
    for line in plans {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        let words: Vec<&str> = words
            .into_iter()
            .map(|word| match word {
                "examples/heavy" => heavy.to_str().unwrap(),
                word => word,
            })
            .collect();
        let planned = world.ok_json(&words).await;
        assert_eq!(planned["model"], "lab/heavy", "{line}: {planned:#}");
        count += 1;
    }
    assert!(count >= 2);
    world.close().await;
}

/// The real server under the same load in the same run. Needs quiet cores, so it is not among the usual tests:
/// `cargo nextest run -p onstage --run-ignored only plan::`.
#[tokio::test]
#[ignore = "compares times; needs cores that nobody else uses"]
async fn a_plan_comes_true_within_a_tenth() {
    let world = World::start().await;
    world
        .push("sleeper", SLEEPER, &[("onstage.toml", TOML)])
        .await;
    let (rate, seconds) = (100.0, 8.0);
    // The times of a recorded trace; the plan gets the same counts.
    let trace = world.folder.path().join("trace.csv");
    let counts = (0..seconds as u64).map(|second| format!("{second},{rate}\n"));
    std::fs::write(&trace, counts.collect::<String>()).unwrap();
    // Both begin with workers that have answered.
    for x in 0..4 {
        world.predict("sleeper", json!({ "x": x })).await;
    }
    let (latencies, workers) = measured(&world, rate, seconds).await;
    let plan = [
        "plan",
        "lab/sleeper",
        "--trace",
        trace.to_str().unwrap(),
        "--start",
        "150ms",
    ];
    // Twice: with the time that was said, and with the time that the server recorded.
    for more in [&["--call", "200ms"][..], &[][..]] {
        let planned = world.ok_json(&[&plan[..], more].concat()).await;
        let told = |name: &str| planned["latency_s"][name].as_f64().unwrap();
        println!(
            "plan {more:?}: p50 {:.3}, p99 {:.3}, workers {}; measured: p50 {:.3}, p99 {:.3}, workers {workers}",
            told("p50"),
            told("p99"),
            planned["workers_max"],
            latencies.0,
            latencies.1
        );
        if more.is_empty() {
            continue;
        }
        assert!((told("p50") / latencies.0 - 1.0).abs() <= 0.1, "p50");
        assert!((told("p99") / latencies.1 - 1.0).abs() <= 0.1, "p99");
        assert_eq!(
            planned["workers_max"].as_u64(),
            Some(workers),
            "{planned:#}"
        );
    }
    world.close().await;
}

/// An open loop; answers p50 and p99 in seconds, and the most workers that were seen.
async fn measured(world: &World, rate: f64, seconds: f64) -> ((f64, f64), u64) {
    let begun = Instant::now();
    let calls = (0..(rate * seconds) as u64).map(|x| async move {
        let due = begun + Duration::from_secs_f64(x as f64 / rate);
        tokio::time::sleep_until(due.into()).await;
        let (status, answer) = world.predict("sleeper", json!({ "x": x })).await;
        assert_eq!((status, &answer["output"]), (201, &json!(x)), "{answer:#}");
        due.elapsed().as_secs_f64()
    });
    let most = async {
        let mut most = 0;
        while begun.elapsed() < Duration::from_secs_f64(seconds).min(PATIENCE) {
            let (_, model) = world.get("/v1/models/lab/sleeper").await;
            most = most.max(model["readiness"]["workers"].as_u64().unwrap_or(0));
            tokio::time::sleep(Duration::from_millis(200)).await; // poll
        }
        most
    };
    let (mut times, most): (Vec<f64>, u64) = tokio::join!(futures::future::join_all(calls), most);
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    ((at(0.5), at(0.99)), most)
}

//! More models than there is room for, each touched in turn: they sleep and wake by themselves.
//! `FAULTS=full` has two hundred and the room that an installation has by default.

use crate::world::World;
use serde_json::json;

#[tokio::test]
async fn more_models_than_workers_take_turns_without_tuning() {
    let full = std::env::var("FAULTS").is_ok_and(|it| it == "full");
    let (models, room) = if full { (200, 16) } else { (8, 3) };
    let world = World::with(&[("ONSTAGE_WORKERS_TOTAL_MAX", &room.to_string())]).await;
    for n in 0..models {
        let code = format!(
            "import onstage as on\n\n@on.predict\ndef f(x: int) -> int:\n    return x + {n}\n"
        );
        world.push(&format!("model-{n}"), &code, &[]).await;
    }
    for round in 0..2 {
        for n in 0..models {
            let name = format!("model-{n}");
            let (status, made) = world.predict(&name, json!({ "x": 1_000 * round })).await;
            let expected = json!(1_000 * round + n);
            assert_eq!((status, &made["output"]), (201, &expected), "{made:#}");
        }
    }
    let (_, page) = world.get("/metrics").await;
    let page = page.as_str().unwrap().to_owned();
    let workers: u64 = page
        .lines()
        .filter(|line| line.starts_with("onstage_workers{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    // One may be on its way out to make room.
    assert!((1..=room + 1).contains(&workers), "{workers} workers");
    world.close().await;
}

//! Cancelling: what waits, what runs, and what will not listen.

use crate::world::World;
use serde_json::json;

const SLOW: &str = r#"
import time
import onstage as on

@on.predict(background=True)
def slow(stubborn: bool = False, *, ctx: on.Ctx) -> int:
    ctx.progress(1, 100, "begun")
    until = time.monotonic() + 600
    while time.monotonic() < until:
        try:
            time.sleep(0.05)
        except BaseException:
            if not stubborn:
                raise
    return 1
"#;

#[tokio::test]
async fn a_running_prediction_is_canceled_even_when_it_does_not_listen() {
    let world = World::start().await;
    world.push("slow", SLOW, &[]).await;
    for stubborn in [false, true] {
        let (status, made) = world.predict("slow", json!({ "stubborn": stubborn })).await;
        assert_eq!(status, 202, "{made:#}");
        let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
        world
            .until(&path, |record| record["progress"]["text"] == "begun")
            .await;
        let (status, _) = world.post(&format!("{path}/cancel"), &json!({})).await;
        assert_eq!(status, 200);
        let ended = world.finished(&path).await;
        assert_eq!(
            (&ended["status"], &ended["output"]),
            (&json!("canceled"), &json!(null)),
            "{ended:#}"
        );
        let (status, again) = world.post(&format!("{path}/cancel"), &json!({})).await;
        assert_eq!((status, &again["status"]), (200, &json!("canceled")));
    }
    world.close().await;
}

#[tokio::test]
async fn what_waits_is_canceled_at_once_and_never_runs() {
    let world = World::start().await;
    world.push("slow", SLOW, &[]).await;
    let (_, first) = world.predict("slow", json!({})).await;
    let first = format!("/v1/predictions/{}", first["id"].as_str().unwrap());
    world
        .until(&first, |record| record["progress"]["text"] == "begun")
        .await;
    let (_, second) = world.predict("slow", json!({})).await;
    let second = format!("/v1/predictions/{}", second["id"].as_str().unwrap());
    let (_, record) = world.get(&second).await;
    assert_eq!(record["status"], "starting", "{record:#}");
    let (_, canceled) = world.post(&format!("{second}/cancel"), &json!({})).await;
    assert_eq!(
        (&canceled["status"], &canceled["started_at"]),
        (&json!("canceled"), &json!(null)),
        "{canceled:#}"
    );
    world.post(&format!("{first}/cancel"), &json!({})).await;
    world.finished(&first).await;
    world.close().await;
}

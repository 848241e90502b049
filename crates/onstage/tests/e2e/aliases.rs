//! Aliases: given and moved on the command line, asked by every verb, and known by every front.

use crate::{
    databases::{Server, fresh},
    world::{World, text},
};
use serde_json::json;

fn times(n: u32) -> String {
    format!("import onstage as on\n\n@on.predict\ndef times(x: int) -> int:\n    return x * {n}\n")
}

const TABLE: &str = "x\n1\n2\n";

#[tokio::test]
async fn an_alias_is_given_moved_and_asked_by_every_verb() {
    let world = World::start().await;
    for n in [2, 3] {
        world.push("times", &times(n), &[]).await;
    }
    world
        .until("/v1/models/lab/times", |model| {
            model["live_version_number"] == 2
        })
        .await;
    let said = world
        .ok(&["alias", "times", "staging=1", "champion=staging"])
        .await;
    assert_eq!(said, "lab/times@staging v1\nlab/times@champion v1\n");
    assert_eq!(
        world.ok(&["run", "times@staging", "x=5"]).await.trim(),
        "10"
    );
    let table = world.data().join("table.csv");
    std::fs::write(&table, TABLE).unwrap();
    let out = world.data().join("out.csv");
    let (table, out) = (table.to_str().unwrap(), out.to_str().unwrap());
    world
        .ok(&["batch", "times@staging", table, "--out", out])
        .await;
    let result = std::fs::read_to_string(out).unwrap();
    assert!(result.contains("2,4"), "{result}");
    let compared = world.ok(&["compare", "times", "staging", "v2"]).await;
    assert!(
        compared.contains("V1") && compared.contains("V2"),
        "{compared}"
    );

    let late = world
        .run(&["alias", "times", "staging=2", "--was", "none"])
        .await;
    assert_eq!(late.status.code(), Some(3), "{}", text(&late.stderr));
    assert!(
        text(&late.stderr).contains("points at v1"),
        "{}",
        text(&late.stderr)
    );
    world
        .ok(&["alias", "times", "staging=2", "--was", "v1"])
        .await;
    assert_eq!(
        world.ok(&["run", "times@staging", "x=5"]).await.trim(),
        "15"
    );
    let listed = world.ok(&["alias", "times"]).await;
    assert!(
        listed.contains("champion  v1") && listed.contains("staging   v2"),
        "{listed}"
    );
    let versions = world.ok(&["versions", "times"]).await;
    assert!(versions.contains("champion"), "{versions}");

    let delete = world.request(reqwest::Method::DELETE, "/v1/models/lab/times/versions/1");
    let refused = delete.send().await.unwrap();
    assert_eq!(refused.status(), 409);
    assert!(refused.text().await.unwrap().contains("`champion`"));
    world.ok(&["alias", "times", "--remove", "champion"]).await;
    let delete = world.request(reqwest::Method::DELETE, "/v1/models/lab/times/versions/1");
    assert_eq!(delete.send().await.unwrap().status(), 204);
    world.close().await;
}

#[tokio::test]
async fn an_alias_moved_at_one_front_is_known_at_the_other_on_postgres() {
    let first = World::first_of_many(&fresh(Server::Postgres), &[]).await;
    let second = first.beside().await;
    for n in [2, 3] {
        first.push("times", &times(n), &[]).await;
    }
    let ask = json!({"version": "lab/times@staging", "input": {"x": 5}});
    for (version, output) in [(1, 10), (2, 15), (1, 10)] {
        let alias = first.request(reqwest::Method::PUT, "/v1/models/lab/times/aliases/staging");
        let set = alias
            .json(&json!({"version": version}))
            .send()
            .await
            .unwrap();
        assert!(set.status().is_success(), "{set:?}");
        let (_, answer) = first.post("/v1/predictions", &ask).await;
        assert_eq!(
            answer["output"], output,
            "at once where it was moved: {answer:#}"
        );
        let deadline = std::time::Instant::now() + crate::world::PATIENCE;
        loop {
            let (_, answer) = second.post("/v1/predictions", &ask).await;
            if answer["output"] == output {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "{answer:#}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await; // poll
        }
    }
    second.close().await;
    first.close().await;
}

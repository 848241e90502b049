//! Models with their own dependencies, side by side.

use crate::world::{World, text};
use serde_json::json;

#[tokio::test]
async fn two_models_run_at_once_on_two_major_versions_of_numpy() {
    let world = World::start().await;
    world.push_example("conflict-a").await;
    world.push_example("conflict-b").await;
    let (a, b) = tokio::join!(
        world.predict("conflict-a", json!({"x": 4})),
        world.predict("conflict-b", json!({"x": 5}))
    );
    assert!(
        a.1["output"]["numpy"].as_str().unwrap().starts_with("1."),
        "{:#}",
        a.1
    );
    assert!(
        b.1["output"]["numpy"].as_str().unwrap().starts_with("2."),
        "{:#}",
        b.1
    );
    assert_eq!(
        (&a.1["output"]["square"], &b.1["output"]["square"]),
        (&json!(16), &json!(25))
    );
    world.close().await;
}

#[tokio::test]
async fn a_requirement_that_does_not_resolve_is_shown_in_the_resolvers_words() {
    let world = World::start().await;
    let folder = world.model(
        "wish",
        "import onstage as on\n\n@on.predict\ndef f(x: int) -> int:\n    return x\n",
        &[("requirements.txt", "no-such-package-of-onstage==9.9\n")],
    );
    let output = world.run(&["push", folder.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("no-such-package-of-onstage"),
        "{}",
        text(&output.stderr)
    );
    world.close().await;
}

//! What the README promises a newcomer: new, push, run, and the page's doors.

use crate::world::{World, text};

#[tokio::test]
async fn a_new_folder_works_at_once() {
    let world = World::start().await;
    world.ok(&["new", "hello"]).await;
    world.ok(&["push", "hello"]).await;
    let answer = world
        .ok_json(&["run", "hello", "name=Ada", "excited=true"])
        .await;
    assert_eq!(answer["status"], "succeeded", "{answer:#}");
    assert!(
        answer["output"].as_str().unwrap().contains("Ada"),
        "{answer:#}"
    );
    let models = world.ok_json(&["models"]).await;
    assert_eq!(models["results"][0]["name"], "hello", "{models:#}");
    let versions = world.ok_json(&["versions", "hello"]).await;
    assert_eq!(versions["results"][0]["live"], true, "{versions:#}");
    world.close().await;
}

#[tokio::test]
async fn new_does_not_touch_a_folder_that_has_something_in_it() {
    let world = World::start().await;
    std::fs::create_dir(world.folder.path().join("mine")).unwrap();
    std::fs::write(world.folder.path().join("mine/thesis.txt"), "years of work").unwrap();
    let output = world.run(&["new", "mine"]).await;
    assert!(!output.status.success());
    assert!(
        text(&output.stderr).contains("mine"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(
        std::fs::read_dir(world.folder.path().join("mine"))
            .unwrap()
            .count(),
        1
    );
    world.close().await;
}

#[tokio::test]
async fn without_a_server_the_verbs_say_how_to_start_one() {
    let mut world = World::start().await;
    world.kill_server();
    let output = world.run(&["models"]).await;
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("onstage serve"),
        "{}",
        text(&output.stderr)
    );
    world.close().await;
}

#[tokio::test]
async fn feedback_is_kept_with_what_it_was_about() {
    let world = World::start().await;
    world.ok(&["new", "hello"]).await;
    world.ok(&["push", "hello"]).await;
    let (_, prediction) = world
        .predict("hello", serde_json::json!({"name": "Ada"}))
        .await;
    let id = prediction["id"].as_str().unwrap();
    let said = serde_json::json!({"rating": -1, "comment": "too formal, \"really\"", "correction": "Hi Ada"});
    let (status, feedback) = world
        .post(&format!("/v1/predictions/{id}/feedback"), &said)
        .await;
    assert_eq!(status, 201, "{feedback:#}");
    let listed = world.ok_json(&["feedback", "hello"]).await;
    assert_eq!(
        listed["results"][0]["comment"], said["comment"],
        "{listed:#}"
    );
    assert_eq!(listed["results"][0]["correction"], "Hi Ada", "{listed:#}");
    assert_eq!(listed["results"][0]["input"]["name"], "Ada", "{listed:#}");
    let (status, csv) = world.get("/v1/feedback?model=lab/hello&format=csv").await;
    assert_eq!(status, 200);
    assert!(csv.as_str().unwrap().contains("too formal"), "{csv}");
    world.close().await;
}

//! What jobs promise, once more with the store on PostgreSQL and on MariaDB; and how such a store is named and shown.

use crate::{
    databases::{self, Server},
    world::{World, text},
};
use serde_json::json;

/// Expands tests of other files into ones whose worlds have their store on a server.
macro_rules! on_servers {
    ($($area:ident::$case:ident),+ $(,)?) => {
        on_servers! { @postgres Postgres $($area $case)+ }
        on_servers! { @mysql MySql $($area $case)+ }
    };
    (@$module:ident $server:ident $($area:ident $case:ident)+) => {
        mod $module {
            use crate::databases::{Server, on};
            $(
                #[test]
                fn $case() {
                    on(Server::$server, crate::$area::$case);
                }
            )+
        }
    };
}

on_servers! {
    jobs::a_background_prediction_reports_and_its_task_ends_by_itself,
    jobs::a_realtime_prediction_that_outlives_its_wait_goes_on_and_is_found,
    kills::a_killed_task_is_replaced_and_the_job_ends_once,
    kills::a_killed_front_hurts_no_running_job,
    kills::a_batch_job_resumes_after_its_task_was_killed,
    batches::columns_are_mapped_and_only_the_failed_rows_are_tried_again,
}

#[tokio::test]
async fn the_password_of_a_postgres_store_is_nowhere_to_be_read() {
    let url = databases::fresh(Server::Postgres);
    let password = url.split([':', '@']).nth(2).unwrap().to_owned();
    let world = World::with(&[("ONSTAGE_STORE", &url), ("ONSTAGE_LOG", "debug")]).await;
    world
        .push(
            "echo",
            "import onstage as on\n\n@on.predict(background=True)\ndef echo(x: int) -> int:\n    return x\n",
            &[],
        )
        .await;
    let (_, made) = world.predict("echo", json!({"x": 1})).await;
    let path = format!("/v1/predictions/{}", made["id"].as_str().unwrap());
    assert_eq!(world.finished(&path).await["output"], 1);
    let shown = world.ok(&["config"]).await + &world.ok(&["config", "--json"]).await;
    assert!(shown.contains("postgres://onstage:…@127.0.0.1"), "{shown}");
    let mut said = shown + &world.printed();
    for (_, command) in world.processes() {
        said.push_str(&command);
    }
    for log in std::fs::read_dir(world.data().join("tasks"))
        .unwrap()
        .flatten()
    {
        said.push_str(&std::fs::read_to_string(log.path()).unwrap_or_default());
    }
    assert!(!said.contains(&password), "{said}");
    world.close().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_said_at_the_start() {
    let mut world = World::start().await;
    world.kill_server();
    world.set("ONSTAGE_STORE", "mysql://kim:geheim@127.0.0.1:1/onstage");
    let refused = world.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    let said = text(&refused.stderr) + &text(&refused.stdout);
    assert!(!refused.status.success(), "{said}");
    assert!(
        said.contains("mysql://kim:…@127.0.0.1:1/onstage") && said.contains("hint:"),
        "{said}"
    );
    assert!(!said.contains("geheim"), "{said}");
    world.close().await;
}

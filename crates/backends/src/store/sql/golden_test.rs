//! Stores as released versions left them: opened, brought up to date, and every record still there.
//! A schema's text is written once, when it is released, and never again.

use super::{migrations, open_server, sqlite};
use crate::store::suite::{
    make::{self, at, id, name, new_job, output, owner, page, policy, version},
    places::{self, Place},
};
use onstage_core::{
    Kind,
    job::JobState,
    model::VersionState,
    ports::{StateOp, Store},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement};
use std::path::Path;

/// Schema number, and the dump of a store that has a row of every kind.
const GOLDEN: [(u64, &str); 1] = [(1, include_str!("golden/schema-1.sql"))];

#[tokio::test]
async fn stores_of_every_released_schema_are_opened_with_all_their_records() {
    for (schema, dump) in GOLDEN {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("onstage.db");
        let connection = sqlite::connect_writer(&path, sqlite::Durability::Full)
            .await
            .unwrap();
        connection.execute_unprepared(dump).await.unwrap();
        let there = migrations::number(&connection, "schema_version")
            .await
            .unwrap();
        assert_eq!(there, schema);
        connection.close().await.unwrap();
        let store = crate::store::sqlite(&path).await.unwrap();
        check(&*store).await;
        drop(store);
        let connection = sqlite::connect_writer(&path, sqlite::Durability::Full)
            .await
            .unwrap();
        let now = migrations::number(&connection, "schema_version")
            .await
            .unwrap();
        assert!(now >= schema);
    }
}

/// A row of every kind that schema 1 has.
async fn fill(store: &dyn Store) {
    store.ensure_model(make::model("lab/age")).await.unwrap();
    store
        .add_version(make::new_version("lab/age", "building"))
        .await
        .unwrap();
    store
        .add_version(make::new_version("lab/age", "deleted"))
        .await
        .unwrap();
    store
        .set_version_state(&version("deleted"), failed())
        .await
        .unwrap();
    store
        .set_version_state(&version("deleted"), VersionState::Deleted)
        .await
        .unwrap();
    for text in ["done", "failed", "running", "canceled"] {
        store.submit(new_job(text)).await.unwrap();
    }
    store
        .request_cancel(&id("canceled"), at(150))
        .await
        .unwrap();
    let claimed = store
        .claim(&version("v-one"), &owner("me"), 3, at(200))
        .await
        .unwrap();
    for job in claimed {
        let lease = job.lease().unwrap();
        store.beat(&lease, make::beat()).await.unwrap();
        store.commit_chunk(&lease, make::chunk(0, 1)).await.unwrap();
        let said = vec![make::event("{}"), make::event("{\"n\":1}")];
        store
            .append_events(&job.id, Some(&lease), said)
            .await
            .unwrap();
        let end = match job.id.as_str() {
            text if text.ends_with("done") => output("\"it's 'quoted' \u{e4}\""),
            text if text.ends_with("failed") => {
                onstage_core::lifecycle::RunEnd::Failed(make::lost_worker())
            }
            _ => continue,
        };
        store
            .finish(&lease, end, &policy(), 0.0, at(300))
            .await
            .unwrap();
    }
    store
        .submit(make::keyed("queued", "key", "body"))
        .await
        .unwrap();
    store.record(vec![make::prediction("p")]).await.unwrap();
    store
        .put_feedback(make::feedback("f", "p", "kim"))
        .await
        .unwrap();
    store.add_file(make::file("x")).await.unwrap();
    store.register_task(make::task("t")).await.unwrap();
    let token = make::credential("c", onstage_core::people::CredentialKind::Token);
    store.add_credential(token).await.unwrap();
    store
        .state("lab/age", "n", StateOp::Add(2.0))
        .await
        .unwrap();
}

fn failed() -> VersionState {
    let error = serde_json::json!({"kind": "import", "message": "no module", "traceback": null, "hint": null});
    VersionState::Failed {
        error: serde_json::from_value(error).unwrap(),
    }
}

/// What `fill` wrote, read through the port of today.
async fn check(store: &dyn Store) {
    let model = store.model(&name("lab/age")).await.unwrap().unwrap();
    assert_eq!(
        (model.title, model.about),
        (make::model("x/y").title, make::model("x/y").about)
    );
    let versions = store.versions(&name("lab/age")).await.unwrap();
    let states: Vec<(u32, &str)> = versions
        .iter()
        .map(|it| (it.number, it.state.name()))
        .collect();
    assert_eq!(states, [(2, "deleted"), (1, "building")]);
    for (text, state, run) in [
        ("done", "succeeded", 1),
        ("failed", "failed", 1),
        ("running", "running", 1),
        ("canceled", "canceled", 0),
        ("queued", "queued", 0),
    ] {
        let job = store.job(&id(text)).await.unwrap().unwrap();
        assert_eq!((job.state.name(), job.run), (state, run), "{text}");
    }
    let done = store.job(&id("done")).await.unwrap().unwrap();
    let JobState::Succeeded { output, .. } = &done.state else {
        unreachable!("it has just been looked at")
    };
    assert!(
        format!("{output:?}").contains("it's 'quoted' \u{e4}"),
        "{output:?}"
    );
    assert_eq!(
        store.chunks(&id("done")).await.unwrap(),
        [make::chunk(0, 1)]
    );
    assert_eq!(store.events(&id("running"), 0, 9).await.unwrap().len(), 2);
    let running = store.running().await.unwrap();
    assert_eq!((running.len(), running[0].beat), (1, 1));
    let again = store
        .submit(make::keyed("other", "key", "body"))
        .await
        .unwrap();
    assert_eq!((again.new, again.job.id), (false, id("queued")));
    let kept = store.prediction(&id("p")).await.unwrap();
    assert_eq!(kept, Some(make::prediction("p")));
    let feedback = store.feedback(&Default::default(), page(9)).await.unwrap();
    assert_eq!(feedback.rows, [make::feedback("f", "p", "kim")]);
    assert_eq!(store.file(&id("x")).await.unwrap(), Some(make::file("x")));
    assert_eq!(store.tasks(page(9)).await.unwrap().rows, [make::task("t")]);
    let kind = onstage_core::people::CredentialKind::Token;
    assert_eq!(
        store.credentials(kind, page(9)).await.unwrap().rows,
        [make::credential("c", kind)]
    );
    assert_eq!(
        store.state("lab/age", "n", StateOp::Get).await.unwrap(),
        "2"
    );
    let runs = store.run_count(&name("lab/age")).await.unwrap();
    assert!(runs >= 1);
    let lease = running[0].lease.clone();
    store
        .finish(&lease, make::output("1"), &policy(), 0.0, at(900))
        .await
        .unwrap();
    assert_eq!(
        make::kind_of(store.beat(&lease, make::beat()).await),
        Kind::Lost
    );
}

/// The same way forward on the servers: from the first schema, with a record in it, by several at once.
async fn forward(place: &Place) {
    let connection = super::server::connect(&place.url).await.unwrap();
    migrations::bring_up_to(&connection, 1).await.unwrap();
    assert_eq!(
        migrations::number(&connection, "schema_version")
            .await
            .unwrap(),
        1
    );
    let old = "INSERT INTO models (name, title, about, revision, created_at) VALUES ('lab/age', 'Age', 'Guesses', 0, 5)";
    connection.execute_unprepared(old).await.unwrap();
    let stores = futures::future::join_all((0..4).map(|_| open_server(&place.url))).await;
    for store in stores {
        let store: &dyn Store = &store.unwrap();
        let model = store.model(&name("lab/age")).await.unwrap().unwrap();
        assert_eq!(model.about, "Guesses");
    }
    let now = migrations::number(&connection, "schema_version")
        .await
        .unwrap();
    assert!(now > 1);
}

#[tokio::test]
async fn postgres_and_mysql_are_brought_forward_with_old_records_kept() {
    forward(&places::postgres().await).await;
    forward(&places::mysql().await).await;
}

/// Writes the dump of a schema, once, when it is released:
/// `GOLDEN_SCHEMA=2 cargo test -p onstage-backends --lib write_the_golden_dump -- --ignored`.
#[tokio::test]
#[ignore = "writes a file of the sources"]
#[expect(
    clippy::disallowed_methods,
    reason = "a tool, told which schema to write"
)]
async fn write_the_golden_dump() {
    let schema: u64 = std::env::var("GOLDEN_SCHEMA").unwrap().parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("onstage.db");
    let connection = sqlite::connect_writer(&path, sqlite::Durability::Full)
        .await
        .unwrap();
    migrations::bring_up_to(&connection, schema as usize)
        .await
        .unwrap();
    let store = super::of_file(&path, connection.clone(), sqlite::Durability::Full)
        .await
        .unwrap();
    fill(&store).await;
    let text = dump(&connection).await;
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sql/golden");
    std::fs::create_dir_all(&place).unwrap();
    let file = place.join(format!("schema-{schema}.sql"));
    assert!(!file.exists(), "a released schema is never written again");
    std::fs::write(file, text).unwrap();
}

async fn dump(connection: &DatabaseConnection) -> String {
    let mut text = String::from("PRAGMA foreign_keys = OFF;\n");
    let made = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, rowid";
    for statement in texts(connection, made).await {
        text.push_str(&format!("{statement};\n"));
    }
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid";
    for table in texts(connection, tables).await {
        let columns = texts(
            connection,
            &format!("SELECT name FROM pragma_table_info('{table}')"),
        )
        .await;
        let values: Vec<String> = columns
            .iter()
            .map(|column| format!("quote(\"{column}\")"))
            .collect();
        let rows = format!("SELECT {} FROM \"{table}\"", values.join(" || ', ' || "));
        for row in texts(connection, &rows).await {
            let names = columns.join("\", \"");
            text.push_str(&format!(
                "INSERT INTO \"{table}\" (\"{names}\") VALUES ({row});\n"
            ));
        }
    }
    text.push_str("PRAGMA foreign_keys = ON;\n");
    text
}

async fn texts(connection: &DatabaseConnection, sql: &str) -> Vec<String> {
    let ask = Statement::from_string(DbBackend::Sqlite, sql);
    let rows = connection.query_all_raw(ask).await.unwrap();
    let text = |found: &QueryResult| found.try_get_by_index::<String>(0).unwrap();
    rows.iter().map(text).collect()
}

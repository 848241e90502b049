//! The queries of `docs/sql.md`, as they stand there, on every database.
//! Must not know how the views are made.

use crate::{
    clock::SystemClock,
    store::suite::{
        make::{self, claimed, id, name, output, policy},
        places::{self, Place},
    },
};
use onstage_core::{
    Clock, Timestamp,
    feedback::Feedback,
    prediction::PredictionRecord,
    usage::{Amounts, Prices, Usage, UsageKind, day_of},
    value::Stored,
};
use sea_orm::{ConnectionTrait, Database, QueryResult, Statement};
use std::time::Duration;

const PAGE: &str = include_str!("../../../../../docs/sql.md");
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn queries() -> Vec<&'static str> {
    let blocks = PAGE.split("```sql\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

async fn fill(place: &Place, now: Timestamp) {
    let store = place.open().await;
    store.ensure_model(make::model("lab/age")).await.unwrap();
    let prediction = |text: &str, predict_ms: f64, age: Duration| PredictionRecord {
        input: Stored::Inline(format!("{{\"n\":\"{text}\"}}")),
        predict_ms,
        created_at: Timestamp(now.0 - age.as_millis() as i64),
        ..make::prediction(text)
    };
    let records = vec![
        prediction("quick", 10.0, Duration::ZERO),
        prediction("slow", 2_500.0, Duration::from_secs(60)),
        prediction("old", 9_000.0, WEEK + Duration::from_secs(3600)),
    ];
    store.record(records).await.unwrap();
    let lease = claimed(&*store, "job").await;
    let done = store.finish(&lease, output("1"), &policy(), 0.0, now).await;
    done.unwrap();
    let feedback = |text: &str, rating, correction: Option<&str>, version_number| Feedback {
        rating,
        correction: correction.map(str::to_owned),
        output: Some("4".to_owned()),
        version_number,
        ..make::feedback(text, text, "kim")
    };
    for one in [
        feedback("a", Some(1), None, 1),
        feedback("b", Some(-1), None, 1),
        feedback("c", None, Some("4"), 2),
        feedback("d", None, Some("5"), 2),
        feedback("e", Some(1), None, 2),
        feedback("f", None, None, 3),
    ] {
        store.put_feedback(one).await.unwrap();
    }
    store.add_usage(vec![usage(now)]).await.unwrap();
}

fn usage(now: Timestamp) -> Usage {
    Usage {
        day: day_of(now),
        model: name("lab/age"),
        version_number: 1,
        by: id("kim"),
        kind: UsageKind::Batch,
        amounts: Amounts {
            runs: 3,
            compute_ms: 7_200_000,
            cpu_ms: 3_600_000,
            gpu_milli_ms: 1_800_000_000,
            memory_mib_ms: 2 * 1_024 * 3_600_000,
            bytes_in: 1,
            bytes_out: 2,
        },
    }
}

/// Rows of a query, each column as text: databases have more kinds of numbers than this test.
async fn ask(place: &Place, query: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let connection = Database::connect(&place.url).await.unwrap();
    let shown: Vec<String> = columns
        .iter()
        .map(|column| format!("CAST({column} AS CHAR(200)) AS {column}"))
        .collect();
    let query = query.trim_end().trim_end_matches(';');
    let sql = format!("SELECT {} FROM ({query}) AS answer", shown.join(", "));
    let ask = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(ask).await.unwrap();
    let text = |row: &QueryResult, column: &str| {
        let text = row.try_get_by::<Option<String>, _>(column).unwrap();
        text.unwrap_or_default().trim_end().to_owned()
    };
    rows.iter()
        .map(|row| columns.iter().map(|column| text(row, column)).collect())
        .collect()
}

fn number(text: &str) -> f64 {
    text.parse()
        .unwrap_or_else(|_| panic!("`{text}` is no number"))
}

async fn answers(place: &Place) {
    let now = SystemClock::new().now();
    fill(place, now).await;
    let queries = queries();
    assert_eq!(queries.len(), 3);

    let slowest = ask(place, queries[0], &["predict_s", "input"]).await;
    let inputs: Vec<&str> = slowest.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(
        inputs,
        [r#"{"n":"slow"}"#, r#"{"n":"quick"}"#],
        "{slowest:?}"
    );
    assert!((number(&slowest[0][0]) - 2.5).abs() < 1e-9, "{slowest:?}");

    let columns = ["version_number", "judged", "accuracy"];
    let mut right = ask(place, queries[1], &columns).await;
    right.sort();
    let right: Vec<Vec<f64>> = right
        .iter()
        .map(|row| row.iter().map(|text| number(text)).collect())
        .collect();
    assert_eq!(right.len(), 2, "{right:?}");
    assert_eq!(right[0], [1.0, 2.0, 0.5]);
    assert!((right[1][2] - 2.0 / 3.0).abs() < 1e-4, "{right:?}");

    let cost = ask(place, queries[2], &["model", "runs", "hours", "usd"]).await;
    assert_eq!((cost.len(), cost[0][0].as_str()), (1, "lab/age"));
    assert_eq!((number(&cost[0][1]), number(&cost[0][2])), (3.0, 2.0));
    let usd = Prices::usual().usd(&usage(now).amounts);
    assert!(
        (number(&cost[0][3]) - usd).abs() < 1e-4,
        "{cost:?}, not {usd}"
    );

    let all = "SELECT id, kind, created, age_days FROM runs WHERE kind = 'background'";
    let all = ask(place, all, &["id", "kind", "created", "age_days"]).await;
    assert_eq!(all.len(), 1);
    assert!(all[0][2].starts_with("1970-01-01 00:00:00"), "{all:?}");
}

#[tokio::test]
async fn the_queries_of_the_page_answer_on_sqlite() {
    answers(&places::sqlite().await).await;
}

#[tokio::test]
async fn the_queries_of_the_page_answer_on_postgres() {
    answers(&places::postgres().await).await;
}

#[tokio::test]
async fn the_queries_of_the_page_answer_on_mysql() {
    answers(&places::mysql().await).await;
}

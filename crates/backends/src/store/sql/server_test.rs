//! The store on real PostgreSQL and MariaDB: TLS, what connections are told, deadlocks, broken connections, refusals.
//! What every store does is in the suite.

use super::{SqlStore, Writes, migrations, open_server};
use crate::store::suite::{
    make::{kind_of, models, new_job, page},
    places::{self, Place, server},
};
use onstage_core::{
    Kind,
    ports::{AppState, Jobs, StateOp, Store},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};
use std::sync::Arc;
use tokio::sync::Barrier;

/// The first column of the first row, as text.
async fn ask(connection: &DatabaseConnection, sql: &str, column: usize) -> String {
    answered(connection, sql, column).await.unwrap()
}

async fn answered(
    connection: &DatabaseConnection,
    sql: &str,
    column: usize,
) -> Result<String, DbErr> {
    let ask = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(ask).await?.expect("a row");
    row.try_get_by_index::<String>(column)
        .or_else(|_| row.try_get_by_index::<i64>(column).map(|n| n.to_string()))
        .or_else(|_| row.try_get_by_index::<i32>(column).map(|n| n.to_string()))
        .or_else(|_| {
            row.try_get_by_index::<bool>(column)
                .map(|is| is.to_string())
        })
}

async fn opened(place: &Place) -> SqlStore {
    // By another opening: this one's connections are the test's alone.
    models(&open_server(&place.url).await.unwrap()).await;
    open_server(&place.url).await.unwrap()
}

#[tokio::test]
async fn postgres_connections_are_told_what_a_compare_and_set_needs() {
    let store = opened(&places::postgres().await).await;
    for (setting, value) in [
        ("default_transaction_isolation", "read committed"),
        ("statement_timeout", "10s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "10s"),
    ] {
        let told = ask(&store.readers, &format!("SHOW {setting}"), 0).await;
        assert_eq!(told, value, "{setting}");
    }
}

#[tokio::test]
async fn mysql_connections_are_told_what_a_compare_and_set_needs() {
    let store = opened(&places::mysql().await).await;
    for (setting, value) in [
        ("tx_isolation", "READ-COMMITTED"),
        ("innodb_lock_wait_timeout", "5"),
        ("idle_transaction_timeout", "10"),
        ("max_statement_time", "10.000000"),
    ] {
        let sql = format!("SHOW VARIABLES LIKE '{setting}'");
        assert_eq!(ask(&store.readers, &sql, 1).await, value, "{setting}");
    }
    let mode = ask(&store.readers, "SHOW VARIABLES LIKE 'sql_mode'", 1).await;
    assert!(mode.contains("STRICT_ALL_TABLES"), "{mode}");
}

#[tokio::test]
async fn postgres_is_reached_through_tls_and_its_certificate_checked() {
    let place = places::postgres().await;
    let ca = server("ONSTAGE_TEST_CA");
    let secure = place.url.replace("127.0.0.1", "localhost");
    let known = secure.replace("=disable", &format!("=verify-full&sslrootcert={ca}"));
    let store = open_server(&known).await.unwrap();
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(ask(&store.readers, sql, 0).await, "true");
    let unknown = secure.replace("=disable", "=verify-full");
    let error = open_server(&unknown).await.err().unwrap();
    assert_eq!(error.kind, Kind::Denied, "{error}");
    assert!(error.hint.unwrap().contains("sslrootcert"));
    // The certificate is of `localhost`, so another name of the same machine is refused.
    let other = known.replace("localhost", "127.0.0.1");
    assert!(open_server(&other).await.is_err());
}

#[tokio::test]
async fn mysql_is_reached_through_tls_and_its_certificate_checked() {
    let place = places::mysql().await;
    let ca = server("ONSTAGE_TEST_CA");
    let secure = place.url.replace("127.0.0.1", "localhost");
    let known = secure.replace("=DISABLED", &format!("=VERIFY_IDENTITY&ssl-ca={ca}"));
    let store = open_server(&known).await.unwrap();
    let cipher = ask(&store.readers, "SHOW STATUS LIKE 'Ssl_cipher'", 1).await;
    assert!(!cipher.is_empty());
    let unknown = secure.replace("=DISABLED", "=VERIFY_IDENTITY");
    let error = open_server(&unknown).await.err().unwrap();
    assert_eq!(error.kind, Kind::Denied, "{error}");
    let other = known.replace("localhost", "127.0.0.1");
    assert!(open_server(&other).await.is_err());
}

#[tokio::test]
async fn postgres_and_mysql_refuse_in_words() {
    for (place, no_database) in [
        (places::postgres().await, "/postgres?"),
        (places::mysql().await, "/test_"),
    ] {
        let (before, password_on) = place.url.split_once("onstage:").unwrap();
        let (_, host) = password_on.split_once('@').unwrap();
        let wrong = format!("{before}onstage:geheim@{host}");
        let error = crate::store::open(&wrong).await.err().unwrap();
        assert_eq!(error.kind, Kind::Denied, "{error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
        let changed = format!("{}no_such{}", &no_database[..1], &no_database[1..]);
        let missing = place.url.replace(no_database, &changed);
        let error = crate::store::open(&missing).await.err().unwrap();
        assert_eq!(error.kind, Kind::NotFound, "{error}");
    }
}

/// Two writes that each hold what the other wants: the database undoes one, and it is done again.
async fn deadlock(store: SqlStore) {
    let (store, met) = (Arc::new(store), Arc::new(Barrier::new(2)));
    for key in ["a", "b"] {
        let put = StateOp::Put("0".to_owned());
        store.state("lab/age", key, put).await.unwrap();
    }
    let both = |first: &'static str, second: &'static str| {
        let (store, values) = (Arc::clone(&store), (Arc::clone(&met), first, second));
        async move {
            let tries = std::sync::atomic::AtomicU32::new(0);
            let written = store.write((values, tries), |transaction, (values, tries)| {
                Box::pin(async move {
                    let (met, first, second) = values;
                    let raise = |key: &str| {
                        let sql = format!(
                            "UPDATE app_state SET value_json = concat(value_json, '1') WHERE name = '{key}'"
                        );
                        async move { transaction.execute_unprepared(&sql).await.map_err(super::store_error) }
                    };
                    raise(first).await?;
                    // Only the first time: the one that is done again meets nobody.
                    if tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
                        met.wait().await;
                    }
                    raise(second).await?;
                    Ok(tries.load(std::sync::atomic::Ordering::Relaxed))
                })
            });
            written.await.unwrap()
        }
    };
    let (one, other) = futures::join!(both("a", "b"), both("b", "a"));
    assert!(one + other > 2, "there was no deadlock: {one} {other}");
    for key in ["a", "b"] {
        let value = store.state("lab/age", key, StateOp::Get).await.unwrap();
        assert_eq!(value, "011", "each was written twice and no more");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_deadlocks_are_undone_and_done_again() {
    deadlock(opened(&places::postgres().await).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_deadlocks_are_undone_and_done_again() {
    deadlock(opened(&places::mysql().await).await).await;
}

/// A server that was started anew has cut every connection.
async fn cut(store: SqlStore, who_am_i: &str, kill: &str) {
    store.submit(new_job("1")).await.unwrap();
    let server = sea_orm::Database::connect(match store.readers.get_database_backend() {
        sea_orm::DbBackend::Postgres => server("ONSTAGE_TEST_POSTGRES"),
        _ => server("ONSTAGE_TEST_MYSQL"),
    });
    let server = server.await.unwrap();
    let kill_mine = async || {
        // The store asks again when a connection turns out to be cut; this goes past the store.
        let mine = match answered(&store.readers, who_am_i, 0).await {
            Ok(mine) => mine,
            Err(_) => ask(&store.readers, who_am_i, 0).await,
        };
        let sql = kill.replace("{}", &mine);
        server.execute_unprepared(&sql).await.unwrap();
    };
    kill_mine().await;
    store.submit(new_job("2")).await.unwrap();
    kill_mine().await;
    let jobs = store.jobs(&Default::default(), page(9)).await.unwrap();
    assert_eq!(jobs.rows.len(), 2);
}

#[tokio::test]
async fn postgres_connections_that_were_cut_are_made_again() {
    let store = opened(&places::postgres().await).await;
    let who = "SELECT pg_backend_pid()";
    cut(store, who, "SELECT pg_terminate_backend({})").await;
}

#[tokio::test]
async fn mysql_connections_that_were_cut_are_made_again() {
    let store = opened(&places::mysql().await).await;
    cut(store, "SELECT CAST(CONNECTION_ID() AS CHAR)", "KILL {}").await;
}

/// In MySQL, making a table cannot be undone: what a process that died had made is there when the next one begins anew.
#[tokio::test]
async fn mysql_tables_that_were_half_made_are_finished() {
    let place = places::mysql().await;
    let store = opened(&place).await;
    for sql in [
        "DROP TABLE files",
        "DROP INDEX tasks_by_started_at_id ON tasks",
        "DELETE FROM meta",
    ] {
        store.readers.execute_unprepared(sql).await.unwrap();
    }
    drop(store);
    let store = opened(&place).await;
    let files = ask(&store.readers, "SELECT COUNT(*) FROM files", 0).await;
    let sql = "SELECT COUNT(DISTINCT index_name) FROM information_schema.statistics \
               WHERE table_schema = DATABASE() AND index_name = 'tasks_by_started_at_id'";
    let index = ask(&store.readers, sql, 0).await;
    assert_eq!((files.as_str(), index.as_str()), ("0", "1"));
}

async fn newer_is_refused(place: &Place) {
    let store = opened(place).await;
    let sql = "UPDATE meta SET value = 999 WHERE name = 'schema_version'";
    store.readers.execute_unprepared(sql).await.unwrap();
    let error = crate::store::open(&place.url).await.err().unwrap();
    assert_eq!(error.kind, Kind::Conflict, "{error}");
    assert!(error.message.contains("999") && error.hint.unwrap().contains("upgrade"));
    let there = migrations::number(&store.readers, "schema_version").await;
    assert_eq!(there.unwrap(), 999, "it is left alone");
}

#[tokio::test]
async fn postgres_and_mysql_tables_of_a_newer_onstage_are_refused() {
    newer_is_refused(&places::postgres().await).await;
    newer_is_refused(&places::mysql().await).await;
}

/// A write whose work panics is said, and its connection is not left in the middle of it.
#[tokio::test]
async fn postgres_and_mysql_take_back_a_write_that_panics() {
    for place in [places::postgres().await, places::mysql().await] {
        let store = opened(&place).await;
        assert!(matches!(*store.writes, Writes::Many(_)));
        store.submit(new_job("1")).await.unwrap();
        let broken = store.write((), |transaction, ()| {
            Box::pin(async move {
                let delete = "DELETE FROM jobs";
                transaction.execute_unprepared(delete).await.unwrap();
                panic!("a bug in a write");
                #[expect(unreachable_code, reason = "says what the work would answer")]
                Ok(())
            })
        });
        assert_eq!(kind_of(broken.await), Kind::Unavailable);
        let store: &dyn Store = &store;
        let jobs = store.jobs(&Default::default(), page(9)).await.unwrap();
        assert_eq!(jobs.rows.len(), 1);
    }
}

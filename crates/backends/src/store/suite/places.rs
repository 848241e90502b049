//! Where stores of tests lie: files of their own, and databases of their own on the servers that `scripts/databases.py` has started.
//! Must not know a case.

use crate::clock;
use onstage_core::ports::Store;
use sea_orm::{ConnectionTrait, Database};
use std::sync::Arc;
use tempfile::TempDir;

/// An empty place for one store, by the URL that opens it.
pub(in crate::store) struct Place {
    pub(in crate::store) url: String,
    _folder: Option<TempDir>,
}

impl Place {
    pub(in crate::store) async fn open(&self) -> Arc<dyn Store> {
        crate::store::open(&self.url).await.unwrap()
    }

    /// Opened more than once: each opening stands for another process, since it shares nothing but the place.
    pub(in crate::store) async fn open_times(&self, times: usize) -> Vec<Arc<dyn Store>> {
        let all = (0..times).map(|_| self.open());
        futures::future::join_all(all).await
    }
}

pub(in crate::store) async fn memory() -> Place {
    Place {
        url: "memory:".to_owned(),
        _folder: None,
    }
}

pub(in crate::store) async fn sqlite() -> Place {
    let folder = tempfile::tempdir().unwrap();
    Place {
        url: format!("sqlite://{}/store.db", folder.path().display()),
        _folder: Some(folder),
    }
}

/// A schema of its own costs a hundredth of a database of its own, and Onstage sees no difference.
pub(in crate::store) async fn postgres() -> Place {
    let (server, name) = (server("ONSTAGE_TEST_POSTGRES"), new_name());
    make(&server, &format!("CREATE SCHEMA {name}")).await;
    Place {
        url: format!("{server}&options[search_path]={name}"),
        _folder: None,
    }
}

pub(in crate::store) async fn mysql() -> Place {
    let (server, name) = (server("ONSTAGE_TEST_MYSQL"), new_name());
    make(&server, &format!("CREATE DATABASE {name}")).await;
    Place {
        url: server.replace("/mysql?", &format!("/{name}?")),
        _folder: None,
    }
}

fn new_name() -> String {
    format!("test_{:032x}", clock::entropy())
}

async fn make(server: &str, statement: &str) {
    let connection = Database::connect(server).await.unwrap();
    connection.execute_unprepared(statement).await.unwrap();
    connection.close().await.unwrap();
}

/// Where a server of the tests is.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by nextest where the servers are"
)]
pub(in crate::store) fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run this test with `cargo nextest run`, or within `scripts/databases.py run`")
    })
}

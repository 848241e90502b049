//! Stores: records in memory and in SQL, behind the `Store` port, opened by URL.
//! Never knows HTTP, workers or what a model computes.

mod memory;
mod rules;
mod sql;

#[cfg(test)]
mod model_test;
#[cfg(test)]
mod suite;

use onstage_core::{Error, Result, ports::Store};
use std::{path::Path, sync::Arc};

const SQLITE_SCHEME: &str = "sqlite://";

/// Opens the store at `url`: `sqlite:///folder/onstage.db`, or `memory:` for one that forgets.
/// Makes the file when it is not there and brings an older one up to date.
pub async fn open(url: &str) -> Result<Arc<dyn Store>> {
    if url == "memory:" {
        return Ok(memory());
    }
    match url.strip_prefix(SQLITE_SCHEME) {
        Some(path) if path.starts_with('/') => sqlite(Path::new(path)).await,
        _ => Err(
            Error::invalid(format!("store `{}` is not known", without_secret(url)))
                .hint("write it like `sqlite:///data/onstage.db`"),
        ),
    }
}

/// Opens the SQLite store in the file at `path`.
pub async fn sqlite(path: &Path) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(sql::open(path, sql::Durability::Full).await?))
}

/// The version of the SQLite that is linked in. Errors: conflict, when it is one that can corrupt data.
pub async fn sqlite_version() -> Result<String> {
    sql::sqlite_version().await
}

/// A store that lives as long as the process: the reference of the port, and for tests.
pub fn memory() -> Arc<dyn Store> {
    Arc::new(memory::MemoryStore::default())
}

/// The URL without user and password, so that a message can show it.
fn without_secret(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://…@{place}"),
        _ => url.to_owned(),
    }
}

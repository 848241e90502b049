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
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// Keys of blobs, each with a record that points at it.
pub(crate) type BlobKeys = BTreeMap<String, String>;

const SQLITE_SCHEME: &str = "sqlite://";
/// Parameters of a URL that hold no secret.
const SHOWN: [&str; 8] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "host",
    "socket",
    "dbname",
];

/// Opens the store at `url`: `sqlite:///folder/onstage.db`, `postgres://…`, `mysql://…`, or `memory:` for one that forgets.
/// Makes the file or the tables when they are not there and brings older ones up to date.
pub async fn open(url: &str) -> Result<Arc<dyn Store>> {
    if url == "memory:" {
        return Ok(memory());
    }
    if sql::is_server(url) {
        return Ok(Arc::new(sql::open_server(url).await?));
    }
    match url.strip_prefix(SQLITE_SCHEME) {
        Some(path) if path.starts_with('/') => sqlite(Path::new(path)).await,
        _ => Err(
            Error::invalid(format!("store `{}` is not known", without_secret(url)))
                .hint("write it like `sqlite:///data/onstage.db`, `postgres://user:password@host/database` or `mysql://user:password@host/database`"),
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

/// Copies the SQLite store in the file `from`, as it is at one moment and while others write, to the file `to`.
pub(crate) async fn snapshot(from: &Path, to: &Path) -> Result<()> {
    sql::snapshot(from, to).await
}

/// Whether a SQLite file that nobody has open is whole. Errors: invalid.
pub(crate) async fn check_file(path: &Path) -> Result<()> {
    sql::check_file(path).await
}

/// Keys of all blobs that the records in a SQLite file point at.
pub(crate) async fn blob_keys(path: &Path) -> Result<BlobKeys> {
    sql::blob_keys(path).await
}

/// A store that lives as long as the process: the reference of the port, and for tests.
pub fn memory() -> Arc<dyn Store> {
    Arc::new(memory::MemoryStore::default())
}

/// The URL without its password, so that a message can show it.
pub fn without_secret(url: &str) -> String {
    let (place, query) = match url.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (url, None),
    };
    let mut shown = match (place.split_once("://"), place.rsplit_once('@')) {
        (Some((scheme, rest)), Some((_, host))) => {
            let user = rest.split([':', '@']).next().unwrap_or_default();
            format!("{scheme}://{user}:…@{host}")
        }
        // A password with an unescaped `?`: who knows where it ends.
        (Some((scheme, _)), None) if url.contains('@') => return format!("{scheme}://…"),
        _ => place.to_owned(),
    };
    let open = |pair: &&str| SHOWN.contains(&pair.split('=').next().unwrap_or_default());
    for (place, pair) in query
        .unwrap_or_default()
        .split('&')
        .filter(open)
        .enumerate()
    {
        shown.push(if place == 0 { '?' } else { '&' });
        shown.push_str(pair);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::without_secret;

    #[test]
    fn a_url_is_shown_without_what_is_secret() {
        for (url, shown) in [
            ("sqlite:///data/onstage.db", "sqlite:///data/onstage.db"),
            ("memory:", "memory:"),
            ("postgres://db/onstage", "postgres://db/onstage"),
            ("postgres://kim:pa@ss:w/o@db:5/x", "postgres://kim:…@db:5/x"),
            ("mysql://kim:p?s@db/x", "mysql://…"),
            (
                "postgres://kim@db/x?sslmode=verify-full&password=geheim&sslrootcert=/ca.pem",
                "postgres://kim:…@db/x?sslmode=verify-full&sslrootcert=/ca.pem",
            ),
        ] {
            assert_eq!(without_secret(url), shown);
        }
    }
}

//! Which files of an installation a backup is made of, by its settings, and where they come back to.
//! Does not copy anything; `onstage_backends::backup` does.

use crate::settings::{SQLITE_SCHEME, Settings};
use onstage_backends::backup::{self, Source, Summary};
use onstage_core::{Error, Result};
use std::path::{Path, PathBuf};

const FILE_SCHEME: &str = "file://";
const SETTINGS_NAME: &str = "server.toml";

/// Makes the backup `name` in the folder `place`; a server may be at work.
pub(crate) async fn back_up(settings: &Settings, place: &Path, name: &str) -> Result<Summary> {
    let store = settings
        .store
        .strip_prefix(SQLITE_SCHEME)
        .map(PathBuf::from);
    let blobs = settings.blobs.strip_prefix(FILE_SCHEME).map(PathBuf::from);
    let elsewhere = |what: &str, url: &str, hint: &str| {
        let url = super::without_secret(url);
        Error::invalid(format!(
            "the {what} `{url}` is not in files of this machine"
        ))
        .hint(hint)
    };
    let source = Source {
        store: store.ok_or_else(|| {
            let hint = "use what comes with the database (`pg_dump`, `mariadb-dump`), before you copy the blobs";
            elsewhere("store", &settings.store, hint)
        })?,
        blobs: blobs.ok_or_else(|| {
            let hint = "use what comes with the storage, such as versions of its objects";
            elsewhere("blob storage", &settings.blobs, hint)
        })?,
        settings: settings
            .file
            .clone()
            .unwrap_or_else(|| settings.data.join(SETTINGS_NAME)),
    };
    backup::back_up(&source, place, name).await
}

/// Makes the data folder out of a backup.
pub(crate) async fn restore(settings: &Settings, from: &Path) -> Result<Summary> {
    let in_data = |url: &str, scheme: &str| {
        let path = url.strip_prefix(scheme).map(Path::new);
        path.is_some_and(|path| path.starts_with(&settings.data))
    };
    if !in_data(&settings.store, SQLITE_SCHEME) || !in_data(&settings.blobs, FILE_SCHEME) {
        return Err(Error::invalid("a backup comes back into one data folder, and the settings name a store or blobs elsewhere")
            .hint("unset ONSTAGE_STORE and ONSTAGE_BLOBS for this command"));
    }
    backup::restore(from, &settings.data).await
}

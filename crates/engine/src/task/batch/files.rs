//! The files that a row's cells name, read before the row goes to the worker: data URLs, uploaded files, paths in the job's archive.
//! Does not know tables or workers.

use super::rows::{GROUP_BYTES_MAX, Group, RowIn};
use crate::{
    inputs::{data_url, stand_in, uploaded},
    parts::Parts,
    spawn::spawn,
    task::persist,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use onstage_core::{
    Error, Id, Kind,
    outcome::{Failure, Reason},
    ports::Placed,
    schema::ModelSchema,
    value::Value,
};
use serde_json::{Value as Json, json};
use stand_in::StandIn;
use std::{
    ffi::OsString,
    path::{Component, Path, PathBuf},
    sync::Arc,
};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Rows whose files are read at the same time.
const ROWS_AT_ONCE: usize = 4;
/// What is read of one row's files, all told; those of an archive are not read here.
const ROW_BYTES_MAX: u64 = 64 << 20;
/// Of a data URL, in what is shown of a row.
const SHOWN_CHARS_MAX: usize = 60;

/// Reads the files of one job's rows.
pub(crate) struct CellFiles {
    pub(crate) parts: Parts,
    pub(crate) schema: Arc<ModelSchema>,
    pub(crate) archive: Option<Archive>,
}

/// An unpacked archive.
pub(crate) struct Archive {
    placed: Placed,
    /// The one folder that it consists of.
    top: Option<OsString>,
}

/// Ends the reading of files when it is dropped.
pub(crate) type Reading = AbortOnDropHandle<Option<()>>;

/// Why a row has no files.
enum Bad {
    Row(Failure),
    /// What keeps the files is away: no row can go on.
    Away(Error),
}

impl From<Failure> for Bad {
    fn from(failure: Failure) -> Self {
        Self::Row(failure)
    }
}

/// What a cell stands for.
enum Found {
    Bytes {
        bytes: Bytes,
        name: Option<String>,
        media_type: String,
    },
    At(PathBuf),
}

impl CellFiles {
    /// Hands rows on with their files.
    pub(crate) fn through(
        self,
        rows: mpsc::Receiver<Group>,
    ) -> (mpsc::Receiver<Group>, Option<Reading>) {
        if !stand_in::may_have_files(&self.schema) {
            return (rows, None);
        }
        let (out, inbox) = mpsc::channel(1);
        let reading = spawn("files of rows", self.hand_on(rows, out));
        (inbox, Some(AbortOnDropHandle::new(reading)))
    }

    async fn hand_on(self, mut rows: mpsc::Receiver<Group>, out: mpsc::Sender<Group>) {
        while let Some(group) = rows.recv().await {
            let sent = match group {
                Group::Rows(rows) => self.hand_on_rows(rows, &out).await,
                other => out.send(other).await,
            };
            if sent.is_err() {
                return;
            }
        }
    }

    async fn hand_on_rows(
        &self,
        rows: Vec<RowIn>,
        out: &mpsc::Sender<Group>,
    ) -> Result<(), mpsc::error::SendError<Group>> {
        let rows = stream::iter(rows).map(|row| self.with_files(row));
        let mut rows = std::pin::pin!(rows.buffered(ROWS_AT_ONCE));
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next().await {
            let row = match row {
                Ok(row) => row,
                Err(error) => return out.send(Group::Broken(error)).await,
            };
            bytes += row.size();
            group.push(row);
            if bytes >= GROUP_BYTES_MAX {
                bytes = 0;
                out.send(Group::Rows(std::mem::take(&mut group))).await?;
            }
        }
        out.send(Group::Rows(group)).await
    }

    async fn with_files(&self, row: RowIn) -> Result<RowIn, Error> {
        let tree = row.input.as_ref().ok();
        let Some(mut tree) = tree.and_then(|input| serde_json::from_slice(&input.json).ok()) else {
            return Ok(row);
        };
        let wanted = stand_in::find(&tree, &self.schema);
        if wanted.is_empty() {
            return Ok(row);
        }
        let shown = shown(tree.clone(), &wanted);
        let input = match self.read_all(&mut tree, &wanted).await {
            Ok(input) => Ok(input),
            Err(Bad::Row(failure)) => Err(failure),
            Err(Bad::Away(error)) => return Err(error),
        };
        Ok(RowIn {
            input,
            shown,
            ..row
        })
    }

    async fn read_all(&self, tree: &mut Json, wanted: &[StandIn]) -> Result<Value, Bad> {
        let mut attachments = Vec::new();
        let mut bytes_left = ROW_BYTES_MAX;
        for wanted in wanted {
            let found = self.find(wanted, bytes_left).await?;
            let stand_in = match found {
                Found::Bytes {
                    bytes,
                    name,
                    media_type,
                } => {
                    bytes_left = bytes_left
                        .checked_sub(bytes.len() as u64)
                        .ok_or_else(|| too_large(wanted))?;
                    attachments.push(bytes);
                    json!({"$attachment": attachments.len() - 1, "name": name, "media_type": media_type})
                }
                Found::At(path) => {
                    json!({"$path": path, "name": path.file_name().and_then(|name| name.to_str())})
                }
            };
            wanted.replace(tree, stand_in);
        }
        Ok(Value {
            json: Bytes::from(tree.to_string()),
            attachments,
        })
    }

    async fn find(&self, wanted: &StandIn, bytes_max: u64) -> Result<Found, Bad> {
        if wanted.text.starts_with(data_url::SCHEME) {
            let (media_type, bytes) =
                data_url::parse(&wanted.text).ok_or_else(|| self.none(wanted))?;
            return Ok(Found::Bytes {
                bytes,
                name: None,
                media_type,
            });
        }
        if let Some(id) = uploaded::id(&wanted.text) {
            return self.uploaded(wanted, &id, bytes_max).await;
        }
        let Some(archive) = &self.archive else {
            return Err(self.none(wanted).into());
        };
        for path in archive.places(&wanted.text) {
            if tokio::fs::metadata(&path)
                .await
                .is_ok_and(|found| found.is_file())
            {
                return Ok(Found::At(path));
            }
        }
        Err(self.none(wanted).into())
    }

    async fn uploaded(&self, wanted: &StandIn, id: &Id, bytes_max: u64) -> Result<Found, Bad> {
        let parts = &self.parts;
        let file = persist::insist(parts, "looking a file up", || parts.store.file(id)).await;
        let file = file.map_err(Bad::Away)?;
        let file = file.ok_or_else(|| {
            failure(
                wanted,
                &format!("there is no file `{id}`: upload it and name it anew"),
            )
        })?;
        if file.blob.size_bytes > bytes_max {
            return Err(too_large(wanted).into());
        }
        let bytes = persist::insist(parts, "reading a file", || parts.blobs.get(&file.blob)).await;
        Ok(Found::Bytes {
            bytes: bytes.map_err(|error| match error.kind {
                Kind::NotFound => failure(wanted, "its file is not there any more").into(),
                _ => Bad::Away(error),
            })?,
            name: Some(file.name),
            media_type: file.media_type,
        })
    }

    fn none(&self, wanted: &StandIn) -> Failure {
        let cell = &*clipped(&wanted.text);
        match self.archive {
            Some(_) => failure(
                wanted,
                &format!(
                    "`{cell}` is not among the job's files: a cell is the path of its file in their archive"
                ),
            ),
            None if wanted.is_dataset => failure(
                wanted,
                &format!(
                    "`{cell}` is no file, and rows cannot name datasets: name an uploaded file (`onstage://files/…`), or give the job an archive as its `files` and paths in it"
                ),
            ),
            None => failure(
                wanted,
                &format!(
                    "`{cell}` is no file: name an uploaded one (`onstage://files/…`), or give the job an archive as its `files` and paths in it"
                ),
            ),
        }
    }
}

impl Archive {
    pub(crate) fn new(placed: Placed) -> Self {
        let entries = std::fs::read_dir(&placed.path);
        let mut entries = entries.into_iter().flatten().flatten();
        let top = match (entries.next(), entries.next()) {
            (Some(only), None) if only.path().is_dir() => Some(only.file_name()),
            _ => None,
        };
        Self { placed, top }
    }

    /// Where the file of this path may lie: an archive may have been packed with the folder around its files, or without.
    fn places(&self, text: &str) -> Vec<PathBuf> {
        let Some(path) = inside(text) else {
            return Vec::new();
        };
        let root = &self.placed.path;
        let mut places = vec![root.join(&path)];
        if let Some(top) = &self.top {
            places.push(root.join(top).join(&path));
        }
        let rest: PathBuf = path.components().skip(1).collect();
        if !rest.as_os_str().is_empty() {
            places.push(root.join(rest));
        }
        places
    }
}

/// A path that stays where it begins; tables are written on every system.
fn inside(text: &str) -> Option<PathBuf> {
    let text = text.trim().replace('\\', "/");
    let parts = Path::new(&text).components();
    let parts = parts.filter(|part| !matches!(part, Component::CurDir));
    let path: Option<PathBuf> = parts
        .map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    path.filter(|path| !path.as_os_str().is_empty() && !text.contains('\0'))
}

/// The row as its record has it: data URLs may be as large as files.
fn shown(mut tree: Json, wanted: &[StandIn]) -> String {
    for wanted in wanted {
        wanted.replace(&mut tree, clipped(&wanted.text).into());
    }
    tree.to_string()
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) if text.starts_with(data_url::SCHEME) => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

fn too_large(wanted: &StandIn) -> Failure {
    let most = ROW_BYTES_MAX >> 20;
    failure(
        wanted,
        &format!(
            "the files of one row may have {most} MiB in all; those of an archive have no limit"
        ),
    )
}

fn failure(wanted: &StandIn, message: &str) -> Failure {
    let field = wanted.pointer.trim_start_matches('/');
    let field = field.split('/').next().unwrap_or(field).to_owned();
    Failure {
        field: Some(field.clone()),
        ..Failure::new(Reason::UserError, format!("`{field}`: {message}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leaves_its_archive() {
        for (text, path) in [
            ("a.jpg", Some("a.jpg")),
            (" ./deep//a b.jpg ", Some("deep/a b.jpg")),
            ("deep\\a.jpg", Some("deep/a.jpg")),
            ("", None),
            (".", None),
            ("/etc/passwd", None),
            ("../a.jpg", None),
            ("deep/../../a.jpg", None),
            ("..\\a.jpg", None),
            ("a\0.jpg", None),
        ] {
            assert_eq!(inside(text).as_deref(), path.map(Path::new), "{text:?}");
        }
    }

    #[test]
    fn files_are_found_with_and_without_the_folder_around_them() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("photos/deep")).unwrap();
        let archive = Archive::new(Placed::new(folder.path().to_owned(), ()));
        let places = archive.places("photos/a.jpg");
        let all = ["photos/a.jpg", "photos/photos/a.jpg", "a.jpg"];
        assert_eq!(places, all.map(|place| folder.path().join(place)));
        let alone = archive.places("a.jpg");
        assert_eq!(
            alone,
            ["a.jpg", "photos/a.jpg"].map(|place| folder.path().join(place))
        );
    }

    #[test]
    fn uploaded_files_are_known_by_their_names_and_links() {
        let id: Id = "01hzy3v7zzzzzzzzzzzz7f3a2c".parse().unwrap();
        for text in [
            format!("onstage://files/{id}"),
            format!("/v1/files/{id}"),
            format!("/lab/v1/files/{id}/content"),
        ] {
            assert_eq!(uploaded::id(&text), Some(id.clone()), "{text}");
        }
        for text in [
            "onstage://files/../x",
            "https://elsewhere.example/v1/files/x",
            "v1/files/x",
        ] {
            assert_eq!(uploaded::id(text), None, "{text}");
        }
    }

    #[test]
    fn a_record_does_not_hold_files() {
        let long = format!("data:image/png;base64,{}", "x".repeat(1_000));
        let wanted = StandIn {
            pointer: "/photo".to_owned(),
            text: long.clone(),
            is_dataset: false,
        };
        let shown = shown(json!({"photo": long, "zone": "N"}), &[wanted]);
        assert!(
            shown.len() < 200 && shown.contains("data:image/png;base64,xxx"),
            "{shown}"
        );
        assert_eq!(clipped(&"a".repeat(200)), "a".repeat(200));
    }
}

//! A dataset inside of its entry: its content, and the names that its versions give it.
//! Does not bring anything.

use crate::shelf::on_disk;
use onstage_core::{
    Result,
    dataset::{Content, DatasetFormat},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What a dataset that is one file is called inside of its entry.
pub(super) const CONTENT: &str = "content";
/// Where it has the names that its versions give it.
const NAMED: &str = "named";
const NAME_BYTES_MAX: usize = 255;

/// Equal bytes that are laid out in the same way are one entry.
pub(super) fn entry(content: &Content) -> String {
    let how = match content.format {
        DatasetFormat::Zip => "zip",
        DatasetFormat::Tar => "tar",
        _ => "file",
    };
    format!("{}-{how}", content.blob.sha256)
}

/// Where the dataset is for who reads it: a file of its own name, or a folder.
pub(super) fn path(entry: &Path, content: &Content) -> Result<PathBuf> {
    if content.format.is_folder() {
        return Ok(entry.join(CONTENT));
    }
    let named = entry.join(NAMED).join(own_name(content));
    if named.exists() {
        return Ok(named);
    }
    fs::create_dir_all(entry.join(NAMED)).map_err(on_disk)?;
    match fs::hard_link(entry.join(CONTENT), &named) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(on_disk(error)),
        _ => Ok(named),
    }
}

/// The name its uploader gave it, as a file's and nothing else.
fn own_name(content: &Content) -> String {
    if is_file_name(&content.file_name) {
        return content.file_name.clone();
    }
    let (name, _) = content.named.split_once('@').unwrap_or_default();
    let name = if is_file_name(name) { name } else { CONTENT };
    format!("{name}.{}", content.format.name())
}

fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= NAME_BYTES_MAX && !name.contains(['/', '\0'])
}

//! Files that results are written to: looked at before anything is asked for, so that no work is done for nothing.
//! Does not write them.

use onstage_core::{Error, Result, batch::TableFormat};
use std::path::{Path, PathBuf};

/// Errors: invalid, when the file could not be written later.
pub(super) fn checked(path: &Path) -> Result<()> {
    let cannot = || Error::invalid(format!("file `{}` cannot be written", path.display()));
    if path.is_dir() {
        return Err(cannot().because("it is a folder").hint("name a file in it"));
    }
    // A device or a pipe is written as it is; its folder does not matter.
    if path.exists() && !path.is_file() {
        return Ok(());
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(cannot()
            .because(format!("there is no folder `{}`", folder.display()))
            .hint("make the folder first, or name another file"));
    }
    tempfile::NamedTempFile::new_in(folder)
        .map(drop)
        .map_err(|error| cannot().because(error))
}

/// A result is of its table's kind: a name that says another would mislead whoever opens it. Errors: invalid.
pub(super) fn of_kind(path: &Path, kind: Option<TableFormat>) -> Result<()> {
    let named = path.to_str().and_then(TableFormat::of_file_name);
    match kind.zip(named) {
        Some((kind, other)) if other != kind => Err(Error::invalid(format!(
            "the result is {}, and `{}` says something else",
            kind.name(),
            path.display()
        ))
        .hint(format!(
            "name a file like `{}`",
            path.with_extension(kind.name()).display()
        ))),
        _ => Ok(()),
    }
}

/// `TABLE.result.csv` for a table, with a number where there is such a file already: an earlier result may have taken
/// hours and is never replaced without being asked.
pub(super) fn for_table(folder: &Path, table: &Path) -> PathBuf {
    let stem = table.file_stem().unwrap_or(table.as_os_str());
    let ending = table
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or("csv");
    let name = |more: &str| {
        let file = format!("{}.result{more}.{ending}", stem.to_string_lossy());
        folder.join(file)
    };
    let mut free = name("");
    let mut number = 2;
    while free.exists() {
        free = name(&format!("-{number}"));
        number += 1;
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_refused_before_any_work() {
        let folder = tempfile::tempdir().unwrap();
        checked(&folder.path().join("new.csv")).unwrap();
        checked(Path::new("/dev/null")).unwrap();
        for wrong in [folder.path().join("none/x.csv"), folder.path().to_owned()] {
            let error = checked(&wrong).unwrap_err();
            assert_eq!(error.kind, onstage_core::Kind::Invalid);
            assert!(error.hint.is_some());
        }
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "looking leaves nothing behind"
        );
    }

    #[test]
    fn a_result_is_not_called_what_it_is_not() {
        let parquet = Some(TableFormat::Parquet);
        assert!(of_kind(Path::new("a.parquet"), parquet).is_ok());
        assert!(
            of_kind(Path::new("a.result"), parquet).is_ok()
                && of_kind(Path::new("a.csv"), None).is_ok()
        );
        let error = of_kind(Path::new("there/a.csv"), parquet).unwrap_err();
        assert!(error.message.contains("is parquet"), "{error}");
        assert!(error.hint.unwrap().contains("there/a.parquet"));
    }

    #[test]
    fn an_earlier_result_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let table = Path::new("there/fish.jsonl");
        let first = for_table(folder.path(), table);
        assert_eq!(first, folder.path().join("fish.result.jsonl"));
        std::fs::write(&first, "x").unwrap();
        assert_eq!(
            for_table(folder.path(), table),
            folder.path().join("fish.result-2.jsonl")
        );
    }
}

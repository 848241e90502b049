//! Tests of bundles with real folders and archives of our own and of other tools.

mod hostile;

use super::{contents_digest, pack, unpack, version_id};
use crate::bundle::read_config;
use onstage_core::{Kind, ModelName};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn files_of(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                found.push(
                    entry
                        .path()
                        .strip_prefix(folder)
                        .unwrap()
                        .display()
                        .to_string(),
                );
            }
        }
    }
    found.sort();
    found
}

fn packed_files(folder: &Path, include: &[&str], exclude: &[&str]) -> Vec<String> {
    let texts = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    let packed = pack(folder, &texts(include), &texts(exclude)).unwrap();
    let out = tempfile::tempdir().unwrap();
    unpack(&packed.archive, &out.path().join("out")).unwrap();
    files_of(&out.path().join("out"))
}

#[test]
fn what_is_packed_comes_out_and_is_the_same_every_time() {
    let long = format!(
        "{}/{}.csv",
        "deep/".repeat(8).trim_end_matches('/'),
        "x".repeat(150)
    );
    let folder = folder(&[
        ("model.py", "1"),
        ("data/ä.csv", "2"),
        (&long, "3"),
        ("empty", ""),
    ]);
    fs::set_permissions(
        folder.path().join("model.py"),
        PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    let packed = pack(folder.path(), &[], &[]).unwrap();
    let again = pack(folder.path(), &[], &[]).unwrap();
    assert_eq!(
        fs::read(&packed.archive).unwrap(),
        fs::read(&again.archive).unwrap()
    );
    let out = tempfile::tempdir().unwrap();
    let dest = out.path().join("out");
    let unpacked = unpack(&packed.archive, &dest).unwrap();
    assert_eq!((unpacked.files, unpacked.bytes), (4, 3));
    assert_eq!(files_of(&dest), files_of(folder.path()));
    assert_eq!(unpacked.contents_digest, packed.contents_digest);
    assert_eq!(unpacked.contents_digest, contents_digest(&dest).unwrap());
    let mode = fs::metadata(dest.join("model.py"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o111, 0o111);
    fs::write(folder.path().join("empty"), "x").unwrap();
    assert_ne!(
        packed.contents_digest,
        pack(folder.path(), &[], &[]).unwrap().contents_digest
    );
    assert_eq!(
        unpack(&packed.archive, &dest).unwrap_err().kind,
        Kind::Conflict
    );
    assert_eq!(
        fs::read_dir(out.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[test]
fn caches_and_what_is_excluded_stay_out() {
    let folder = folder(&[
        ("model.py", ""),
        ("onstage.toml", ""),
        (".git/config", ""),
        (".env", "SECRET=1"),
        ("__pycache__/model.pyc", ""),
        ("lib/__pycache__/x.pyc", ""),
        ("node_modules/left/index.js", ""),
        ("myenv/pyvenv.cfg", ""),
        ("myenv/bin/python", ""),
        ("data/a.csv", ""),
        ("data/b.bin", ""),
        ("examples/one.json", ""),
        (".config/kept", ""),
    ]);
    assert_eq!(
        packed_files(folder.path(), &[], &["*.bin"]),
        [
            ".config/kept",
            "data/a.csv",
            "examples/one.json",
            "model.py",
            "onstage.toml"
        ]
    );
    assert_eq!(
        packed_files(folder.path(), &["data/*.bin"], &[]),
        [
            "data/b.bin",
            "examples/one.json",
            "model.py",
            "onstage.toml"
        ]
    );
}

#[test]
fn links_are_followed_to_files_only() {
    let folder = folder(&[("model.py", "code"), ("data/a.csv", "")]);
    symlink(
        folder.path().join("model.py"),
        folder.path().join("alias.py"),
    )
    .unwrap();
    assert_eq!(
        packed_files(folder.path(), &[], &[]),
        ["alias.py", "data/a.csv", "model.py"]
    );
    symlink("..", folder.path().join("data/loop")).unwrap();
    let error = pack(folder.path(), &[], &[]).unwrap_err();
    assert_eq!(error.to_string(), "`data/loop` is a link to a folder");
}

#[test]
fn names_that_differ_by_case_are_refused_when_packing() {
    let folder = folder(&[("model.py", ""), ("Model.py", "")]);
    let error = pack(folder.path(), &[], &[]).unwrap_err();
    assert!(
        error.to_string().contains("differ by case alone"),
        "{error}"
    );
}

#[test]
fn a_version_is_named_by_model_contents_and_config() {
    let folder = folder(&[("model.py", "")]);
    let mut config = read_config(folder.path()).unwrap();
    let name = ModelName::new("lab", "age").unwrap();
    let id = version_id(&name, "abc", &config);
    assert_eq!(id.0.len(), 64);
    assert_eq!(id, version_id(&name, "abc", &config));
    assert_ne!(id, version_id(&name, "abd", &config));
    assert_ne!(
        id,
        version_id(&ModelName::new("lab", "size").unwrap(), "abc", &config)
    );
    config.realtime.cpu = Some(2.0);
    assert_ne!(id, version_id(&name, "abc", &config));
}

#[test]
fn archives_of_other_tools_unpack() {
    let folder = folder(&[("model.py", "x"), ("data/a.csv", "y")]);
    let out = tempfile::tempdir().unwrap();
    for (n, format) in ["gnu", "pax", "ustar"].iter().enumerate() {
        let archive = out.path().join(format!("{n}.tar.gz"));
        let status = std::process::Command::new("tar")
            .args(["--format", format, "-czf"])
            .arg(&archive)
            .args(["-C", folder.path().to_str().unwrap(), "."])
            .status()
            .unwrap();
        assert!(status.success());
        let dest = out.path().join(format!("out{n}"));
        let unpacked = unpack(&archive, &dest).unwrap_or_else(|error| panic!("{format}: {error}"));
        assert_eq!(files_of(&dest), ["data/a.csv", "model.py"]);
        assert_eq!(
            unpacked.contents_digest,
            contents_digest(folder.path()).unwrap()
        );
    }
}

//! What an environment holds, by one digest: its interpreter, and every package that was installed with its version.
//! Does not install anything.

use super::interpreter::Interpreter;
use crate::hex::hex;
use sha2::{Digest, Sha256};
use std::{fs, io, path::Path};

/// What installers call the folder that says which package was installed: `numpy-2.1.0.dist-info`.
const ENDING: &str = ".dist-info";

/// SHA-256 over a line each, `cpython 3.12.3` and then `numpy==2.1.0` sorted; of a bare interpreter, over its line alone.
pub(super) fn digest(interpreter: &Interpreter, dir: Option<&Path>) -> io::Result<String> {
    let mut hash = Sha256::new();
    let (major, minor, patch) = interpreter.version;
    let implementation = interpreter.implementation.to_lowercase();
    hash.update(format!("{implementation} {major}.{minor}.{patch}\n"));
    for package in dir.map(packages).transpose()?.unwrap_or_default() {
        hash.update(package);
        hash.update("\n");
    }
    Ok(hex(&hash.finalize()))
}

/// `name==version` of everything below `lib/python3.x/site-packages`, sorted.
fn packages(dir: &Path) -> io::Result<Vec<String>> {
    let mut all = Vec::new();
    for python in fs::read_dir(dir.join("lib"))? {
        let site = python?.path().join("site-packages");
        if !site.is_dir() {
            continue;
        }
        for entry in fs::read_dir(site)? {
            all.extend(package(&entry?.file_name().to_string_lossy()));
        }
    }
    all.sort();
    Ok(all)
}

fn package(folder: &str) -> Option<String> {
    let (name, version) = folder.strip_suffix(ENDING)?.split_once('-')?;
    // Installers write one package's name in several ways.
    let name = name.to_lowercase().replace(['_', '.'], "-");
    Some(format!("{name}=={version}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn interpreter(patch: u32) -> Interpreter {
        Interpreter {
            executable: PathBuf::from("/usr/bin/python3"),
            implementation: "CPython".to_owned(),
            version: (3, 12, patch),
            pip: true,
        }
    }

    #[test]
    fn it_tells_versions_apart_and_not_ways_to_write_a_name() {
        let with = |packages: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            for package in packages {
                let site = folder.path().join("lib/python3.12/site-packages");
                fs::create_dir_all(site.join(package)).unwrap();
            }
            digest(&interpreter(3), Some(folder.path())).unwrap()
        };
        let one = with(&[
            "Typing_Extensions-4.1.dist-info",
            "six-1.16.0.dist-info",
            "six",
        ]);
        assert_eq!(
            one,
            with(&["six-1.16.0.dist-info", "typing.extensions-4.1.dist-info"])
        );
        let text = "cpython 3.12.3\nsix==1.16.0\ntyping-extensions==4.1\n";
        assert_eq!(one, hex(&Sha256::digest(text)));
        assert_ne!(
            one,
            with(&["six-1.17.0.dist-info", "typing.extensions-4.1.dist-info"])
        );
        let bare = |patch| digest(&interpreter(patch), None).unwrap();
        assert_eq!(bare(3), hex(&Sha256::digest("cpython 3.12.3\n")));
        assert_ne!(bare(3), bare(4));
    }
}

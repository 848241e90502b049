//! Finds a Python interpreter that fits what a model asks for.
//! Does not make environments.

use super::known::Known;
use crate::{
    bundle::{PYTHON_MIN, python_wanted},
    process::{Failed, HostVariables, Run, Spawner, Variables, run},
};
use onstage_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

/// A start of an interpreter; slow disks and version managers take a second or two.
const PROBE_SECONDS_MAX: u64 = 20;
/// The newest minor version looked for by name (`python3.20`).
const MINOR_MAX: u32 = 20;

const PROBE: &str = "\
import json, sys, importlib.util as u
print(json.dumps({'executable': sys.executable, 'version': list(sys.version_info[:3]), \
'implementation': sys.implementation.name, 'pip': bool(u.find_spec('venv') and u.find_spec('ensurepip'))}))";

/// An interpreter that was started once and told about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Interpreter {
    /// Not the launcher script of a version manager, but what it leads to.
    pub(super) executable: PathBuf,
    pub(super) version: (u32, u32, u32),
    pub(super) implementation: String,
    /// Whether it can make an environment with `pip` by itself.
    pub(super) pip: bool,
}

impl Interpreter {
    /// `CPython 3.11`-like text that changes when an environment must be made anew.
    pub(super) fn identity(&self) -> String {
        format!(
            "{} {}.{} {}",
            self.implementation,
            self.version.0,
            self.version.1,
            self.executable.display()
        )
    }

    fn fits(&self, wanted: &[u32]) -> bool {
        let have = [self.version.0, self.version.1, self.version.2];
        have.starts_with(wanted)
    }
}

/// The interpreter for `wanted` (`3.11`, an absolute path, or the newest one found). Errors: user code, with what was found.
pub(super) async fn find(
    spawner: &Spawner,
    host: &HostVariables,
    known: &Known,
    wanted: Option<&str>,
) -> Result<Interpreter> {
    let asking = Asking {
        spawner,
        host,
        known,
        variables: Variables::base(host),
    };
    if let Some(path) = wanted.filter(|text| text.starts_with('/')) {
        let found = asking.probe(Path::new(path)).await.map_err(|why| {
            Error::user_code(format!("interpreter `{path}` does not work: {why}"))
        })?;
        return new_enough(&found)
            .then_some(found.clone())
            .ok_or_else(|| too_old(&found));
    }
    let parts = wanted_parts(wanted)?;
    let path = host
        .get("PATH")
        .map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    let mut seen = Vec::new();
    for candidate in candidates(path, &parts) {
        let Some(found) = asking.told(&candidate).await else {
            continue;
        };
        if new_enough(&found) && found.fits(&parts) {
            return Ok(found);
        }
        seen.push(found);
    }
    Err(none_found(wanted, &seen))
}

fn wanted_parts(wanted: Option<&str>) -> Result<Vec<u32>> {
    let Some(text) = wanted else {
        return Ok(Vec::new());
    };
    python_wanted(text)?;
    Ok(text
        .split('.')
        .filter_map(|part| part.parse().ok())
        .collect())
}

/// The files that may be it: by their exact name newest first, then `python3` and `python`, each in the order of PATH.
fn candidates(path: &str, parts: &[u32]) -> Vec<PathBuf> {
    let mut names: Vec<String> = match parts {
        [_, minor, ..] => vec![format!("python3.{minor}")],
        _ => (PYTHON_MIN.1..=MINOR_MAX)
            .rev()
            .map(|minor| format!("python3.{minor}"))
            .collect(),
    };
    names.extend(["python3".to_owned(), "python".to_owned()]);
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    for name in names {
        for folder in path.split(':').filter(|folder| folder.starts_with('/')) {
            let file = Path::new(folder).join(&name);
            if file.is_file() && known.insert(file.clone()) {
                found.push(file);
            }
        }
    }
    found
}

/// How programs are asked what they are.
struct Asking<'a> {
    spawner: &'a Spawner,
    host: &'a HostVariables,
    known: &'a Known,
    variables: Variables,
}

impl Asking<'_> {
    /// What a program is; it is only started when that is not known. `None` when it is no interpreter that works.
    async fn told(&self, program: &Path) -> Option<Interpreter> {
        if let Some(known) = self.known.get(self.host, program) {
            return known;
        }
        match self.start(program).await {
            Ok(found) => {
                self.known.put(self.host, program, Some(&found));
                Some(found)
            }
            // It may be slow just now.
            Err(Failed::TimeUp) => None,
            Err(_) => {
                self.known.put(self.host, program, None);
                None
            }
        }
    }

    /// The same for one that was asked for by its path: why it does not work is told, so a failure is never remembered.
    async fn probe(&self, program: &Path) -> Result<Interpreter, String> {
        if let Some(Some(known)) = self.known.get(self.host, program) {
            return Ok(known);
        }
        let found = self.start(program).await.map_err(|failed| match failed {
            Failed::Ended(status, _) if status.success() => {
                "it did not tell its version".to_owned()
            }
            failed => failed.to_string(),
        })?;
        self.known.put(self.host, program, Some(&found));
        Ok(found)
    }

    async fn start(&self, program: &Path) -> Result<Interpreter, Failed> {
        let told = run(
            self.spawner,
            Run {
                program: program.to_owned(),
                args: ["-I", "-c", PROBE].map(Into::into).into(),
                folder: Path::new("/"),
                variables: &self.variables,
                time_max: Duration::from_secs(PROBE_SECONDS_MAX),
            },
            |_| {},
        )
        .await?;
        told.iter()
            .rev()
            .find_map(|line| serde_json::from_str(line).ok())
            .ok_or_else(|| Failed::Ended(ExitStatus::default(), told))
    }
}

fn new_enough(found: &Interpreter) -> bool {
    (found.version.0, found.version.1) >= PYTHON_MIN
}

fn too_old(found: &Interpreter) -> Error {
    let (major, minor, patch) = found.version;
    Error::user_code(format!(
        "interpreter `{}` is Python {major}.{minor}.{patch}; 3.9 or later is needed",
        found.executable.display()
    ))
}

fn none_found(wanted: Option<&str>, seen: &[Interpreter]) -> Error {
    let what = wanted.map_or_else(
        || "Python 3.9 or later".to_owned(),
        |text| format!("Python {text}"),
    );
    let mut versions: Vec<String> = seen
        .iter()
        .map(|found| {
            format!(
                "{}.{}.{}",
                found.version.0, found.version.1, found.version.2
            )
        })
        .collect();
    versions.sort();
    versions.dedup();
    let there = if versions.is_empty() {
        "no other Python was found either".to_owned()
    } else {
        format!("found Python {}", versions.join(", "))
    };
    Error::user_code(format!("{what} is not installed on this machine")).hint(format!(
        "{there}; install it so that it is on PATH, or change `python` in `[environment]`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> HostVariables {
        #[expect(clippy::disallowed_methods, reason = "the test's own PATH")]
        [("PATH".to_owned(), std::env::var("PATH").unwrap())].into()
    }

    #[tokio::test]
    async fn an_interpreter_is_found_by_version_by_path_and_by_default() {
        let (spawner, data) = (Spawner::start().unwrap(), tempfile::tempdir().unwrap());
        let known = Known::new(data.path());
        let any = find(&spawner, &host(), &known, None).await.unwrap();
        assert!(new_enough(&any), "{any:?}");
        let by_path = any.executable.to_str().unwrap().to_owned();
        assert_eq!(
            find(&spawner, &host(), &known, Some(&by_path))
                .await
                .unwrap()
                .version,
            any.version
        );
        let short = format!("{}.{}", any.version.0, any.version.1);
        assert!(
            find(&spawner, &host(), &known, Some(&short))
                .await
                .unwrap()
                .fits(&[3, any.version.1])
        );
    }

    #[tokio::test]
    async fn a_missing_one_is_told_with_what_is_there() {
        let (spawner, data) = (Spawner::start().unwrap(), tempfile::tempdir().unwrap());
        let known = Known::new(data.path());
        let error = find(&spawner, &host(), &known, Some("3.88"))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "Python 3.88 is not installed on this machine"
        );
        assert!(error.hint.unwrap().contains("found Python 3."));
        let error = find(&spawner, &host(), &known, Some("/bin/false"))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("`/bin/false` does not work"),
            "{error}"
        );
    }

    #[test]
    fn candidates_come_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["python3", "python3.9", "python3.12", "python3.8"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let path = format!("relative:{}", folder.path().display());
        let names = |parts: &[u32]| -> Vec<String> {
            candidates(&path, parts)
                .iter()
                .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(names(&[]), ["python3.12", "python3.9", "python3"]);
        assert_eq!(names(&[3, 9]), ["python3.9", "python3"]);
    }
}

//! Environments with a real interpreter, a real installer and the real package index.

use super::{Environments, Prepared};
use crate::process::{HostVariables, Spawner};
use onstage_core::{
    Kind, Result,
    config::{EnvironmentSection, Requirements},
    outcome::Phase,
    ports::Preparing,
};
use std::{fs, path::Path, process::Command, sync::Mutex};

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Preparing for Told {
    fn phase(&self, _: Phase, text: &str) {
        self.0.lock().unwrap().push(format!("# {text}"));
    }

    fn line(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

fn host() -> HostVariables {
    std::env::vars().collect()
}

fn environments(data: &Path) -> Environments {
    Environments::new(data, host(), Spawner::start().unwrap())
}

fn needs(lines: &[&str]) -> EnvironmentSection {
    EnvironmentSection {
        requirements: Some(Requirements::Lines(
            lines.iter().map(|line| (*line).to_owned()).collect(),
        )),
        ..Default::default()
    }
}

async fn prepare(
    all: &Environments,
    section: &EnvironmentSection,
    told: &Told,
) -> Result<Prepared> {
    let folder = tempfile::tempdir().unwrap();
    all.prepare(folder.path(), section, told).await
}

fn imports(prepared: &Prepared, module: &str) -> bool {
    Command::new(&prepared.python)
        .args(["-c", &format!("import {module}")])
        .status()
        .unwrap()
        .success()
}

#[tokio::test]
async fn without_requirements_the_interpreter_is_used_as_it_is() {
    let data = tempfile::tempdir().unwrap();
    let told = Told::default();
    let prepared = prepare(
        &environments(data.path()),
        &EnvironmentSection::default(),
        &told,
    )
    .await
    .unwrap();
    assert!(prepared.python.is_absolute() && prepared.programs.is_none());
    assert_eq!(prepared.lock_sha256.len(), 64);
    assert!(!data.path().join("environments").exists());
    assert!(told.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn equal_requirements_share_one_environment_made_once() {
    let data = tempfile::tempdir().unwrap();
    let all = environments(data.path());
    let (a, b) = (Told::default(), Told::default());
    let (same, equal) = (needs(&["six==1.16.0"]), needs(&["Six == 1.16.0  # equal"]));
    let (first, second) = tokio::join!(prepare(&all, &same, &a), prepare(&all, &equal, &b));
    let prepared = first.unwrap();
    assert_eq!(facts(&prepared), facts(&second.unwrap()));
    assert!(imports(&prepared, "six"));
    let bare = prepare(&all, &EnvironmentSection::default(), &Told::default()).await;
    assert_ne!(prepared.lock_sha256, bare.unwrap().lock_sha256);
    let told = [a.0.into_inner().unwrap(), b.0.into_inner().unwrap()].concat();
    let installs = told
        .iter()
        .filter(|line| *line == "# installing requirements")
        .count();
    assert_eq!(installs, 1, "{told:?}");
    assert!(
        told.iter().any(|line| line.contains("six")),
        "no word of the installer: {told:?}"
    );
    // Half made by somebody who died: made again.
    let Prepared {
        python,
        lock_sha256,
        held,
        ..
    } = prepared;
    drop(held);
    let dir = python.ancestors().nth(2).unwrap();
    fs::remove_file(dir.join("onstage-environment.json")).unwrap();
    fs::remove_dir_all(dir.join("lib")).unwrap();
    let again = prepare(&environments(data.path()), &same, &Told::default())
        .await
        .unwrap();
    assert_eq!(facts(&again), (&*python, &*lock_sha256));
    assert!(imports(&again, "six"));
}

fn facts(prepared: &Prepared) -> (&Path, &str) {
    (&prepared.python, &prepared.lock_sha256)
}

#[tokio::test]
async fn what_no_process_uses_makes_room() {
    let data = tempfile::tempdir().unwrap();
    let all = Environments::with(data.path(), host(), Spawner::start().unwrap(), 1);
    let made = async |version: &str| {
        let section = needs(&[&format!("six=={version}")]);
        prepare(&all, &section, &Told::default()).await.unwrap()
    };
    let held = made("1.15.0").await;
    let unused = made("1.16.0").await.python;
    let newest = made("1.17.0").await;
    assert!(imports(&held, "six") && imports(&newest, "six"));
    assert!(!unused.exists());
    let again = made("1.16.0").await;
    assert!(imports(&again, "six"), "it is made again");
}

#[tokio::test]
async fn a_requirement_that_does_not_exist_is_told_in_the_installers_words() {
    let data = tempfile::tempdir().unwrap();
    let section = needs(&["this-package-does-not-exist-onstage==9"]);
    let told = Told::default();
    let error = prepare(&environments(data.path()), &section, &told)
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::UserCode, "{error}");
    let message = error.to_string();
    assert!(
        message.starts_with("installing requirements failed: "),
        "{message}"
    );
    assert!(
        message.contains("this-package-does-not-exist-onstage"),
        "{message}"
    );
    assert!(error.hint.unwrap().contains("no such package or version"));
    assert!(
        told.0
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.contains("this-package-does-not-exist-onstage"))
    );
    let left: Vec<_> = fs::read_dir(data.path().join("environments"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

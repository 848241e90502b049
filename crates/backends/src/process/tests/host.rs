//! A host of workers with its own data folder and its own blobs, and a model made of files.

use crate::{
    blobs, bundle,
    process::{HostVariables, LauncherSettings, ProcessLauncher, Purpose},
};
use onstage_core::{
    Result,
    model::VersionId,
    outcome::Phase,
    ports::{Blobs, Launcher, Preparing, WorkerProcess, WorkerSpec},
};
use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

pub(super) struct Host {
    pub(super) launcher: ProcessLauncher,
    blobs: Arc<dyn Blobs>,
}

/// What is told while a worker is prepared.
#[derive(Debug, Default)]
pub(super) struct Told(pub(super) Mutex<Vec<String>>);

impl Preparing for Told {
    fn phase(&self, phase: Phase, text: &str) {
        self.0.lock().unwrap().push(format!("{phase:?}: {text}"));
    }

    fn line(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

impl Host {
    pub(super) fn new(data_dir: &Path, more: &[(&str, &str)]) -> Self {
        let mut variables: HostVariables = std::env::vars()
            .filter(|(name, _)| ["PATH", "HOME"].contains(&name.as_str()))
            .collect();
        variables.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let blobs = blobs::memory();
        let settings = LauncherSettings {
            data_dir: data_dir.to_owned(),
            variables,
            purpose: Purpose::Realtime,
        };
        Self {
            launcher: ProcessLauncher::new(settings, blobs.clone()).unwrap(),
            blobs,
        }
    }

    /// Pushes a folder with these files and answers what to launch.
    pub(super) async fn model(&self, files: &[(&str, &str)]) -> WorkerSpec {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let config = bundle::read_config(folder.path()).unwrap();
        let packed = bundle::pack(folder.path(), &[], &[]).unwrap();
        let bytes = fs::read(&packed.archive).unwrap();
        WorkerSpec {
            version: VersionId("v".to_owned()),
            bundle: self.blobs.put("bundles/one", bytes.into()).await.unwrap(),
            config,
            label: "age-1".to_owned(),
            dial_in_timeout: Duration::from_secs(super::WAIT_SECONDS_MAX),
            weights: None,
            environment: vec![("ONSTAGE_EXTRA".to_owned(), "more".to_owned())],
        }
    }

    /// A model whose worker is a Python script of ours.
    pub(super) async fn script(&self, more_toml: &str, script: &str) -> WorkerSpec {
        let toml =
            format!("[model]\nname = \"age\"\ncommand = [\"python3\", \"worker.py\"]\n{more_toml}");
        self.model(&[("onstage.toml", &toml), ("worker.py", script)])
            .await
    }

    pub(super) async fn launch(&self, spec: &WorkerSpec) -> Result<Box<dyn WorkerProcess>> {
        self.launcher.launch(spec, &Told::default()).await
    }
}

/// Connects as a worker does; `host` is the socket from then on.
pub(super) const DIAL: &str = "
import os, socket, sys, time, json, subprocess
host = socket.socket(socket.AF_UNIX)
host.connect(os.environ['ONSTAGE_SOCKET'])
";

//! Starts workers: their bundle unpacked, their environment made, their socket connected.
//! Does not speak the worker protocol.

use super::{
    SCRATCH,
    bundles::Bundles,
    child::{Confinement, confine},
    control_groups::{ControlGroups, Limits},
    dial_in,
    host_memory::host_memory,
    on_disk,
    owned_dir::OwnedDir,
    place::{Home, Place, Places},
    spawner::Spawner,
    templates::{Key, Request, Templates},
    variables::{HostVariables, Variables},
    worker::Worker,
};
use crate::environment::{Environments, Prepared, write_sdk};
use async_trait::async_trait;
use onstage_core::{
    Error, Result,
    config::Share,
    model::VersionId,
    outcome::Phase,
    ports::{Blobs, HostMemory, Launcher, Preparing, WorkerProcess, WorkerSpec},
    value::BlobRef,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

/// As `python -m onstage.worker`, but without the model's folder in the path while the runner is imported: a `random.py`
/// or `types.py` of the model's must not stand in for Python's own. `main` puts the folder back.
const RUN_WORKER: &str =
    "import sys; sys.path[:1] = []; from onstage.worker.start import main; sys.exit(main())";
/// Of a worker. A model that leaks them is told so by its own exception, before the machine runs out.
const OPEN_FILES_MAX: u64 = 4_096;
/// By how much workers of tasks stand back behind their task.
const WORKER_NICENESS: i32 = 5;
/// Folders for sockets must leave room for the socket's name: the system allows about 100 bytes in all.
const SOCKET_BASE_BYTES_MAX: usize = 60;
const PROTOCOL: &str = "1";
const TEMP: &str = "TMPDIR";
/// The same for a template. It has a name of its own, so that a list of processes tells it from a worker.
const RUN_TEMPLATE: &str =
    "import sys; sys.path[:1] = []; from onstage.template import main; sys.exit(main())";
/// More threads in a template would stand in the way of forking it.
const TEMPLATE_THREADS: u32 = 1;

/// What a host's workers compute: decides which section of the config says how large they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Realtime,
    Jobs,
    Trainings,
}

/// Where a launcher keeps things and what it may pass on.
#[derive(Debug, Clone)]
pub struct LauncherSettings {
    /// Bundles, environments and the SDK are kept here.
    pub data_dir: PathBuf,
    /// This process's environment. Workers see a few of these, installers a few more, and of the rest only the secrets that a model names.
    pub variables: HostVariables,
    pub purpose: Purpose,
}

/// Starts workers as processes of this host.
#[derive(Debug)]
pub struct ProcessLauncher {
    settings: LauncherSettings,
    bundles: Bundles,
    spawner: Arc<Spawner>,
    environments: Environments,
    sdk: PathBuf,
    places: Places,
    templates: Arc<Templates>,
    control_groups: ControlGroups,
}

impl ProcessLauncher {
    /// Writes the SDK and makes the folders. Blocks for some milliseconds. Errors: unavailable, full.
    pub fn new(mut settings: LauncherSettings, blobs: Arc<dyn Blobs>) -> Result<Self> {
        // Workers run in their own folders, where a relative path would lead elsewhere.
        settings.data_dir = std::path::absolute(&settings.data_dir)
            .map_err(|error| on_disk("the data folder has no absolute path", error))?;
        let data_dir = &settings.data_dir;
        let base = socket_base(&settings.variables);
        let made = |what: &'static str| move |error| on_disk(what, error);
        let spawner = Spawner::start().map_err(made("no thread can be started"))?;
        let sockets = OwnedDir::create(&base).map_err(made("no folder for sockets can be made"))?;
        let scratch = OwnedDir::create(&data_dir.join(SCRATCH))
            .map_err(made("the data folder cannot be written"))?;
        Ok(Self {
            sdk: write_sdk(data_dir)?,
            places: Places::new(sockets, scratch),
            environments: Environments::new(data_dir, settings.variables.clone(), spawner.clone()),
            templates: Arc::new(Templates::new(spawner.clone())),
            control_groups: ControlGroups::find(),
            spawner,
            bundles: Bundles::new(&settings.data_dir, blobs),
            settings,
        })
    }

    async fn environment(
        &self,
        spec: &WorkerSpec,
        folder: &Path,
        preparing: &dyn Preparing,
    ) -> Result<Option<Prepared>> {
        let section = &spec.config.environment;
        let needs_none = section.requirements.is_none() && section.python.is_none();
        if spec.config.model.command.is_some() && needs_none {
            return Ok(None);
        }
        self.environments
            .prepare(folder, section, preparing)
            .await
            .map(Some)
    }

    /// Starts a worker by itself.
    async fn alone(&self, plan: &Plan<'_>) -> Result<Worker> {
        let place = self.places.make(plan.spec, plan.home)?;
        let mut variables = plan.variables.clone();
        variables.extend(plan.own(&place));
        let command = self.command(plan, &variables);
        dial_in::start(place, command, &self.spawner, plan.spec).await
    }

    /// A worker out of a template. `None` when it must be started by itself.
    async fn shared(&self, plan: &Plan<'_>, preparing: &dyn Preparing) -> Result<Option<Worker>> {
        let realtime = &plan.spec.config.realtime;
        let is_python = plan.spec.config.model.command.is_none();
        let shares =
            realtime.shared() != Share::Nothing && self.settings.purpose == Purpose::Realtime;
        if !shares || !is_python {
            return Ok(None);
        }
        let request = Request {
            key: Key {
                version: plan.spec.version.clone(),
                start: plan
                    .variables
                    .iter()
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect(),
            },
            spec: plan.spec,
            preparing,
            command: &|place| {
                let mut variables = plan.variables.clone();
                variables.threads(TEMPLATE_THREADS);
                variables.extend(plan.own(place));
                let mut command = plan.python(RUN_TEMPLATE);
                self.bind(&mut command, plan, &variables);
                command
            },
            place: &|| self.places.make(plan.spec, plan.home),
            variables: &|place| {
                let mut own = plan.own(place);
                own.extend(plan.variables.thread_counts());
                own
            },
        };
        self.templates.worker(&request).await
    }

    fn command(&self, plan: &Plan<'_>, variables: &Variables) -> Command {
        let mut command = match &plan.spec.config.model.command {
            Some(words) => {
                let mut command = Command::new(program(&plan.home.bundle.path, &words[0]));
                command.args(&words[1..]);
                command
            }
            None => plan.python(RUN_WORKER),
        };
        self.bind(&mut command, plan, variables);
        command
    }

    /// What holds for every process of a model.
    fn bind(&self, command: &mut Command, plan: &Plan<'_>, variables: &Variables) {
        command
            .current_dir(&plan.home.bundle.path)
            .env_clear()
            .envs(variables.iter());
        confine(
            command,
            Confinement {
                dies_with_parent: true,
                no_new_rights: true,
                data_bytes_max: self.memory_bytes_max(plan.spec),
                open_files_max: Some(OPEN_FILES_MAX),
                niceness: self.niceness(),
            },
        );
    }

    /// On top of that of our own process, which is a task's when it is not realtime.
    fn niceness(&self) -> i32 {
        match self.settings.purpose {
            Purpose::Realtime => 0,
            Purpose::Jobs | Purpose::Trainings => WORKER_NICENESS,
        }
    }

    /// What is declared bounds the memory of each process; where control groups can be made, also what all of a worker's have together.
    fn bound(&self, worker: &mut Worker, spec: &WorkerSpec) {
        let limits = Limits {
            memory_bytes: self.memory_bytes_max(spec),
            cpus: self.cpus_max(spec),
        };
        let bound = match self.control_groups.make(limits) {
            Ok(Some(group)) => worker.bind(group),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        if let Err(error) = bound {
            tracing::debug!(worker = spec.label, %error, "what a worker's processes have together is not bound");
        }
    }

    fn memory_bytes_max(&self, spec: &WorkerSpec) -> Option<u64> {
        let realtime = spec.config.realtime.memory;
        let memory = match self.settings.purpose {
            Purpose::Realtime => realtime,
            Purpose::Jobs => spec.config.jobs.memory.or(realtime),
            // What is enough to answer is not enough to learn.
            Purpose::Trainings => spec.config.training.memory,
        };
        memory.map(|size| size.0)
    }

    fn cpus_max(&self, spec: &WorkerSpec) -> Option<f64> {
        match self.settings.purpose {
            Purpose::Realtime => spec.config.realtime.cpu,
            Purpose::Jobs => spec.config.jobs.cpu.or(spec.config.realtime.cpu),
            Purpose::Trainings => spec.config.training.cpu,
        }
    }

    /// What all processes of a model have in common. Errors: user code, when a secret is not set.
    fn variables(&self, spec: &WorkerSpec, prepared: Option<&Prepared>) -> Result<Variables> {
        let mut variables = Variables::base(&self.settings.variables);
        variables.threads(self.threads(spec));
        variables.reuses_memory();
        if let Some(programs) = prepared.and_then(|prepared| prepared.programs.as_deref()) {
            variables.path_first(programs);
        }
        variables.set("PYTHONPATH", &self.sdk);
        variables.set("PYTHONUNBUFFERED", "1");
        variables.set("PYTHONUTF8", "1");
        for name in &spec.config.environment.variables {
            if let Some(value) = self.settings.variables.get(name) {
                variables.set(name, value);
            }
        }
        for name in &spec.config.secrets.names {
            let value = self.settings.variables.get(name).ok_or_else(|| {
                Error::user_code(format!("secret `{name}` is not set here")).hint(format!(
                    "set `{name}` in the environment that Onstage is started with"
                ))
            })?;
            variables.set(name, value);
        }
        for (name, value) in &spec.environment {
            variables.set(name, value);
        }
        variables.set("ONSTAGE_PROTOCOL", PROTOCOL);
        variables.set("ONSTAGE_ENTRY", &spec.config.model.entry);
        if let Some(weights) = &spec.weights {
            variables.set("ONSTAGE_WEIGHTS", weights);
        }
        Ok(variables)
    }

    /// So many threads as the model's share of the machine: all workers together should not have more than there are cores.
    fn threads(&self, spec: &WorkerSpec) -> u32 {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
        let workers = match self.settings.purpose {
            Purpose::Realtime => spec.config.realtime.workers.max,
            Purpose::Jobs => spec.config.jobs.tasks,
            Purpose::Trainings => spec.config.training.tasks,
        };
        self.cpus_max(spec)
            .map_or(cores / workers.max(1), |cpu| cpu.ceil() as u32)
            .max(1)
    }
}

#[async_trait]
impl Launcher for ProcessLauncher {
    async fn launch(
        &self,
        spec: &WorkerSpec,
        preparing: &dyn Preparing,
    ) -> Result<Box<dyn WorkerProcess>> {
        let bundle = Arc::new(self.bundles.place(&spec.bundle).await?);
        let prepared = self.environment(spec, &bundle.path, preparing).await?;
        let environment = prepared.as_ref().and_then(|it| it.held.clone());
        let home = Home::new(bundle, environment);
        let plan = Plan {
            spec,
            home: &home,
            variables: self.variables(spec, prepared.as_ref())?,
            prepared: prepared.as_ref(),
        };
        preparing.phase(Phase::Loading, "starting the worker");
        let mut worker = match self.shared(&plan, preparing).await? {
            Some(worker) => worker,
            None => self.alone(&plan).await?,
        };
        self.bound(&mut worker, spec);
        worker.runs_in(prepared.as_ref().map(|it| it.lock_sha256.clone()));
        let Places {
            sockets, scratch, ..
        } = &self.places;
        Ok(Box::new(worker.keeping(sockets.clone(), scratch.clone())))
    }

    async fn folder(&self, bundle: &BlobRef) -> Result<PathBuf> {
        self.bundles.place(bundle).await.map(|placed| placed.path)
    }

    fn memory(&self) -> Option<HostMemory> {
        host_memory()
    }

    fn forget(&self, version: &VersionId) {
        self.templates.forget(version);
    }
}

/// What every start of a version's worker has in common.
struct Plan<'a> {
    spec: &'a WorkerSpec,
    home: &'a Home,
    prepared: Option<&'a Prepared>,
    variables: Variables,
}

impl Plan<'_> {
    fn python(&self, code: &str) -> Command {
        let python = self
            .prepared
            .map_or(Path::new("python3"), |prepared| &prepared.python);
        let mut command = Command::new(python);
        command.args(["-c", code]);
        command
    }

    /// The variables that each process has for itself.
    fn own(&self, place: &Place) -> BTreeMap<String, String> {
        let mut own = BTreeMap::new();
        let mut set = |name: &str, value: &str| own.insert(name.to_owned(), value.to_owned());
        set("ONSTAGE_SOCKET", &place.socket.to_string_lossy());
        set("ONSTAGE_WORKER", &self.spec.label);
        // A model that asks for ours by name gets ours.
        if !self.variables.has(TEMP) {
            set(TEMP, &place.temp.path().to_string_lossy());
        }
        own
    }
}

/// A program of the folder itself (`./serve`) by its path; others are looked up on PATH.
fn program(folder: &Path, word: &str) -> PathBuf {
    if word.contains('/') {
        folder.join(word)
    } else {
        PathBuf::from(word)
    }
}

/// The user's own runtime folder where it is short enough, else the system's temporary one.
fn socket_base(variables: &HostVariables) -> PathBuf {
    variables
        .get("XDG_RUNTIME_DIR")
        .filter(|base| base.starts_with('/') && base.len() <= SOCKET_BASE_BYTES_MAX)
        .map(PathBuf::from)
        .filter(|base| base.is_dir())
        .unwrap_or_else(|| PathBuf::from("/tmp"))
}

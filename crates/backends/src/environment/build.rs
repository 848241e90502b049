//! Makes environments: finds or builds the one that fits a model's needs, once, whoever asks first.
//! Does not read requirements or explain failures itself.

use super::{
    explain,
    interpreter::{self, Interpreter},
    known::Known,
    lock,
    requirements::{self, Needs},
};
use crate::{
    hex::hex,
    process::{Failed, HostVariables, Run, Spawner, Variables, run},
    shelf::{Entry, Lock, blocking, make_room, sweep},
};
use onstage_core::{Error, Result, config::EnvironmentSection, outcome::Phase, ports::Preparing};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

/// Making one environment; large frameworks on slow networks take a quarter of an hour.
const MAKE_MINUTES_MAX: u64 = 30;
const MAKE_MAX: Duration = Duration::from_secs(MAKE_MINUTES_MAX * 60);
/// What is kept; environments in use may be more. Those that were used longest ago make room for others.
const KEPT_BYTES_MAX: u64 = 40 << 30;
/// How often one may go between its making and its taking.
const TRIES_MAX: u32 = 10;
/// The file that is written last: without it, an environment is half made.
const MARKER: &str = "onstage-environment.json";

/// All environments of a data folder.
#[derive(Debug)]
pub(crate) struct Environments {
    root: PathBuf,
    bytes_max: u64,
    host: HostVariables,
    spawner: Arc<Spawner>,
    /// Interpreters by what was asked for: starting each candidate takes a while.
    interpreters: Mutex<HashMap<Option<String>, Interpreter>>,
    known: Known,
    /// What environments hold, by where they lie and when they were made: each is read once.
    locks: Mutex<HashMap<PathBuf, (SystemTime, String)>>,
}

/// A ready environment.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) python: PathBuf,
    /// Where the programs that packages bring are; none for a bare interpreter.
    pub(crate) programs: Option<PathBuf>,
    /// Over the interpreter and every package with its version.
    pub(crate) lock_sha256: String,
    /// It stays as long as somebody holds this; none for a bare interpreter.
    pub(crate) held: Option<Arc<Lock>>,
}

impl Environments {
    pub(crate) fn new(data_dir: &Path, host: HostVariables, spawner: Arc<Spawner>) -> Self {
        Self::with(data_dir, host, spawner, KEPT_BYTES_MAX)
    }

    pub(super) fn with(
        data_dir: &Path,
        host: HostVariables,
        spawner: Arc<Spawner>,
        bytes_max: u64,
    ) -> Self {
        let root = data_dir.join("environments");
        sweep(&root);
        Self {
            root,
            bytes_max,
            host,
            spawner,
            interpreters: Mutex::default(),
            known: Known::new(data_dir),
            locks: Mutex::default(),
        }
    }

    /// The environment for a model folder. Without requirements that is the bare interpreter.
    /// Errors: user code (with the installer's message), unavailable, timeout, full.
    pub(crate) async fn prepare(
        &self,
        folder: &Path,
        section: &EnvironmentSection,
        preparing: &dyn Preparing,
    ) -> Result<Prepared> {
        let needs = requirements::read(folder, section)?;
        if !section.system.is_empty() {
            preparing.line(&format!(
                "system packages are not installed on this machine, only in images: {}",
                section.system.join(" ")
            ));
        }
        let interpreter = self.interpreter(section.python.as_deref()).await?;
        if needs.is_empty() {
            let lock_sha256 = lock::digest(&interpreter, None)
                .map_err(|error| on_disk(&interpreter.executable, error))?;
            return Ok(Prepared {
                python: interpreter.executable,
                programs: None,
                lock_sha256,
                held: None,
            });
        }
        let own = Wanted::new(interpreter, needs, section);
        let dir = self.root.join(&own.digest);
        let held = self.take(&own, &dir, folder, preparing).await?;
        Ok(Prepared {
            python: dir.join("bin/python"),
            programs: Some(dir.join("bin")),
            lock_sha256: self.lock_of(&own.interpreter, &dir)?,
            held: Some(Arc::new(held)),
        })
    }

    /// Made if it is not there, and held: what is in use makes no room.
    async fn take(
        &self,
        wanted: &Wanted,
        dir: &Path,
        folder: &Path,
        preparing: &dyn Preparing,
    ) -> Result<Lock> {
        fs::create_dir_all(&self.root).map_err(|error| on_disk(&self.root, error))?;
        let entry = Entry::at(dir.to_owned());
        for _ in 0..TRIES_MAX {
            if is_whole(dir) {
                let lock = in_time(entry.shared()).await?;
                if is_whole(dir) {
                    lock.touch();
                    note_size(&lock, dir).await?;
                    return Ok(lock);
                }
            }
            self.make_once(wanted, &entry, folder, preparing).await?;
        }
        let text = "the environment does not stay on this host";
        Err(Error::unavailable(text).hint("the disk has no room for what is used at once"))
    }

    fn lock_of(&self, interpreter: &Interpreter, dir: &Path) -> Result<String> {
        let made_at = fs::metadata(dir.join(MARKER)).and_then(|facts| facts.modified());
        let made_at = made_at.map_err(|error| on_disk(dir, error))?;
        let mut locks = self.locks.lock().expect("no holder panics");
        if let Some((_, known)) = locks.get(dir).filter(|known| known.0 == made_at) {
            return Ok(known.clone());
        }
        let digest = lock::digest(interpreter, Some(dir)).map_err(|error| on_disk(dir, error))?;
        locks.insert(dir.to_owned(), (made_at, digest.clone()));
        Ok(digest)
    }

    async fn interpreter(&self, wanted: Option<&str>) -> Result<Interpreter> {
        let key = wanted.map(str::to_owned);
        let known = self
            .interpreters
            .lock()
            .expect("no holder panics")
            .get(&key)
            .cloned();
        // A remembered interpreter may have been uninstalled since.
        if let Some(known) = known.filter(|known| known.executable.exists()) {
            return Ok(known);
        }
        let found = interpreter::find(&self.spawner, &self.host, &self.known, wanted).await?;
        self.interpreters
            .lock()
            .expect("no holder panics")
            .insert(key, found.clone());
        Ok(found)
    }

    async fn make_once(
        &self,
        wanted: &Wanted,
        entry: &Entry,
        folder: &Path,
        preparing: &dyn Preparing,
    ) -> Result<()> {
        preparing.phase(Phase::Installing, "installing the model's requirements");
        let dir = entry.place();
        let Some(lock) = in_time(entry.to_make(|| is_whole(dir))).await? else {
            return Ok(());
        };
        let making = async {
            remove(dir).await?;
            self.make(wanted, dir, folder, preparing).await
        };
        let made = match tokio::time::timeout(MAKE_MAX, making).await {
            Ok(made) => made,
            Err(_) => Err(explain::failure(
                "making the environment",
                Failed::TimeUp,
                MAKE_MINUTES_MAX,
            )),
        };
        if made.is_err() {
            // What is left of it only takes room; without the marker nobody would use it.
            let _ = remove(dir).await;
        }
        made?;
        note_size(&lock, dir).await?;
        drop(lock);
        self.make_room(entry).await;
        Ok(())
    }

    /// That another cannot go keeps nobody from the one that was made.
    async fn make_room(&self, entry: &Entry) {
        let (root, bytes_max, came) = (self.root.clone(), self.bytes_max, entry.clone());
        let made = blocking(move || make_room(&root, bytes_max, Some(&came))).await;
        if let Err(error) = made {
            tracing::warn!(%error, "environments that nobody uses cannot make room");
        }
    }

    async fn make(
        &self,
        wanted: &Wanted,
        dir: &Path,
        folder: &Path,
        preparing: &dyn Preparing,
    ) -> Result<()> {
        let variables = Variables::installer(&self.host);
        let uv = find_program(&self.host, "uv");
        if uv.is_none() && !wanted.interpreter.pip {
            return Err(Error::unavailable(format!(
                "interpreter `{}` cannot make environments: it has no `venv` or no `ensurepip`",
                wanted.interpreter.executable.display()
            ))
            .hint("install the `python3-venv` package of this system, or `uv`"));
        }
        let file = dir.with_extension("txt");
        fs::write(&file, wanted.needs.lines.join("\n") + "\n")
            .map_err(|error| on_disk(&file, error))?;
        for step in wanted.steps(uv.as_deref(), dir, &file) {
            preparing.phase(Phase::Installing, step.text);
            let step_run = Run {
                program: step.program,
                args: step.args,
                folder,
                variables: &variables,
                time_max: MAKE_MAX,
            };
            run(&self.spawner, step_run, |line| preparing.line(line))
                .await
                .map_err(|failed| explain::failure(step.text, failed, MAKE_MINUTES_MAX))?;
        }
        let _ = fs::remove_file(&file);
        let (dir, marker) = (dir.to_owned(), wanted.marker());
        tokio::task::spawn_blocking(move || {
            finish(&dir, &marker).map_err(|error| on_disk(&dir, error))
        })
        .await
        .map_err(|error| Error::internal("marking an environment failed").because(error))?
    }
}

struct Wanted {
    interpreter: Interpreter,
    needs: Needs,
    digest: String,
    /// An interpreter named by its path is wanted with what is installed in it: a distribution's or a GPU image's PyTorch.
    sees_site_packages: bool,
}

struct Step {
    text: &'static str,
    program: PathBuf,
    args: Vec<OsString>,
}

impl Wanted {
    fn new(interpreter: Interpreter, needs: Needs, section: &EnvironmentSection) -> Self {
        let sees_site_packages = section
            .python
            .as_deref()
            .is_some_and(|text| text.starts_with('/'));
        let mut hash = Sha256::new();
        hash.update(b"onstage environment 1\0");
        hash.update(interpreter.identity());
        hash.update([0, u8::from(sees_site_packages)]);
        needs.add_to(&mut hash);
        // Half of it is enough to tell environments apart, and keeps the paths in scripts short.
        let digest = hex(&hash.finalize()[..16]);
        Self {
            interpreter,
            needs,
            digest,
            sees_site_packages,
        }
    }

    fn marker(&self) -> String {
        serde_json::json!({
            "python": self.interpreter.identity(),
            "requirements": self.needs.lines,
        })
        .to_string()
    }

    fn steps(&self, uv: Option<&Path>, dir: &Path, file: &Path) -> Vec<Step> {
        let base = self.interpreter.executable.as_os_str();
        let python = dir.join("bin/python");
        let site = self.sees_site_packages.then_some("--system-site-packages");
        let step = |text, program: &Path, args: &[&dyn AsRef<std::ffi::OsStr>]| Step {
            text,
            program: program.to_owned(),
            args: args.iter().map(|arg| arg.as_ref().to_owned()).collect(),
        };
        let mut steps = match uv {
            Some(uv) => vec![
                step(
                    "making the environment",
                    uv,
                    &[&"venv", &"--no-project", &"--python", &base],
                ),
                step(
                    "installing requirements",
                    uv,
                    &[&"pip", &"install", &"--python", &python, &"-r", &file],
                ),
            ],
            None => vec![
                step(
                    "making the environment",
                    &self.interpreter.executable,
                    &[&"-m", &"venv"],
                ),
                step(
                    "installing requirements",
                    &python,
                    &[
                        &"-m",
                        &"pip",
                        &"install",
                        &"--disable-pip-version-check",
                        &"--no-input",
                        &"--progress-bar",
                        &"off",
                        &"-r",
                        &file,
                    ],
                ),
            ],
        };
        steps[0].args.extend(site.map(OsString::from));
        steps[0].args.push(dir.into());
        steps
    }
}

fn find_program(host: &HostVariables, name: &str) -> Option<PathBuf> {
    host.get("PATH")?
        .split(':')
        .filter(|folder| folder.starts_with('/'))
        .map(|folder| Path::new(folder).join(name))
        .find(|file| file.is_file())
}

/// The interpreter is a link into the system's installation, which may have been removed since.
fn is_whole(dir: &Path) -> bool {
    dir.join(MARKER).is_file() && dir.join("bin/python").exists()
}

async fn in_time<T>(taking: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| {
        Error::timeout(format!(
            "the environment is still being made by another process after {MAKE_MINUTES_MAX} min"
        ))
    };
    tokio::time::timeout(MAKE_MAX, taking).await.map_err(late)?
}

/// Once: an environment never changes.
async fn note_size(lock: &Lock, dir: &Path) -> Result<()> {
    if lock.noted_size() > 0 {
        return Ok(());
    }
    let all = dir.to_owned();
    let bytes = blocking(move || Ok(size_of(&all))).await?;
    lock.note_size(bytes)
}

/// About: others may use it meanwhile, and what they write for themselves comes and goes.
fn size_of(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let facts = entry.metadata().ok()?;
        Some(match facts.is_dir() {
            true => size_of(&entry.path()),
            // Installers share files between environments and their cache.
            false => facts.len() / facts.nlink().max(1),
        })
    });
    sizes.sum()
}

async fn remove(dir: &Path) -> Result<()> {
    match tokio::fs::remove_dir_all(dir).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(on_disk(dir, error)),
        _ => Ok(()),
    }
}

/// Makes what was installed durable before the marker says that it is there.
fn finish(dir: &Path, marker: &str) -> io::Result<()> {
    crate::durable::sync_tree(dir)?;
    let beside = dir.join(".marker-new");
    fs::write(&beside, marker)?;
    fs::File::open(&beside)?.sync_all()?;
    fs::rename(beside, dir.join(MARKER))
}

fn on_disk(path: &Path, error: io::Error) -> Error {
    Error::new(
        crate::durable::kind_of_own(error.kind()),
        format!("environment `{}` cannot be written", path.display()),
    )
    .because(error)
}

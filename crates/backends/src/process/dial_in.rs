//! From a command to a connected worker: its pipes, its socket, and why it did not come.
//! Does not make environments and does not read what the worker sends.

use super::{
    kernel_kills::Watch,
    spawner::Spawner,
    worker::{Worker, exit_of},
};
use onstage_core::{
    Error, Result,
    ports::{Attached, Exit, WorkerSpec},
};
use rustix::{
    fs::{OFlags, fcntl_setfl},
    pipe::{PipeFlags, fcntl_setpipe_size, pipe_with},
};
use std::{
    fs, io,
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
};
use tokio::net::{UnixListener, UnixStream};

/// A worker may print this much before anybody reads; more would block it before it dials in.
const PIPE_BYTES: usize = 1 << 20;
/// Lines of the worker's last words in an error.
const LAST_LINES_MAX: usize = 20;
const LAST_BYTES_MAX: usize = 16 * 1024;

/// What must exist before the process: removed again when it does not start.
pub(super) struct Started {
    listener: UnixListener,
    socket: PathBuf,
    temp: PathBuf,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
        if !self.temp.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.temp);
        }
    }
}

impl Started {
    pub(super) fn prepare(spec: &WorkerSpec, socket: PathBuf, temp: PathBuf) -> Result<Self> {
        let listener = UnixListener::bind(&socket).map_err(|error| {
            Error::unavailable(format!("socket of worker `{}` cannot be made", spec.label))
                .because(error)
        })?;
        Ok(Self {
            listener,
            socket,
            temp,
        })
    }

    /// The worker owns its temporary folder from now on.
    fn into_temp(mut self) -> PathBuf {
        std::mem::take(&mut self.temp)
    }
}

/// Spawns the worker and waits until it has connected. Errors: user code (it ended before), timeout, unavailable.
pub(super) async fn start(
    started: Started,
    mut command: Command,
    spawner: &Arc<Spawner>,
    spec: &WorkerSpec,
) -> Result<Worker> {
    let no_pipe = |error: io::Error| Error::unavailable("no pipe can be made").because(error);
    let (stdout, child_stdout) = output_pipe().map_err(no_pipe)?;
    let (stderr, child_stderr) = output_pipe().map_err(no_pipe)?;
    command
        .stdin(Stdio::null())
        .stdout(child_stdout)
        .stderr(child_stderr);
    let name = command.get_program().to_string_lossy().into_owned();
    let kills = Watch::start();
    let child = spawner
        .spawn(command.into())
        .await
        .map_err(|error| not_started(&name, spec, error))?;
    let mut worker = Worker::new(child, spawner.clone(), kills);
    worker.write_down(&started.temp);
    prefer_for_memory_kills(worker.group());
    let outcome = tokio::select! {
        // Connected and then ended is still connected: its last frames say why.
        biased;
        accepted = accept(&started.listener) => Ok(accepted),
        ended = worker.child().wait() => Err(Some(ended)),
        () = tokio::time::sleep(spec.dial_in_timeout) => Err(None),
    };
    match outcome {
        Ok(accepted) => {
            let socket = accepted.map_err(|error| {
                Error::unavailable(format!("worker `{}` cannot be connected", spec.label))
                    .because(error)
            })?;
            let temp = started.into_temp();
            Ok(worker.connected(
                Attached {
                    socket,
                    stdout,
                    stderr,
                },
                temp,
            ))
        }
        Err(ended) => Err(did_not_come(spec, ended, kills, &stderr, &stdout)),
    }
}

/// A pipe whose read end is non-blocking; the worker's end blocks, as programs expect.
fn output_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    // Where the system grants less, a worker that prints a lot early waits a little; nothing is lost.
    let _ = fcntl_setpipe_size(&write, PIPE_BYTES);
    fcntl_setfl(&read, OFlags::NONBLOCK)?;
    Ok((read, write))
}

/// The first connection of a process of this user; the folder is closed to others, this is the second lock.
async fn accept(listener: &UnixListener) -> io::Result<OwnedFd> {
    let own_uid = rustix::process::geteuid().as_raw();
    loop {
        let (stream, _): (UnixStream, _) = listener.accept().await?;
        if stream.peer_cred()?.uid() == own_uid {
            // Non-blocking stays set, as whoever takes it over into a runtime needs.
            return Ok(stream.into_std()?.into());
        }
    }
}

/// When memory runs out, the kernel should take a worker, which is replaced, not the front.
fn prefer_for_memory_kills(pid: u32) {
    let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), "500");
}

fn not_started(program: &str, spec: &WorkerSpec, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "it is not on PATH here and not in the model's folder",
        io::ErrorKind::PermissionDenied => "the file is not executable",
        _ => {
            return Error::unavailable(format!("worker `{}` could not start", spec.label))
                .because(error);
        }
    };
    Error::user_code(format!(
        "worker `{}`: program `{program}` could not start",
        spec.label
    ))
    .because(error)
    .hint(hint)
}

fn did_not_come(
    spec: &WorkerSpec,
    ended: Option<io::Result<ExitStatus>>,
    kills: Watch,
    stderr: &OwnedFd,
    stdout: &OwnedFd,
) -> Error {
    let label = &spec.label;
    let mut words = last_words(stderr);
    if words.is_empty() {
        words = last_words(stdout);
    }
    let words = if words.is_empty() {
        "it printed nothing".to_owned()
    } else {
        words
    };
    match ended {
        Some(Ok(status)) => {
            let exit: Exit = exit_of(status, kills);
            Error::user_code(format!(
                "worker `{label}` {exit} before it connected: {words}"
            ))
        }
        Some(Err(error)) => Error::unavailable(format!("worker `{label}` was lost")).because(error),
        None => Error::timeout(format!(
            "worker `{label}` did not connect within {} s: {words}",
            spec.dial_in_timeout.as_secs_f64()
        ))
        .hint("a worker connects to the socket in `ONSTAGE_SOCKET` before it loads anything"),
    }
}

/// The last lines that are in the pipe now; what is still to come is not waited for.
fn last_words(pipe: &OwnedFd) -> String {
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = rustix::io::read(pipe, &mut buffer[..]) {
        if count == 0 {
            break;
        }
        all.extend_from_slice(&buffer[..count]);
        let extra = all.len().saturating_sub(LAST_BYTES_MAX);
        all.drain(..extra);
    }
    let text = String::from_utf8_lossy(&all);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LAST_LINES_MAX)..].join("\n")
}

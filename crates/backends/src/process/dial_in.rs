//! From a command to a connected worker: its pipes, its socket, and why it did not come.
//! Does not make environments and does not read what the worker sends.

use super::{
    kernel_kills::Watch,
    place::Place,
    spawner::Spawner,
    worker::{Process, Worker, exit_of},
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
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
};

/// A worker may print this much before anybody reads; more would block it before it dials in.
const PIPE_BYTES: usize = 1 << 20;
/// Lines of the worker's last words in an error.
const LAST_LINES_MAX: usize = 20;
const LAST_BYTES_MAX: usize = 16 * 1024;

/// Spawns the worker and waits until it has connected. Errors: user code (it ended before), timeout, unavailable (also when it was killed).
pub(super) async fn start(
    place: Place,
    mut command: Command,
    spawner: &Arc<Spawner>,
    spec: &WorkerSpec,
) -> Result<Worker> {
    let (output, ends) = Output::new()?;
    command
        .stdin(Stdio::null())
        .stdout(ends.stdout)
        .stderr(ends.stderr);
    let name = command.get_program().to_string_lossy().into_owned();
    let kills = Watch::start();
    let child = spawner
        .spawn(command.into())
        .await
        .map_err(|error| not_started(&name, spec, error))?;
    let group = child.id().unwrap_or(0);
    let worker = Worker::new(Process::Started(child), group, spawner.clone(), kills);
    connect(place, worker, output, kills, spec).await
}

/// Waits until a worker that runs has connected. Errors as `start`.
pub(super) async fn connect(
    place: Place,
    mut worker: Worker,
    output: Output,
    kills: Watch,
    spec: &WorkerSpec,
) -> Result<Worker> {
    worker.write_down(&place.temp);
    worker.keep(place.temp.clone());
    prefer_for_memory_kills(worker.group());
    let outcome = tokio::select! {
        // Connected and then ended is still connected: its last frames say why.
        biased;
        accepted = place.accept() => Ok(accepted),
        ended = worker.process().wait() => Err(Some(ended)),
        () = tokio::time::sleep(spec.dial_in_timeout) => Err(None),
    };
    match outcome {
        Ok(accepted) => {
            let socket = accepted.map_err(|error| {
                Error::unavailable(format!("worker `{}` cannot be connected", spec.label))
                    .because(error)
            })?;
            Ok(worker.connected(Attached {
                socket,
                stdout: output.stdout,
                stderr: output.stderr,
            }))
        }
        Err(ended) => Err(did_not_come(spec, ended, kills, &output)),
    }
}

/// What a worker prints: the read ends of two pipes.
pub(super) struct Output {
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// The worker's ends of them.
pub(super) struct Ends {
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

impl Output {
    /// Errors: unavailable.
    pub(super) fn new() -> Result<(Self, Ends)> {
        let no_pipe = |error: io::Error| Error::unavailable("no pipe can be made").because(error);
        let (stdout, stdout_end) = output_pipe().map_err(no_pipe)?;
        let (stderr, stderr_end) = output_pipe().map_err(no_pipe)?;
        let ends = Ends {
            stdout: stdout_end,
            stderr: stderr_end,
        };
        Ok((Self { stdout, stderr }, ends))
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
    output: &Output,
) -> Error {
    let label = &spec.label;
    let mut words = last_words(&output.stderr);
    if words.is_empty() {
        words = last_words(&output.stdout);
    }
    let words = if words.is_empty() {
        "it printed nothing".to_owned()
    } else {
        words
    };
    match ended {
        Some(Ok(status)) => {
            let exit: Exit = exit_of(status, kills);
            let text = format!("worker `{label}` {exit} before it connected: {words}");
            match exit.is_by_force() {
                true => Error::unavailable(text),
                false => Error::user_code(text),
            }
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

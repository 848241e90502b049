//! Runs a program to its end, line by line, within a deadline; nothing of it is left when the caller stops waiting.
//! Does not know what the program is for.

use super::{
    child::{Confinement, confine, signal_group},
    spawner::Spawner,
    variables::Variables,
};
use rustix::process::Signal;
use std::{
    collections::VecDeque,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// Lines kept for the message of a failure.
const LAST_LINES_MAX: usize = 60;
const LINE_BYTES_MAX: u64 = 16 * 1024;

/// What to run.
pub(crate) struct Run<'a> {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) folder: &'a Path,
    pub(crate) variables: &'a Variables,
    pub(crate) time_max: Duration,
}

/// Why a program did not end well.
#[derive(Debug)]
pub(crate) enum Failed {
    NotStarted(std::io::Error),
    TimeUp,
    /// How it ended and the last lines of its output.
    Ended(ExitStatus, Vec<String>),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotStarted(error) => write!(f, "it could not start: {error}"),
            Self::TimeUp => write!(f, "it took too long"),
            Self::Ended(status, lines) => match lines.last() {
                Some(line) => write!(f, "{status}: {line}"),
                None => write!(f, "{status}"),
            },
        }
    }
}

/// Runs the program; answers the last lines of its output. Both streams go to `on_line`.
pub(crate) async fn run(
    spawner: &Spawner,
    run: Run<'_>,
    on_line: impl Fn(&str) + Send + Sync,
) -> Result<Vec<String>, Failed> {
    let mut command = std::process::Command::new(&run.program);
    command
        .args(&run.args)
        .current_dir(run.folder)
        .env_clear()
        .envs(run.variables.iter())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    confine(
        &mut command,
        Confinement {
            dies_with_parent: true,
            no_new_rights: true,
            data_bytes_max: None,
            open_files_max: None,
            niceness: 0,
        },
    );
    let mut child = spawner
        .spawn(command.into())
        .await
        .map_err(Failed::NotStarted)?;
    let _group = KillGroup(child.id());
    let stdout = child.stdout.take().expect("stdout is piped");
    let stderr = child.stderr.take().expect("stderr is piped");
    let last = std::sync::Mutex::new(VecDeque::new());
    let keep = |line: &str| {
        on_line(line);
        let mut last = last.lock().expect("no line panics while it is kept");
        if last.len() == LAST_LINES_MAX {
            last.pop_front();
        }
        last.push_back(line.to_owned());
    };
    let all = async {
        let ((), (), status) = tokio::join!(
            each_line(stdout, &keep),
            each_line(stderr, &keep),
            child.wait()
        );
        status
    };
    let status = tokio::time::timeout(run.time_max, all)
        .await
        .map_err(|_| Failed::TimeUp)?
        .map_err(Failed::NotStarted)?;
    let last = last
        .into_inner()
        .expect("no line panics while it is kept")
        .into();
    if status.success() {
        Ok(last)
    } else {
        Err(Failed::Ended(status, last))
    }
}

/// Ends what the program left behind, also when the caller stops waiting for it.
struct KillGroup(Option<u32>);

impl Drop for KillGroup {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            signal_group(leader, Signal::KILL);
        }
    }
}

async fn each_line(stream: impl AsyncRead + Unpin, on_line: &(impl Fn(&str) + Sync)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .await;
        if !matches!(read, Ok(count) if count > 0) {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        // Progress bars redraw their line after a carriage return; the last drawing is the one to show.
        let text = text.trim_end();
        let text = text.rsplit('\r').next().unwrap_or(text);
        if !text.is_empty() {
            on_line(text);
        }
    }
}

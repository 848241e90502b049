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
/// For what is still in the streams of a program that has ended.
const REST_MS_MAX: u64 = 1_000;

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
    let group = KillGroup(child.id());
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
        let mut lines = std::pin::pin!(async {
            tokio::join!(each_line(stdout, &keep), each_line(stderr, &keep));
        });
        tokio::select! {
            status = child.wait() => {
                // What it leaves behind may hold the streams open for ever.
                drop(group);
                let rest = Duration::from_millis(REST_MS_MAX);
                let _ = tokio::time::timeout(rest, lines).await;
                status
            }
            () = &mut lines => child.wait().await,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::HostVariables;

    #[tokio::test]
    async fn what_a_program_leaves_behind_does_not_hold_up_its_end() {
        let spawner = Spawner::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let script = "echo one; sleep 60 & echo $! > left; echo two";
        let variables = Variables::base(&HostVariables::new());
        let run = Run {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            folder: folder.path(),
            variables: &variables,
            time_max: Duration::from_secs(30),
        };
        let lines = super::run(&spawner, run, |_| {}).await.unwrap();
        assert_eq!(lines, ["one", "two"]);
        let left = std::fs::read_to_string(folder.path().join("left")).unwrap();
        let left = left.trim().parse().unwrap();
        for _ in 0..3_000 {
            let stat = crate::process::procfs::stat(left);
            if stat.is_none_or(|stat| stat.state == 'Z') {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it goes on");
    }
}

//! A process that another one of ours has forked and left to us: we are its parent, so its end is noticed at once and the kernel tells how it ended.
//! Linux only: elsewhere nothing can be adopted.

use super::child::watched;
use crate::spawn::spawn;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::{
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    process::ExitStatus,
};
use tokio::{io::unix::AsyncFd, runtime::Handle};

/// From now on we are the parent of whatever below us loses its own. What ends so must be reaped by us: see `strays`.
pub(super) fn take_in_orphans() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return Ok(rustix::process::set_child_subreaper(Some(
        rustix::process::getpid(),
    ))?);
    #[cfg(not(target_os = "linux"))]
    Err(io::ErrorKind::Unsupported.into())
}

/// Becomes readable when the process ends.
pub(super) fn end_of(pid: u32) -> io::Result<AsyncFd<OwnedFd>> {
    #[cfg(target_os = "linux")]
    return watched(rustix::process::pidfd_open(
        number(pid)?,
        rustix::process::PidfdFlags::empty(),
    )?);
    #[cfg(not(target_os = "linux"))]
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!("the end of process {pid} cannot be waited for here"),
    ))
}

/// Our child by adoption. Dropped, it is killed and reaped.
#[derive(Debug)]
pub(super) struct Adopted {
    pid: Pid,
    end: Option<AsyncFd<OwnedFd>>,
}

impl Adopted {
    /// Errors: the process is not our child.
    pub(super) fn new(pid: u32) -> io::Result<Self> {
        let end = end_of(pid)?;
        let pid = number(pid)?;
        // Looks without reaping: a number that is another's by now is not our child.
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{WaitId, WaitIdOptions, waitid};
            let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            waitid(WaitId::Pid(pid), look)?;
        }
        Ok(Self {
            pid,
            end: Some(end),
        })
    }

    /// Waits for its end. Safe to drop and call again; only the first call that ends has the status.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let Some(end) = &self.end else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let _ready = end.readable().await?;
        self.end = None;
        reap(self.pid)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        let Some(end) = self.end.take() else { return };
        let pid = self.pid;
        let _ = kill_process(pid, Signal::KILL);
        // Without a runtime we are about to end as well.
        if Handle::try_current().is_ok() {
            spawn("reaping of a worker", async move {
                let _ = end.readable().await;
                let _ = reap(pid);
            });
        }
    }
}

fn number(pid: u32) -> io::Result<Pid> {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// How our child ended; `None` while it runs.
pub(super) fn reap(pid: Pid) -> io::Result<Option<ExitStatus>> {
    let ended = waitpid(Some(pid), WaitOptions::NOHANG)?;
    Ok(ended.map(|(_, status)| ExitStatus::from_raw(status.as_raw())))
}

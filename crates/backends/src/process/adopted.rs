//! A process that another one of ours has forked for us: its end is noticed at once, and how it ended is known, whatever becomes of the other.
//! Linux only: elsewhere nothing can be adopted.

use super::child::watched;
use crate::spawn::spawn;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::{
    io, mem,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    process::ExitStatus,
    time::Duration,
};
use tokio::{io::unix::AsyncFd, runtime::Handle};

const REAP_TRIES_MAX: u32 = 200;
const REAP_TRY_EVERY: Duration = Duration::from_millis(5);

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

/// A process that a template has forked. Dropped, it is killed.
///
/// As long as its template lives, that one tells how it ended, and reaps it when we have heard: nobody else has its number before.
/// When the template is gone, the process is our own child.
#[derive(Debug)]
pub(super) struct Adopted {
    pid: Pid,
    told: Told,
}

#[derive(Debug)]
enum Told {
    ByTemplate(AsyncFd<OwnedFd>),
    ByKernel(AsyncFd<OwnedFd>),
    Already,
}

impl Adopted {
    /// `end` is where the template tells how the process has ended.
    pub(super) fn new(pid: u32, end: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            pid: number(pid)?,
            told: Told::ByTemplate(watched(end)?),
        })
    }

    /// Waits for its end. Safe to drop and call again; only the first call that ends has the status.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.told.wait(self.pid).await
    }
}

impl Told {
    async fn wait(&mut self, pid: Pid) -> io::Result<ExitStatus> {
        if let Self::ByTemplate(end) = self {
            if let Some(status) = heard(end).await? {
                *self = Self::Already;
                return Ok(status);
            }
            *self = Self::ByKernel(end_of(pid.as_raw_nonzero().get().cast_unsigned())?);
        }
        let Self::ByKernel(end) = self else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let _ready = end.readable().await?;
        *self = Self::Already;
        reap_in_time(pid).await
    }
}

/// What the template tells; `None` when it is gone.
async fn heard(end: &AsyncFd<OwnedFd>) -> io::Result<Option<ExitStatus>> {
    let mut raw = [0; 4];
    loop {
        let mut ready = end.readable().await?;
        match rustix::io::read(end, &mut raw[..]) {
            Ok(4) => return Ok(Some(ExitStatus::from_raw(i32::from_le_bytes(raw)))),
            Ok(_) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(error) => return Err(error.into()),
        }
    }
}

/// How a process ended that comes to us about now: its template lets go of its files just before it lets go of its children.
async fn reap_in_time(pid: Pid) -> io::Result<ExitStatus> {
    for _ in 0..REAP_TRIES_MAX {
        if let Ok(Some(status)) = reap(pid) {
            return Ok(status);
        }
        tokio::time::sleep(REAP_TRY_EVERY).await;
    }
    Err(io::ErrorKind::NotFound.into())
}

impl Drop for Adopted {
    fn drop(&mut self) {
        if matches!(self.told, Told::Already) {
            return;
        }
        let _ = kill_process(self.pid, Signal::KILL);
        let (pid, mut told) = (self.pid, mem::replace(&mut self.told, Told::Already));
        // Without a runtime we are about to end as well.
        if Handle::try_current().is_ok() {
            spawn("reaping of a worker", async move {
                let _ = told.wait(pid).await;
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

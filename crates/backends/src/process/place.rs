//! The place of one process in our folders: a socket that it connects to, and a temporary folder.
//! Does not start the process.

use super::owned_dir::OwnedDir;
use crate::shelf::Lock;
use onstage_core::{
    Error, Result,
    ports::{Placed, WorkerSpec},
};
use rustix::net::sockopt::set_socket_send_buffer_size;
use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::net::{UnixListener, UnixStream};

/// What a process runs in, which stays as long as it does.
#[derive(Debug, Clone)]
pub(super) struct Home {
    pub(super) bundle: Arc<Placed>,
    _environment: Option<Arc<Lock>>,
}

impl Home {
    pub(super) fn new(bundle: Arc<Placed>, environment: Option<Arc<Lock>>) -> Self {
        Self {
            bundle,
            _environment: environment,
        }
    }
}

/// Where places are made, each with a number of its own.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) sockets: Arc<OwnedDir>,
    pub(super) scratch: Arc<OwnedDir>,
    made: AtomicU64,
}

impl Places {
    pub(super) fn new(sockets: OwnedDir, scratch: OwnedDir) -> Self {
        Self {
            sockets: Arc::new(sockets),
            scratch: Arc::new(scratch),
            made: AtomicU64::new(0),
        }
    }

    /// Errors: unavailable, full.
    pub(super) fn make(&self, spec: &WorkerSpec, home: &Home) -> Result<Place> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let socket = self.sockets.path().join(format!("{number}.sock"));
        let temp = self.scratch.path().join(number.to_string());
        fs::create_dir(&temp)
            .map_err(|error| super::on_disk("the data folder cannot be written", error))?;
        let temp = Arc::new(TempFolder {
            path: temp,
            _home: home.clone(),
        });
        let listener = UnixListener::bind(&socket).map_err(|error| {
            Error::unavailable(format!("socket of worker `{}` cannot be made", spec.label))
                .because(error)
        })?;
        Ok(Place {
            listener,
            socket,
            temp,
        })
    }
}

/// What may be on its way to a worker: a picture goes there in one piece, without waking each other again and again.
/// The kernel takes it from its own memory while it is on its way, and may allow less.
const SOCKET_BYTES: usize = 1 << 20;

/// What must exist before the process. Dropped, nobody can connect any more.
pub(super) struct Place {
    listener: UnixListener,
    pub(super) socket: PathBuf,
    pub(super) temp: Arc<TempFolder>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
    }
}

impl Place {
    /// The first connection of a process of this user; the folder is closed to others, this is the second lock.
    pub(super) async fn accept(&self) -> io::Result<OwnedFd> {
        let own_uid = rustix::process::geteuid().as_raw();
        loop {
            let (stream, _): (UnixStream, _) = self.listener.accept().await?;
            if stream.peer_cred()?.uid() == own_uid {
                if let Err(error) = set_socket_send_buffer_size(&stream, SOCKET_BYTES) {
                    tracing::debug!(%error, "a worker's socket keeps its small buffer");
                }
                // Non-blocking stays set, as whoever takes it over into a runtime needs.
                return Ok(stream.into_std()?.into());
            }
        }
    }
}

/// A folder that is removed with its contents when the last who may use it is gone.
#[derive(Debug)]
pub(super) struct TempFolder {
    path: PathBuf,
    _home: Home,
}

impl TempFolder {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

//! The read end of a worker's standard output or error, as lines.
//! Does not know what is done with them.

use super::lines::Lines;
use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, OwnedFd},
};
use tokio::net::unix::pipe;

/// Bytes taken from one pipe before other things get their turn. A pipe holds 64 KiB.
const TURN_BYTES_MAX: usize = 256 * 1024;
const READ_BYTES: usize = 16 * 1024;

pub(super) struct Pipe {
    open: Option<Open>,
    lines: Lines,
    /// `stdout` or `stderr`.
    pub name: &'static str,
}

struct Open {
    /// Knows when there may be something to read.
    reactor: pipe::Receiver,
    /// The same pipe, for reading it also when the reactor has not noticed yet.
    file: File,
}

impl Pipe {
    pub(super) fn new(fd: OwnedFd, name: &'static str) -> io::Result<Self> {
        let reactor = pipe::Receiver::from_owned_fd(fd)?;
        let file = File::from(reactor.as_fd().try_clone_to_owned()?);
        Ok(Self {
            open: Some(Open { reactor, file }),
            lines: Lines::default(),
            name,
        })
    }

    /// Waits until there may be something to read; for ever when it has ended.
    pub(super) async fn readable(&self) {
        let Some(open) = &self.open else {
            return std::future::pending().await;
        };
        // An error is found again by the read that follows.
        let _ = open.reactor.readable().await;
    }

    /// Reads what is there, whether or not the reactor has noticed it yet.
    pub(super) fn drain(&mut self, tell: &mut dyn FnMut(Option<u64>, &str)) {
        let Some(open) = &self.open else { return };
        let mut buffer = [0_u8; READ_BYTES];
        let mut turn = 0;
        let ended = loop {
            match open.read(&mut buffer) {
                Ok(0) => break true,
                Ok(read) => {
                    self.lines.feed(&buffer[..read], tell);
                    turn += read;
                    if turn >= TURN_BYTES_MAX {
                        break false;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Err(_) => break true,
            }
        };
        if ended {
            self.lines.finish(tell);
            self.open = None;
        }
    }
}

impl Open {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut tried = false;
        // Through the reactor first, which learns from it that the pipe is empty.
        let read = self.reactor.try_io(|| {
            tried = true;
            (&self.file).read(buffer)
        });
        if tried {
            read
        } else {
            (&self.file).read(buffer)
        }
    }
}

//! What the host and a template say to each other, and what the template prints meanwhile.
//! Does not know what follows from it. The messages are in `docs/worker-protocol.md`.

use super::super::{
    child::watched,
    dial_in::{Ends, Output},
};
use bytes::BytesMut;
use onstage_core::{
    ports::{Attached, Preparing},
    wire::Frame,
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream as StdStream,
    },
};
use tokio::{
    io::{AsyncReadExt, Interest, unix::AsyncFd},
    net::UnixStream,
};

const READ_BYTES: usize = 16 * 1024;
/// A line longer than this is cut.
const LINE_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Serialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub(super) enum ToTemplate<'a> {
    Prepare {
        share: &'a str,
        weights: Option<&'a str>,
        tempdir: &'a str,
        seed: u64,
    },
    /// Comes with the worker's files.
    Fork {
        variables: &'a BTreeMap<String, String>,
    },
    Serve {
        variables: &'a BTreeMap<String, String>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub(super) enum FromTemplate {
    Log {
        text: String,
    },
    Prepared {
        failed: bool,
        obstacle: Option<String>,
    },
    Forked {
        pid: u32,
    },
    Failed {
        error: String,
    },
    #[serde(other)]
    Unknown,
}

/// What goes along with `fork`.
pub(super) struct Files {
    pub(super) output: Ends,
    /// The end of a pipe whose other end is ours alone: the kernel kills the worker when that closes.
    pub(super) life: OwnedFd,
    /// Where the template tells how the worker has ended.
    pub(super) end: OwnedFd,
}

/// The line to a template.
#[derive(Debug)]
pub(super) struct Talk {
    socket: UnixStream,
    inbox: BytesMut,
    prints: [Prints; 2],
}

impl Talk {
    pub(super) fn new(attached: Attached) -> io::Result<Self> {
        Ok(Self {
            socket: UnixStream::from_std(StdStream::from(attached.socket))?,
            inbox: BytesMut::new(),
            prints: [Prints::new(attached.stdout)?, Prints::new(attached.stderr)?],
        })
    }

    /// Sends a message, with a worker's files when there are any.
    pub(super) async fn say(
        &self,
        message: &ToTemplate<'_>,
        files: Option<Files>,
    ) -> io::Result<()> {
        let header = serde_json::to_vec(message)?;
        let mut frame = BytesMut::new();
        Frame::new(header).encode(&mut frame);
        let sent = self
            .socket
            .async_io(Interest::WRITABLE, || {
                send_with(&self.socket, &frame, files.as_ref())
            })
            .await?;
        // A message is far smaller than what a socket holds, and there is never more than one on its way.
        if sent == frame.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    /// The next answer; what is printed or logged until then is passed on. Errors: it is gone, or broke the protocol.
    pub(super) async fn hear(&mut self, preparing: &dyn Preparing) -> io::Result<FromTemplate> {
        loop {
            match self.next().await? {
                None => self.pass_on(preparing),
                Some(FromTemplate::Log { text }) => preparing.line(&text),
                Some(FromTemplate::Unknown) => {}
                Some(answer) => {
                    // What was printed before an answer is in the pipes before it.
                    self.pass_on(preparing);
                    return Ok(answer);
                }
            }
        }
    }

    /// A message, or `None` when something was printed.
    async fn next(&mut self) -> io::Result<Option<FromTemplate>> {
        loop {
            if let Some(frame) = Frame::decode(&mut self.inbox).map_err(io::Error::other)? {
                return Ok(Some(serde_json::from_slice(&frame.header)?));
            }
            let [stdout, stderr] = &self.prints;
            tokio::select! {
                biased;
                read = self.socket.read_buf(&mut self.inbox) => {
                    if read? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                () = stdout.readable() => return Ok(None),
                () = stderr.readable() => return Ok(None),
            }
        }
    }

    pub(super) fn pass_on(&mut self, preparing: &dyn Preparing) {
        let mut lines = Vec::new();
        for prints in &mut self.prints {
            prints.drain(&mut lines);
        }
        for line in lines {
            preparing.line(&line);
        }
    }

    /// What a worker prints that was its own template.
    pub(super) fn into_output(self) -> Output {
        let [stdout, stderr] = self.prints.map(|prints| prints.pipe.into_inner());
        Output { stdout, stderr }
    }
}

fn send_with(socket: &UnixStream, bytes: &[u8], files: Option<&Files>) -> io::Result<usize> {
    let fds = files.map(|files| {
        let Ends { stdout, stderr } = &files.output;
        [stdout, stderr, &files.life, &files.end].map(AsFd::as_fd)
    });
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if let Some(fds) = &fds {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    let pieces = [IoSlice::new(bytes)];
    Ok(sendmsg(socket, &pieces, &mut control, SendFlags::NOSIGNAL)?)
}

/// The read end of a template's standard output or error.
#[derive(Debug)]
struct Prints {
    pipe: AsyncFd<OwnedFd>,
    rest: Vec<u8>,
    ended: bool,
}

impl Prints {
    fn new(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            pipe: watched(pipe)?,
            rest: Vec::new(),
            ended: false,
        })
    }

    /// Waits until there may be something to read; for ever when it has ended.
    async fn readable(&self) {
        if self.ended {
            return std::future::pending().await;
        }
        if let Ok(mut ready) = self.pipe.readable().await {
            // Whoever is told reads all there is: what comes after is news again.
            ready.clear_ready();
        }
    }

    /// The lines that are there now, whether or not the runtime has noticed them.
    fn drain(&mut self, lines: &mut Vec<String>) {
        let mut buffer = [0; READ_BYTES];
        loop {
            match rustix::io::read(&self.pipe, &mut buffer[..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(count) => self.rest.extend_from_slice(&buffer[..count]),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
            self.cut(lines);
        }
    }

    fn cut(&mut self, lines: &mut Vec<String>) {
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
        if self.rest.len() > LINE_BYTES_MAX {
            lines.push(String::from_utf8_lossy(&std::mem::take(&mut self.rest)).into_owned());
        }
    }
}

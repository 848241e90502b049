//! The line to a worker: its socket, its two pipes and its process as one thing to wait on.
//! Does not know what is said over it.

use super::{keeper::Keeper, lines::Tail, outbox::Outbox, pipe::Pipe};
use bytes::BytesMut;
use onstage_core::{
    Error, Result,
    outcome::{Failure, Reason},
    ports::{Exit, WorkerProcess},
    wire::{Frame, FromWorker, ToWorker},
};
use std::{os::unix::net::UnixStream as StdStream, time::Duration};
use tokio::{
    io::AsyncReadExt,
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Least room for one read of the socket.
const READ_BYTES_MIN: usize = 8 * 1024;
/// The inbox grows by this much at a time, so that several reads share a block.
const INBOX_BYTES: usize = 64 * 1024;
/// How long the end of a process that lost its socket is waited for, before and after it is killed.
const EXIT_WAIT_MAX: Duration = Duration::from_secs(1);

pub(super) struct Line {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    inbox: BytesMut,
    outbox: Outbox,
    stdout: Pipe,
    stderr: Pipe,
    pub keeper: Keeper,
    pub tail: Tail,
}

/// What woke the line.
#[derive(Debug)]
pub(super) enum Woke {
    /// Bytes came; there may be whole frames.
    Read,
    /// The socket is at its end.
    Closed,
    /// Something was printed.
    Printed,
    /// The process ended.
    Exited,
}

impl Line {
    pub(super) fn new(mut process: Box<dyn WorkerProcess>) -> Result<Self> {
        let attached = process
            .attach()
            .ok_or_else(|| Error::internal("a fresh worker process has its descriptors"))?;
        let broken = |error: std::io::Error| {
            Error::unavailable("the worker's descriptors cannot be used").because(error)
        };
        let socket = StdStream::from(attached.socket);
        socket.set_nonblocking(true).map_err(broken)?;
        let (reader, writer) = UnixStream::from_std(socket).map_err(broken)?.into_split();
        Ok(Self {
            reader,
            writer,
            inbox: BytesMut::new(),
            outbox: Outbox::default(),
            stdout: Pipe::new(attached.stdout, "stdout").map_err(broken)?,
            stderr: Pipe::new(attached.stderr, "stderr").map_err(broken)?,
            keeper: Keeper::new(process),
            tail: Tail::default(),
        })
    }

    /// Queues a message; `wake` or `flush` writes it.
    pub(super) fn say(&mut self, message: &ToWorker<'_>) {
        self.outbox.push(message.frame());
    }

    /// Writes what the socket takes now. A broken socket shows itself as closed when it is read.
    pub(super) fn flush(&mut self) {
        if !self.outbox.is_empty() && self.outbox.flush(&self.writer).is_err() {
            self.outbox = Outbox::default();
        }
    }

    /// Waits for the next thing. Safe to drop and call again.
    pub(super) async fn wake(&mut self) -> Woke {
        loop {
            if self.inbox.capacity() - self.inbox.len() < READ_BYTES_MIN {
                self.inbox.reserve(INBOX_BYTES);
            }
            tokio::select! {
                biased;
                read = self.reader.read_buf(&mut self.inbox) => {
                    return if matches!(read, Ok(read) if read > 0) { Woke::Read } else { Woke::Closed };
                }
                _ = self.writer.writable(), if !self.outbox.is_empty() => {}
                () = self.stdout.readable() => return Woke::Printed,
                () = self.stderr.readable() => return Woke::Printed,
                _ = self.keeper.ended(), if self.keeper.is_running() => return Woke::Exited,
            }
            self.flush();
        }
    }

    /// The next whole message that has come.
    pub(super) fn hear(&mut self) -> Result<Option<FromWorker>, String> {
        match Frame::decode(&mut self.inbox) {
            Ok(None) => Ok(None),
            Ok(Some(frame)) => FromWorker::parse(&frame)
                .map(Some)
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Reads what is left in the socket of a process that has ended. True when more came.
    pub(super) fn read_rest(&mut self) -> bool {
        let before = self.inbox.len();
        loop {
            self.inbox.reserve(READ_BYTES_MIN);
            match self.reader.try_read_buf(&mut self.inbox) {
                Ok(read) if read > 0 => {}
                _ => return self.inbox.len() > before,
            }
        }
    }

    /// Hands out the lines that are printed by now.
    pub(super) fn drain_prints(&mut self, tell: &mut dyn FnMut(&'static str, Option<u64>, &str)) {
        let tail = &mut self.tail;
        for pipe in [&mut self.stdout, &mut self.stderr] {
            let name = pipe.name;
            pipe.drain(&mut |item, line| {
                tail.push(item, line);
                tell(name, item, line);
            });
        }
    }

    /// Waits for the end of a process that is of no more use, killing it when it lingers.
    pub(super) async fn end(&mut self) -> Option<Exit> {
        if let Ok(exit) = tokio::time::timeout(EXIT_WAIT_MAX, self.keeper.ended()).await {
            return exit;
        }
        self.kill().await
    }

    pub(super) async fn kill(&mut self) -> Option<Exit> {
        self.keeper.kill();
        tokio::time::timeout(EXIT_WAIT_MAX, self.keeper.ended())
            .await
            .ok()
            .flatten()
    }

    /// The death of this worker in words for its callers. `died` says which items it still had.
    pub(super) fn obituary(
        &self,
        exit: Option<&Exit>,
        cause: Option<&str>,
        died: impl Fn(u64) -> bool,
    ) -> Failure {
        let reason = match exit {
            Some(Exit::OutOfMemory { .. }) => Reason::OutOfMemory,
            _ => Reason::WorkerLost,
        };
        let message = match (cause, exit) {
            (Some(cause), _) => format!("the worker was replaced: {cause}"),
            (None, Some(exit)) => format!("the worker {exit}"),
            (None, None) => "the worker closed its connection".to_owned(),
        };
        Failure {
            traceback: self.tail.text(died),
            ..Failure::new(reason, message)
        }
    }
}

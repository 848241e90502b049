//! The lines of chunks, handed to a thread that works on them.
//! Streams them in the order given; knows nothing of what a line says.

use crate::parts::Parts;
use bytes::{Buf, Bytes, BytesMut};
use onstage_core::{Error, Result, batch::Chunk, ports::Blobs};
use tokio::{sync::mpsc, task::JoinHandle};

/// Bytes read from a blob at once.
const PIECE_BYTES: u64 = 1 << 20;
/// Pieces on their way to the thread that works on them.
const PIECES_WAITING_MAX: usize = 4;

/// Gives the lines of all chunks to `work` on a thread of its own.
pub(crate) async fn each_line<T: Send + 'static>(
    parts: &Parts,
    chunks: &[Chunk],
    work: impl FnOnce(&mut Lines) -> Result<T> + Send + 'static,
) -> Result<T> {
    let work = Work::start(work);
    let fed = work.feed_all(&*parts.blobs, chunks).await;
    // Also after an error: a thread that goes on would write to what the next try writes to.
    let done = work.finish().await;
    fed?;
    done
}

/// A thread that works on lines while they come.
pub(crate) struct Work<T> {
    pieces: mpsc::Sender<Bytes>,
    thread: JoinHandle<Result<T>>,
}

impl<T: Send + 'static> Work<T> {
    pub(crate) fn start(work: impl FnOnce(&mut Lines) -> Result<T> + Send + 'static) -> Self {
        let (pieces, inbox) = mpsc::channel(PIECES_WAITING_MAX);
        let thread = tokio::task::spawn_blocking(move || {
            let mut lines = Lines {
                inbox,
                buffer: BytesMut::new(),
            };
            work(&mut lines)
        });
        Self { pieces, thread }
    }

    pub(crate) async fn feed_all<'a>(
        &self,
        blobs: &dyn Blobs,
        chunks: impl IntoIterator<Item = &'a Chunk>,
    ) -> Result<()> {
        for chunk in chunks {
            self.feed(blobs, chunk).await?;
        }
        Ok(())
    }

    pub(crate) async fn feed(&self, blobs: &dyn Blobs, chunk: &Chunk) -> Result<()> {
        let mut reader = blobs.reader(&chunk.blob.key, 0..chunk.blob.size_bytes, PIECE_BYTES)?;
        // A thread that wants no more has what it wants, or an error that tells more.
        while !self.pieces.is_closed()
            && let Some(piece) = reader.next().await?
        {
            let _ = self.pieces.send(piece).await;
        }
        Ok(())
    }

    /// What the thread has made of all that it was fed.
    pub(crate) async fn finish(self) -> Result<T> {
        drop(self.pieces);
        self.thread
            .await
            .map_err(|error| Error::internal("reading chunks has panicked").because(error))?
    }
}

/// Lines out of pieces; for a thread that may block.
pub(crate) struct Lines {
    inbox: mpsc::Receiver<Bytes>,
    buffer: BytesMut,
}

impl Lines {
    /// The next line without its end.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let mut looked = 0;
        loop {
            if let Some(place) = self.buffer[looked..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(looked + place).freeze();
                self.buffer.advance(1);
                return Some(line);
            }
            looked = self.buffer.len();
            match self.inbox.blocking_recv() {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None if self.buffer.is_empty() => return None,
                None => return Some(self.buffer.split().freeze()),
            }
        }
    }
}

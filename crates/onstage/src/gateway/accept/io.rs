//! A connection's byte stream on its way to hyper: notes progress for the sweeper and refuses ambiguous heads.
//! Does not know requests or answers.

use super::{
    framing::{Framing, Refused},
    watch::{Patience, Stage, Watch},
};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What hyper gets in place of an ambiguous head: no parser takes a NUL, so it answers 400 and closes.
const REFUSED_HEAD: &[u8] = b"\0\r\n\r\n";

/// A guarded stream.
pub(crate) struct Guarded<S> {
    stream: S,
    framing: Framing,
    watch: Arc<Watch>,
    patience: Arc<Patience>,
    refused: bool,
}

impl<S> Guarded<S> {
    pub(crate) fn new(stream: S, watch: Arc<Watch>, patience: Arc<Patience>) -> Self {
        Self {
            stream,
            framing: Framing::default(),
            watch,
            patience,
            refused: false,
        }
    }

    fn note_stage(&self) {
        if self.framing.in_body() {
            self.watch.enter(Stage::Body);
        } else if self.framing.in_head() {
            self.watch.enter(Stage::Head);
        } else {
            self.watch.enter(Stage::Answering);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.refused {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Pending => {
                self.watch.read_pending();
                return Poll::Pending;
            }
            Poll::Ready(read) => read?,
        }
        let read = buf.filled().len() - before;
        if read == 0 {
            return Poll::Ready(Ok(()));
        }
        match self.framing.feed(&buf.filled()[before..]) {
            Ok(()) => self.note_stage(),
            Err(Refused::Head { at, why }) => {
                tracing::debug!(why, "a request was refused before it was parsed");
                self.refused = true;
                buf.set_filled(before + at);
                if buf.remaining() < REFUSED_HEAD.len() {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
                }
                buf.put_slice(REFUSED_HEAD);
            }
            Err(refused @ Refused::Body) => {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refused)));
            }
        }
        self.watch.read(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    fn note_write(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Pending => self.watch.write_pending(),
            Poll::Ready(Ok(bytes)) => self.watch.wrote(*bytes, &self.patience),
            Poll::Ready(Err(_)) => {}
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_write(&written);
        Poll::Ready(ready!(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.note_write(&written);
        Poll::Ready(ready!(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

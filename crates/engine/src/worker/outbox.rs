//! Frames on their way to a worker's socket: small ones share one write, large attachments are written from where they lie.
//! Does not know what the frames say.

use bytes::{Buf, Bytes, BytesMut};
use onstage_core::wire::Frame;
use std::{
    collections::VecDeque,
    io::{self, IoSlice},
};
use tokio::net::unix::OwnedWriteHalf;

/// Attachments from this size on are not copied into the frame's piece.
const COPIED_BYTES_MAX: usize = 16 * 1024;
/// Pieces handed to the kernel in one call.
const SLICES_MAX: usize = 32;

#[derive(Default)]
pub(super) struct Outbox {
    whole: VecDeque<Bytes>,
    /// The small frames that were pushed last.
    open: BytesMut,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.open.is_empty()
    }

    pub(super) fn push(&mut self, frame: Frame) {
        let attached: usize = frame.attachments.iter().map(Bytes::len).sum();
        if attached <= COPIED_BYTES_MAX {
            frame.encode(&mut self.open);
            return;
        }
        let length = 4 + frame.header.len() + attached;
        self.open.extend_from_slice(&(length as u32).to_le_bytes());
        self.open
            .extend_from_slice(&(frame.header.len() as u32).to_le_bytes());
        self.open.extend_from_slice(&frame.header);
        self.close();
        self.whole.extend(frame.attachments);
    }

    /// Writes as much as the socket takes now. True when nothing is left.
    pub(super) fn flush(&mut self, socket: &OwnedWriteHalf) -> io::Result<bool> {
        self.close();
        while !self.whole.is_empty() {
            let written = match self.write(socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                written => written?,
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.advance(written);
        }
        Ok(true)
    }

    fn write(&self, socket: &OwnedWriteHalf) -> io::Result<usize> {
        if self.whole.len() == 1 {
            return socket.try_write(&self.whole[0]);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut filled = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.whole) {
            *slice = IoSlice::new(piece);
            filled += 1;
        }
        socket.try_write_vectored(&slices[..filled])
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.whole.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.whole.pop_front();
        }
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.whole.push_back(self.open.split().freeze());
        }
    }
}

//! A blob as the readers of tables see it during a look: read where they ask, within a budget.
//! Does not know formats.

use bytes::Bytes;
use onstage_core::{
    Error, Result,
    ports::{Blobs, ByteSource},
    value::BlobRef,
};
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::runtime::Handle;

pub(super) struct Window {
    blobs: Arc<dyn Blobs>,
    key: String,
    size_bytes: u64,
    left_bytes: AtomicU64,
    refused: AtomicBool,
    runtime: Handle,
}

impl Window {
    /// The first `size_bytes` of a blob. To be read on a thread that may block.
    pub(super) fn new(
        blobs: Arc<dyn Blobs>,
        blob: &BlobRef,
        size_bytes: u64,
        budget_bytes: u64,
    ) -> Self {
        Self {
            blobs,
            key: blob.key.clone(),
            size_bytes,
            left_bytes: AtomicU64::new(budget_bytes),
            refused: AtomicBool::new(false),
            runtime: Handle::current(),
        }
    }

    /// Whether more was asked for than the budget had.
    pub(super) fn has_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }
}

impl ByteSource for Window {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let wanted = range.end.saturating_sub(range.start);
        let left = self.left_bytes.load(Ordering::Relaxed);
        let Some(rest) = left.checked_sub(wanted) else {
            self.refused.store(true, Ordering::Relaxed);
            return Err(Error::invalid("a look reads no further"));
        };
        self.left_bytes.store(rest, Ordering::Relaxed);
        self.runtime.block_on(self.blobs.read(&self.key, range))
    }
}

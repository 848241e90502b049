//! Writes the result while the rest of the rows are computed, where its columns are known before any answer is.
//! Only chunks that are committed count; those of other tasks that are not known yet wait for the end.

use super::{lines::Work, merge::Merge};
use crate::{parts::Parts, spawn::spawn};
use onstage_core::{Error, Result, batch::Chunk};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// The result as far as it could be written.
pub(crate) struct Ahead {
    chunks: mpsc::UnboundedSender<Chunk>,
    work: AbortOnDropHandle<Option<Result<Begun>>>,
}

/// The rows before `end` are written, or on their way to the thread that writes them.
struct Begun {
    work: Work<()>,
    end: u64,
}

impl Ahead {
    /// None, when the answers decide which columns there are.
    pub(crate) fn start(parts: &Parts, merge: &Merge, done: &[Chunk]) -> Option<Self> {
        let shape = merge.shape_known_before()?;
        let (chunks, inbox) = mpsc::unbounded_channel();
        for chunk in done {
            let _ = chunks.send(chunk.clone());
        }
        let merge = merge.clone();
        let begun = Begun {
            work: Work::start(move |lines| merge.write(shape, lines)),
            end: 0,
        };
        let work = spawn("the result's beginning", begun.go_on(parts.clone(), inbox));
        Some(Self {
            chunks,
            work: AbortOnDropHandle::new(work),
        })
    }

    /// Where committed chunks are told.
    pub(crate) fn ear(&self) -> mpsc::UnboundedSender<Chunk> {
        self.chunks.clone()
    }

    /// Writes the rest. `chunks` are all of the job, by index, and nobody tells of more.
    pub(crate) async fn finish(self, parts: &Parts, chunks: &[Chunk]) -> Result<()> {
        drop(self.chunks);
        let begun = self.work.await.ok().flatten();
        let begun = begun.ok_or_else(|| Error::internal("writing the result has panicked"))??;
        let rest = chunks.iter().filter(|chunk| chunk.first_row >= begun.end);
        let fed = begun.work.feed_all(&*parts.blobs, rest).await;
        let done = begun.work.finish().await;
        fed?;
        done
    }
}

impl Begun {
    /// Writes the chunks that follow each other, until nobody tells of more.
    async fn go_on(
        mut self,
        parts: Parts,
        mut inbox: mpsc::UnboundedReceiver<Chunk>,
    ) -> Result<Self> {
        let mut waiting = BTreeMap::new();
        while let Some(chunk) = inbox.recv().await {
            waiting.insert(chunk.first_row, chunk);
            while let Some(next) = waiting.remove(&self.end) {
                if let Err(error) = self.work.feed(&*parts.blobs, &next).await {
                    // The thread must be gone before anybody writes the result anew.
                    let _ = self.work.finish().await;
                    return Err(error);
                }
                self.end += next.rows;
            }
        }
        Ok(self)
    }
}

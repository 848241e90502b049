//! Chunks: outcomes of rows collected until there are enough of them or they are old enough, then put and committed one after the other.
//! Does not know how the outcomes were computed.

use super::line;
use crate::{parts::Parts, spawn::spawn, task::persist};
use bytes::{Bytes, BytesMut};
use onstage_core::{
    Error, Result,
    batch::{Chunk, Counts},
    job::Lease,
    outcome::Failure,
    shares::ShareStep,
};
use std::time::Duration;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::task::AbortOnDropHandle;

/// Rows of one chunk.
const CHUNK_ROWS_MAX: u64 = 10_000;
/// Bytes of one chunk, give or take a row.
const CHUNK_BYTES_MAX: usize = 8 << 20;
/// A crash loses no more than the rows of about this time.
const CHUNK_AGE_MS_MAX: u64 = 2_000;
/// Chunks that wait for their commit while more is computed.
const CHUNKS_WAITING_MAX: usize = 2;

/// The chunk being filled.
pub(crate) struct Filling {
    prefix: String,
    /// Ends the name of a helper's chunks, so that two helpers which had the same rows one after the other never write the same blob.
    mark: String,
    first_row: u64,
    /// One more than the last row in it.
    end: u64,
    counts: Counts,
    lines: BytesMut,
    began: Option<Duration>,
}

/// A chunk ready to be committed.
pub(crate) struct Sealed {
    first_row: u64,
    rows: u64,
    counts: Counts,
    key: String,
    lines: Bytes,
}

impl Filling {
    pub(crate) fn new(lease: &Lease, helper: bool) -> Self {
        let mark = match helper {
            true => format!("-{}", lease.owner.0),
            false => String::new(),
        };
        Self {
            prefix: format!("jobs/{}/run-{}", lease.job, lease.run),
            mark,
            first_row: 0,
            end: 0,
            counts: Counts::default(),
            lines: BytesMut::new(),
            began: None,
        }
    }

    /// Where files of this chunk's rows go.
    pub(crate) fn row_prefix(&self, row: u64) -> String {
        format!("{}/row-{row}", self.name())
    }

    fn name(&self) -> String {
        format!("{}/chunk-{}{}", self.prefix, self.first_row, self.mark)
    }

    /// Goes on at another row; what is in it was sealed before.
    pub(crate) fn begin_at(&mut self, row: u64) {
        (self.first_row, self.end) = (row, row);
    }

    /// One more than the last row in it, or where it begins.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Rows up to here are dealt with, also those that were not chosen.
    pub(crate) fn reach(&mut self, end: u64) {
        if !self.lines.is_empty() {
            self.end = self.end.max(end);
        }
    }

    /// Adds a row's outcome; rows come in order.
    pub(crate) fn add(
        &mut self,
        row: u64,
        input: &str,
        outcome: Result<&str, &Failure>,
        matched: bool,
        now: Duration,
    ) {
        line::write(&mut self.lines, row, input, outcome);
        self.end = row + 1;
        self.began.get_or_insert(now);
        self.counts = self.counts.plus(Counts {
            done: u64::from(outcome.is_ok()),
            failed: u64::from(outcome.is_err()),
            matched: u64::from(matched),
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn is_ripe(&self, now: Duration) -> bool {
        let old = |began| now.saturating_sub(began) >= Duration::from_millis(CHUNK_AGE_MS_MAX);
        self.end - self.first_row >= CHUNK_ROWS_MAX
            || self.lines.len() >= CHUNK_BYTES_MAX
            || self.began.is_some_and(old)
    }

    /// What is in it, if anything; goes on with the next chunk.
    pub(crate) fn seal(&mut self) -> Option<Sealed> {
        if self.lines.is_empty() {
            return None;
        }
        let sealed = Sealed {
            first_row: self.first_row,
            rows: self.end - self.first_row,
            counts: std::mem::take(&mut self.counts),
            key: format!("{}.jsonl", self.name()),
            lines: self.lines.split().freeze(),
        };
        self.first_row = self.end;
        self.began = None;
        Some(sealed)
    }
}

/// What is written one after the other.
enum Entry {
    Chunk(Sealed),
    /// The share with this end is done.
    Done(u64),
}

/// Commits chunks in order, beside the computing.
pub(crate) struct Committer {
    chunks: Option<mpsc::Sender<Entry>>,
    /// Gone once its end was told.
    work: Option<AbortOnDropHandle<Option<Result<()>>>>,
}

impl Committer {
    /// Tells `ear` of what is committed.
    pub(crate) fn start(
        parts: &Parts,
        lease: &Lease,
        ear: Option<mpsc::UnboundedSender<Chunk>>,
    ) -> Self {
        let (chunks, inbox) = mpsc::channel(CHUNKS_WAITING_MAX);
        let all = commit_all(parts.clone(), lease.clone(), ear, inbox);
        let work: JoinHandle<_> = spawn("chunks", all);
        Self {
            chunks: Some(chunks),
            work: Some(AbortOnDropHandle::new(work)),
        }
    }

    /// Waits for room. An error of the commits is told by `failed` or `finish`.
    pub(crate) async fn commit(&self, chunk: Sealed) {
        self.send(Entry::Chunk(chunk)).await;
    }

    /// Tells that a share is done, after the chunks before.
    pub(crate) async fn done(&self, end: u64) {
        self.send(Entry::Done(end)).await;
    }

    async fn send(&self, entry: Entry) {
        if let Some(chunks) = &self.chunks {
            let _ = chunks.send(entry).await;
        }
    }

    /// Resolves when the commits have failed; never while they go well.
    pub(crate) async fn failed(&mut self) -> Error {
        let Some(work) = &mut self.work else {
            return std::future::pending().await;
        };
        let ended = work.await;
        self.work = None;
        match ended {
            Ok(Some(Err(error))) => error,
            _ => Error::internal("the commits of chunks ended before the rows did"),
        }
    }

    /// Returns when everything is committed. Says nothing of an error that was told before.
    pub(crate) async fn finish(mut self) -> Result<()> {
        self.chunks = None;
        let Some(work) = self.work else {
            return Ok(());
        };
        match work.await {
            Ok(Some(result)) => result,
            _ => Err(Error::internal("the commits of chunks have panicked")),
        }
    }
}

async fn commit_all(
    parts: Parts,
    lease: Lease,
    ear: Option<mpsc::UnboundedSender<Chunk>>,
    mut inbox: mpsc::Receiver<Entry>,
) -> Result<()> {
    while let Some(entry) = inbox.recv().await {
        match entry {
            Entry::Chunk(sealed) => {
                let chunk = commit(&parts, &lease, sealed).await?;
                if let Some(ear) = &ear {
                    let _ = ear.send(chunk);
                }
            }
            Entry::Done(end) => {
                persist::insist(&parts, "telling that a share is done", || {
                    parts.store.share(&lease, ShareStep::Done { end })
                })
                .await?;
            }
        }
    }
    Ok(())
}

async fn commit(parts: &Parts, lease: &Lease, sealed: Sealed) -> Result<Chunk> {
    let blob = persist::insist(parts, "storing a chunk", || {
        parts.blobs.put(&sealed.key, sealed.lines.clone())
    })
    .await?;
    let chunk = Chunk {
        index: sealed.first_row,
        first_row: sealed.first_row,
        rows: sealed.rows,
        counts: sealed.counts,
        blob,
        run: lease.run,
    };
    persist::insist(parts, "committing a chunk", || {
        parts.store.commit_chunk(lease, chunk.clone())
    })
    .await?;
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::{outcome::Reason, task::Incarnation};

    fn filling() -> Filling {
        let lease = Lease {
            job: "job-00001".parse().unwrap(),
            run: 2,
            owner: Incarnation("me".into()),
        };
        let mut filling = Filling::new(&lease, false);
        filling.begin_at(40);
        filling
    }

    #[test]
    fn a_chunk_covers_the_rows_since_the_one_before() {
        let mut filling = filling();
        let failure = Failure::new(Reason::UserError, "no");
        filling.add(41, "{}", Ok("1"), true, Duration::ZERO);
        filling.add(44, "{}", Err(&failure), false, Duration::ZERO);
        let sealed = filling.seal().unwrap();
        assert_eq!((sealed.first_row, sealed.rows), (40, 5));
        assert_eq!(sealed.key, "jobs/job-00001/run-2/chunk-40.jsonl");
        let counts = Counts {
            done: 1,
            failed: 1,
            matched: 1,
        };
        assert_eq!(sealed.counts, counts);
        assert!(filling.seal().is_none());
        filling.add(45, "{}", Ok("1"), false, Duration::ZERO);
        let next = filling.seal().unwrap();
        assert_eq!((next.first_row, next.rows), (45, 1));
        assert_eq!(next.counts.done, 1);
        filling.add(46, "{}", Ok("1"), false, Duration::ZERO);
        filling.reach(60);
        assert_eq!(filling.seal().unwrap().rows, 14, "the rest was not chosen");
        filling.reach(70);
        assert!(filling.seal().is_none(), "nothing is in it");
    }

    #[test]
    fn a_chunk_is_ripe_by_rows_by_bytes_or_by_age() {
        let now = Duration::from_millis(CHUNK_AGE_MS_MAX);
        let mut old = filling();
        assert!(!old.is_ripe(now));
        old.add(40, "{}", Ok("1"), false, Duration::ZERO);
        assert!(!old.is_ripe(Duration::from_millis(1)));
        assert!(old.is_ripe(now));
        let mut long = filling();
        for row in 0..CHUNK_ROWS_MAX {
            assert!(!long.is_ripe(Duration::ZERO));
            long.add(40 + row, "{}", Ok("1"), false, Duration::ZERO);
        }
        assert!(long.is_ripe(Duration::ZERO));
        let mut fat = filling();
        fat.add(
            40,
            "{}",
            Ok(&"1".repeat(CHUNK_BYTES_MAX)),
            false,
            Duration::ZERO,
        );
        assert!(fat.is_ripe(Duration::ZERO));
    }
}

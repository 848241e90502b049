//! Removes what finished jobs left in the blobs: what dead runs wrote, and chunks and checkpoints that were never committed.
//! Never touches a blob that a record points at, nor a result of the run that won.

use crate::parts::Parts;
use onstage_core::{
    Id, Result, Timestamp,
    batch::Chunk,
    ports::{Finished, Page},
};
use std::{collections::BTreeSet, ops::Range, time::Duration};

/// How often left-overs are looked for.
const SWEEP_EVERY_S: u64 = 600;
/// How often parts of no upload are looked for: seldom, since looking is a request that costs.
const ORPHANS_EVERY_S: u64 = 24 * 3_600;
/// A job is swept when it has been finished for this long: a run that lost its lease without knowing has stopped by then.
const SETTLED_AFTER_S: u64 = 3_600;
/// The first sweep of a process goes back this far.
const LOOK_BACK_S: u64 = 8 * 24 * 3_600;
/// Later sweeps begin this long before the end of the last one: clocks of two hosts differ.
const OVERLAP_S: u64 = 3_600;
/// What a run writes before it is committed, by the beginnings of the names.
const PARTS: [&str; 2] = ["chunk-", "checkpoint-"];
/// Jobs read at once.
const PAGE_ROWS: u32 = 200;

/// The state between two sweeps.
pub struct Sweeper {
    parts: Parts,
    /// Jobs that ended before this were swept.
    swept_until: Option<Timestamp>,
    next: Option<Duration>,
    next_orphans: Option<Duration>,
}

impl Sweeper {
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            swept_until: None,
            next: None,
            next_orphans: None,
        }
    }

    /// Sweeps when it is time to.
    pub async fn turn(&mut self) -> Result<()> {
        let now = self.parts.clock.monotonic();
        if self.next.is_some_and(|next| now < next) {
            return Ok(());
        }
        self.next = Some(now + Duration::from_secs(SWEEP_EVERY_S));
        let uploads = self.sweep_uploads(now).await;
        self.sweep().await?;
        uploads
    }

    async fn sweep_uploads(&mut self, now: Duration) -> Result<()> {
        super::sweep_uploads(&self.parts).await?;
        if self.next_orphans.is_none_or(|next| now >= next) {
            super::sweep_orphans(&self.parts).await?;
            self.next_orphans = Some(now + Duration::from_secs(ORPHANS_EVERY_S));
        }
        Ok(())
    }

    /// Looks at every job that settled since the last sweep; answers how many blobs were removed.
    /// A job whose left-overs cannot be removed keeps no other from being swept; it is tried again next time.
    pub async fn sweep(&mut self) -> Result<usize> {
        let span = span(self.parts.clock.now(), self.swept_until);
        let (mut removed, mut failed) = (0, None);
        let mut page = Page {
            after: None,
            limit: PAGE_ROWS,
        };
        loop {
            let store = &self.parts.store;
            let jobs = store.finished(span.clone(), page.clone()).await?;
            for job in &jobs.rows {
                match self.sweep_job(job).await {
                    Ok(count) => removed += count,
                    Err(error) => failed = Some(error),
                }
            }
            page.after = jobs.next;
            if page.after.is_none() {
                break;
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        self.swept_until = Some(span.end);
        Ok(removed)
    }

    async fn sweep_job(&self, job: &Finished) -> Result<usize> {
        let keys = self.parts.blobs.list(&format!("jobs/{}/", job.id)).await?;
        let chunks = self.parts.store.chunks(&job.id).await?;
        let mut left_over = sweep_list(&job.id, job.run, &chunks, &keys);
        for checkpoint in self.parts.store.checkpoints(&job.id).await? {
            left_over.retain(|key| *key != checkpoint.parcel.blob.key);
        }
        for key in &left_over {
            self.parts.blobs.delete(key).await?;
        }
        Ok(left_over.len())
    }
}

/// When the jobs of a sweep ended.
fn span(now: Timestamp, swept_until: Option<Timestamp>) -> Range<Timestamp> {
    let before = |time: Timestamp, seconds: u64| Timestamp(time.0 - 1_000 * seconds as i64);
    let oldest = before(now, LOOK_BACK_S);
    let since = swept_until.map_or(oldest, |until| before(until, OVERLAP_S));
    since.max(oldest)..before(now, SETTLED_AFTER_S)
}

/// Which of a finished job's blobs belong to runs that did not win, or are parts on the way to what the run made, and to no committed chunk.
/// Files that a committed chunk's rows point at lie beside it under a name that begins with the chunk's own.
pub fn sweep_list(job: &Id, won: u32, chunks: &[Chunk], keys: &[String]) -> Vec<String> {
    let committed: BTreeSet<&str> = chunks.iter().map(|chunk| stem(&chunk.blob.key)).collect();
    let runs = format!("jobs/{job}/run-");
    let winner = format!("jobs/{job}/run-{won}/");
    let is_left_over = |key: &String| match key.strip_prefix(&winner) {
        Some(name) => PARTS.iter().any(|part| name.starts_with(part)),
        None => key.starts_with(&runs),
    };
    keys.iter()
        .filter(|key| is_left_over(key))
        .filter(|key| !committed.contains(stem(key)))
        .cloned()
        .collect()
}

/// The part of a key that a chunk and its files share: the run's folder and the name up to its first dot or slash after it.
fn stem(key: &str) -> &str {
    let folder = key
        .match_indices('/')
        .nth(2)
        .map_or(key.len(), |(at, _)| at + 1);
    let end = key[folder..]
        .find(['.', '/'])
        .map_or(key.len(), |at| folder + at);
    &key[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_goes_on_where_the_last_one_ended() {
        let (hour, day) = (3_600_000, 24 * 3_600_000);
        let now = Timestamp(100 * day);
        let first = span(now, None);
        assert_eq!(first, Timestamp(92 * day)..Timestamp(100 * day - hour));
        let later = span(Timestamp(now.0 + 600_000), Some(first.end));
        assert_eq!(later.start.0, first.end.0 - hour);
        assert_eq!(later.end.0, first.end.0 + 600_000);
        let long_after = span(Timestamp(now.0 + 30 * day), Some(first.end));
        assert_eq!(long_after.start, Timestamp(122 * day), "never further back");
    }
}

//! Removes what dead runs of finished jobs left in the blobs: chunks that were written and never committed.
//! Never touches a blob that a record points at, nor anything of the run that won.

use crate::parts::Parts;
use onstage_core::{
    Id, Result, Timestamp,
    batch::Chunk,
    job::{Job, JobFilter},
    ports::Page,
};
use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

/// How often left-overs are looked for.
const SWEEP_EVERY_S: u64 = 600;
/// A job is swept when it has been finished for this long: a run that lost its lease without knowing has stopped by then.
const SETTLED_AFTER_S: u64 = 3_600;
/// Jobs that were submitted longer ago are not looked at again.
const LOOK_BACK_S: u64 = 8 * 24 * 3_600;
/// Jobs read at once.
const PAGE_ROWS: u32 = 200;

/// The state between two sweeps.
pub struct Sweeper {
    parts: Parts,
    swept: HashSet<Id>,
    next: Option<Duration>,
}

impl Sweeper {
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            swept: HashSet::new(),
            next: None,
        }
    }

    /// Sweeps when it is time to.
    pub async fn turn(&mut self) -> Result<()> {
        let now = self.parts.clock.monotonic();
        if self.next.is_some_and(|next| now < next) {
            return Ok(());
        }
        self.next = Some(now + Duration::from_secs(SWEEP_EVERY_S));
        self.sweep().await.map(|_| ())
    }

    /// Looks at every job that settled since the last sweep; answers how many blobs were removed.
    pub async fn sweep(&mut self) -> Result<usize> {
        let now = self.parts.clock.now();
        let mut seen = HashSet::new();
        let mut removed = 0;
        let mut page = Page {
            after: None,
            limit: PAGE_ROWS,
        };
        loop {
            let jobs = self
                .parts
                .store
                .jobs(&JobFilter::default(), page.clone())
                .await?;
            let Some(last) = jobs.last() else { break };
            let old = now.since(last.created_at) > Duration::from_secs(LOOK_BACK_S);
            page.after = Some(last.id.to_string());
            for job in jobs.iter().filter(|job| is_settled(job, now)) {
                if !self.swept.contains(&job.id) {
                    removed += self.sweep_job(job).await?;
                }
                seen.insert(job.id.clone());
            }
            if old {
                break;
            }
        }
        self.swept = seen;
        Ok(removed)
    }

    async fn sweep_job(&self, job: &Job) -> Result<usize> {
        let keys = self.parts.blobs.list(&format!("jobs/{}/", job.id)).await?;
        let chunks = self.parts.store.chunks(&job.id).await?;
        let left_over = sweep_list(job, &chunks, &keys);
        for key in &left_over {
            self.parts.blobs.delete(key).await?;
        }
        Ok(left_over.len())
    }
}

fn is_settled(job: &Job, now: Timestamp) -> bool {
    let settled = Duration::from_secs(SETTLED_AFTER_S);
    job.run > 0
        && job
            .state
            .completed_at()
            .is_some_and(|at| now.since(at) >= settled)
}

/// Which of a finished job's blobs belong to runs that did not win and to no committed chunk.
/// Files that a committed chunk's rows point at lie beside it under a name that begins with the chunk's own.
pub fn sweep_list(job: &Job, chunks: &[Chunk], keys: &[String]) -> Vec<String> {
    let committed: BTreeSet<&str> = chunks.iter().map(|chunk| stem(&chunk.blob.key)).collect();
    let runs = format!("jobs/{}/run-", job.id);
    let winner = format!("jobs/{}/run-{}/", job.id, job.run);
    keys.iter()
        .filter(|key| key.starts_with(&runs) && !key.starts_with(&winner))
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

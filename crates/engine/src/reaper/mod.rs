//! The reaper: ends runs whose task is gone, so that another task runs the job again.
//! Not itself a job, holds no truth: a second reaper beside it does no harm, every verdict is a compare-and-set on the beat it saw.

mod sweep;
mod watch;

pub use sweep::{Sweeper, sweep_list};
pub use watch::{Expiry, LEASE_S, Watch, Why};

use crate::{
    parts::Parts,
    task::{self, events},
};
use onstage_core::{
    Id, Kind, Result,
    outcome::{Failure, Reason},
    ports::{Page, RunState, RunningJob},
    task::Incarnation,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often the reaper looks: a task that died on this host is noticed within this time.
const LOOK_EVERY_MS: u64 = 500;
/// Tasks read at once while looking for an id.
const TASKS_PAGE_ROWS: u32 = 200;
/// What the reaper is told at its start.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// This front, when no other can be alive beside it (it holds the lock on the data folder): jobs that any other front has adopted are then known to be lost.
    pub sole_front: Option<Incarnation>,
}

/// Looks every half second until `stop`; `nudge` wakes dispatch when a job waits again.
pub async fn run(parts: Parts, settings: Settings, nudge: Arc<Notify>, stop: CancellationToken) {
    let mut reaper = Reaper::new(parts.clone(), settings);
    let mut sweeper = Sweeper::new(parts);
    let mut failing = false;
    loop {
        match reaper.turn().await {
            Ok(0) => failing = false,
            Ok(_) => nudge.notify_one(),
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "the reaper cannot look now; it goes on trying");
            }
            Err(_) => {}
        }
        if let Err(error) = sweeper.turn().await {
            tracing::debug!(%error, "left-over blobs could not be swept now");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)) => {}
        }
    }
}

/// The state between two looks.
pub struct Reaper {
    parts: Parts,
    settings: Settings,
    watch: Watch,
    /// Tasks that the driver says have ended, with the incarnation they registered (none: they never did) and how they ended.
    ended: BTreeMap<Id, (Option<Incarnation>, String)>,
}

impl Reaper {
    pub fn new(parts: Parts, settings: Settings) -> Self {
        Self {
            parts,
            settings,
            watch: Watch::default(),
            ended: BTreeMap::new(),
        }
    }

    /// One look; answers how many runs were ended.
    pub async fn turn(&mut self) -> Result<usize> {
        self.learn_ends().await?;
        let running = self.parts.store.running().await?;
        let gone = self.gone(&running);
        let now = self.parts.clock.monotonic();
        let mut ended = 0;
        for expiry in self.watch.look(&running, &gone, now) {
            if self.expire(&expiry).await? {
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// Asks the driver which tasks have ended and the store who they were.
    async fn learn_ends(&mut self) -> Result<()> {
        let Some(driver) = &self.parts.driver else {
            return Ok(());
        };
        if !driver.capabilities().sees_deaths {
            return Ok(());
        }
        let listed = driver.list().await?;
        let ends: BTreeMap<Id, String> = listed
            .into_iter()
            .filter_map(|one| match one.state {
                RunState::Ended(how) => Some((one.id, how)),
                RunState::Alive => None,
            })
            .collect();
        self.ended.retain(|id, _| ends.contains_key(id));
        let new: BTreeMap<Id, String> = ends
            .into_iter()
            .filter(|(id, _)| !self.ended.contains_key(id))
            .collect();
        if !new.is_empty() {
            self.look_up(new).await?;
        }
        Ok(())
    }

    /// Pages through the tasks until every id is found or the list ends.
    async fn look_up(&mut self, mut wanted: BTreeMap<Id, String>) -> Result<()> {
        let mut page = Page {
            after: None,
            limit: TASKS_PAGE_ROWS,
        };
        while !wanted.is_empty() {
            let tasks = self.parts.store.tasks(page.clone()).await?;
            for task in tasks.rows {
                let Some(how) = wanted.remove(&task.id) else {
                    continue;
                };
                if task.ended_at.is_none() {
                    let now = self.parts.clock.now();
                    self.parts.store.end_task(&task.id, &how, now).await?;
                }
                self.ended.insert(task.id, (Some(task.incarnation), how));
            }
            page.after = tasks.next;
            if page.after.is_none() {
                break;
            }
        }
        for (id, how) in wanted {
            self.ended.insert(id, (None, how));
        }
        Ok(())
    }

    fn gone(&self, running: &[RunningJob]) -> BTreeSet<Incarnation> {
        let tasks = self.ended.values().filter_map(|(who, _)| who.clone());
        let fronts = self.settings.sole_front.iter().flat_map(|me| {
            let owners = running.iter().map(|job| &job.lease.owner);
            owners.filter(move |owner| !task::is_task(owner) && *owner != me)
        });
        tasks.chain(fronts.cloned()).collect()
    }

    /// False when the job was alive or somebody else was first.
    async fn expire(&self, expiry: &Expiry) -> Result<bool> {
        let failure = self.failure(expiry);
        let now = self.parts.clock.now();
        let store = &self.parts.store;
        let (lease, observed) = (&expiry.lease, expiry.observed);
        let message = failure.message.clone();
        match store.expire(lease, observed, failure, now).await {
            Ok(job) => {
                tracing::info!(job = %job.id, run = lease.run, state = job.state.name(), why = message, "ended a run whose task is gone");
                let said = events::after_run(&job, now);
                store.append_events(&job.id, None, vec![said]).await?;
                Ok(true)
            }
            Err(error) if matches!(error.kind, Kind::Conflict | Kind::Lost | Kind::NotFound) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn failure(&self, expiry: &Expiry) -> Failure {
        let owner = &expiry.lease.owner;
        let how = self
            .ended
            .values()
            .find(|(who, _)| who.as_ref() == Some(owner))
            .map(|(_, how)| how.as_str());
        match (how, &expiry.why) {
            (Some(how), _) if how.contains("memory") => {
                Failure::new(Reason::OutOfMemory, format!("the task ended: {how}"))
            }
            (Some(how), _) => Failure::new(Reason::WorkerLost, format!("the task ended: {how}")),
            (None, Why::Gone) => Failure::new(
                Reason::WorkerLost,
                "the server that ran it was stopped or restarted",
            ),
            (None, Why::Silent) => Failure::new(
                Reason::WorkerLost,
                format!("its task gave no sign of life for {LEASE_S} s"),
            ),
        }
    }
}

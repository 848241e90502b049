//! The reaper: ends runs whose task is gone, so that another task runs the job again.
//! Not itself a job, holds no truth: a second reaper beside it does no harm, every verdict is a compare-and-set on the beat it saw.

pub(crate) mod forget;
mod sweep;
mod uploads;
mod watch;

use forget::Forgetter;
pub use sweep::{Sweeper, sweep_list};
pub use uploads::{clear_parts, clear_whole, sweep_orphans, sweep_uploads};
pub use watch::{Expiry, LEASE_S, Watch, Why};

use crate::{
    parts::Parts,
    spawn::spawn,
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

/// How often the reaper looks while something runs: a task that died on this host is noticed within this time.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A small write that takes longer than this says that beats cannot be written in time.
const WRITE_MAX: Duration = Duration::from_secs(2);
/// How long a task that does not beat is given to end.
const SILENT_GRACE: Duration = Duration::from_secs(1);
/// How often the sweeper looks whether its time has come.
const SWEEP_LOOK: Duration = Duration::from_secs(60);
/// Tasks read at once while looking for an id.
const TASKS_PAGE_ROWS: u32 = 200;
/// What the reaper is told at its start.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// This front, when no other can be alive beside it (it holds the lock on the data folder): jobs that any other front has adopted are then known to be lost.
    pub sole_front: Option<Incarnation>,
}

/// Looks every half second while something runs, else every `rest`, until `stop`; `started` says that something does,
/// `nudge` wakes dispatch when a job waits again.
pub async fn run(
    parts: Parts,
    settings: Settings,
    rest: Duration,
    nudge: Arc<Notify>,
    started: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut reaper = Reaper::new(parts, settings);
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
        tokio::select! {
            () = stop.cancelled() => return,
            () = started.notified() => {}
            () = tokio::time::sleep(if reaper.busy { LOOK_EVERY } else { rest }) => {}
        }
    }
}

/// Sweeps what dead runs left behind and what is not kept any longer, until `stop`. A loop of its own: it may take long, and no death waits for it.
pub async fn sweep(parts: Parts, stop: CancellationToken) {
    let mut forgetter = Forgetter::new(parts.clone());
    let mut sweeper = Sweeper::new(parts);
    loop {
        if let Err(error) = forgetter.turn().await {
            tracing::debug!(%error, "what is not kept any longer could not be removed now");
        }
        if let Err(error) = sweeper.turn().await {
            tracing::debug!(%error, "left-over blobs could not be swept now");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP_LOOK) => {}
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
    /// The last look found something that runs.
    busy: bool,
}

impl Reaper {
    pub fn new(parts: Parts, settings: Settings) -> Self {
        Self {
            parts,
            settings,
            watch: Watch::default(),
            ended: BTreeMap::new(),
            busy: true,
        }
    }

    /// One look; answers how many runs were ended.
    pub async fn turn(&mut self) -> Result<usize> {
        self.busy = true;
        let tasks_live = self.learn_ends().await?;
        let running = self.parts.store.running().await?;
        self.busy = tasks_live || !running.is_empty();
        let gone = self.gone(&running);
        if self.watch.suspects(&running, self.parts.clock.monotonic())
            && !self.writes_go_through().await
        {
            self.watch.forget();
        }
        let now = self.parts.clock.monotonic();
        let mut ended = 0;
        for expiry in self.watch.look(&running, &gone, now) {
            match self.expire(&expiry).await {
                Ok(true) => ended += 1,
                Ok(false) => {}
                // One that cannot be ended now keeps no other from it.
                Err(error) => {
                    tracing::warn!(job = %expiry.lease.job, %error, "a run whose task is gone could not be ended now");
                }
            }
        }
        Ok(ended)
    }

    /// Beats stand still as well when the store only reads: behind another's long write, or on a full disk.
    async fn writes_go_through(&self) -> bool {
        let write = self.parts.store.sweep_credentials(self.parts.clock.now());
        matches!(tokio::time::timeout(WRITE_MAX, write).await, Ok(Ok(_)))
    }

    /// Asks the driver which tasks have ended and the store who they were. True when any is alive.
    async fn learn_ends(&mut self) -> Result<bool> {
        let Some(driver) = &self.parts.driver else {
            return Ok(false);
        };
        if !driver.capabilities().sees_deaths {
            return Ok(false);
        }
        let listed = driver.list().await?;
        let any_alive = listed.iter().any(|one| one.state == RunState::Alive);
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
        Ok(any_alive)
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
                // Of a helper only its help is over; the run goes on.
                let helped = job.lease().is_some_and(|own| own != *lease);
                if !helped {
                    let said = events::after_run(&job, now);
                    store.append_events(&job.id, None, vec![said]).await?;
                }
                if expiry.why == Why::Silent {
                    self.stop_silent(&lease.owner).await?;
                }
                Ok(true)
            }
            Err(error) if matches!(error.kind, Kind::Conflict | Kind::Lost | Kind::NotFound) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// A task that is alive and does not beat, frozen perhaps, would keep its place for ever and write nothing any more.
    async fn stop_silent(&self, owner: &Incarnation) -> Result<()> {
        let Some(driver) = self.parts.driver.clone() else {
            return Ok(());
        };
        let alive = driver.list().await?.into_iter();
        let alive: BTreeSet<Id> = alive
            .filter(|one| one.state == RunState::Alive)
            .map(|one| one.id)
            .collect();
        let page = Page {
            after: None,
            limit: TASKS_PAGE_ROWS,
        };
        let tasks = self.parts.store.tasks(page).await?;
        let silent = tasks
            .rows
            .into_iter()
            .find(|task| task.incarnation == *owner && alive.contains(&task.id));
        if let Some(task) = silent {
            tracing::warn!(task = %task.id, "a task that does not beat is stopped");
            spawn("stop of a silent task", async move {
                if let Err(error) = driver.stop(&task.id, SILENT_GRACE).await {
                    tracing::warn!(task = %task.id, %error, "a silent task could not be stopped");
                }
            });
        }
        Ok(())
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

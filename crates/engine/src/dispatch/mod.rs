//! Dispatch: compares the work that waits with the tasks that run, and starts what is missing.
//! Holds no truth of its own: a restarted front reads everything again from the store and the driver.

mod backoff;
mod plan;

pub use backoff::Backoffs;
pub use plan::{Needs, Plan, Standing, Start, plan};

use crate::{parts::Parts, spawn::spawn, task::events};
use onstage_core::{
    Id, Result,
    lifecycle::{RetryPolicy, RunEnd},
    model::{Version, VersionId, VersionState},
    outcome::{Failure, Reason},
    ports::{Demand, Driver, RunState, Running, TaskSpec},
    task::Incarnation,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often dispatch looks when nobody nudges it, while there is work or a task.
const LOOK_EVERY_MS: u64 = 500;
/// And while there is neither: whoever submits on this front nudges it.
const LOOK_IDLE_MS: u64 = 5_000;
/// Jobs of a version that can never run, refused in one turn.
const REFUSED_JOBS_MAX: u32 = 100;
/// How long a task without work may take to end.
const IDLE_GRACE: Duration = Duration::from_secs(5);
/// Room for a task beside the time its last job may take.
const TASK_MARGIN_S: u64 = 600;

/// What dispatch is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Owns the jobs that are refused.
    pub incarnation: Incarnation,
    /// Tasks on this host at once.
    pub tasks_total_max: u32,
}

/// Looks at every nudge and in between, until `stop`; `started` tells the reaper that there is something to watch.
/// Running tasks are left alone at the end: they need no front.
pub async fn run(
    parts: Parts,
    settings: Settings,
    nudge: Arc<Notify>,
    started: Arc<Notify>,
    stop: CancellationToken,
) {
    let Some(driver) = parts.driver.clone() else {
        return;
    };
    let mut dispatch = Dispatch::new(parts, driver, settings);
    let mut failing = false;
    loop {
        let mut wait_ms = LOOK_EVERY_MS;
        match dispatch.turn().await {
            Ok(look) => {
                failing = false;
                match look {
                    Look::Started => started.notify_one(),
                    Look::Busy => {}
                    Look::Idle => wait_ms = LOOK_IDLE_MS,
                }
            }
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "dispatch cannot look for work now; it goes on trying");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = nudge.notified() => {}
            () = dispatch.room.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
        }
    }
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Tasks were started.
    Started,
    /// There is work or a task.
    Busy,
    Idle,
}

/// The state between two looks.
pub struct Dispatch {
    parts: Parts,
    driver: Arc<dyn Driver>,
    settings: Settings,
    backoffs: Backoffs,
    /// Tasks started here whose end has not been seen, with their start on the monotonic clock.
    started: HashMap<Id, (VersionId, Duration)>,
    /// A place came free.
    room: Arc<Notify>,
    /// What ready versions need; asked again when a task of theirs ended badly.
    ready: HashMap<VersionId, Needs>,
}

impl Dispatch {
    pub fn new(parts: Parts, driver: Arc<dyn Driver>, settings: Settings) -> Self {
        Self {
            parts,
            driver,
            settings,
            backoffs: Backoffs::default(),
            started: HashMap::new(),
            room: Arc::default(),
            ready: HashMap::new(),
        }
    }

    /// One look at the store and the driver, and what follows from it.
    pub async fn turn(&mut self) -> Result<Look> {
        let demand = self.parts.store.demand(self.parts.clock.now()).await?;
        let running = self.driver.list().await?;
        self.note_ends(&running);
        let standing = self.standing(&demand).await?;
        let plan = plan(
            &demand,
            &running,
            &standing,
            &self.backoffs,
            self.settings.tasks_total_max,
            self.parts.clock.monotonic(),
        );
        let look = if !plan.starts.is_empty() {
            Look::Started
        } else if demand.is_empty() && running.iter().all(|one| one.state != RunState::Alive) {
            Look::Idle
        } else {
            Look::Busy
        };
        for start in plan.starts {
            self.start(start).await;
        }
        for id in plan.stops {
            self.make_room(id);
        }
        for (version, why) in plan.refusals {
            self.refuse(&version, &why).await?;
        }
        Ok(look)
    }

    fn note_ends(&mut self, running: &[Running]) {
        let now = self.parts.clock.monotonic();
        let known: HashSet<&Id> = running.iter().map(|one| &one.id).collect();
        self.started.retain(|id, _| known.contains(id));
        for one in running {
            let RunState::Ended(how) = &one.state else {
                continue;
            };
            let Some((version, at)) = self.started.remove(&one.id) else {
                continue;
            };
            let well = how.ends_with("code 0");
            if !well {
                // It may be that its version is not what it was.
                self.ready.remove(&version);
                tracing::warn!(task = %one.id, %version, how, "a task ended badly");
            }
            let lived = now.saturating_sub(at);
            self.backoffs.ended(&version, well, lived, now);
        }
    }

    async fn standing(&mut self, demand: &[Demand]) -> Result<BTreeMap<VersionId, Standing>> {
        let mut standing = BTreeMap::new();
        for one in demand.iter().filter(|one| one.wants_tasks()) {
            let found = match self.ready.get(&one.version) {
                Some(needs) => Standing::Ready(needs.clone()),
                None => judge(self.parts.store.version(&one.version).await?.as_ref()),
            };
            if let Standing::Ready(needs) = &found {
                self.ready.insert(one.version.clone(), needs.clone());
            }
            standing.insert(one.version.clone(), found);
        }
        Ok(standing)
    }

    /// Ends a task that lingers. Should it have claimed a job in this moment, it hands the job back.
    fn make_room(&self, id: Id) {
        let (driver, room) = (self.driver.clone(), self.room.clone());
        spawn("stop of an idle task", async move {
            match driver.stop(&id, IDLE_GRACE).await {
                Ok(()) => {
                    tracing::info!(task = %id, "an idle task made room for another version");
                    room.notify_one();
                }
                Err(error) => tracing::warn!(task = %id, %error, "an idle task could not be ended"),
            }
        });
    }

    async fn start(&mut self, start: Start) {
        let id = self.parts.new_id();
        let spec = TaskSpec {
            id: id.clone(),
            version: start.version.clone(),
            memory_bytes: start.needs.memory_bytes,
            cpu: start.needs.cpu,
            stop_after: start.needs.stop_after + Duration::from_secs(TASK_MARGIN_S),
        };
        let now = self.parts.clock.monotonic();
        match self.driver.start(&spec).await {
            Ok(()) => {
                tracing::info!(task = %id, version = %start.version, "started a task");
                self.started.insert(id, (start.version, now));
            }
            Err(error) => {
                tracing::warn!(version = %start.version, %error, "a task could not be started");
                self.backoffs
                    .ended(&start.version, false, Duration::ZERO, now);
            }
        }
    }

    /// Claims jobs that can never run, only to end them with the reason.
    async fn refuse(&self, version: &VersionId, why: &str) -> Result<()> {
        let (store, now) = (&self.parts.store, self.parts.clock.now());
        let owner = &self.settings.incarnation;
        let jobs = store.claim(version, owner, REFUSED_JOBS_MAX, now).await?;
        let ends = jobs
            .iter()
            .filter_map(|job| job.lease())
            .map(|lease| {
                let failure = Failure::new(Reason::SetupFailed, why);
                (lease, RunEnd::Failed(failure))
            })
            .collect();
        let policy = RetryPolicy {
            retries: 0,
            retry_on: Vec::new(),
        };
        for job in store.finish_all(ends, &policy, 0.0, now).await? {
            let job = job?;
            let said = events::after_run(&job, now);
            store.append_events(&job.id, None, vec![said]).await?;
        }
        Ok(())
    }
}

/// What a version's record says about its jobs.
fn judge(version: Option<&Version>) -> Standing {
    let Some(version) = version else {
        return Standing::Hopeless("its version is not there any more".to_owned());
    };
    let name = format!("version {} of `{}`", version.number, version.model);
    match &version.state {
        VersionState::Ready { .. } => Standing::Ready(needs(version)),
        VersionState::Building { .. } => Standing::Building,
        VersionState::Failed { error } => {
            Standing::Hopeless(format!("{name} could not be built: {}", error.message))
        }
        VersionState::Deleted => Standing::Hopeless(format!("{name} was deleted")),
    }
}

fn needs(version: &Version) -> Needs {
    let jobs = &version.config.jobs;
    Needs {
        tasks_max: jobs.tasks,
        memory_bytes: jobs.memory.map(|size| size.0),
        cpu: jobs.cpu,
        stop_after: jobs.stop_after.0,
    }
}

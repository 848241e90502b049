//! Dispatch: compares the work that waits with the tasks that run, and starts what is missing.
//! Holds no truth of its own: a restarted front reads everything again from the store and the driver.

mod backoff;
mod holdings;
mod plan;

pub use backoff::Backoffs;
pub use plan::{Needs, Plan, Standing, Start, plan};

use crate::{parts::Parts, pool::Host, spawn::spawn, task::events};
use holdings::Holdings;
use onstage_core::{
    Id, Result,
    lifecycle::{RetryPolicy, RunEnd},
    model::{Version, VersionId, VersionState},
    outcome::{Failure, Reason},
    ports::{Demand, Driver, Page, RunState, Running, TaskSpec},
    task::{Incarnation, Lane},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often dispatch looks when nobody nudges it, while there is work or a task.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between two looks at least: many who submit at the same time are one nudge.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Jobs of a version that can never run, refused in one turn.
const REFUSED_JOBS_MAX: u32 = 100;
/// How long a task that makes room may take to end.
const IDLE_GRACE: Duration = Duration::from_secs(5);
/// Tasks among which a helper is looked for, newest first.
const TASKS_READ_MAX: u32 = 200;
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

/// Looks at every nudge and in between, every `rest` while there is neither work nor a task, until `stop`; `started` tells the reaper that there is something to watch.
/// Running tasks are left alone at the end: they need no front.
pub async fn run(
    mut dispatch: Dispatch,
    rest: Duration,
    nudge: Arc<Notify>,
    started: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut failing = false;
    loop {
        let next = tokio::time::Instant::now() + LOOK_PAUSE;
        let wait = match dispatch.turn().await {
            Ok(look) => {
                failing = false;
                match look {
                    Look::Started => started.notify_one(),
                    Look::Busy | Look::Idle { .. } => {}
                }
                look.wait(rest)
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "dispatch cannot look for work now; it goes on trying");
                }
                failing = true;
                LOOK_EVERY
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = nudge.notified() => {}
            () = dispatch.room.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
        tokio::time::sleep_until(next).await;
    }
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Tasks were started.
    Started,
    /// There is work or a task.
    Busy,
    /// There is neither; a job that was put off is due after so long.
    Idle { due_in: Option<Duration> },
}

impl Look {
    /// How long the next look has time.
    fn wait(self, rest: Duration) -> Duration {
        match self {
            Self::Started | Self::Busy => LOOK_EVERY,
            Self::Idle { due_in } => due_in.map_or(rest, |due_in| due_in.min(rest)),
        }
    }
}

/// The state between two looks.
pub struct Dispatch {
    parts: Parts,
    driver: Arc<dyn Driver>,
    settings: Settings,
    /// Jobs and trainings have tasks of their own, and each their own room.
    lanes: [LaneState; 2],
    /// Tasks started here whose end has not been seen, with their start on the monotonic clock.
    started: HashMap<Id, (VersionId, Lane, Duration)>,
    holdings: Holdings,
    /// The last helper that was asked to make room.
    released: Option<Id>,
    /// A place came free.
    room: Arc<Notify>,
}

/// What is known about the tasks of one lane.
#[derive(Default)]
struct LaneState {
    backoffs: Backoffs,
    /// What ready versions need; asked again when a task of theirs ended badly.
    ready: HashMap<VersionId, Needs>,
}

impl Dispatch {
    pub fn new(parts: Parts, driver: Arc<dyn Driver>, settings: Settings) -> Self {
        let host = Host::new(0, &[], parts.launcher.clone());
        Self {
            parts,
            driver,
            settings,
            lanes: Default::default(),
            started: HashMap::new(),
            holdings: Holdings::of(host),
            released: None,
            room: Arc::default(),
        }
    }

    /// Tasks share the GPUs of `host` with its workers from now on. What those that run already hold is counted at once.
    pub(crate) async fn on(mut self, host: Arc<Host>) -> Self {
        self.holdings = Holdings::of(host);
        match self.driver.list().await {
            Ok(running) => self.holdings.see(&running),
            Err(error) => {
                tracing::warn!(%error, "what GPUs running tasks hold is not known until dispatch can look");
            }
        }
        self
    }

    fn lane(&mut self, lane: Lane) -> &mut LaneState {
        &mut self.lanes[lane as usize]
    }

    /// One look at the store and the driver, and what follows from it.
    pub async fn turn(&mut self) -> Result<Look> {
        let demand = self.parts.store.demand(self.parts.clock.now()).await?;
        let running = self.driver.list().await?;
        self.note_ends(&running);
        self.holdings.see(&running);
        let idle = demand.is_empty() && running.iter().all(|one| one.state != RunState::Alive);
        let mut look = match idle {
            true => self.idle().await?,
            false => Look::Busy,
        };
        for lane in [Lane::Jobs, Lane::Trainings] {
            if self.turn_of(lane, &demand, &running).await? {
                look = Look::Started;
            }
        }
        if self.holdings.are_wanted()
            && let Some(id) = plan::idle_on_gpus(&demand, &running)
        {
            self.make_room(id);
        }
        Ok(look)
    }

    async fn idle(&self) -> Result<Look> {
        let now = self.parts.clock.now();
        let due = self.parts.store.next_due(now).await?;
        let due_in = due.map(|due| due.since(now));
        Ok(Look::Idle { due_in })
    }

    /// True when tasks were started.
    async fn turn_of(
        &mut self,
        lane: Lane,
        demand: &[Demand],
        running: &[Running],
    ) -> Result<bool> {
        let demand: Vec<Demand> = demand
            .iter()
            .filter(|it| it.lane == lane)
            .cloned()
            .collect();
        let running: Vec<Running> = running
            .iter()
            .filter(|it| it.lane == lane)
            .cloned()
            .collect();
        let standing = self.standing(lane, &demand).await?;
        let (total, now) = (self.settings.tasks_total_max, self.parts.clock.monotonic());
        let backoffs = &self.lane(lane).backoffs;
        let plan = plan(&demand, &running, &standing, backoffs, total, now);
        let started = !plan.starts.is_empty();
        for start in plan.starts {
            self.start(lane, start).await;
        }
        for (version, why) in plan::short(&demand, &running, &standing) {
            let whose = (version, lane);
            self.holdings.wait_for_some(&self.parts, whose, why).await?;
        }
        for id in plan.stops {
            self.make_room(id);
        }
        if let Some(version) = plan.fewer_helpers {
            self.release_helper(&version, &running).await?;
        }
        for (version, why) in plan.refusals {
            self.refuse(lane, &version, &why).await?;
        }
        Ok(started)
    }

    fn note_ends(&mut self, running: &[Running]) {
        let now = self.parts.clock.monotonic();
        let known: HashSet<&Id> = running.iter().map(|one| &one.id).collect();
        self.started.retain(|id, _| known.contains(id));
        for one in running {
            let RunState::Ended(how) = &one.state else {
                continue;
            };
            let Some((version, lane, at)) = self.started.remove(&one.id) else {
                continue;
            };
            let well = how.ends_with("code 0");
            if !well {
                // It may be that its version is not what it was.
                self.lane(lane).ready.remove(&version);
                tracing::warn!(task = %one.id, %version, how, "a task ended badly");
            }
            let lived = now.saturating_sub(at);
            self.lane(lane).backoffs.ended(&version, well, lived, now);
        }
    }

    async fn standing(
        &mut self,
        lane: Lane,
        demand: &[Demand],
    ) -> Result<BTreeMap<VersionId, Standing>> {
        let mut standing = BTreeMap::new();
        for one in demand.iter().filter(|one| one.wants_tasks()) {
            let mut found = match self.lane(lane).ready.get(&one.version) {
                Some(needs) => Standing::Ready(needs.clone()),
                None => {
                    let version = self.parts.store.version(&one.version).await?;
                    judge(version.as_ref(), lane)
                }
            };
            if let Standing::Ready(needs) = &found {
                let ready = &mut self.lane(lane).ready;
                ready.insert(one.version.clone(), needs.clone());
                if let Err(why) = self.holdings.look(needs.gpu) {
                    found = Standing::Short(why);
                }
            }
            standing.insert(one.version.clone(), found);
        }
        Ok(standing)
    }

    /// Asks one helper of the version to go; what it has not committed is computed by others. One at a time.
    async fn release_helper(&mut self, version: &VersionId, running: &[Running]) -> Result<()> {
        let is_alive = |id: &Id| {
            running
                .iter()
                .any(|one| one.id == *id && one.state == RunState::Alive)
        };
        if self.released.as_ref().is_some_and(is_alive) {
            return Ok(());
        }
        let store = &self.parts.store;
        let mut helpers = HashSet::new();
        for job in store.running().await? {
            if job.version == *version
                && let Some(shares) = store.shares(&job.lease.job).await?
            {
                helpers.extend(shares.helpers.into_iter().map(|helper| helper.owner));
            }
        }
        let newest = Page {
            after: None,
            limit: TASKS_READ_MAX,
        };
        let tasks = store.tasks(newest).await?.rows;
        let found = tasks
            .into_iter()
            .find(|task| helpers.contains(&task.incarnation) && is_alive(&task.id));
        if let Some(task) = found {
            self.released = Some(task.id.clone());
            self.make_room(task.id);
        }
        Ok(())
    }

    /// Ends a task that lingers or helps. Should it have claimed a job in this moment, it hands the job back.
    fn make_room(&self, id: Id) {
        let (driver, room) = (self.driver.clone(), self.room.clone());
        spawn("stop of an idle task", async move {
            match driver.stop(&id, IDLE_GRACE).await {
                Ok(()) => {
                    tracing::info!(task = %id, "a task made room for another version");
                    room.notify_one();
                }
                Err(error) => {
                    tracing::warn!(task = %id, %error, "a task that should make room could not be ended");
                }
            }
        });
    }

    async fn start(&mut self, lane: Lane, start: Start) {
        let Ok(gpus) = self.holdings.reserve(start.needs.gpu) else {
            // A worker was quicker.
            return;
        };
        let id = self.parts.new_id();
        let spec = TaskSpec {
            id: id.clone(),
            version: start.version.clone(),
            lane,
            memory_bytes: start.needs.memory_bytes,
            cpu: start.needs.cpu,
            gpus: gpus.as_ref().map(|gpus| gpus.share().clone()),
            stop_after: start.needs.stop_after + Duration::from_secs(TASK_MARGIN_S),
        };
        let now = self.parts.clock.monotonic();
        match self.driver.start(&spec).await {
            Ok(()) => {
                tracing::info!(task = %id, version = %start.version, "started a task");
                self.holdings.keep(id.clone(), gpus);
                self.started.insert(id, (start.version, lane, now));
            }
            Err(error) => {
                tracing::warn!(version = %start.version, %error, "a task could not be started");
                self.lane(lane)
                    .backoffs
                    .ended(&start.version, false, Duration::ZERO, now);
            }
        }
    }

    /// Claims jobs that can never run, only to end them with the reason.
    async fn refuse(&self, lane: Lane, version: &VersionId, why: &str) -> Result<()> {
        let (store, now) = (&self.parts.store, self.parts.clock.now());
        let owner = &self.settings.incarnation;
        let jobs = match lane {
            Lane::Jobs => store.claim(version, owner, REFUSED_JOBS_MAX, now).await?,
            Lane::Trainings => {
                let claimed = store.claim_training(version, owner, now).await?;
                claimed.into_iter().collect()
            }
        };
        let ends = jobs
            .iter()
            .filter_map(|job| job.lease())
            .map(|lease| {
                let failure = Failure::new(Reason::SetupFailed, why);
                (lease, RunEnd::Failed(failure))
            })
            .collect();
        let policy = RetryPolicy::none();
        for job in store.finish_all(ends, &policy, 0.0, now).await? {
            let job = job?;
            let said = events::after_run(&job, now);
            store.append_events(&job.id, None, vec![said]).await?;
        }
        Ok(())
    }
}

/// What a version's record says about its jobs.
fn judge(version: Option<&Version>, lane: Lane) -> Standing {
    let Some(version) = version else {
        return Standing::Hopeless("its version is not there any more".to_owned());
    };
    let name = format!("version {} of `{}`", version.number, version.model);
    match &version.state {
        VersionState::Ready { .. } => Standing::Ready(needs(version, lane)),
        VersionState::Building { .. } => Standing::Building,
        VersionState::Failed { error } => {
            Standing::Hopeless(format!("{name} could not be built: {}", error.message))
        }
        VersionState::Deleted => Standing::Hopeless(format!("{name} was deleted")),
    }
}

fn needs(version: &Version, lane: Lane) -> Needs {
    let limits = version.config.of_lane(lane);
    Needs {
        tasks_max: limits.tasks,
        memory_bytes: limits.memory.map(|size| size.0),
        cpu: limits.cpu,
        gpu: limits.gpu,
        stop_after: limits.stop_after,
    }
}

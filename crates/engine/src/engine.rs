//! The engine's handle: what the gateway holds.
//! Does not know HTTP; owns no state of its own but the parts it started.

use crate::meter::Meter;
use crate::{
    adopt,
    ask::{Ask, Loaded, Readiness, Refused},
    builder::Builder,
    catalog::{self, Catalog},
    dispatch::{self, Dispatch},
    folder_schedules,
    gauges::Gauges,
    house::House,
    parts::{Parts, Settings},
    pool::{Host, Pool, Stage},
    reaper,
    recorder::Recorder,
    registry::Registry,
    schedules,
    spawn::spawn,
    ticket::Ticket,
    watchdog, webhooks,
};
use onstage_core::{
    Id, ModelName, Result,
    alias::Alias,
    job::Lease,
    model::VersionId,
    ports::{Post, Submitter},
    usage::Prices,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// How long a list waits for the records behind it: a store that is away must not make it hang.
const RECORDED_WAIT_MAX: Duration = Duration::from_millis(500);
/// How long the records may take to be written at the shutdown.
const FLUSH_MAX: Duration = Duration::from_secs(10);
/// How long adopted jobs may take to be committed after their predictions ended.
const ADOPTED_MAX: Duration = Duration::from_secs(5);

/// Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    house: Arc<House>,
    builder: Arc<Builder>,
    dispatch_nudge: Arc<Notify>,
    schedules_nudge: Arc<Notify>,
    stop: CancellationToken,
    adopted: Arc<Adopted>,
}

#[derive(Default)]
struct Adopted {
    count: AtomicU32,
    fewer: Notify,
}

impl Engine {
    /// Starts the catalog watcher, builder, dispatch, reaper, sweeper, recorder.
    pub async fn start(parts: Parts, settings: Settings) -> Result<Self> {
        let settings = Arc::new(settings);
        let registry = Arc::new(Registry::default());
        let recorder = Recorder::start(parts.clone(), &settings, registry.clone());
        let meter = Meter::start(parts.clone(), settings.prices.clone());
        let catalog = Catalog::new(parts.clone());
        let stage = Stage {
            host: Host::new(
                settings.workers_total_max,
                &settings.gpus,
                parts.launcher.clone(),
            ),
            parts,
            settings,
            recorder,
            meter,
            registry,
        };
        let house = House::new(stage, catalog);
        // Before the first worker: a training that goes on holds its GPUs.
        let dispatch = dispatch_on(&house.stage).await;
        // What is live answers from the first request on.
        let switches = house.catalog.refresh().await?;
        house.switch(switches);
        let builder = Builder::new(house.clone());
        let engine = Self(Arc::new(Inner {
            house,
            builder,
            dispatch_nudge: Arc::new(Notify::new()),
            schedules_nudge: Arc::default(),
            stop: CancellationToken::new(),
            adopted: Arc::default(),
        }));
        engine.start_loops(dispatch);
        Ok(engine)
    }

    fn start_loops(&self, to_dispatch: Option<Dispatch>) {
        let Inner {
            house,
            builder,
            dispatch_nudge,
            stop,
            ..
        } = &*self.0;
        let Stage {
            parts, settings, ..
        } = &house.stage;
        let rollout = house.clone();
        let tell = move |switches| rollout.switch(switches);
        let watch = catalog::watch(house.catalog.clone(), settings.clone(), stop.clone(), tell);
        spawn("catalog watch", watch);
        spawn("builder", builder.clone().run(stop.clone()));
        let work = watchdog::run(house.clone(), watchdog::LOOK_EVERY, stop.clone());
        spawn("watchdog", work);
        let (nudge, started) = (dispatch_nudge.clone(), Arc::new(Notify::new()));
        if let Some(dispatch) = to_dispatch {
            let (rest, nudge) = (settings.rest(), nudge.clone());
            let work = dispatch::run(dispatch, rest, nudge, started.clone(), stop.clone());
            spawn("dispatch", work);
        }
        let to_reaper = reaper::Settings {
            sole_front: settings.sole_front.then(|| settings.incarnation.clone()),
        };
        let work = reaper::run(
            parts.clone(),
            to_reaper,
            settings.rest(),
            nudge,
            started,
            stop.clone(),
        );
        spawn("reaper", work);
        spawn("sweeper", reaper::sweep(parts.clone(), stop.clone()));
        if let Some(post) = settings.post.clone() {
            let work = webhooks::run(parts.clone(), post, stop.clone());
            spawn("webhooks", work);
        }
    }

    /// Looks after schedules from now on, with what makes their jobs.
    pub fn start_schedules(&self, submitter: Arc<dyn Submitter>) {
        let (nudge, stop) = (self.0.schedules_nudge.clone(), self.0.stop.clone());
        let house = &self.0.house;
        let (parts, rest) = (house.stage.parts.clone(), house.stage.settings.rest());
        let catalog = house.catalog.clone();
        let work = folder_schedules::run(parts.clone(), catalog, nudge.clone(), stop.clone());
        spawn("schedules of folders", work);
        spawn(
            "schedules",
            schedules::run(parts, submitter, nudge, rest, stop),
        );
    }

    /// A schedule was made or changed: they are looked at at once.
    pub fn nudge_schedules(&self) {
        self.0.schedules_nudge.notify_one();
    }

    /// The version that answers for a model, from cache.
    pub fn live(&self, model: &ModelName) -> Option<Arc<Loaded>> {
        self.0.house.catalog.live(model)
    }

    /// The version that an alias points at, from cache; none when it is not known here.
    pub fn aliased(&self, model: &ModelName, alias: &Alias) -> Option<Arc<Loaded>> {
        self.0.house.catalog.aliased(model, alias)
    }

    /// Any ready version. Errors: not found; conflict while it is building or when it failed.
    pub async fn loaded(&self, id: &VersionId) -> Result<Arc<Loaded>> {
        self.0.house.catalog.loaded(id).await
    }

    pub fn predict(&self, ask: Ask) -> Result<Ticket, Refused> {
        self.0.house.predict(ask)
    }

    /// A prediction in flight on this front, or finished and not yet recorded.
    pub fn find(&self, id: &Id) -> Option<Ticket> {
        self.0.house.stage.registry.find(id).map(Ticket)
    }

    /// Waits, but not for long, until what has ended here is in the store, so that a list holds what was answered before it.
    pub async fn recorded(&self) {
        if !self
            .0
            .house
            .stage
            .recorder
            .caught_up(RECORDED_WAIT_MAX)
            .await
        {
            tracing::debug!("a list does not wait for all records");
        }
    }

    /// True when it was in flight here and is now being cancelled.
    pub fn cancel(&self, id: &Id) -> bool {
        match self.find(id) {
            Some(ticket) if ticket.finished().is_none() => {
                ticket.0.pool.cancel(&ticket.0);
                true
            }
            _ => false,
        }
    }

    /// It will not be a job's after all.
    pub fn keep(&self, ticket: &Ticket) {
        ticket.0.handed_over.store(false, Relaxed);
        if ticket.finished().is_some() {
            // It ended while it was to be a job's, so nobody has recorded it.
            self.0.house.stage.recorder.add(ticket.0.clone());
        }
    }

    /// Takes over the job that a realtime prediction was handed to: beats while it runs, commits its end.
    pub fn adopt(&self, ticket: Ticket, lease: Lease) {
        let adopted = self.0.adopted.clone();
        adopted.count.fetch_add(1, Relaxed);
        let work = adopt::adopt(self.0.house.clone(), ticket, lease);
        spawn("adopted job", async move {
            work.await;
            adopted.count.fetch_sub(1, Relaxed);
            adopted.fewer.notify_waiters();
        });
    }

    pub fn readiness(&self, model: &ModelName) -> Readiness {
        let standing = self.0.house.catalog.standing(model);
        let Some(loaded) = standing.as_ref().and_then(|it| it.loaded.as_ref()) else {
            let trouble = standing.and_then(|it| it.trouble);
            return Readiness {
                state: if trouble.is_some() { "failed" } else { "none" },
                workers: 0,
                text: trouble.unwrap_or_else(|| "no version answers yet".to_owned()),
            };
        };
        let pool = self.0.house.pool_of(&loaded.version.id);
        let mut readiness = pool.map_or_else(asleep, |pool| pool.readiness());
        if let Err(spent) = self.0.house.stage.meter.check_month(loaded) {
            readiness.state = "asleep";
            readiness.text = spent.message;
        }
        if let Some(trouble) = standing.as_ref().and_then(|it| it.trouble.clone()) {
            readiness.text = trouble;
        }
        readiness
    }

    /// Starts a worker if there is none. A version that was never asked for is read first, in the background.
    pub fn warm(&self, version: &VersionId) {
        let (house, version) = (self.0.house.clone(), version.clone());
        spawn("warm-up", async move {
            match house.catalog.loaded(&version).await {
                Ok(loaded) => {
                    if let Some(pool) = house.pool(&loaded) {
                        pool.warm();
                    }
                }
                Err(error) => tracing::debug!(%version, %error, "a version was not warmed"),
            }
        });
    }

    /// Something was submitted or pushed: catalog, builder and dispatch look at once.
    pub fn nudge(&self) {
        self.0.house.catalog.nudged.notify_one();
        self.0.builder.nudged.notify_one();
        self.0.dispatch_nudge.notify_one();
    }

    /// A number that grows whenever the cached catalog changed.
    pub fn catalog_changed(&self) -> watch::Receiver<u64> {
        self.0.house.catalog.changed.subscribe()
    }

    pub fn gauges(&self) -> Gauges {
        let (waiting, dropped, written) = self.0.house.stage.recorder.counts();
        let pools = self.0.house.all();
        Gauges {
            pools: pools.iter().map(|pool| Pool::gauges(pool)).collect(),
            records_waiting: waiting,
            records_dropped: dropped,
            records_written: written,
            builds_running: self.0.builder.running().len() as u32,
        }
    }

    /// What sends messages to webhooks; none when they are off.
    pub fn post(&self) -> Option<&Arc<dyn Post>> {
        self.0.house.stage.settings.post.as_ref()
    }

    /// What compute costs here.
    pub fn prices(&self) -> &Prices {
        &self.0.house.stage.settings.prices
    }

    /// What the model has cost in this month, in USD.
    pub async fn spent(&self, model: &ModelName) -> Result<f64> {
        self.0.house.stage.meter.read_spent(model).await
    }

    /// Stops taking, finishes what runs within `grace`, hands back the rest, writes the records.
    pub async fn shutdown(&self, grace: Duration) {
        self.0.stop.cancel();
        let pools = self.0.house.close();
        futures::future::join_all(pools.iter().map(|pool| pool.drain(Duration::ZERO, grace))).await;
        let handed_back = async {
            loop {
                let fewer = self.0.adopted.fewer.notified();
                tokio::pin!(fewer);
                fewer.as_mut().enable();
                if self.0.adopted.count.load(Relaxed) == 0 {
                    return;
                }
                fewer.await;
            }
        };
        if tokio::time::timeout(ADOPTED_MAX, handed_back)
            .await
            .is_err()
        {
            tracing::warn!("adopted jobs were left to the reaper");
        }
        self.0.house.stage.recorder.flush(FLUSH_MAX).await;
        let written = tokio::time::timeout(FLUSH_MAX, self.0.house.stage.meter.write()).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!("the usage of the last seconds was not written before the shutdown");
        }
    }
}

/// None where tasks cannot be started.
async fn dispatch_on(stage: &Stage) -> Option<Dispatch> {
    let (parts, settings) = (&stage.parts, &stage.settings);
    let driver = parts.driver.clone()?;
    let to_dispatch = dispatch::Settings {
        incarnation: settings.incarnation.clone(),
        tasks_total_max: settings.tasks_total_max,
    };
    let dispatch = Dispatch::new(parts.clone(), driver, to_dispatch);
    Some(dispatch.on(stage.host.clone()).await)
}

fn asleep() -> Readiness {
    Readiness {
        state: "asleep",
        workers: 0,
        text: "asleep; the first request wakes it".to_owned(),
    }
}

//! The templates of this host: at most one per version and what its workers are started with; made at the first need, let go by `keep`.
//! Does not know how a worker is started without one; where no template can be had, none is made up.

mod keep;
mod talk;
mod template;

use super::{adopted, place::Place, spawner::Spawner, strays::Strays, worker::Worker};
use crate::{clock::SystemClock, spawn::spawn};
use keep::Standing;
use onstage_core::{
    Clock, Result,
    config::Share,
    model::VersionId,
    ports::{Preparing, WorkerSpec},
};
use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    mem,
    process::Command,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use template::{Alone, Cradle, Lost, Prepared, Template};
use tokio::sync::Mutex as AsyncMutex;

/// How often it is looked which templates may go.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Workers that may come of the same template: of the same version, started with the same program and variables.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) version: VersionId,
    /// The program and all variables that its workers have in common.
    pub(super) start: Vec<(OsString, OsString)>,
}

/// How to start what is needed.
pub(super) struct Request<'a> {
    pub(super) key: Key,
    pub(super) spec: &'a WorkerSpec,
    pub(super) preparing: &'a (dyn Preparing + 'a),
    /// The template's command, for a process in a place.
    pub(super) command: &'a (dyn Fn(&Place) -> Command + Send + Sync),
    pub(super) place: &'a (dyn Fn() -> Result<Place> + Send + Sync),
    /// What a worker's variables are besides the template's.
    pub(super) variables: &'a (dyn Fn(&Place) -> BTreeMap<String, String> + Send + Sync),
}

#[derive(Debug)]
pub(super) struct Templates {
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    spawner: Arc<Spawner>,
    clock: SystemClock,
    /// Whether orphans come to us, found out at the first need.
    adopts: OnceLock<bool>,
}

/// Where one template is.
#[derive(Debug)]
struct Slot {
    state: AsyncMutex<State>,
    loaded: bool,
    workers: AtomicUsize,
    used: Mutex<Duration>,
    clock: SystemClock,
    /// Its version was removed: what is still being made is not kept.
    closed: AtomicBool,
}

#[derive(Debug)]
enum State {
    Empty,
    Ready(Box<Template>),
    /// Its code cannot be forked; workers are started by themselves.
    Refused,
}

/// A worker of a template; told to the slot when it is gone.
#[derive(Debug)]
struct InUse(Arc<Slot>);

impl Templates {
    pub(super) fn new(spawner: Arc<Spawner>) -> Self {
        Self {
            slots: Mutex::default(),
            spawner,
            clock: SystemClock::new(),
            adopts: OnceLock::new(),
        }
    }

    /// A worker that comes of a template; `None` when it must be started by itself.
    /// Errors: timeout, when the template was not ready in time; those of a worker that does not connect.
    pub(super) async fn worker(self: &Arc<Self>, request: &Request<'_>) -> Result<Option<Worker>> {
        if !*self.adopts.get_or_init(|| self.begin()) {
            return Ok(None);
        }
        let slot = self.slot(request);
        slot.touch();
        let mut state = slot.state.lock().await;
        // Taken out while it is asked: whoever stops waiting in the middle leaves none that nobody can talk to any more.
        match mem::replace(&mut *state, State::Empty) {
            State::Refused => {
                *state = State::Refused;
                return Ok(None);
            }
            State::Ready(template) => {
                if let Some(worker) = self.fork(*template, &slot, &mut state, request).await? {
                    drop(state);
                    return worker.connect(request).await.map(Some);
                }
            }
            State::Empty => {}
        }
        let template = match self.prepare(request).await {
            Ok(Prepared::Ready(template)) => template,
            Ok(Prepared::Alone(template, why)) => {
                if let Alone::Obstacle(what) = why {
                    *state = State::Refused;
                    refuse(request, &what);
                }
                drop(state);
                let cradle = request.cradle()?;
                return template.become_worker(cradle, request.spec).await.map(Some);
            }
            Err(Lost::Told(error)) => return Err(error),
            Err(Lost::Gone(why)) => {
                tracing::debug!(worker = request.spec.label, why, "no template for a worker");
                return Ok(None);
            }
        };
        self.watch(&slot, &template);
        let forked = self.fork(template, &slot, &mut state, request).await?;
        drop(state);
        match forked {
            Some(worker) => worker.connect(request).await.map(Some),
            None => Ok(None),
        }
    }

    /// Ends what was kept for the workers of a version that is no more.
    pub(super) fn forget(&self, version: &VersionId) {
        self.slots().retain(|key, slot| {
            let keep = key.version != *version;
            if !keep {
                slot.close();
            }
            keep
        });
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(|it| it.into_inner())
    }

    fn slot(&self, request: &Request<'_>) -> Arc<Slot> {
        let make = || {
            Arc::new(Slot {
                state: AsyncMutex::new(State::Empty),
                loaded: request.spec.config.realtime.shared() == Share::Setup,
                workers: AtomicUsize::new(0),
                used: Mutex::new(self.clock.monotonic()),
                clock: self.clock,
                closed: AtomicBool::new(false),
            })
        };
        let mut slots = self.slots();
        slots
            .entry(request.key.clone())
            .or_insert_with(make)
            .clone()
    }

    async fn prepare(&self, request: &Request<'_>) -> Result<Prepared, Lost> {
        let place = (request.place)().map_err(Lost::Told)?;
        let command = (request.command)(&place);
        Template::start(
            place,
            command,
            &self.spawner,
            request.spec,
            request.preparing,
        )
        .await
    }

    /// Forks a worker and puts the template back. `None` when it could not: the template is gone then.
    async fn fork(
        &self,
        mut template: Template,
        slot: &Arc<Slot>,
        state: &mut State,
        request: &Request<'_>,
    ) -> Result<Option<Born>> {
        let cradle = request.cradle()?;
        match template.fork(&cradle.variables, request.preparing).await {
            Ok(forked) => {
                slot.workers.fetch_add(1, Relaxed);
                let in_use = InUse(slot.clone());
                if !slot.closed.load(Relaxed) {
                    *state = State::Ready(Box::new(template));
                }
                Ok(Some(Born {
                    forked,
                    place: cradle.place,
                    in_use,
                }))
            }
            Err(error) => {
                tracing::debug!(worker = request.spec.label, %error, "a template could not fork");
                Ok(None)
            }
        }
    }

    /// Empties the slot as soon as its template has ended.
    fn watch(&self, slot: &Arc<Slot>, template: &Template) {
        let pid = template.pid();
        let Ok(end) = adopted::end_of(pid) else {
            return;
        };
        let slot = Arc::downgrade(slot);
        spawn("template", async move {
            let _ = end.readable().await;
            let Some(slot) = slot.upgrade() else { return };
            let mut state = slot.state.lock().await;
            if matches!(&*state, State::Ready(template) if template.pid() == pid) {
                *state = State::Empty;
            }
        });
    }

    /// False when workers of templates would not come to us.
    fn begin(self: &Arc<Self>) -> bool {
        // Older kernels cannot tell of an end, and templates need that as well.
        let able = adopted::end_of(std::process::id()).and_then(|_| adopted::take_in_orphans());
        if let Err(error) = able {
            tracing::info!(%error, "every worker starts by itself: this system has no way to share imports");
            return false;
        }
        spawn("templates", look_after(Arc::downgrade(self)));
        true
    }

    fn let_go(&self) {
        let now = self.clock.monotonic();
        let mut slots = self.slots();
        let ready: Vec<(Key, Standing)> = slots
            .iter()
            .filter_map(|(key, slot)| Some((key.clone(), slot.standing(now)?)))
            .collect();
        let all: Vec<Standing> = ready.iter().map(|(_, standing)| *standing).collect();
        for place in keep::due(&all) {
            if let Some(slot) = slots.remove(&ready[place].0) {
                slot.close();
            }
        }
    }
}

async fn look_after(templates: Weak<Templates>) {
    let mut strays = Strays::default();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(templates) = templates.upgrade() else {
            return;
        };
        templates.let_go();
        strays.look();
    }
}

/// A forked worker with its place and its slot.
struct Born {
    forked: template::Forked,
    place: Place,
    in_use: InUse,
}

impl Born {
    async fn connect(self, request: &Request<'_>) -> Result<Worker> {
        let mut worker = self.forked.connect(self.place, request.spec).await?;
        worker.keep(Arc::new(self.in_use));
        Ok(worker)
    }
}

impl Request<'_> {
    fn cradle(&self) -> Result<Cradle> {
        let place = (self.place)()?;
        Ok(Cradle {
            variables: (self.variables)(&place),
            place,
        })
    }
}

impl Slot {
    fn touch(&self) {
        *self.used.lock().unwrap_or_else(|it| it.into_inner()) = self.clock.monotonic();
    }

    /// `None` when there is no template, or somebody asks it just now.
    fn standing(&self, now: Duration) -> Option<Standing> {
        let state = self.state.try_lock().ok()?;
        let used = *self.used.lock().unwrap_or_else(|it| it.into_inner());
        matches!(&*state, State::Ready(_)).then(|| Standing {
            unused_for: now.saturating_sub(used),
            workers: self.workers.load(Relaxed),
            loaded: self.loaded,
        })
    }

    /// Ends the template; one that is asked just now is not put back.
    fn close(&self) {
        self.closed.store(true, Relaxed);
        if let Ok(mut state) = self.state.try_lock() {
            *state = State::Empty;
        }
    }
}

impl Drop for Templates {
    /// Workers know their slot, so that it may outlive us.
    fn drop(&mut self) {
        for slot in self.slots().values() {
            slot.close();
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.touch();
        self.0.workers.fetch_sub(1, Relaxed);
    }
}

/// Says, once for each version, why its workers share nothing.
fn refuse(request: &Request<'_>, what: &str) {
    let spec = request.spec;
    let (model, version) = (&spec.config.model.name, &spec.version);
    if spec.config.realtime.shared() == Share::Setup {
        request.preparing.line(&format!(
            "warning: `[realtime] share = \"setup\"` cannot be done: after set-up, {what}. Every worker sets up by itself"
        ));
        request.preparing.line(
            "hint: start threads, connections and processes in the first prediction, or write `share = \"none\"`",
        );
        tracing::warn!(model, %version, "the set-up of a model cannot be shared: after it, {what}");
    } else {
        tracing::info!(model, %version, "the import of a model cannot be shared: after it, {what}");
    }
}

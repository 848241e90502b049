//! The pools of this front by version: opened on demand, switched when another version answers, drained when replaced.
//! Does not read the store.

use crate::{
    ask::{Ask, Loaded, Refused},
    catalog::{Catalog, Switch},
    pool::{Drained, NotTaken, Pool, Stage},
    probation::Probation,
    spawn::spawn,
    ticket::Ticket,
};
use onstage_core::{ModelName, model::VersionId};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, atomic::Ordering::Relaxed},
    time::Duration,
};

/// How often a switch to a version that does not start is tried again.
const SWITCH_RETRY: Duration = Duration::from_secs(30);
/// The same for a newer version, which is withdrawn when that has failed a few times.
const SWITCH_RETRY_NEWER: Duration = Duration::from_secs(1);
const FAILED_STARTS_MAX: u64 = 3;

/// How long a replaced version still answers at once those who looked it up just before.
const STRAGGLERS: Duration = Duration::from_secs(1);

pub(crate) struct House {
    pub stage: Stage,
    pub catalog: Arc<Catalog>,
    pools: Mutex<Option<HashMap<VersionId, Arc<Pool>>>>,
    switching: Mutex<HashSet<ModelName>>,
}

impl House {
    pub(crate) fn new(stage: Stage, catalog: Arc<Catalog>) -> Arc<Self> {
        Arc::new(Self {
            stage,
            catalog,
            pools: Mutex::new(Some(HashMap::new())),
            switching: Mutex::new(HashSet::new()),
        })
    }

    fn pools(&self) -> MutexGuard<'_, Option<HashMap<VersionId, Arc<Pool>>>> {
        self.pools
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn predict(&self, mut ask: Ask) -> Result<Ticket, Refused> {
        if let Err(error) = self.stage.meter.check_month(&ask.version) {
            return Err(Refused::OverBudget {
                message: error.message,
                hint: error.hint,
            });
        }
        loop {
            let pool = self.pool(&ask.version).ok_or(Refused::ShuttingDown)?;
            match pool.accept(ask) {
                Ok(ticket) => return Ok(ticket),
                Err(NotTaken::Refused(refused)) => return Err(refused),
                Err(NotTaken::Closed(back)) => {
                    self.forget(&pool);
                    ask = *back;
                }
            }
        }
    }

    /// The version's pool, opened when there is none. `None` after the shutdown began.
    pub(crate) fn pool(&self, loaded: &Arc<Loaded>) -> Option<Arc<Pool>> {
        let mut pools = self.pools();
        let pools = pools.as_mut()?;
        if let Some(pool) = pools.get(&loaded.version.id) {
            return Some(pool.clone());
        }
        let live = self.catalog.is_live(&loaded.version);
        let pool = Pool::open(self.stage.clone(), loaded.clone(), live);
        pools.insert(loaded.version.id.clone(), pool.clone());
        Some(pool)
    }

    pub(crate) fn pool_of(&self, version: &VersionId) -> Option<Arc<Pool>> {
        self.pools().as_ref()?.get(version).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Pool>> {
        let pools = self.pools();
        pools.iter().flat_map(HashMap::values).cloned().collect()
    }

    /// No pool is opened from now on.
    pub(crate) fn close(&self) -> Vec<Arc<Pool>> {
        let pools = self.pools().take();
        pools.into_iter().flat_map(HashMap::into_values).collect()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.pools().is_none()
    }

    fn forget(&self, pool: &Arc<Pool>) {
        let mut pools = self.pools();
        let Some(pools) = pools.as_mut() else { return };
        let id = &pool.loaded.version.id;
        if pools.get(id).is_some_and(|it| Arc::ptr_eq(it, pool)) {
            pools.remove(id);
            self.stage.parts.launcher.forget(id);
        }
    }

    /// Performs what the catalog found, each model on its own.
    pub(crate) fn switch(self: &Arc<Self>, switches: Vec<Switch>) {
        let switches: Vec<Switch> = switches
            .into_iter()
            .filter(|switch| self.begin(&switch.model))
            .collect();
        // A first version has nobody to take over from. At the start that is every model, so they go in one step.
        let (first, next): (Vec<_>, Vec<_>) = switches
            .into_iter()
            .partition(|switch| self.catalog.live(&switch.model).is_none());
        self.catalog.switch_all(&first);
        for switch in first {
            self.keep(switch.to.as_ref());
            self.end(&switch.model);
        }
        for switch in next {
            let house = self.clone();
            spawn("rollout", async move {
                let model = switch.model.clone();
                house.switch_one(switch).await;
                house.end(&model);
                // The record may have changed again meanwhile.
                house.look_again().await;
            });
        }
    }

    fn begin(&self, model: &ModelName) -> bool {
        let mut switching = self.switching.lock().unwrap_or_else(|it| it.into_inner());
        switching.insert(model.clone())
    }

    fn end(&self, model: &ModelName) {
        let mut switching = self.switching.lock().unwrap_or_else(|it| it.into_inner());
        switching.remove(model);
    }

    /// Warms the new version's pool if the old one had workers, moves the traffic, retires the old one.
    async fn switch_one(self: &Arc<Self>, switch: Switch) {
        let old = self.catalog.live(&switch.model);
        let old_pool = old.as_ref().and_then(|old| self.pool_of(&old.version.id));
        let probation = old
            .clone()
            .zip(switch.to.clone())
            .map(|(from, to)| Probation { from, to });
        let probation = probation.filter(|probation| probation.is_due(self));
        if let (Some(to), Some(old)) = (&switch.to, &old_pool)
            && old.has_workers()
            && !to.schema.background
            && !self.made_ready(&switch, to, old, probation.as_ref()).await
        {
            return;
        }
        self.catalog.switch_all(std::slice::from_ref(&switch));
        self.keep(switch.to.as_ref());
        match (probation, old_pool, old) {
            (Some(probation), pool, _) => probation.begin(self, pool),
            (None, Some(pool), _) => self.retire(pool),
            (None, None, Some(old)) => self.stage.parts.launcher.forget(&old.version.id),
            (None, None, None) => {}
        }
    }

    /// A version that answers now holds as many workers as its author wants always.
    fn keep(&self, to: Option<&Arc<Loaded>>) {
        if let Some(to) = to
            && let Some(pool) = self.pool_to_keep(to)
        {
            pool.set_live(true);
        }
    }

    /// Starts the version beside the one that answers, until it is ready. False when the rollout is over for now.
    async fn made_ready(
        self: &Arc<Self>,
        switch: &Switch,
        to: &Arc<Loaded>,
        old: &Pool,
        probation: Option<&Probation>,
    ) -> bool {
        let mut failed_before = None;
        loop {
            let Some(pool) = self.open_pool(to) else {
                return true;
            };
            let failed = || pool.tally.failed_starts.load(Relaxed);
            let before = *failed_before.get_or_insert_with(failed);
            let ready = tokio::select! {
                ready = pool.ready_beside_another() => ready,
                () = self.changed_from(switch) => return false,
            };
            if ready {
                return true;
            }
            self.note_stuck(&switch.model, &pool, old);
            let newer = probation.filter(|_| pool.readiness().state == "failed");
            if let Some(probation) = newer
                && failed().saturating_sub(before) >= FAILED_STARTS_MAX
            {
                let why = format!("it did not start: {}", pool.readiness().text);
                probation.withdraw(self, why).await;
                return false;
            }
            let wait = newer.map_or(SWITCH_RETRY, |_| SWITCH_RETRY_NEWER);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.changed_from(switch) => return false,
            }
        }
    }

    /// Lets a pool that was replaced finish what it has accepted.
    pub(crate) fn retire(self: &Arc<Self>, old: Arc<Pool>) {
        old.set_live(false);
        let timeout = old.loaded.version.config.realtime.timeout.0;
        let most = self.stage.settings.drain_max.max(timeout);
        let house = self.clone();
        spawn("drain", async move {
            if old.drain(STRAGGLERS, most).await == Drained::Closed {
                house.forget(&old);
            }
        });
    }

    /// Resolves when the record names another version than the one that is being switched to.
    async fn changed_from(&self, switch: &Switch) {
        let wanted = switch.to.as_ref().map(|to| &to.version.id);
        let mut changes = self.catalog.changed.subscribe();
        while self.catalog.wants(&switch.model).as_ref() == wanted {
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    fn note_stuck(&self, model: &ModelName, pool: &Pool, old: &Pool) {
        let (to, from) = (&pool.loaded.version, &old.loaded.version);
        let why = pool.readiness().text;
        let trouble = format!(
            "v{} does not start, v{} goes on answering: {why}",
            to.number, from.number
        );
        tracing::warn!(%model, trouble, "a version was not switched to");
        self.catalog.note(model, Some(&to.id), Some(&trouble));
    }

    /// The version's pool, taking requests: one that is being drained is opened again.
    fn open_pool(&self, loaded: &Arc<Loaded>) -> Option<Arc<Pool>> {
        let pool = self.pool(loaded)?;
        if pool.reopen() {
            return Some(pool);
        }
        self.forget(&pool);
        self.pool(loaded)
    }

    /// The pool of a version that answers now: opened only when it must hold workers.
    fn pool_to_keep(&self, loaded: &Arc<Loaded>) -> Option<Arc<Pool>> {
        if loaded.version.config.realtime.workers.min > 0 && !loaded.schema.background {
            return self.open_pool(loaded);
        }
        self.pool_of(&loaded.version.id)
            .filter(|pool| pool.reopen())
    }

    /// Reads the models again, for a switch that was skipped because another was under way.
    pub(crate) async fn look_again(self: &Arc<Self>) {
        match self.catalog.refresh().await {
            Ok(switches) => self.switch(switches),
            Err(error) => tracing::warn!(%error, "the catalog cannot be read now"),
        }
    }
}

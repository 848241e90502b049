//! What has been computed, for whom: added up in memory by pool and person, written as sums of a day every few seconds.
//! And what a model has cost this month, for its limit. What was not written yet is lost when the process is killed.

use crate::{ask::Loaded, parts::Parts, spawn::spawn};
use onstage_core::{
    Id, ModelName, Result, Timestamp,
    config::{LaneLimits, ModelConfig},
    usage::{self, Amounts, Prices, Usage, UsageFilter, UsageKind, Worker},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Between two writes while something is computed; while nothing is, nothing is written.
const WRITE_EVERY: Duration = Duration::from_secs(5);
/// A worker without a declared number of cores computes on one.
const CORES_USUAL: f64 = 1.0;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Meter(Arc<Inner>);

struct Inner {
    parts: Parts,
    prices: Prices,
    pools: Mutex<Vec<Arc<PoolMeter>>>,
    /// Of models with a limit: the month, and what they have cost in it when it was last read.
    spent: Mutex<HashMap<ModelName, (Timestamp, f64)>>,
    idle: Arc<AtomicBool>,
    added: Arc<Notify>,
}

/// What one version's pool has computed and not been written yet.
pub(crate) struct PoolMeter {
    loaded: Arc<Loaded>,
    sums: Mutex<HashMap<Id, Amounts>>,
    idle: Arc<AtomicBool>,
    added: Arc<Notify>,
}

impl PoolMeter {
    pub(crate) fn add(&self, by: &Id, amounts: Amounts) {
        {
            let mut sums = held(&self.sums);
            match sums.get_mut(by) {
                Some(sum) => *sum += amounts,
                None => drop(sums.insert(by.clone(), amounts)),
            }
        }
        if self.idle.swap(false, Relaxed) {
            self.added.notify_one();
        }
    }
}

impl Meter {
    pub(crate) fn start(parts: Parts, prices: Prices) -> Self {
        let meter = Self(Arc::new(Inner {
            parts,
            prices,
            pools: Mutex::default(),
            spent: Mutex::default(),
            idle: Arc::default(),
            added: Arc::default(),
        }));
        spawn("meter", meter.clone().run());
        meter
    }

    pub(crate) fn of_pool(&self, loaded: Arc<Loaded>) -> Arc<PoolMeter> {
        let pool = Arc::new(PoolMeter {
            loaded,
            sums: Mutex::default(),
            idle: self.0.idle.clone(),
            added: self.0.added.clone(),
        });
        held(&self.0.pools).push(pool.clone());
        pool
    }

    async fn run(self) {
        loop {
            // Before: what is added while it writes, or put back because it could not, wakes it again.
            self.0.idle.store(true, Relaxed);
            if let Err(error) = self.write().await {
                tracing::warn!(%error, "usage cannot be written now; it is added up meanwhile");
            }
            self.0.added.notified().await;
            tokio::time::sleep(WRITE_EVERY).await;
        }
    }

    /// Writes what was added since the last time, and looks what that makes of the limits.
    pub(crate) async fn write(&self) -> Result<()> {
        let taken = self.take();
        if !taken.is_empty() {
            let written = self.0.parts.store.add_usage(rows(&self.0.parts, &taken));
            if let Err(error) = written.await {
                for (pool, by, amounts) in taken {
                    pool.add(&by, amounts);
                }
                return Err(error);
            }
        }
        let limited: Vec<Arc<Loaded>> = held(&self.0.pools)
            .iter()
            .filter(|pool| pool.loaded.version.config.money.month.is_some())
            .map(|pool| pool.loaded.clone())
            .collect();
        for loaded in limited {
            self.read_spent(&loaded.model).await?;
        }
        Ok(())
    }

    fn take(&self) -> Vec<(Arc<PoolMeter>, Id, Amounts)> {
        let mut pools = held(&self.0.pools);
        let mut taken = Vec::new();
        for pool in pools.iter() {
            let sums = std::mem::take(&mut *held(&pool.sums));
            taken.extend(sums.into_iter().map(|(by, sum)| (pool.clone(), by, sum)));
        }
        // Its pool is gone, and what it had is taken.
        pools.retain(|pool| Arc::strong_count(pool) > 1);
        taken
    }

    /// What the model has cost in this month, read from the store.
    pub(crate) async fn read_spent(&self, model: &ModelName) -> Result<f64> {
        let month = usage::month_of(self.0.parts.clock.now());
        let filter = UsageFilter {
            since: Some(month),
            model: Some(model.clone()),
            ..UsageFilter::default()
        };
        let sums = self.0.parts.store.usage(&filter, &[]).await?;
        let spent = sums.iter().map(|sum| self.0.prices.usd(&sum.amounts)).sum();
        held(&self.0.spent).insert(model.clone(), (month, spent));
        Ok(spent)
    }

    /// As far as it was read: without a look into the store. Errors: over budget.
    pub(crate) fn check_month(&self, loaded: &Loaded) -> Result<()> {
        let money = &loaded.version.config.money;
        if money.month.is_none() {
            return Ok(());
        }
        let month = usage::month_of(self.0.parts.clock.now());
        let spent = match held(&self.0.spent).get(&loaded.model) {
            Some((of, spent)) if *of == month => *spent,
            _ => 0.0,
        };
        usage::check_month(&loaded.model, money, spent)
    }
}

/// Poisoned by nothing worse than a panic between two additions.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rows(parts: &Parts, taken: &[(Arc<PoolMeter>, Id, Amounts)]) -> Vec<Usage> {
    let day = usage::day_of(parts.clock.now());
    let row = |(pool, by, amounts): &(Arc<PoolMeter>, Id, Amounts)| Usage {
        day,
        model: pool.loaded.model.clone(),
        version_number: pool.loaded.version.number,
        by: by.clone(),
        kind: UsageKind::Realtime,
        amounts: *amounts,
    };
    taken.iter().map(row).collect()
}

/// What a realtime worker occupies: what is declared, and of memory what was seen where nothing is.
pub(crate) fn realtime_worker(config: &ModelConfig, memory_seen: u64) -> Worker {
    let realtime = &config.realtime;
    Worker {
        cpu: realtime.cpu.unwrap_or(CORES_USUAL),
        gpu: realtime.gpu.unwrap_or(0.0),
        memory_bytes: realtime.memory.map_or(memory_seen, |size| size.0),
    }
}

/// What a worker of jobs or trainings occupies; `[realtime]` is what it is where their section says nothing.
pub(crate) fn job_worker(limits: LaneLimits<'_>, config: &ModelConfig, memory_seen: u64) -> Worker {
    let realtime = &config.realtime;
    Worker {
        cpu: limits.cpu.or(realtime.cpu).unwrap_or(CORES_USUAL),
        gpu: limits.gpu.unwrap_or(0.0),
        memory_bytes: (limits.memory.or(realtime.memory)).map_or(memory_seen, |size| size.0),
    }
}

//! Everything the engine needs from outside, joined once in `onstage/serve.rs`, and the numbers it runs by.
//! Does not know which implementations these are.

use onstage_core::{
    Clock, Id, Ids, Result,
    ports::{
        Blobs, DatasetPlace, Driver, InputCheck, Launcher, OutputCheck, Parcels, Post, Store,
        Tables,
    },
    schema::ModelSchema,
    task::Incarnation,
    usage::Prices,
};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// Everything from outside. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub blobs: Arc<dyn Blobs>,
    pub launcher: Arc<dyn Launcher>,
    /// None inside a task.
    pub driver: Option<Arc<dyn Driver>>,
    pub tables: Arc<dyn Tables>,
    /// Weights and checkpoints.
    pub parcels: Arc<dyn Parcels>,
    /// Datasets on this host.
    pub datasets: Arc<dyn DatasetPlace>,
    pub clock: Arc<dyn Clock>,
    /// 128 random bits.
    pub entropy: Arc<dyn Fn() -> u128 + Send + Sync>,
    pub ids: Arc<Ids>,
    pub checks: Arc<dyn Checks>,
}

impl Parts {
    pub fn new_id(&self) -> Id {
        self.ids.next(self.clock.now(), (self.entropy)())
    }

    /// Uniform in 0..1.
    pub fn jitter(&self) -> f64 {
        let bits = ((self.entropy)() >> 75) as u64 & ((1 << 53) - 1);
        bits as f64 / (1_u64 << 53) as f64
    }

    /// A seed for one prediction or worker.
    pub fn seed(&self) -> u64 {
        // A JSON number must hold it exactly, whoever parses it.
        (self.entropy)() as u64 & ((1 << 53) - 1)
    }
}

/// Compiles schemas; implemented where the JSON Schema crate is.
pub trait Checks: Send + Sync {
    fn input(&self, schema: &ModelSchema) -> Result<Arc<dyn InputCheck>>;
    fn output(&self, schema: &ModelSchema) -> Result<Arc<dyn OutputCheck>>;
}

/// The numbers of one front.
#[derive(Debug, Clone)]
pub struct Settings {
    pub host: String,
    /// The random name of this process: what its leases are owned by.
    pub incarnation: Incarnation,
    /// Workers get a folder of their own below it.
    pub tempdir: PathBuf,
    /// Requests that may wait for one version, whatever its config says.
    pub queue_items_max: u32,
    /// Workers of all versions on this host.
    pub workers_total_max: u32,
    /// GPUs of this host, as `CUDA_VISIBLE_DEVICES` names them.
    pub gpus: Vec<String>,
    /// Tasks on this host at once.
    pub tasks_total_max: u32,
    /// No other front can be alive beside this one (it holds the lock on the data folder): jobs that any other has adopted are then known to be lost.
    pub sole_front: bool,
    /// From asking a worker to stop something until its process group is killed.
    pub cancel_grace: Duration,
    /// How long a replaced version's pool may take to finish what it accepted.
    pub drain_max: Duration,
    /// How long a version that went live over an older one is watched, the older one held ready; zero: not at all.
    pub probation: Duration,
    /// What compute costs, for the limits of models.
    pub prices: Prices,
    /// How often the catalog's revision is read, beside every change that this front makes.
    pub catalog_poll: Duration,
    /// Versions built at once.
    pub builds_max: u32,
    /// Finished predictions that may wait to be recorded; as they fill it, fewer of programs' requests are taken in.
    pub records_waiting_max: usize,
    /// Records written in one commit.
    pub records_group_max: usize,
    /// Least time between two such commits.
    pub records_pause: Duration,
    /// Sends messages to webhooks, where whoever runs the installation allows any.
    pub post: Option<Arc<dyn Post>>,
}

/// How often loops look at the store while nothing goes on, beside what this front does and says: other fronts do not.
const REST: Duration = Duration::from_secs(5);
/// And where there is no other front. What may still be late by so much is what a clock that was set brings.
const REST_ALONE: Duration = Duration::from_secs(30);

impl Settings {
    pub(crate) fn rest(&self) -> Duration {
        if self.sole_front { REST_ALONE } else { REST }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, |n| n.get() as u32);
        Self {
            host: "localhost".to_owned(),
            incarnation: Incarnation("unnamed".to_owned()),
            tempdir: PathBuf::from("/tmp"),
            queue_items_max: 16_384,
            workers_total_max: (cores * 4).max(16),
            gpus: Vec::new(),
            tasks_total_max: cores.max(2),
            sole_front: false,
            cancel_grace: Duration::from_secs(2),
            drain_max: Duration::from_secs(120),
            probation: Duration::from_secs(60),
            prices: Prices::usual(),
            catalog_poll: Duration::from_millis(500),
            builds_max: 2,
            records_waiting_max: 10_000,
            records_group_max: 500,
            records_pause: Duration::from_millis(100),
            post: None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use onstage_backends::{blobs, clock, datasets, parcels, store, tables};

    struct AllPass;

    impl Checks for AllPass {
        fn input(&self, _: &ModelSchema) -> Result<Arc<dyn InputCheck>> {
            Err(onstage_core::Error::internal("no test asks for this"))
        }
        fn output(&self, _: &ModelSchema) -> Result<Arc<dyn OutputCheck>> {
            Err(onstage_core::Error::internal("no test asks for this"))
        }
    }

    /// Everything in memory, with this launcher.
    pub(crate) fn parts_with(launcher: Arc<dyn Launcher>) -> Parts {
        let blobs = blobs::memory();
        let folder = std::env::temp_dir().join("onstage-tests");
        let parcels = parcels::DiskParcels::new(&folder, blobs.clone());
        let datasets = datasets::HostDatasets::new(&folder, blobs.clone(), 1 << 20);
        Parts {
            store: store::memory(),
            blobs,
            launcher,
            driver: None,
            tables: Arc::new(tables::FileTables),
            parcels: Arc::new(parcels),
            datasets: Arc::new(datasets),
            clock: Arc::new(clock::SystemClock::new()),
            entropy: Arc::new(clock::entropy),
            ids: Arc::default(),
            checks: Arc::new(AllPass),
        }
    }
}

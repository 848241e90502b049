//! A world of its own for each test: temp folder, memory store, real launcher, real Python, and the engine.
//! Checks of schemas are left to the crate that has them; here everything passes.

use bytes::Bytes;
use onstage_backends::{
    blobs, bundle,
    clock::{SystemClock, entropy},
    datasets::{CACHE_BYTES_DEFAULT, HostDatasets},
    parcels::DiskParcels,
    process::{LauncherSettings, ProcessLauncher, Purpose},
    store, tables,
};
use onstage_core::{
    Id, ModelName, Result, Timestamp,
    model::{Model, NewVersion, Version, VersionState},
    outcome::Failure,
    people::{Principal, Role},
    ports::{CheckError, InputCheck, OutputCheck},
    schema::ModelSchema,
    task::Incarnation,
    value::{Stored, Value},
};
use onstage_engine::{Ask, Checks, Engine, Keep, Loaded, Parts, Settings, Ticket};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// How long anything here may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) parts: Parts,
    pub(crate) engine: Engine,
    folder: tempfile::TempDir,
}

struct AllPass;

impl Checks for AllPass {
    fn input(&self, _: &ModelSchema) -> Result<Arc<dyn InputCheck>> {
        Ok(Arc::new(AllPass))
    }
    fn output(&self, _: &ModelSchema) -> Result<Arc<dyn OutputCheck>> {
        Ok(Arc::new(AllPass))
    }
}

impl InputCheck for AllPass {
    fn check(&self, _: &[u8]) -> Result<(), Vec<CheckError>> {
        Ok(())
    }
    fn coerce(&self, cells: &[(String, serde_json::Value)]) -> Result<Bytes, Vec<CheckError>> {
        let map: serde_json::Map<_, _> = cells.iter().cloned().collect();
        Ok(serde_json::Value::Object(map).to_string().into())
    }
}

impl OutputCheck for AllPass {
    fn check(&self, _: &[u8]) -> Result<(), Vec<CheckError>> {
        Ok(())
    }
}

pub(crate) fn model() -> ModelName {
    "lab/thing".parse().unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = blobs::open("memory:").await.unwrap();
        let launcher_settings = LauncherSettings {
            data_dir: folder.path().to_owned(),
            variables: std::env::vars().collect(),
            purpose: Purpose::Realtime,
        };
        let launcher = ProcessLauncher::new(launcher_settings, blobs.clone()).unwrap();
        let parcels = DiskParcels::new(folder.path(), blobs.clone());
        let datasets = HostDatasets::new(folder.path(), blobs.clone(), CACHE_BYTES_DEFAULT);
        let parts = Parts {
            store: store::open("memory:").await.unwrap(),
            launcher: Arc::new(launcher),
            blobs,
            driver: None,
            tables: Arc::new(tables::FileTables),
            parcels: Arc::new(parcels),
            datasets: Arc::new(datasets),
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(entropy),
            ids: Arc::default(),
            checks: Arc::new(AllPass),
        };
        let mut settings = Settings {
            incarnation: Incarnation("front-test".into()),
            tempdir: folder.path().join("work"),
            probation: Duration::ZERO,
            ..Settings::default()
        };
        change(&mut settings);
        let engine = Engine::start(parts.clone(), settings).await.unwrap();
        Self {
            parts,
            engine,
            folder,
        }
    }

    /// Where workers have their temporary folders.
    pub(crate) fn tempdir(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Pushes a version and waits until it is ready or failed.
    pub(crate) async fn push(&self, code: &str, config: &str) -> Version {
        self.push_with(code, config, |_| {}).await
    }

    pub(crate) async fn push_with(
        &self,
        code: &str,
        config: &str,
        more: impl FnOnce(&Path),
    ) -> Version {
        let version = self.submit(code, config, more).await;
        self.until("the build ends", async || {
            let found = self
                .parts
                .store
                .version(&version.id)
                .await
                .unwrap()
                .unwrap();
            (!matches!(found.state, VersionState::Building { .. })).then_some(found)
        })
        .await
    }

    pub(crate) async fn submit(
        &self,
        code: &str,
        config: &str,
        more: impl FnOnce(&Path),
    ) -> Version {
        let name = model();
        let source = tempfile::tempdir_in(self.folder.path()).unwrap();
        std::fs::write(source.path().join("model.py"), code).unwrap();
        let toml = format!("[model]\nname = \"{}\"\n{config}", name.name());
        std::fs::write(source.path().join("onstage.toml"), toml).unwrap();
        more(source.path());
        let config = bundle::read_config(source.path()).unwrap();
        let examples = bundle::read_examples(source.path()).unwrap();
        let packed = bundle::pack(source.path(), &[], &[]).unwrap();
        let id = bundle::version_id(&name, &packed.contents_digest, &config);
        let bytes = std::fs::read(&packed.archive).unwrap();
        let key = format!("bundles/{id}.tar.gz");
        let bundle = self.parts.blobs.put(&key, bytes.into()).await.unwrap();
        self.parts
            .store
            .ensure_model(self.record(&name))
            .await
            .unwrap();
        let new = NewVersion {
            id,
            model: name,
            bundle,
            config,
            examples: serde_json::to_string(&examples).unwrap(),
            promote_when_ready: true,
            created_at: self.parts.clock.now(),
            weights: None,
            lineage: None,
        };
        let (version, _) = self.parts.store.add_version(new).await.unwrap();
        self.engine.nudge();
        version
    }

    fn record(&self, name: &ModelName) -> Model {
        Model::new(name.clone(), Timestamp(0))
    }

    /// Pushes a version that must become ready, and waits until it answers.
    pub(crate) async fn live(&self, code: &str, config: &str) -> Arc<Loaded> {
        let version = self.push(code, config).await;
        assert!(
            matches!(version.state, VersionState::Ready { .. }),
            "{:?}",
            version.state
        );
        self.until("the version answers", async || {
            self.engine
                .live(&model())
                .filter(|loaded| loaded.version.id == version.id)
        })
        .await
    }

    pub(crate) fn ask(&self, version: &Arc<Loaded>, input: &str) -> Ask {
        Ask {
            id: self.parts.new_id(),
            version: version.clone(),
            input: Value::json(input.to_owned()),
            placed: Arc::default(),
            stored_input: Stored::Inline(input.to_owned()),
            by: Principal {
                id: "person-1".parse::<Id>().unwrap(),
                role: Role::Owner,
                name: "me".into(),
            },
            source: "api".into(),
            deadline: None,
            keep: Keep::Sampled,
        }
    }

    pub(crate) fn predict(&self, version: &Arc<Loaded>, input: &str) -> Ticket {
        self.engine.predict(self.ask(version, input)).unwrap()
    }

    pub(crate) async fn answer(
        &self,
        version: &Arc<Loaded>,
        input: &str,
    ) -> Result<String, Failure> {
        answer(&self.predict(version, input)).await
    }

    /// Asks again and again until there is an answer.
    pub(crate) async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let end = self.parts.clock.monotonic() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(
                self.parts.clock.monotonic() < end,
                "waited in vain until {what}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends the engine; nothing it started may be left.
    pub(crate) async fn end(self) {
        self.engine.shutdown(Duration::from_secs(10)).await;
        let work = self.tempdir();
        // A worker that was still starting is told to go, and not waited for.
        self.until("no temporary folders of workers are left", async || {
            let left = std::fs::read_dir(&work).map_or(0, Iterator::count);
            (left == 0).then_some(())
        })
        .await;
    }
}

pub(crate) async fn answer(ticket: &Ticket) -> Result<String, Failure> {
    let finished = tokio::time::timeout(PATIENCE, ticket.done())
        .await
        .expect("an answer comes");
    let outcome = finished.outcome.clone();
    outcome.map(|value| String::from_utf8(value.json.to_vec()).unwrap())
}

//! A world of its own for each test.

use super::ask::Ask;
use crate::{
    checks::JsonSchemaChecks,
    gateway::{
        State, auth,
        front::Front,
        state::{Bundles, PushedBundle, Settings},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use onstage_backends::{
    blobs, bundle,
    clock::{SystemClock, entropy},
    datasets::{CACHE_BYTES_DEFAULT, HostDatasets},
    parcels::DiskParcels,
    process::{LauncherSettings, ProcessLauncher, Purpose},
    store, tables,
};
use onstage_core::{
    Clock, Error, ModelName, Result,
    model::{Model, NewVersion, VersionState},
    people::{CredentialKind, Role},
    ports::Blobs,
    value::BlobRef,
};
use onstage_engine::{Engine, Parts};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

/// How long anything here may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const PASSWORD: &str = "fish and chips";

pub(crate) struct World {
    pub(crate) parts: Parts,
    pub(crate) engine: Engine,
    pub(crate) state: State,
    pub(crate) front: Front,
    /// Tokens.
    pub(crate) owner: String,
    pub(crate) stakeholder: String,
    pub(crate) expired: String,
    /// Secrets of sessions.
    pub(crate) session: String,
    folder: tempfile::TempDir,
}

/// Reads real archives.
struct Receiver {
    blobs: Arc<dyn Blobs>,
}

#[async_trait]
impl Bundles for Receiver {
    async fn receive(&self, archive: &Path) -> Result<PushedBundle> {
        let own = tempfile::tempdir().unwrap();
        let folder = own.path().join("model");
        let unpacked = bundle::unpack(archive, &folder)?;
        let bytes = std::fs::read(archive).unwrap();
        let key = format!("bundles/{}.tar.gz", unpacked.contents_digest);
        Ok(PushedBundle {
            bundle: self.blobs.put(&key, bytes.into()).await?,
            digest: unpacked.contents_digest,
            config: bundle::read_config(&folder)?,
            examples: serde_json::to_string(&bundle::read_examples(&folder)?).unwrap(),
        })
    }

    async fn make(&self, files: BTreeMap<String, Vec<u8>>) -> Result<PushedBundle> {
        let own = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            std::fs::write(own.path().join(path), bytes).unwrap();
        }
        let packed = bundle::pack(own.path(), &[], &[])?;
        self.receive(&packed.archive).await
    }

    async fn example(&self, _: &BlobRef, file: &str) -> Result<Bytes> {
        match file {
            "photo.png" => Ok(Bytes::from_static(b"png")),
            _ => Err(Error::not_found("no such example")),
        }
    }
}

fn memory() -> impl Fn(&Path) -> String {
    |_| "memory:".to_owned()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::build(&memory(), change, |_| {}).await
    }

    pub(crate) async fn with_engine(change: impl FnOnce(&mut onstage_engine::Settings)) -> Self {
        Self::build(&memory(), |_| {}, change).await
    }

    /// On a store that takes its time, as a real one does.
    pub(crate) async fn on_disk() -> Self {
        let sqlite = |folder: &Path| format!("sqlite://{}/onstage.db", folder.display());
        Self::build(&sqlite, |_| {}, |_| {}).await
    }

    async fn build(
        url: &dyn Fn(&Path) -> String,
        change: impl FnOnce(&mut Settings),
        change_engine: impl FnOnce(&mut onstage_engine::Settings),
    ) -> Self {
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
            store: store::open(&url(folder.path())).await.unwrap(),
            launcher: Arc::new(launcher),
            blobs: blobs.clone(),
            driver: None,
            tables: Arc::new(tables::FileTables),
            parcels: Arc::new(parcels),
            datasets: Arc::new(datasets),
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(entropy),
            ids: Arc::default(),
            checks: Arc::new(JsonSchemaChecks),
        };
        let work = folder.path().join("work");
        std::fs::create_dir_all(&work).unwrap();
        let incarnation = onstage_core::task::Incarnation("front-test".into());
        let mut engine_settings = onstage_engine::Settings {
            incarnation: incarnation.clone(),
            tempdir: work.clone(),
            ..onstage_engine::Settings::default()
        };
        change_engine(&mut engine_settings);
        let engine = Engine::start(parts.clone(), engine_settings).await.unwrap();
        let mut settings = Settings {
            password: Some(PASSWORD.to_owned()),
            tempdir: work,
            incarnation,
            ..Settings::default()
        };
        change(&mut settings);
        let receiver = Receiver { blobs };
        let state = State::new(engine.clone(), parts.clone(), Arc::new(receiver), settings);
        let token = async |kind, role, life| {
            let minted = auth::mint(&parts, kind, role, "test", life).await.unwrap();
            minted.0
        };
        let hour = Some(Duration::from_secs(3600));
        Self {
            owner: token(CredentialKind::Token, Role::Owner, None).await,
            stakeholder: token(CredentialKind::Token, Role::Stakeholder, None).await,
            expired: token(CredentialKind::Token, Role::Owner, Some(Duration::ZERO)).await,
            session: token(CredentialKind::Session, Role::Stakeholder, hour).await,
            front: Front::new(state.clone()),
            parts,
            engine,
            state,
            folder,
        }
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        Ask::new(&self.front, method, path)
    }

    pub(crate) fn get(&self, path: &str) -> Ask<'_> {
        self.ask(Method::GET, path).bearer(&self.owner)
    }

    pub(crate) fn post(&self, path: &str) -> Ask<'_> {
        self.ask(Method::POST, path).bearer(&self.owner)
    }

    /// Puts a model into the catalog and waits until it answers.
    pub(crate) async fn live(&self, name: &str, code: &str) -> ModelName {
        self.live_with(name, code, "").await
    }

    /// The same with more in its `onstage.toml`.
    pub(crate) async fn live_with(&self, name: &str, code: &str, more: &str) -> ModelName {
        let name: ModelName = name.parse().unwrap();
        let source = tempfile::tempdir_in(self.folder.path()).unwrap();
        std::fs::write(source.path().join("model.py"), code).unwrap();
        let toml = format!(
            "[model]\nname = \"{}\"\n[keep]\nredact = [\"hush\"]\n{more}\n",
            name.name()
        );
        std::fs::write(source.path().join("onstage.toml"), toml).unwrap();
        let config = bundle::read_config(source.path()).unwrap();
        let packed = bundle::pack(source.path(), &[], &[]).unwrap();
        let id = bundle::version_id(&name, &packed.contents_digest, &config);
        let bytes = std::fs::read(&packed.archive).unwrap();
        let key = format!("bundles/{id}.tar.gz");
        let bundle = self.parts.blobs.put(&key, bytes.into()).await.unwrap();
        let now = self.parts.clock.now();
        let model = Model::new(name.clone(), now);
        self.parts.store.ensure_model(model).await.unwrap();
        let new = NewVersion {
            id: id.clone(),
            model: name.clone(),
            bundle,
            config,
            examples: "[]".to_owned(),
            promote_when_ready: true,
            created_at: now,
            weights: None,
            lineage: None,
        };
        self.parts.store.add_version(new).await.unwrap();
        self.engine.nudge();
        self.until("the version answers", async || {
            let version = self.parts.store.version(&id).await.unwrap().unwrap();
            if let VersionState::Failed { error } = &version.state {
                panic!("{error:?}");
            }
            self.engine
                .live(&name)
                .filter(|loaded| loaded.version.id == id)
        })
        .await;
        name
    }

    /// Asks again and again until there is an answer.
    pub(crate) async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let clock = SystemClock::new();
        let end = clock.monotonic() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(clock.monotonic() < end, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

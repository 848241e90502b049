//! What the gateway is given, and what one front keeps in memory. Nothing here that another front needs.
//! Does not read the environment or configuration files.

use super::{
    accept::Limits,
    auth::{cache::Cache, password::Password, throttle::Throttle},
    body::budget::Budget,
    hosts::Hosts,
    uploads::Assemblies,
};
use async_trait::async_trait;
use onstage_core::{ModelName, Result, config::ModelConfig, model::VersionId, value::BlobRef};
use onstage_engine::{Engine, Parts};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    ops::Deref,
    path::Path,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Reads pushed model folders; implemented where the archive code is joined.
#[async_trait]
pub(crate) trait Bundles: Send + Sync {
    /// Reads a gzip'd tar of a model folder, stores it as a blob, and says what it is.
    /// Errors: invalid (not such an archive, an unsafe entry, no `onstage.toml` that can be read).
    async fn receive(&self, archive: &Path) -> Result<PushedBundle>;
    /// The same of files by their path in the folder.
    async fn make(&self, files: BTreeMap<String, Vec<u8>>) -> Result<PushedBundle>;
    /// The bytes of one of a bundle's examples' files. Not found when there is none.
    async fn example(&self, bundle: &BlobRef, file: &str) -> Result<bytes::Bytes>;
}

/// What a push holds.
#[derive(Debug, Clone)]
pub(crate) struct PushedBundle {
    /// The digest of the folder's contents, however archived.
    pub digest: String,
    pub bundle: BlobRef,
    pub config: ModelConfig,
    /// JSON text of the examples.
    pub examples: String,
}

impl PushedBundle {
    /// The version's id: the same content pushed twice to the same model is the same version.
    pub(crate) fn version_id(&self, model: &ModelName) -> VersionId {
        onstage_backends::bundle::version_id(model, &self.digest, &self.config)
    }
}

/// The numbers and names of one front.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Of this program, for `/v1/account`.
    pub version: String,
    /// The installation's name, for people.
    pub name: String,
    /// The owner that `/m/{name}` means.
    pub default_owner: String,
    pub listen: SocketAddr,
    /// Host names beside addresses and `localhost` under which browsers may come.
    pub hosts: Vec<String>,
    /// Whose `X-Forwarded-*` is believed.
    pub proxies: Vec<IpAddr>,
    /// The listener is reached through TLS only: cookies say so.
    pub tls: bool,
    /// The stakeholders' shared password.
    pub password: Option<String>,
    /// How long a realtime prediction is waited for when the client does not say.
    pub wait_default: Duration,
    /// The longest a client may ask to wait.
    pub wait_max: Duration,
    /// Of one uploaded file or table.
    pub upload_bytes_max: u64,
    /// Of one version of a dataset.
    pub dataset_bytes_max: u64,
    /// Of a pushed bundle.
    pub bundle_bytes_max: u64,
    /// The interpreter that versions made of templates run on; none: they have an environment of their own.
    pub template_python: Option<std::path::PathBuf>,
    /// Where the links of the storage lead, as an origin: pages may send there.
    pub storage_origin: Option<String>,
    /// Where uploads lie while they are read.
    pub tempdir: std::path::PathBuf,
    /// The engine's name for leases; the same as in its settings.
    pub incarnation: onstage_core::task::Incarnation,
    /// No other front can be beside this one: what it does not know, nobody does.
    pub sole_front: bool,
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: "onstage".to_owned(),
            default_owner: "lab".to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8484)),
            hosts: Vec::new(),
            proxies: Vec::new(),
            tls: false,
            password: None,
            wait_default: Duration::from_secs(20),
            wait_max: Duration::from_secs(60),
            upload_bytes_max: 4 << 30,
            dataset_bytes_max: 64 << 30,
            bundle_bytes_max: 1 << 30,
            template_python: None,
            storage_origin: None,
            tempdir: std::path::PathBuf::from("/tmp"),
            incarnation: onstage_core::task::Incarnation("unnamed".to_owned()),
            sole_front: true,
            limits: Limits::default(),
        }
    }
}

/// What every request can reach. Cheap to clone.
#[derive(Clone)]
pub(crate) struct State(Arc<Inner>);

/// The inside of `State`.
pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) parts: Parts,
    pub(crate) bundles: Arc<dyn Bundles>,
    pub(crate) settings: Settings,
    pub(crate) hosts: Hosts,
    pub(crate) credentials: Cache,
    pub(crate) password: Option<Password>,
    pub(crate) throttle: Throttle,
    pub(crate) bodies: Budget,
    pub(crate) assemblies: Assemblies,
    /// Streams and long polls end when this is cancelled.
    pub(crate) shutdown: CancellationToken,
    /// Names requests: a random start and a count.
    pub(crate) request_prefix: String,
    pub(crate) requests: AtomicU64,
}

impl State {
    pub(crate) fn new(
        engine: Engine,
        parts: Parts,
        bundles: Arc<dyn Bundles>,
        settings: Settings,
    ) -> Self {
        let entropy = || (parts.entropy)();
        Self(Arc::new(Inner {
            hosts: Hosts::new(&settings.hosts),
            credentials: Cache::default(),
            password: settings
                .password
                .as_deref()
                .filter(|password| !password.is_empty())
                .map(|password| Password::new(password, entropy())),
            throttle: Throttle::default(),
            bodies: Budget::default(),
            assemblies: Assemblies::default(),
            shutdown: CancellationToken::new(),
            request_prefix: format!("{:08x}", entropy() as u32),
            requests: AtomicU64::new(0),
            engine,
            parts,
            bundles,
            settings,
        }))
    }
}

impl Deref for State {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

//! Joins store, blobs, launcher, driver, engine and gateway: the one place that knows them all.
//! Decides nothing about what they do.

mod backup;
mod bundles;
mod host;
mod lock;
mod logging;
mod parts;
mod scratch;
mod socket;
mod task;

pub(crate) use backup::{back_up, restore};
pub(crate) use host::{gpus, raise_descriptors, stop_on_signals};
pub(crate) use lock::{DataFolder, StoreFile};
pub(crate) use logging::start as start_logging;
pub(crate) use onstage_backends::store::{sqlite_version, without_secret};
pub(crate) use parts::prove_blobs;
pub(crate) use task::{TaskOrder, run_task};

use crate::{
    client::{self, Record},
    environment::Environment,
    gateway,
    post::Poster,
    settings::Settings,
};
use onstage_core::{
    Error, Kind, Result,
    people::{CredentialKind, Role},
    ports::{Page, Post},
    task::Incarnation,
};
use onstage_engine::{Engine, Parts, spawn::spawn};
use scratch::Scratch;
use std::{net::SocketAddr, sync::Arc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Credentials looked through for ours of earlier starts.
const TOKENS_MAX: u32 = 1_000;

/// A server that runs.
pub(crate) struct Serving {
    /// Without a slash at the end.
    pub(crate) url: String,
    /// The one-time link that logs a browser in as the owner.
    pub(crate) login: String,
    /// The token of this machine's user, as noted for their other commands.
    pub(crate) token: String,
    scratch: Scratch,
    data: DataFolder,
    store_file: Option<StoreFile>,
    local_name: String,
    parts: Parts,
    engine: Engine,
    gateway: JoinHandle<Option<()>>,
    stop: CancellationToken,
    settings: Settings,
}

/// None while no host may receive webhooks.
fn post(settings: &Settings, parts: &Parts) -> Option<Arc<dyn Post>> {
    let allowed = settings.webhooks.clone();
    (!allowed.hosts.is_empty()).then(|| {
        let (store, blobs) = (parts.store.clone(), parts.blobs.clone());
        let (clock, entropy) = (parts.clock.clone(), parts.entropy.clone());
        Arc::new(Poster::new(allowed, store, blobs, clock, entropy)) as Arc<dyn Post>
    })
}

/// Starts everything on a data folder; it serves when this returns.
pub(crate) async fn start(settings: Settings, environment: &Environment) -> Result<Serving> {
    raise_descriptors();
    let data = DataFolder::take(&settings.data)?;
    let store_file = StoreFile::take(&settings)?;
    // Listening comes first, so that a taken port costs nothing.
    let (listener, address) = socket::open(settings.listen, environment)?;
    check_reach(address, &settings)?;
    let scratch = Scratch::take(data.path(), "front")?;
    let tempdir = scratch.path().to_owned();
    let parts = parts::for_server(&settings, environment, data.path()).await?;
    let incarnation = Incarnation(format!("{:032x}", (parts.entropy)()));
    let usual = onstage_engine::Settings::default();
    let engine = Engine::start(
        parts.clone(),
        onstage_engine::Settings {
            host: host::name(),
            incarnation: incarnation.clone(),
            tempdir: tempdir.clone(),
            queue_items_max: settings.queue_items_max,
            workers_total_max: settings.workers_total_max,
            tasks_total_max: settings.tasks_total_max.unwrap_or(usual.tasks_total_max),
            gpus: gpus(&settings, environment),
            sole_front: settings.sole_front,
            probation: settings.probation,
            prices: settings.prices.clone(),
            post: post(&settings, &parts),
            ..usual
        },
    )
    .await?;
    let receiver = bundles::Receiver {
        blobs: Arc::clone(&parts.blobs),
        launcher: Arc::clone(&parts.launcher),
        tempdir: tempdir.clone(),
    };
    let front = gateway::Settings {
        storage_origin: parts::storage_origin(&parts).await?,
        ..gateway_settings(&settings, address, incarnation, tempdir)
    };
    let state = gateway::State::new(engine.clone(), parts.clone(), Arc::new(receiver), front);
    let stop = CancellationToken::new();
    engine.start_schedules(Arc::new(gateway::Submits(state.clone())));
    let gateway = spawn("gateway", gateway::serve(listener, state, stop.clone()));
    let url = url_of(address);
    let local_name = local_name(&settings);
    let token = local_token(&parts, &local_name).await?;
    let login = format!("{url}{}", gateway::login_path(&parts).await?);
    let note = Record {
        url: url.clone(),
        token: token.clone(),
        pid: std::process::id(),
    };
    client::write_record(data.path(), &note)?;
    host::give_back_start();
    Ok(Serving {
        url,
        login,
        token,
        scratch,
        data,
        store_file,
        local_name,
        parts,
        engine,
        gateway,
        stop,
        settings,
    })
}

impl Serving {
    /// Serves until `asked` is cancelled, then lets what runs finish within the drain time.
    pub(crate) async fn until(self, asked: CancellationToken) -> Result<()> {
        let Self {
            scratch,
            data,
            store_file,
            local_name,
            parts,
            engine,
            mut gateway,
            stop,
            settings,
            ..
        } = self;
        let early = tokio::select! {
            () = asked.cancelled() => false,
            _ = &mut gateway => true,
        };
        // The note goes first: who reads it now would find nobody soon.
        let gone = std::fs::remove_file(client::record_path(data.path()));
        tracing::debug!(?gone, "the note for other commands is taken back");
        stop.cancel();
        if !early {
            let _ = gateway.await;
        }
        engine.shutdown(settings.drain).await;
        forget_local_tokens(&parts, &local_name).await?;
        // Given back last: the next server may have the folder from here on.
        drop((scratch, store_file, data));
        if early {
            return Err(Error::internal(
                "the gateway ended by itself; the log above says why",
            ));
        }
        Ok(())
    }
}

/// Beyond this machine nothing is served that stakeholders could not log in to.
fn check_reach(address: SocketAddr, settings: &Settings) -> Result<()> {
    if address.ip().is_loopback() || settings.password.is_some() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "listening on `{address}` reaches beyond this machine, and no password is set"
    ))
    .hint("set ONSTAGE_PASSWORD to what stakeholders log in with, or listen on `127.0.0.1`"))
}

fn gateway_settings(
    settings: &Settings,
    listen: SocketAddr,
    incarnation: Incarnation,
    tempdir: std::path::PathBuf,
) -> gateway::Settings {
    let defaults = gateway::Settings::default();
    gateway::Settings {
        name: settings.name.clone(),
        default_owner: settings.owner.clone(),
        listen,
        hosts: settings.hosts.clone(),
        proxies: settings.proxies.clone(),
        tls: settings.tls,
        password: settings.password.clone(),
        wait_default: settings.wait_default,
        wait_max: settings.wait_max,
        upload_bytes_max: settings.upload_bytes_max,
        dataset_bytes_max: settings.dataset_bytes_max,
        template_python: settings.template_python.clone(),
        tempdir,
        incarnation,
        sole_front: settings.sole_front,
        limits: gateway::Limits {
            drain: settings.drain,
            ..defaults.limits
        },
        ..defaults
    }
}

/// The address as somebody on this machine types it.
fn url_of(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        return format!("http://127.0.0.1:{}", address.port());
    }
    format!("http://{address}")
}

/// A token for this machine's user; those of earlier starts end.
async fn local_token(parts: &Parts, name: &str) -> Result<String> {
    forget_local_tokens(parts, name).await?;
    let kind = CredentialKind::Token;
    let (token, _) = gateway::mint(parts, kind, Role::Owner, name, None).await?;
    Ok(token)
}

async fn forget_local_tokens(parts: &Parts, name: &str) -> Result<()> {
    let page = Page {
        after: None,
        limit: TOKENS_MAX,
    };
    let tokens = parts.store.credentials(CredentialKind::Token, page).await?;
    for credential in tokens.rows {
        if credential.name == name {
            match parts.store.remove_credential(&credential.id).await {
                Err(error) if error.kind == Kind::NotFound => {}
                removed => removed?,
            }
        }
    }
    Ok(())
}

/// Fronts that share a store may be on one machine, each with a data folder of its own.
fn local_name(settings: &Settings) -> String {
    match settings.sole_front {
        true => format!("{}{})", gateway::LOCAL_TOKEN, host::name()),
        false => format!(
            "{}{}, {})",
            gateway::LOCAL_TOKEN,
            host::name(),
            settings.data.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Flags, Layers};

    fn settings(password: &str) -> Settings {
        let environment = Environment::of([("HOME", "/nowhere"), ("ONSTAGE_PASSWORD", password)]);
        Settings::of(&Layers::load(&environment, &Flags::default()).unwrap()).unwrap()
    }

    #[test]
    fn only_a_password_opens_the_door_to_the_network() {
        for (listen, password, fine) in [
            ("127.0.0.1:8484", "", true),
            ("[::1]:8484", "", true),
            ("0.0.0.0:8484", "", false),
            ("192.168.1.2:8484", "", false),
            ("0.0.0.0:8484", "open sesame", true),
        ] {
            let reached = check_reach(listen.parse().unwrap(), &settings(password));
            assert_eq!(reached.is_ok(), fine, "{listen}");
        }
    }

    #[test]
    fn the_printed_address_can_be_opened() {
        assert_eq!(url_of("0.0.0.0:80".parse().unwrap()), "http://127.0.0.1:80");
        assert_eq!(url_of("[::1]:8484".parse().unwrap()), "http://[::1]:8484");
    }
}

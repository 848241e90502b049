//! Opens everything from outside that the engine needs, by what the settings name.
//! Starts no loop and serves nothing.

use crate::{checks::JsonSchemaChecks, environment::Environment, settings::Settings};
use onstage_backends::{
    blobs,
    clock::{self, SystemClock},
    datasets::{CACHE_BYTES_DEFAULT, HostDatasets},
    fail,
    parcels::DiskParcels,
    process::{LauncherSettings, ProcessDriver, ProcessLauncher, Purpose},
    store,
    tables::FileTables,
};
use onstage_core::{Error, Result, ports::Driver, task::Lane};
use onstage_engine::Parts;
use std::{ffi::OsString, path::Path, sync::Arc};

/// For a server: with a driver that starts tasks as processes.
pub(super) async fn for_server(
    settings: &Settings,
    environment: &Environment,
    data: &Path,
) -> Result<Parts> {
    let driver = ProcessDriver::new(data, program()?, task_arguments(settings, data))?;
    open(
        settings,
        environment,
        data,
        Purpose::Realtime,
        Some(Arc::new(driver)),
    )
    .await
}

/// For a task, which starts no others.
pub(super) async fn for_task(
    settings: &Settings,
    environment: &Environment,
    lane: Lane,
) -> Result<Parts> {
    let purpose = match lane {
        Lane::Jobs => Purpose::Jobs,
        Lane::Trainings => Purpose::Trainings,
    };
    open(settings, environment, &settings.data, purpose, None).await
}

async fn open(
    settings: &Settings,
    environment: &Environment,
    data: &Path,
    purpose: Purpose,
    driver: Option<Arc<dyn Driver>>,
) -> Result<Parts> {
    if let Some(folder) = environment.get("ONSTAGE_FAIL") {
        fail::arm(Path::new(folder), role(purpose));
    }
    let store = store::open(&settings.store).await?;
    let blobs = blobs::open(&settings.blobs).await?;
    if purpose == Purpose::Realtime {
        blobs::prove(&settings.blobs, &*blobs).await?;
        blobs::keep_swept(&settings.blobs);
    }
    let launcher = ProcessLauncher::new(
        LauncherSettings {
            data_dir: data.to_owned(),
            variables: environment.pass_through(),
            purpose,
        },
        Arc::clone(&blobs),
    )?;
    let parcels = DiskParcels::new(data, Arc::clone(&blobs));
    let datasets = HostDatasets::new(data, Arc::clone(&blobs), CACHE_BYTES_DEFAULT);
    Ok(Parts {
        store,
        blobs,
        launcher: Arc::new(launcher),
        driver,
        tables: Arc::new(FileTables),
        parcels: Arc::new(parcels),
        datasets: Arc::new(datasets),
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(clock::entropy),
        ids: Arc::default(),
        checks: Arc::new(JsonSchemaChecks),
    })
}

/// Whether bytes can be kept where `url` says, for who looks before there is a server.
pub(crate) async fn prove_blobs(url: &str) -> Result<()> {
    let blobs = blobs::open(url).await?;
    blobs::prove(url, &*blobs).await
}

/// Where pages may send to past this server.
pub(crate) async fn storage_origin(parts: &Parts) -> Result<Option<String>> {
    blobs::links_origin(&*parts.blobs).await
}

/// What fail points call this process.
fn role(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Realtime => "front",
        Purpose::Jobs => "task",
        Purpose::Trainings => "training",
    }
}

/// This very program: a task must be of the same version as the server that starts it.
fn program() -> Result<std::path::PathBuf> {
    std::env::current_exe()
        .map_err(|error| Error::internal("our own program cannot be found").because(error))
}

/// What a task is told on its command line; it inherits the environment.
fn task_arguments(settings: &Settings, data: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["task".into(), "--data".into(), data.into()];
    if let Some(file) = &settings.file {
        arguments.extend(["--config".into(), file.into()]);
    }
    arguments
}

//! This process on this machine: its name, its limits, its end by signal.
//! Knows nothing of what is served.

use crate::{environment::Environment, settings::Settings};
use onstage_core::{Error, Result, gpu::GpuShare};
use onstage_engine::spawn::spawn;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
#[cfg(target_os = "linux")]
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// File descriptors we ask for: every connection, worker and open file takes some.
const DESCRIPTORS_WANTED: u64 = 65_536;
/// By then nearly everything that a start brings has run; what runs later comes back into memory by itself, and stays.
#[cfg(target_os = "linux")]
const START_OVER: Duration = Duration::from_secs(2);
/// What a shell reports for a process ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// The machine's name.
pub(crate) fn name() -> String {
    ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// The GPUs that models may reserve, as `CUDA_VISIBLE_DEVICES` names them: those of the settings, those it names already
/// where it is set, or all of this machine.
pub(crate) fn gpus(settings: &Settings, environment: &Environment) -> Vec<String> {
    if let Some(gpus) = &settings.gpus {
        return gpus.clone();
    }
    if let Some(visible) = environment.get(GpuShare::VARIABLE) {
        let names = visible.split(',').map(str::trim);
        return names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
    }
    let devices = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = devices
        .filter_map(|device| {
            let name = device.file_name();
            name.to_str()?.strip_prefix("nvidia")?.parse().ok()
        })
        .collect();
    numbers.sort_unstable();
    numbers.iter().map(u32::to_string).collect()
}

/// Gives the memory of code that only the start needed back, once the start is over.
pub(crate) fn give_back_start() {
    #[cfg(target_os = "linux")]
    spawn("giving the start back", async {
        tokio::time::sleep(START_OVER).await;
        match onstage_backends::process::own_code::give_back() {
            Ok(bytes) => tracing::debug!(bytes, "the code that ran so far is given back"),
            Err(error) => tracing::debug!(%error, "the start's code could not be given back"),
        }
    });
}

/// Raises the soft limit of open files as far as it goes; answers what it is then.
pub(crate) fn raise_descriptors() -> u64 {
    let now = getrlimit(Resource::Nofile);
    let wanted = now
        .maximum
        .map_or(DESCRIPTORS_WANTED, |most| most.min(DESCRIPTORS_WANTED));
    let current = now.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return current;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: now.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            current
        }
    }
}

/// Cancels `stop` at the first SIGINT or SIGTERM; at the second the process ends there and then.
pub(crate) fn stop_on_signals(stop: CancellationToken) -> Result<()> {
    let cannot = |error| Error::internal("signals cannot be received").because(error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    spawn("signals", async move {
        for asked in 1.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if asked > 1 {
                #[expect(
                    clippy::exit,
                    reason = "the person asked twice: nothing may hold the end up"
                )]
                std::process::exit(INTERRUPTED);
            }
            tracing::info!("stopping; once more stops at once");
            stop.cancel();
        }
    });
    Ok(())
}

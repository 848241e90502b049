//! Processes of this host: the launcher of workers and the driver of tasks.
//! Does not know what workers and tasks compute.

mod adopted;
mod bundles;
mod child;
mod control_groups;
mod dial_in;
mod driver;
mod groups;
mod host_memory;
mod identity;
mod kernel_kills;
mod launcher;
#[cfg(target_os = "linux")]
pub mod own_code;
mod owned_dir;
mod place;
mod procfs;
mod run;
mod spawner;
mod strays;
mod task_file;
mod templates;
#[cfg(test)]
mod tests;
mod variables;
mod worker;

/// The folder in the data folder for what does not outlive its process.
const SCRATCH: &str = "tmp";

pub use driver::ProcessDriver;
pub use launcher::{LauncherSettings, ProcessLauncher, Purpose};
pub use variables::HostVariables;

pub(crate) use run::{Failed, Run, run};
pub(crate) use spawner::Spawner;
pub(crate) use variables::Variables;

/// An error of the disk, for what could not be done because of it.
fn on_disk(what: &str, error: std::io::Error) -> onstage_core::Error {
    let kind = crate::durable::kind_of_own(error.kind());
    onstage_core::Error::new(kind, what).because(error)
}

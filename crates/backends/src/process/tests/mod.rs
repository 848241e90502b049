//! Tests with real processes.

mod driver;
mod groups;
mod host;
mod launcher;
#[cfg(target_os = "linux")]
mod templates;

use std::{fs, path::Path, time::Duration};

/// Longer than anything here takes on a busy machine.
const WAIT_SECONDS_MAX: u64 = 30;

/// Looks again and again until it is so.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let look = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(WAIT_SECONDS_MAX), look)
        .await
        .unwrap_or_else(|_| panic!("never came true: {what}"));
}

fn runs(pid: u32) -> bool {
    super::procfs::stat(pid).is_some_and(|stat| stat.state != 'Z')
}

fn number_in(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

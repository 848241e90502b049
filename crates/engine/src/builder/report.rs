//! What a build says while it runs: its phase into the version's record, its lines into the build log.
//! Does not know what is built.

use crate::{logs::KeptLog, parts::Parts, spawn::spawn};
use bytes::Bytes;
use onstage_core::{
    Kind,
    model::{VersionId, VersionState},
    outcome::Phase,
    ports::Preparing,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::watch;

/// Least time between two writes of the phase.
const WRITE_PAUSE: Duration = Duration::from_millis(250);
/// A line of the log is shown as the phase's text when nothing else says more, cut to this.
const TEXT_CHARS_MAX: usize = 120;

/// The blob with a version's build log.
pub fn log_key(id: &VersionId) -> String {
    format!("versions/{id}/build.log")
}

pub(super) struct Report {
    log: Mutex<KeptLog>,
    phase: watch::Sender<(Phase, String)>,
    /// Another front finished or removed the version meanwhile.
    pub(super) overtaken: AtomicBool,
}

impl Report {
    pub(super) fn start(parts: Parts, id: VersionId) -> Arc<Self> {
        let (phase, seen) = watch::channel((Phase::Queued, "starting".to_owned()));
        let report = Arc::new(Self {
            log: Mutex::default(),
            phase,
            overtaken: AtomicBool::new(false),
        });
        spawn(
            "build report",
            write_phases(parts, id, seen, Arc::downgrade(&report)),
        );
        report
    }

    fn log(&self) -> std::sync::MutexGuard<'_, KeptLog> {
        self.log.lock().unwrap_or_else(|it| it.into_inner())
    }

    pub(super) async fn keep_log(&self, parts: &Parts, id: &VersionId) {
        let text = self.log().text();
        if let Err(error) = parts.blobs.put(&log_key(id), Bytes::from(text)).await {
            tracing::warn!(version = %id, %error, "a build log was not kept");
        }
    }
}

impl Preparing for Report {
    fn phase(&self, phase: Phase, text: &str) {
        self.log().push(&format!("--- {text}"));
        self.phase.send_replace((phase, text.to_owned()));
    }

    fn line(&self, line: &str) {
        self.log().push(line);
        self.phase.send_if_modified(|(phase, text)| {
            // An installer's lines say more than "installing"; what a model prints does not.
            let installing = *phase == Phase::Installing && !line.trim().is_empty();
            if installing {
                *text = line.trim().chars().take(TEXT_CHARS_MAX).collect();
            }
            installing
        });
    }
}

/// Ends with the report.
async fn write_phases(
    parts: Parts,
    id: VersionId,
    mut seen: watch::Receiver<(Phase, String)>,
    report: std::sync::Weak<Report>,
) {
    while seen.changed().await.is_ok() {
        let (phase, text) = seen.borrow_and_update().clone();
        let state = VersionState::Building { phase, text };
        match parts.store.set_version_state(&id, state).await {
            Err(error) if matches!(error.kind, Kind::Conflict | Kind::NotFound) => {
                if let Some(report) = report.upgrade() {
                    report.overtaken.store(true, Relaxed);
                }
                return;
            }
            Err(error) => tracing::debug!(version = %id, %error, "a build's phase was not written"),
            Ok(_) => {}
        }
        tokio::time::sleep(WRITE_PAUSE).await;
    }
}

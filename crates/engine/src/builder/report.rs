//! What a build says while it runs: its phase into the version's record, its lines into the build log.
//! Does not know what is built.

use crate::{logs::KeptLog, parts::Parts, spawn::spawn};
use bytes::Bytes;
use onstage_core::{
    Kind,
    model::{BuildFailure, VersionId, VersionState},
    outcome::Phase,
    ports::Preparing,
};
use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::watch;

/// Least time between two writes of the phase.
const WRITE_PAUSE: Duration = Duration::from_millis(250);
/// Least time between two writes of the log, which is written whole and synced each time.
const LOG_PAUSE: Duration = Duration::from_millis(500);
/// A line of the log is shown as the phase's text when nothing else says more, cut to this.
const TEXT_CHARS_MAX: usize = 120;

/// The blob with a version's build log.
pub fn log_key(id: &VersionId) -> String {
    format!("versions/{id}/build.log")
}

pub(super) struct Report {
    parts: Parts,
    id: VersionId,
    log: Mutex<KeptLog>,
    /// Told whenever the log has grown.
    grown: watch::Sender<()>,
    /// Held while the log is written, so that what is written last is the newest.
    writing: tokio::sync::Mutex<()>,
    phase: watch::Sender<(Phase, String)>,
    /// Another front finished or removed the version meanwhile.
    pub(super) overtaken: AtomicBool,
}

impl Report {
    pub(super) fn start(parts: &Parts, id: &VersionId) -> Arc<Self> {
        let (phase, seen) = watch::channel((Phase::Queued, "starting".to_owned()));
        let (grown, news) = watch::channel(());
        let report = Arc::new(Self {
            parts: parts.clone(),
            id: id.clone(),
            log: Mutex::default(),
            grown,
            writing: tokio::sync::Mutex::default(),
            phase,
            overtaken: AtomicBool::new(false),
        });
        spawn(
            "build report",
            write_phases(parts.clone(), id.clone(), seen, Arc::downgrade(&report)),
        );
        spawn("build log", write_log(news, Arc::downgrade(&report)));
        report
    }

    fn push(&self, line: &str) {
        let mut log = self.log.lock().unwrap_or_else(|it| it.into_inner());
        log.push(line);
        drop(log);
        self.grown.send_replace(());
    }

    fn text(&self) -> String {
        let log = self.log.lock().unwrap_or_else(|it| it.into_inner());
        log.text()
    }

    /// The log as it is now becomes the version's.
    pub(super) async fn keep_log(&self) {
        let _writing = self.writing.lock().await;
        let text = Bytes::from(self.text());
        let key = log_key(&self.id);
        if let Err(error) = self.parts.blobs.put(&key, text).await {
            tracing::warn!(version = %self.id, %error, "a build log was not kept");
        }
    }

    /// The log's last lines, which `onstage push` knows by their start and tells itself.
    pub(super) fn failed(&self, failure: &BuildFailure) {
        self.push(&format!("--- failed: {}", failure.message));
        for line in failure.traceback.iter().flat_map(|text| text.lines()) {
            self.push(line);
        }
    }
}

impl Preparing for Report {
    fn phase(&self, phase: Phase, text: &str) {
        let told = (phase, text.to_owned());
        // A worker goes on with what its template has begun.
        if *self.phase.borrow() != told {
            self.push(&format!("--- {text}"));
            self.phase.send_replace(told);
        }
    }

    fn line(&self, line: &str) {
        self.push(line);
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

/// Writes the log behind as it grows, so that the author can read along. Ends with the report.
async fn write_log(mut news: watch::Receiver<()>, report: Weak<Report>) {
    while news.changed().await.is_ok() {
        let Some(report) = report.upgrade() else {
            return;
        };
        if report.overtaken.load(Relaxed) {
            return;
        }
        report.keep_log().await;
        drop(report);
        tokio::time::sleep(LOG_PAUSE).await;
    }
}

/// Ends with the report.
async fn write_phases(
    parts: Parts,
    id: VersionId,
    mut seen: watch::Receiver<(Phase, String)>,
    report: Weak<Report>,
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

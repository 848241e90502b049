//! A lease that is being held: beats while the work goes on, and hears from each beat whether to go on.
//! Does not know what the work is.

use super::persist::SELF_STOP_S;
use crate::{parts::Parts, spawn::spawn};
use onstage_core::{
    Kind,
    job::Lease,
    lifecycle::Beat,
    outcome::{Phase, Progress},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;

/// Between two beats of one job.
pub(crate) const BEAT_EVERY_MS: u64 = 1_500;
/// A phase that changed is told this soon; quicker changes share a beat.
const NEWS_WAIT_MS: u64 = 250;

/// What the last beats said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    GoOn,
    /// Somebody asked for the job to be stopped.
    Cancel,
    /// The lease is not ours any more: no more writes, kill what computes for it.
    Lost,
}

/// A held lease. Dropping it stops the beats and gives nothing back.
pub(crate) struct Hold {
    pub(crate) lease: Lease,
    shared: Arc<Shared>,
    told: watch::Receiver<Told>,
    _beats: AbortOnDropHandle<Option<()>>,
}

struct Shared {
    said: Mutex<Beat>,
    news: Notify,
}

/// Says where the work stands; for those who are told by others.
#[derive(Clone)]
pub(crate) struct Voice(Arc<Shared>);

impl Hold {
    /// Starts beating. `crowd` is how many leases are held at once: many share the store, so each beats more slowly.
    pub(crate) fn take(parts: &Parts, lease: Lease, crowd: usize) -> Self {
        let shared = Arc::new(Shared {
            said: Mutex::new(Beat {
                phase: Phase::Loading,
                progress: None,
            }),
            news: Notify::new(),
        });
        let (tell, told) = watch::channel(Told::GoOn);
        let every = Duration::from_millis(BEAT_EVERY_MS.max(40 * crowd as u64).min(4_000));
        let beats = beats(parts.clone(), lease.clone(), shared.clone(), tell, every);
        Self {
            lease,
            shared,
            told,
            _beats: AbortOnDropHandle::new(spawn("beats of a job", beats)),
        }
    }

    pub(crate) fn voice(&self) -> Voice {
        Voice(self.shared.clone())
    }

    /// Hears orders apart from the hold itself.
    pub(crate) fn ear(&self) -> watch::Receiver<Told> {
        self.told.clone()
    }
}

impl Voice {
    pub(crate) fn say(&self, phase: Phase, progress: Option<Progress>) {
        let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        let news = said.phase != phase;
        said.phase = phase;
        if progress.is_some() {
            said.progress = progress;
        }
        drop(said);
        if news {
            self.0.news.notify_one();
        }
    }
}

/// Resolves at the next order that is not to go on.
pub(crate) async fn order(ear: &mut watch::Receiver<Told>) -> Told {
    loop {
        if ear.changed().await.is_err() {
            // The beats have stopped without a word: only a panic does that, and then the lease runs out.
            return Told::Lost;
        }
        let told = *ear.borrow_and_update();
        if told != Told::GoOn {
            return told;
        }
    }
}

async fn beats(
    parts: Parts,
    lease: Lease,
    shared: Arc<Shared>,
    tell: watch::Sender<Told>,
    every: Duration,
) {
    let mut heard = parts.clock.monotonic();
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = shared.news.notified() => tokio::time::sleep(Duration::from_millis(NEWS_WAIT_MS)).await,
        }
        let beat = shared
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match parts.store.beat(&lease, beat).await {
            Ok(cancel) => {
                heard = parts.clock.monotonic();
                if cancel {
                    tell.send_if_modified(|told| {
                        let news = *told == Told::GoOn;
                        *told = Told::Cancel;
                        news
                    });
                }
            }
            Err(error) if matches!(error.kind, Kind::Lost | Kind::NotFound | Kind::Conflict) => {
                tell.send_replace(Told::Lost);
                return std::future::pending().await;
            }
            Err(error) => {
                let silent = parts.clock.monotonic().saturating_sub(heard);
                tracing::warn!(job = %lease.job, %error, "a beat failed");
                if silent >= Duration::from_secs(SELF_STOP_S) {
                    tell.send_replace(Told::Lost);
                    return std::future::pending().await;
                }
            }
        }
    }
}

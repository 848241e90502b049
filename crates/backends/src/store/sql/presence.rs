//! Whether the store answers. While it is known not to, a caller whose write has not begun is told so soon, not after the whole wait.
//! Asks nothing itself: who begins a write says what came of it.

use onstage_core::{Error, Result};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::{oneshot, watch};

/// How long the store may take to come back before a caller is told.
const AWAY_MAX: Duration = Duration::from_millis(450);

/// What is known of the store; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Presence {
    away: watch::Sender<bool>,
}

/// Whose turn a write is: that of who does it, or that of its caller who gives it up.
#[derive(Debug, Clone, Default)]
pub(super) struct Turn(Arc<AtomicU8>);

const WAITS: u8 = 0;
const BEGUN: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Turn {
    /// False when its caller has given it up: it is not to be done.
    pub(super) fn begin(&self) -> bool {
        self.step(WAITS, BEGUN)
    }

    /// Nothing of it was written, and it is to begin again.
    pub(super) fn undone(&self) {
        self.step(BEGUN, WAITS);
    }

    fn give_up(&self) -> bool {
        self.step(WAITS, GIVEN_UP)
    }

    fn step(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Relaxed, Relaxed).is_ok()
    }
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            away: watch::Sender::new(false),
        }
    }
}

impl Presence {
    pub(super) fn saw(&self, answers: bool) {
        let changed = self
            .away
            .send_if_modified(|away| std::mem::replace(away, !answers) == answers);
        match (changed, answers) {
            (true, true) => tracing::info!("the store answers again"),
            (true, false) => {
                tracing::warn!("the store does not answer; what needs it is refused until it does");
            }
            (false, _) => {}
        }
    }

    /// Resolves when the store has been away for a while.
    pub(super) async fn gone(&self) {
        let mut away = self.away.subscribe();
        loop {
            // The sender is ours: it is not dropped meanwhile.
            let _ = away.wait_for(|away| *away).await;
            let back = tokio::time::timeout(AWAY_MAX, away.wait_for(|away| !*away));
            if back.await.is_err() {
                return;
            }
        }
    }

    /// Waits for a write's answer, and gives the write up when the store is away before it has begun: nothing of it was written then.
    pub(super) async fn answer<T>(
        &self,
        turn: &Turn,
        mut answer: oneshot::Receiver<Result<T>>,
    ) -> Result<T> {
        loop {
            tokio::select! {
                biased;
                answered = &mut answer => {
                    let broken_off = |_| Error::unavailable("the store broke this write off");
                    return answered.map_err(broken_off)?;
                }
                () = self.gone() => if turn.give_up() {
                    return Err(is_away());
                },
            }
        }
    }
}

pub(super) fn is_away() -> Error {
    Error::unavailable("the store does not answer").hint("it is safe to try again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::Kind;

    #[tokio::test]
    async fn who_has_not_begun_is_told_and_who_has_waits() {
        let presence = Presence::default();
        let (_not_begun, waiting) = oneshot::channel::<Result<u32>>();
        let (reply, begun) = oneshot::channel();
        let (turn, taken) = (Turn::default(), Turn::default());
        assert!(taken.begin());
        presence.saw(false);
        let refused = presence.answer(&turn, waiting).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Unavailable);
        assert!(!turn.begin(), "it is not to be done any more");
        let answered = async {
            presence.gone().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            reply.send(Ok(7)).unwrap();
        };
        let (value, ()) = tokio::join!(presence.answer(&taken, begun), answered);
        assert_eq!(value.unwrap(), 7);
        let (_done_again, waiting) = oneshot::channel::<Result<u32>>();
        taken.undone();
        assert!(presence.answer(&taken, waiting).await.is_err());
    }

    #[tokio::test]
    async fn a_store_that_comes_back_soon_refuses_nobody() {
        let presence = Presence::default();
        presence.saw(false);
        let comes_back = async {
            tokio::time::sleep(AWAY_MAX / 10).await;
            presence.saw(true);
        };
        let late = tokio::time::timeout(AWAY_MAX * 2, presence.gone());
        assert!(tokio::join!(late, comes_back).0.is_err());
    }
}

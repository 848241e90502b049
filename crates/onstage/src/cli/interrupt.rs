//! Ctrl-C while something is waited for: what was asked for goes on at the server, and the person is told how to find it.
//! Does not cancel anything.

use super::{exit::Failure, print};
use std::sync::{Mutex, PoisonError};

/// What is said when the person stops waiting; nothing before the server has taken the work.
#[derive(Debug, Default)]
pub(super) struct Interrupt {
    said: Mutex<Option<String>>,
}

impl Interrupt {
    /// From now on the work goes on without us.
    pub(super) fn says(&self, text: String) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    /// Does the work, unless the person presses Ctrl-C before it is done.
    pub(super) async fn or<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let pressed = async {
            if tokio::signal::ctrl_c().await.is_err() {
                // Without a handler Ctrl-C ends us as it always does.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            ended = work => return ended,
            () = pressed => {}
        }
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = &*said {
            print::say(text);
        }
        Err(Failure::Interrupted)
    }
}

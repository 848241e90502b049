//! Riding out a restart of the server: how often it may be found away, and where it is looked for meanwhile.
//! Does not print; says when there is something to tell.

use super::Client;
use onstage_core::{Error, Kind};
use std::time::Duration;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// How many tries in a row may find the server away.
const TRIES_MAX: u32 = 60;
/// What is said meanwhile; the seconds are `PAUSE` times `TRIES_MAX`.
const SAID: &str = "the server is away; waiting up to 30 s";

/// How long a server has been away.
#[derive(Debug, Default)]
pub(crate) struct Away {
    tries: u32,
}

impl Away {
    /// Whether to try again after this error; waits a little before it says so, and tells `say` the first time.
    pub(crate) async fn rides_out(
        &mut self,
        client: &Client,
        error: &Error,
        say: impl FnOnce(&str),
    ) -> bool {
        let away = match error.kind {
            Kind::Unavailable => true,
            // A server that starts again has a new token in its note, soon if not yet.
            Kind::Denied => client.target().is_noted(),
            _ => false,
        };
        if !away || self.tries >= TRIES_MAX {
            return false;
        }
        if error.kind == Kind::Unavailable && self.tries == 0 {
            say(SAID);
        }
        self.tries += 1;
        if !client.renew() {
            tokio::time::sleep(PAUSE).await;
        }
        true
    }

    /// It answered. True when it had been away.
    pub(crate) fn is_back(&mut self) -> bool {
        std::mem::take(&mut self.tries) > 0
    }
}

//! A prediction tethered to its client: cancelled when the client goes away before it has ended.
//! Does not know why the client went.

use crate::gateway::call::Call;
use axum::{body::Body, response::Response};
use futures::TryStreamExt;
use onstage_engine::{Engine, Ticket};

/// Cancels when it is dropped, unless the prediction has ended or was let go.
pub(super) struct Tether {
    engine: Engine,
    ticket: Option<Ticket>,
}

impl Tether {
    /// For a client that prefers `cancel-on-disconnect`.
    pub(super) fn of(call: &Call, ticket: &Ticket) -> Option<Self> {
        call.prefer().cancel_on_disconnect.then(|| Self {
            engine: call.state.engine.clone(),
            ticket: Some(ticket.clone()),
        })
    }

    /// The client has a link and may come back.
    pub(super) fn let_go(mut self) {
        self.ticket = None;
    }

    /// Held as long as the body of a stream is.
    pub(super) fn hold(self, response: Response) -> Response {
        response.map(|body| {
            let pieces = body.into_data_stream().inspect_ok(move |_| {
                let _held = &self;
            });
            Body::from_stream(pieces)
        })
    }
}

impl Drop for Tether {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take()
            && ticket.finished().is_none()
        {
            tracing::debug!(prediction = %ticket.id(), "its client went away");
            self.engine.cancel(ticket.id());
        }
    }
}

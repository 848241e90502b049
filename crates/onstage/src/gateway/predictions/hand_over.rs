//! A realtime prediction made durable: it goes on here, and when this front dies, as a job elsewhere.
//! Does not run anything.

use super::start::{Wanted, new_job, predict, submitted};
use crate::gateway::{call::Call, problem::Problem};
use onstage_core::{
    Error, Id,
    job::{Idempotency, Lease},
    lifecycle::{RetryPolicy, RunEnd},
};
use onstage_engine::{Engine, Ticket, spawn::spawn};

/// At the wait limit: a job is made that this front already runs.
pub(crate) async fn at_limit(call: &Call, wanted: &Wanted, ticket: Ticket) -> Result<(), Problem> {
    let Some(offer) = Offer::of(call, ticket) else {
        return Ok(());
    };
    // It goes on when the client leaves: a job that was made must be taken by who runs it already.
    let (call, wanted) = (call.again(), wanted.clone());
    let making = async move { offer.made_a_job(&call, &wanted).await };
    match spawn("making a job of a prediction", making).await {
        Ok(Some(made)) => made,
        Ok(None) | Err(_) => Err(Error::internal("making a job of a prediction broke off").into()),
    }
}

/// A prediction that is to become a job's: until that is certain, nobody is told how it ends. Dropped before, it stays what it was.
struct Offer {
    engine: Engine,
    ticket: Ticket,
    taken: bool,
}

impl Offer {
    /// None when it has ended already.
    fn of(call: &Call, ticket: Ticket) -> Option<Self> {
        ticket.hand_over().then(|| Self {
            engine: call.state.engine.clone(),
            ticket,
            taken: false,
        })
    }

    async fn made_a_job(self, call: &Call, wanted: &Wanted) -> Result<(), Problem> {
        let spec = wanted.input.for_job(call).await?;
        let mut new = new_job(call, wanted, spec, None)?;
        let (store, own) = (&call.state.parts.store, &call.state.settings.incarnation);
        new.created_at = self.ticket.created_at();
        new.claimed_by = Some(own.clone());
        let job = match store.submit(new).await {
            Ok(submitted) => submitted.job,
            // It may have been committed all the same.
            Err(error) if error.kind.retryable() => match store.job(&wanted.id).await {
                Ok(Some(job)) => job,
                Ok(None) | Err(_) => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        };
        let lease = job.lease().filter(|lease| lease.owner == *own);
        let lease = lease.ok_or_else(not_running)?;
        self.taken(lease);
        Ok(())
    }

    fn taken(mut self, lease: Lease) {
        self.taken = true;
        self.engine.adopt(self.ticket.clone(), lease);
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        if !self.taken {
            self.engine.keep(&self.ticket);
        }
    }
}

fn not_running() -> Error {
    Error::internal("a job that was submitted as claimed is not running")
}

/// What became of a request that must run once.
pub(crate) enum Once {
    Here(Ticket),
    /// It was asked before, or it waits as a job.
    Known(Id),
}

/// Makes the job first, so that of two equal requests, on whatever fronts, one runs.
pub(crate) async fn once(call: &Call, wanted: &Wanted, key: Idempotency) -> Result<Once, Problem> {
    let store = &call.state.parts.store;
    // A job under this id is judged by its key when it is submitted; it may have left a record as well.
    let is_job = wanted.own_id && store.job(&wanted.id).await?.is_some();
    if wanted.own_id && !is_job && store.prediction(&wanted.id).await?.is_some() {
        wanted.input.forget(call).await;
        return Err(taken(&wanted.id));
    }
    let own = call.state.settings.incarnation.clone();
    let submitted = submitted(call, wanted, Some(key), Some(own)).await?;
    if !submitted.new {
        return Ok(Once::Known(submitted.job.id));
    }
    let lease = submitted.job.lease().ok_or_else(not_running)?;
    match predict(call, wanted) {
        Ok(ticket) => {
            ticket.hand_over();
            call.state.engine.adopt(ticket.clone(), lease);
            Ok(Once::Here(ticket))
        }
        // Full here: it was accepted durably, so it waits for a task instead.
        Err(_) => {
            let policy = RetryPolicy {
                retries: 0,
                retry_on: Vec::new(),
            };
            let now = call.state.parts.clock.now();
            store
                .finish(
                    &lease,
                    RunEnd::HandedBack,
                    &policy,
                    call.state.parts.jitter(),
                    now,
                )
                .await?;
            call.state.engine.nudge();
            Ok(Once::Known(submitted.job.id))
        }
    }
}

fn taken(id: &Id) -> Problem {
    Error::conflict(format!("prediction `{id}` is there already"))
        .hint("choose an id that was not used before")
        .into()
}

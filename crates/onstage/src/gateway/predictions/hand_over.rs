//! A realtime prediction made durable: it goes on here, and when this front dies, as a job elsewhere.
//! Does not run anything.

use super::start::{Wanted, new_job, predict};
use crate::gateway::{call::Call, problem::Problem};
use onstage_core::{
    Error, Id,
    job::{Idempotency, Lease},
    lifecycle::{RetryPolicy, RunEnd},
};
use onstage_engine::{Engine, Ticket};

/// At the wait limit: a job is made that this front already runs.
pub(crate) async fn at_limit(call: &Call, wanted: &Wanted, ticket: Ticket) -> Result<(), Problem> {
    let Some(offer) = Offer::of(call, ticket) else {
        return Ok(());
    };
    let ticket = &offer.ticket;
    let spec = wanted.input.for_job(call).await?;
    let mut new = new_job(call, wanted, spec, None)?;
    new.created_at = ticket.created_at();
    new.claimed_by = Some(call.state.settings.incarnation.clone());
    let job = call.state.parts.store.submit(new).await?.job;
    let lease = job
        .lease()
        .ok_or_else(|| Error::internal("a job that was submitted as claimed is not running"))?;
    offer.taken(lease);
    Ok(())
}

/// A prediction that is to become a job's: until that is certain, nobody is told how it ends. Dropped before, it stays what it was.
struct Offer<'a> {
    engine: &'a Engine,
    ticket: Ticket,
    taken: bool,
}

impl<'a> Offer<'a> {
    /// None when it has ended already.
    fn of(call: &'a Call, ticket: Ticket) -> Option<Self> {
        ticket.hand_over().then(|| Self {
            engine: &call.state.engine,
            ticket,
            taken: false,
        })
    }

    fn taken(mut self, lease: Lease) {
        self.taken = true;
        self.engine.adopt(self.ticket.clone(), lease);
    }
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        if !self.taken {
            self.engine.keep(&self.ticket);
        }
    }
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
        return Err(taken(&wanted.id));
    }
    let spec = wanted.input.for_job(call).await?;
    let mut new = new_job(call, wanted, spec, Some(key))?;
    new.claimed_by = Some(call.state.settings.incarnation.clone());
    let submitted = store.submit(new).await?;
    if !submitted.new {
        return Ok(Once::Known(submitted.job.id));
    }
    let lease = submitted
        .job
        .lease()
        .ok_or_else(|| Error::internal("a job that was submitted as claimed is not running"))?;
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

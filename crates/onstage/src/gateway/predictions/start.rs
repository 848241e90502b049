//! Starting a prediction: at once on this front, or as a job; and how long its answer is waited for.
//! Does not read requests.

use super::{by_model::Extras, find, get, hand_over, tether::Tether};
use crate::gateway::{
    call::{self, Call, Prefer, set},
    input::Prepared,
    problem::{Answer, Problem, whole_seconds},
    usage::limit,
    wire::prediction::Known,
};
use axum::response::Response;
use http::{HeaderName, StatusCode, header};
use onstage_core::{
    Error, Id, ModelName,
    fair::Urgency,
    job::{Idempotency, JobSpec, NewJob},
    outcome::Status,
    people::Principal,
    ports::Submitted,
    task::Incarnation,
    usage::UsageKind,
};
use onstage_engine::{Ask, Finished, Keep, Loaded, Refused, Ticket};
use std::{sync::Arc, time::Duration};

/// How soon to ask again for something that goes on.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// After the shutdown signal, how long answers are still waited for.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// For the commit of an answer that a job's record has before anybody is told it.
const COMMIT_WAIT: Duration = Duration::from_secs(10);
/// How the calls that schedules make name themselves.
pub(crate) const SCHEDULE_AGENT: &str = "onstage-schedule";
/// A key that a client gives against doubled requests.
const KEY_BYTES_MAX: usize = 255;

/// A prediction to start.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) id: Id,
    /// Chosen by the client, by `PUT`.
    pub(crate) own_id: bool,
    pub(crate) input: Prepared,
    pub(crate) extras: Extras,
    /// Of the body, for telling a repetition from a conflict.
    pub(crate) body_sha256: String,
    /// For its datasets to come to this host.
    pub(crate) waited: Duration,
}

impl Wanted {
    /// Whether a task does it: whoever is told by a webhook does not wait here, and must be told although this server stops.
    fn is_job(&self) -> bool {
        self.loaded.schema.background || self.extras.webhook.is_some()
    }
}

pub(crate) async fn start(call: &Call, mut wanted: Wanted) -> Answer {
    let streams = call.accepts("text/event-stream");
    let keyed = idempotency(call, &wanted)?;
    if wanted.is_job() || !bring_data(call, &mut wanted, streams).await? {
        let submitted = submit(call, &wanted, keyed).await?;
        if submitted.new && !streams {
            let known = find::of_new_job(call, &submitted.job, &wanted.loaded).await?;
            return accepted(call, known);
        }
        return going_on(call, find::Place::Job(Box::new(submitted.job)), streams).await;
    }
    let Some(keyed) = keyed else {
        wanted.input.record(call).await?;
        let ticket = match predict(call, &wanted) {
            Ok(ticket) => ticket,
            Err(refused) => {
                if wanted.input.stored.has_blobs() {
                    wanted.input.forget(call).await;
                }
                return Err(refused);
            }
        };
        return follow(call, &wanted, ticket, streams, Kept::AtTheLimit).await;
    };
    let of_limit = (UsageKind::Realtime, None);
    limit::check_new(call, &wanted.loaded.version, of_limit, Some(&keyed)).await?;
    wanted.input.record(call).await?;
    match hand_over::once(call, &wanted, keyed).await? {
        hand_over::Once::Here(ticket) => follow(call, &wanted, ticket, streams, Kept::AsJob).await,
        hand_over::Once::Known(id) => known_before(call, &wanted, &id, streams).await,
    }
}

/// Puts the datasets of the input onto this host for as long as the answer is waited for. False when they are still on their
/// way: then a task waits for them.
async fn bring_data(call: &Call, wanted: &mut Wanted, streams: bool) -> Result<bool, Problem> {
    let prefer = call.prefer();
    let patience = match streams || wanted.extras.stream || prefer.respond_async {
        true => Duration::ZERO,
        false => patience(call, prefer),
    };
    let clock = &call.state.parts.clock;
    let began = clock.monotonic();
    let placed = tokio::time::timeout(patience, wanted.input.place(call)).await;
    wanted.waited = clock.monotonic().saturating_sub(began);
    placed.map_or(Ok(false), |placed| placed.map(|()| true))
}

/// A repeated request waits for its answer as long as the first one did.
async fn known_before(call: &Call, wanted: &Wanted, id: &Id, streams: bool) -> Answer {
    let prefer = call.prefer();
    if !(streams || wanted.extras.stream || prefer.respond_async) {
        let place = find::find(call, id).await?;
        get::wait(call, id, place, patience(call, prefer)).await?;
    }
    going_on(call, find::find(call, id).await?, streams).await
}

/// What tells a repeated request from a new one, when the client asked for that.
fn idempotency(call: &Call, wanted: &Wanted) -> Result<Option<Idempotency>, Problem> {
    let who = &call.principal()?.id;
    let scope = format!("{who}/{}", wanted.loaded.model);
    if wanted.own_id {
        return Ok(Some(Idempotency {
            scope,
            key: format!("id:{}", wanted.id),
            body_sha256: wanted.body_sha256.clone(),
        }));
    }
    match call.header(&HeaderName::from_static("idempotency-key")) {
        None => Ok(None),
        Some(key) if (1..=KEY_BYTES_MAX).contains(&key.len()) => Ok(Some(Idempotency {
            scope,
            key: format!("key:{key}"),
            body_sha256: wanted.body_sha256.clone(),
        })),
        Some(_) => Err(Problem::invalid(
            "invalid_idempotency_key",
            format!("The `Idempotency-Key` must have 1 to {KEY_BYTES_MAX} characters."),
        )),
    }
}

/// Gives it to the engine. Errors: 429 with the time to wait; 503 while shutting down.
pub(crate) fn predict(call: &Call, wanted: &Wanted) -> Result<Ticket, Problem> {
    let ask = Ask {
        id: wanted.id.clone(),
        version: Arc::clone(&wanted.loaded),
        input: wanted.input.value.clone(),
        placed: wanted.input.placed.clone(),
        stored_input: wanted.input.stored.clone(),
        by: call.principal()?.clone(),
        source: source(call).to_owned(),
        deadline: None,
        keep: keep(call),
    };
    call.state
        .engine
        .predict(ask)
        .map_err(|why| refused(&why, &wanted.loaded.model))
}

/// Why the engine did not take it.
pub(crate) fn refused(why: &Refused, model: &ModelName) -> Problem {
    match why {
        Refused::Busy {
            retry_after,
            queued,
        } => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "busy",
            format!("The model `{model}` is busy: {queued} requests wait already."),
        )
        .retry_after(*retry_after),
        Refused::OverBudget { message, hint } => {
            let mut error = Error::over_budget(message);
            error.hint.clone_from(hint);
            error.into()
        }
        Refused::ShuttingDown => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting_down",
            "This server is about to stop.",
        )
        .retry_after(ASK_AGAIN),
    }
}

/// People look for what they did; programs at full speed may be sampled.
fn keep(call: &Call) -> Keep {
    if source(call) == "api" {
        Keep::Sampled
    } else {
        Keep::Always
    }
}

/// `page`, `cli`, `schedule` or `api`.
pub(crate) fn source(call: &Call) -> &'static str {
    let agent = call.header(&header::USER_AGENT).unwrap_or_default();
    if call.who.as_ref().is_some_and(|who| who.by_cookie) {
        "page"
    } else if agent == SCHEDULE_AGENT {
        "schedule"
    } else if agent.starts_with("onstage") {
        "cli"
    } else {
        "api"
    }
}

/// Queues it durably; answers this or the same one before.
async fn submit(
    call: &Call,
    wanted: &Wanted,
    key: Option<Idempotency>,
) -> Result<Submitted, Problem> {
    let of_limit = (UsageKind::Background, Some(1));
    limit::check_new(call, &wanted.loaded.version, of_limit, key.as_ref()).await?;
    let submitted = submitted(call, wanted, key, None).await?;
    call.state.engine.nudge();
    Ok(submitted)
}

/// Makes a job of it, which `claimed_by` runs already. What it has in blobs goes when it is none.
pub(crate) async fn submitted(
    call: &Call,
    wanted: &Wanted,
    key: Option<Idempotency>,
    claimed_by: Option<Incarnation>,
) -> Result<Submitted, Problem> {
    let submitting = async {
        let spec = wanted.input.for_job(call).await?;
        let mut new = new_job(call, wanted, spec, key)?;
        new.claimed_by = claimed_by;
        Ok::<_, Problem>(call.state.parts.store.submit(new).await?)
    };
    let submitted = submitting.await;
    let unneeded = match &submitted {
        Ok(submitted) => !submitted.new,
        // Without an answer from the store, the job may be there.
        Err(problem) => !problem.retryable,
    };
    if unneeded {
        wanted.input.forget(call).await;
    }
    submitted
}

pub(crate) fn new_job(
    call: &Call,
    wanted: &Wanted,
    spec: JobSpec,
    idempotency: Option<Idempotency>,
) -> Result<NewJob, Problem> {
    let principal: &Principal = call.principal()?;
    let version = &wanted.loaded.version;
    Ok(NewJob {
        id: wanted.id.clone(),
        model: wanted.loaded.model.clone(),
        version: version.id.clone(),
        version_number: version.number,
        spec,
        urgency: urgency(call),
        webhook: wanted.extras.webhook.clone(),
        by: principal.id.clone(),
        source: source(call).to_owned(),
        created_at: call.state.parts.clock.now(),
        claimed_by: None,
        idempotency,
    })
}

/// How urgent the caller says it is among their own jobs, by RFC 9218's header: `Priority: u=1`. What cannot be read says nothing.
pub(crate) fn urgency(call: &Call) -> Urgency {
    let said = call.header(&HeaderName::from_static("priority"));
    let said = said.iter().flat_map(|text| text.split(','));
    said.filter_map(|item| item.trim().strip_prefix("u=")?.trim().parse().ok())
        .filter_map(Urgency::new)
        .next_back()
        .unwrap_or_default()
}

/// Whether what runs here is kept as a job already, or will be when it is not waited for any longer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    AsJob,
    AtTheLimit,
}

/// Waits for a prediction that runs here as long as the client and the server allow.
async fn follow(call: &Call, wanted: &Wanted, ticket: Ticket, streams: bool, kept: Kept) -> Answer {
    let tether = Tether::of(call, &ticket);
    if streams {
        return stream(call, ticket, tether);
    }
    if let Some(finished) = in_time(call, wanted, &ticket).await {
        return match kept {
            Kept::AsJob => committed(call, &ticket).await,
            Kept::AtTheLimit => answered(call, wanted, &ticket, &finished),
        };
    }
    if let Some(tether) = tether {
        tether.let_go();
    }
    if kept == Kept::AtTheLimit {
        let handed = hand_over::at_limit(call, wanted, ticket.clone()).await;
        if let Some(finished) = ticket.told() {
            return answered(call, wanted, &ticket, &finished);
        }
        if ticket.ends_with_its_job() {
            return committed(call, &ticket).await;
        }
        handed?;
    }
    let known = find::of_ticket(call, &ticket, wanted.input.shown.clone());
    accepted(call, known)
}

fn stream(call: &Call, ticket: Ticket, tether: Option<Tether>) -> Answer {
    let response = super::events::stream_ticket(call, ticket)?;
    Ok(match tether {
        Some(tether) => tether.hold(response),
        None => response,
    })
}

/// Its end, when that comes within the client's patience. Who reads a stream or asked for an answer at once has none.
async fn in_time(call: &Call, wanted: &Wanted, ticket: &Ticket) -> Option<Arc<Finished>> {
    let prefer = call.prefer();
    if wanted.extras.stream || prefer.respond_async {
        return None;
    }
    let left = patience(call, prefer).saturating_sub(wanted.waited);
    wait(call, ticket, left).await
}

fn patience(call: &Call, prefer: Prefer) -> Duration {
    let settings = &call.state.settings;
    match prefer.wait_s {
        Some(seconds) => call::bounded_wait(&call.state, Some(seconds)),
        None => settings.wait_default.min(settings.wait_max),
    }
}

/// A prediction's end; none when the time is over, or the server stops first.
pub(crate) async fn wait(
    call: &Call,
    ticket: &Ticket,
    patience: Duration,
) -> Option<Arc<Finished>> {
    let last_wait = async {
        call.state.shutdown.cancelled().await;
        tokio::time::sleep(LAST_WAIT).await;
    };
    tokio::select! {
        biased;
        finished = ticket.done() => Some(finished),
        () = tokio::time::sleep(patience) => None,
        () = last_wait => None,
    }
}

/// The end of one that is a job, as soon as its record has it.
async fn committed(call: &Call, ticket: &Ticket) -> Answer {
    let place = find::find(call, ticket.id()).await?;
    let place = get::wait(call, ticket.id(), place, COMMIT_WAIT).await?;
    let known = find::known(call, &place).await?;
    if !place.is_final() {
        return accepted(call, known);
    }
    Ok(call::bytes(
        StatusCode::CREATED,
        "application/json",
        known.text(call, None),
    ))
}

fn answered(call: &Call, wanted: &Wanted, ticket: &Ticket, finished: &Arc<Finished>) -> Answer {
    let known = find::of_finished(call, ticket, finished, wanted.input.shown.clone());
    Ok(call::bytes(
        StatusCode::CREATED,
        "application/json",
        known.text(call, None),
    ))
}

/// 202 for what goes on elsewhere: a job, here or on another front.
async fn going_on(call: &Call, place: find::Place, streams: bool) -> Answer {
    if streams {
        let id = place.id().clone();
        return super::events::stream(call, id, place, 0);
    }
    let known = find::known(call, &place).await?;
    if known.status.is_final() {
        return Ok(call::bytes(
            StatusCode::CREATED,
            "application/json",
            known.text(call, None),
        ));
    }
    accepted(call, known)
}

fn accepted(call: &Call, mut known: Known) -> Answer {
    // Stock clients take any other status of this answer for final.
    known.status = Status::Starting;
    let path = call.link(&format!("/v1/predictions/{}", known.id));
    let mut response: Response = call::bytes(
        StatusCode::ACCEPTED,
        "application/json",
        known.text(call, None),
    );
    set(&mut response, header::LOCATION, &path);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, whole_seconds(ASK_AGAIN));
    Ok(response)
}

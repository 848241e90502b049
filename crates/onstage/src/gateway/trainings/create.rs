//! `POST …/versions/{version}/trainings`: checked, its datasets pinned, one commit; a task does the rest.
//! Does not read what is trained with.

use super::{find, input};
use crate::gateway::{
    blobs, body,
    call::{Call, set, shortened},
    hex,
    input::hidden_fields,
    predictions::{
        digest_if_keyed, input_of,
        start::{source, urgency},
    },
    problem::{Answer, Problem},
    usage::limit,
    versions,
    webhooks::wish,
};
use bytes::Bytes;
use http::{HeaderName, StatusCode, header};
use onstage_core::{
    Id, ModelName,
    job::{Idempotency, JobSpec, NewJob},
    model::{Model, Version, VersionState},
    schema::ModelSchema,
    training::{Gate, TrainingSpec},
    usage::UsageKind,
    webhook::{Webhook, WebhookEvent},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// What a request says. A misspelt gate is refused, not left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(default)]
    destination: Option<String>,
    #[serde(default)]
    promote: bool,
    #[serde(default)]
    gates: Vec<String>,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    webhook: Option<String>,
    #[serde(default)]
    webhook_events_filter: Option<Vec<String>>,
}

/// What is asked for, beside by whom.
pub(super) struct Asked {
    pub(super) spec: TrainingSpec,
    pub(super) webhook: Option<Webhook>,
    pub(super) body_sha256: String,
}

/// The largest number that every reader of JSON holds exactly.
const SEED_MAX: u64 = (1 << 53) - 1;

pub(crate) async fn run(mut call: Call) -> Answer {
    let version = versions::find::in_path(&call).await?;
    let bytes = body::read_json(&mut call).await?;
    let wish: Body<'_> = body::parse(&bytes)?;
    let schema = trained_by(&version)?;
    let id = call.state.parts.new_id();
    let asked = asked(&call, &version, &schema, &id, (&bytes, wish)).await;
    let asked = or_forget(&call, &id, asked).await?;
    submit(&call, &version, id, asked).await
}

/// What the request asks for, with its input at rest under the id.
async fn asked(
    call: &Call,
    version: &Version,
    schema: &ModelSchema,
    id: &Id,
    (bytes, wish): (&Bytes, Body<'_>),
) -> Result<Asked, Problem> {
    let json = input_of(bytes, wish.input);
    let hidden = hidden_fields(Some(schema), &version.config);
    let input = input::prepare(call, schema, id, &json, &hidden).await?;
    let spec = TrainingSpec {
        input: input.stored,
        parameters: input.shown,
        datasets: input.datasets,
        destination: destination(call, version, wish.destination.as_deref())?,
        promote: wish.promote,
        gates: gates(&wish.gates)?,
        seed: seed(call, wish.seed)?,
        resume: None,
    };
    let filter = wish.webhook_events_filter.as_deref();
    Ok(Asked {
        spec,
        webhook: wish::of(call, wish.webhook.as_deref(), filter, &WebhookEvent::ALL)?,
        body_sha256: digest_if_keyed(call, bytes),
    })
}

/// The outcome; what was put into blobs for the training goes when it is an error.
async fn or_forget<T>(call: &Call, id: &Id, outcome: Result<T, Problem>) -> Result<T, Problem> {
    if outcome.is_err() {
        blobs::remove_all(call, &input::folder_of(id)).await;
    }
    outcome
}

/// Commits a training and answers it. What is in blobs for it goes when it is none.
pub(super) async fn submit(call: &Call, version: &Version, id: Id, asked: Asked) -> Answer {
    let who = call.principal()?;
    let key = call.header(&HeaderName::from_static("idempotency-key"));
    let idempotency = key.map(|key| Idempotency {
        scope: format!("{}/{}/trainings", who.id, version.model),
        key: format!("key:{}", hex(&Sha256::digest(key))),
        body_sha256: asked.body_sha256,
    });
    let of_limit = (UsageKind::Training, Some(1));
    let allowed = limit::check_new(call, version, of_limit, idempotency.as_ref()).await;
    or_forget(call, &id, allowed).await?;
    if asked.spec.destination != version.model {
        make(call, &asked.spec.destination).await?;
    }
    let new = NewJob {
        id,
        model: version.model.clone(),
        version: version.id.clone(),
        version_number: version.number,
        spec: JobSpec::Training(Box::new(asked.spec)),
        urgency: urgency(call),
        by: who.id.clone(),
        source: source(call).to_owned(),
        created_at: call.state.parts.clock.now(),
        claimed_by: None,
        webhook: asked.webhook,
        idempotency,
    };
    let id = new.id.clone();
    let job = match call.state.parts.store.submit(new).await {
        Ok(submitted) => submitted.job,
        // Without an answer from the store, the job may be there.
        Err(error) if error.kind.retryable() => return Err(error.into()),
        Err(error) => return or_forget(call, &id, Err(error.into())).await,
    };
    if job.id != id {
        // The same request came before.
        blobs::remove_all(call, &input::folder_of(&id)).await;
    }
    call.state.engine.nudge();
    let path = call.link(&format!("/v1/trainings/{}", job.id));
    let found = find::of_job(job)
        .ok_or_else(|| Problem::invalid("invalid_request", "The key belongs to another job."))?;
    let mut response = find::answer(call, StatusCode::CREATED, &found).await?;
    set(&mut response, header::LOCATION, &path);
    Ok(response)
}

/// What the version's training takes. Errors: 409 when it cannot train.
fn trained_by(version: &Version) -> Result<ModelSchema, Problem> {
    let VersionState::Ready { schema, .. } = &version.state else {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "version_not_ready",
            format!(
                "Version v{} of `{}` is {}, so it cannot train.",
                version.number,
                version.model,
                version.state.name()
            ),
        ));
    };
    schema.of_training().ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "no_training",
            format!(
                "Version v{} of `{}` has no training function.",
                version.number, version.model
            ),
        )
        .hint("put `@on.train` on a function of its `model.py` and push it again")
    })
}

/// The model that gets the new version.
fn destination(call: &Call, version: &Version, wish: Option<&str>) -> Result<ModelName, Problem> {
    let Some(text) = wish.filter(|text| !text.is_empty()) else {
        return Ok(version.model.clone());
    };
    let name = match text.split_once('/') {
        Some((owner, name)) => ModelName::new(owner, name),
        None => ModelName::new(&call.state.settings.default_owner, text),
    };
    name.map_err(|error| {
        Problem::field("/destination", "`owner/name` of a model", shortened(text))
            .hint(error.hint.unwrap_or_default())
    })
}

/// Makes the model when it is not there.
async fn make(call: &Call, name: &ModelName) -> Result<(), Problem> {
    let parts = &call.state.parts;
    let model = Model::new(name.clone(), parts.clock.now());
    parts.store.ensure_model(model).await?;
    Ok(())
}

fn gates(texts: &[String]) -> Result<Vec<Gate>, Problem> {
    let parsed = texts.iter().enumerate().map(|(place, text)| {
        text.parse::<Gate>().map_err(|_| {
            let pointer = format!("/gates/{place}");
            Problem::field(&pointer, "like `accuracy >= 0.95`", shortened(text))
        })
    });
    parsed.collect()
}

fn seed(call: &Call, wish: Option<u64>) -> Result<u64, Problem> {
    match wish {
        Some(seed) if seed > SEED_MAX => Err(Problem::field(
            "/seed",
            &format!("a whole number up to {SEED_MAX}"),
            seed.to_string(),
        )),
        Some(seed) => Ok(seed),
        None => Ok(call.state.parts.seed()),
    }
}

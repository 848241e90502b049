//! `POST /v1/models/{owner}/{name}/predictions`: the live version answers.
//! Does not start anything itself.

use super::start::{self, Wanted};
use crate::gateway::{
    body::{
        self,
        form::{self, Form, PartFile},
    },
    call::Call,
    hex,
    input::{self, PART_SCHEME},
    problem::{Answer, Problem},
    webhooks::wish,
};
use bytes::Bytes;
use http::StatusCode;
use onstage_core::{
    ModelName,
    webhook::{Webhook, WebhookEvent},
};
use onstage_engine::Loaded;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};

/// What a request for a prediction says; what stock clients add is ignored.
#[derive(Deserialize)]
pub(crate) struct Body<'a> {
    #[serde(borrow, default)]
    pub(crate) input: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) stream: Option<bool>,
    #[serde(borrow, default)]
    pub(crate) version: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) model: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) webhook: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) webhook_events_filter: Option<Vec<std::borrow::Cow<'a, str>>>,
}

impl Body<'_> {
    /// What is asked for beside an answer.
    pub(crate) fn extras(&self, call: &Call) -> Result<Extras, Problem> {
        let filter = self.webhook_events_filter.as_deref();
        Ok(Extras {
            stream: self.stream.unwrap_or(false),
            webhook: wish::of(call, self.webhook.as_deref(), filter, &WebhookEvent::ALL)?,
        })
    }
}

/// What a request asks for beside an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extras {
    /// The client will read `urls.stream`: answer at once.
    pub(crate) stream: bool,
    pub(crate) webhook: Option<Webhook>,
}

pub(crate) async fn run(mut call: Call) -> Answer {
    let name = call.model_name()?;
    let loaded = live(&call, &name).await?;
    if body::is_multipart(&call.headers) {
        let form = form::read(&mut call).await?;
        return of_form(&call, loaded, form).await;
    }
    let bytes = body::read_json(&mut call).await?;
    let parsed = parse_body(&call, &bytes)?;
    of_json(&call, loaded, &bytes, parsed.json, parsed.extras).await
}

/// A body whose model is known.
pub(crate) struct Parsed {
    /// The input's own bytes.
    pub(crate) json: Bytes,
    pub(crate) extras: Extras,
}

pub(crate) fn parse_body(call: &Call, bytes: &Bytes) -> Result<Parsed, Problem> {
    let body: Body<'_> = body::parse(bytes)?;
    Ok(Parsed {
        json: input_of(bytes, body.input),
        extras: body.extras(call)?,
    })
}

/// The input's own bytes, without a copy.
pub(crate) fn input_of(body: &Bytes, input: Option<&RawValue>) -> Bytes {
    match input {
        Some(raw) => body.slice_ref(raw.get().as_bytes()),
        None => Bytes::from_static(b"{}"),
    }
}

pub(crate) async fn of_json(
    call: &Call,
    loaded: Arc<Loaded>,
    body: &Bytes,
    json: Bytes,
    extras: Extras,
) -> Answer {
    let id = call.state.parts.new_id();
    let input = input::prepare(call, &loaded, &id, json, Vec::new()).await?;
    let wanted = Wanted {
        id,
        waited: Duration::ZERO,
        own_id: false,
        body_sha256: digest_if_keyed(call, body),
        loaded,
        input,
        extras,
    };
    start::start(call, wanted).await
}

async fn of_form(call: &Call, loaded: Arc<Loaded>, form: Form) -> Answer {
    let id = call.state.parts.new_id();
    let mut hash = Sha256::new();
    for (name, text) in &form.texts {
        hash.update(format!("{name}={text}\0"));
    }
    for file in &form.files {
        hash.update(format!("{}\0", file.field));
        hash.update(&file.bytes);
    }
    let (json, stream, files) = of_parts(&loaded, form)?;
    let input = input::prepare(call, &loaded, &id, json, files).await?;
    let wanted = Wanted {
        id,
        waited: Duration::ZERO,
        own_id: false,
        body_sha256: hex(&hash.finalize()),
        loaded,
        input,
        extras: Extras {
            stream,
            ..Extras::default()
        },
    };
    start::start(call, wanted).await
}

/// A part `input` holds JSON; every other part is an input of its own, files as they are.
fn of_parts(loaded: &Loaded, form: Form) -> Result<(Bytes, bool, Vec<PartFile>), Problem> {
    let mut cells = Vec::new();
    let mut stream = false;
    let has_input_field = loaded
        .schema
        .fields()
        .iter()
        .any(|(name, _)| *name == "input");
    for (name, text) in form.texts {
        if name == "stream"
            && !loaded
                .schema
                .fields()
                .iter()
                .any(|(field, _)| *field == "stream")
        {
            stream = text == "true";
        } else if name == "input" && !has_input_field {
            let object: serde_json::Map<String, serde_json::Value> = body::parse(text.as_bytes())?;
            cells.extend(object);
        } else {
            cells.push((name, serde_json::Value::from(text)));
        }
    }
    for (number, file) in form.files.iter().enumerate() {
        cells.retain(|(name, _)| *name != file.field);
        cells.push((file.field.clone(), format!("{PART_SCHEME}{number}").into()));
    }
    let json = loaded
        .input
        .coerce(&cells)
        .map_err(|errors| Problem::unfit("/input", errors))?;
    Ok((json, stream, form.files))
}

/// Hashing every body would cost more than it is worth: only repeated requests need it.
pub(crate) fn digest_if_keyed(call: &Call, body: &[u8]) -> String {
    if call.headers.contains_key("idempotency-key") {
        hex(&Sha256::digest(body))
    } else {
        String::new()
    }
}

/// The version that answers. Errors: 404; 409 when the model has none.
pub(crate) async fn live(call: &Call, name: &ModelName) -> Result<Arc<Loaded>, Problem> {
    if let Some(loaded) = call.state.engine.live(name) {
        return Ok(loaded);
    }
    let Some(model) = call.state.parts.store.model(name).await? else {
        return Err(Problem::not_found(format!("There is no model `{name}`.")));
    };
    match model.live {
        // Made live a moment ago; the cache has not seen it.
        Some(version) => Ok(call.state.engine.loaded(&version).await?),
        None => Err(Problem::new(
            StatusCode::CONFLICT,
            "no_live_version",
            format!("The model `{name}` has no version that is ready."),
        )
        .hint("push one, or wait until it is built: `onstage versions` shows how far it is")),
    }
}

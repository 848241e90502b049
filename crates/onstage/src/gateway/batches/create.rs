//! `POST /v1/models/{owner}/{name}/batches`: the table first, then one commit; a task does the rest.
//! Does not read the table.

use super::{find, table};
use crate::gateway::{
    call::{Call, set},
    hex,
    look::{self, Wish},
    models,
    predictions::{
        self,
        start::{source, urgency},
    },
    problem::{Answer, Problem, whole_seconds},
    usage::limit,
    versions,
    webhooks::wish,
    wire::batch::NewBatch,
};
use http::{HeaderName, StatusCode, header};
use onstage_core::{
    Id,
    batch::BatchSpec,
    job::{Idempotency, JobSpec, NewJob},
    usage::UsageKind,
    webhook::{Webhook, WebhookEvent},
};
use onstage_engine::Loaded;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const ASK_AGAIN: Duration = Duration::from_secs(2);
const LABEL_CHARS_MAX: usize = 500;

pub(crate) async fn run(mut call: Call) -> Answer {
    let id = call.state.parts.new_id();
    let asked = asked(&mut call, &id).await;
    let (loaded, asked) = table::or_forget(&call, &id, asked).await?;
    submit(&call, &loaded, id, asked).await
}

/// What the request asks for, with its table at rest under the id.
async fn asked(call: &mut Call, id: &Id) -> Result<(Arc<Loaded>, Asked), Problem> {
    let name = call.model_name()?;
    // A model that is not there is refused before its table is taken; which version is meant stands in the same body.
    if call.state.engine.live(&name).is_none() {
        models::get::find(call, &name).await?;
    }
    let table = table::take(call, id).await?;
    let loaded = match table.wish.version.as_deref() {
        Some(version) => versions::find::loaded(call, &name, version).await?,
        None => predictions::live(call, &name).await?,
    };
    let rows = rows_at_least(call, &loaded, &table).await?;
    let spec = BatchSpec {
        map: checked_map(&loaded, &table.wish)?,
        label: checked_label(&table.wish)?,
        limit_rows: table.wish.limit,
        table: table.blob,
        table_name: table.name,
        format: table.format,
        dataset: table.dataset,
        files: table.files,
        only_rows_of: None,
    };
    let filter = table.wish.webhook_events_filter.as_deref();
    let webhook = wish::of(
        call,
        table.wish.webhook.as_deref(),
        filter,
        &WebhookEvent::ENDS,
    )?;
    let asked = Asked {
        spec,
        rows,
        webhook,
        body_sha256: table.body_sha256,
    };
    Ok((loaded, asked))
}

/// What a batch job is to compute, and who is told.
pub(crate) struct Asked {
    pub(crate) spec: BatchSpec,
    /// As far as they were counted.
    pub(crate) rows: Option<u64>,
    pub(crate) webhook: Option<Webhook>,
    pub(crate) body_sha256: String,
}

/// Commits a batch job and answers it. A table that came for it goes when no job refers to it.
pub(crate) async fn submit(call: &Call, loaded: &Loaded, id: Id, asked: Asked) -> Answer {
    let who = call.principal()?;
    let key = call.header(&HeaderName::from_static("idempotency-key"));
    let idempotency = key.map(|key| Idempotency {
        scope: format!("{}/{}/batches", who.id, loaded.model),
        key: format!("key:{}", hex(&Sha256::digest(key))),
        body_sha256: asked.body_sha256,
    });
    let of_limit = (UsageKind::Batch, asked.rows);
    let allowed = limit::check_new(call, &loaded.version, of_limit, idempotency.as_ref()).await;
    table::or_forget(call, &id, allowed).await?;
    let new = NewJob {
        id,
        model: loaded.model.clone(),
        version: loaded.version.id.clone(),
        version_number: loaded.version.number,
        spec: JobSpec::Batch(asked.spec),
        urgency: urgency(call),
        webhook: asked.webhook,
        by: who.id.clone(),
        source: source(call).to_owned(),
        created_at: call.state.parts.clock.now(),
        claimed_by: None,
        idempotency,
    };
    let id = new.id.clone();
    let job = match call.state.parts.store.submit(new).await {
        Ok(submitted) => submitted.job,
        // Without an answer from the store, the job may be there.
        Err(error) if error.kind.retryable() => return Err(error.into()),
        Err(error) => return table::or_forget(call, &id, Err(error.into())).await,
    };
    if job.id != id {
        // The same request came before; this one's table is not needed.
        table::forget(call, &id).await;
    }
    call.state.engine.nudge();
    let path = call.link(&format!("/v1/batches/{}", job.id));
    let found = find::of_job(job)
        .ok_or_else(|| Problem::invalid("invalid_request", "The key belongs to another job."))?;
    let mut response = find::answer(call, StatusCode::ACCEPTED, &found).await?;
    set(&mut response, header::LOCATION, &path);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, whole_seconds(ASK_AGAIN));
    Ok(response)
}

/// How many rows there are, as far as a short look can tell; only where a limit asks.
async fn rows_at_least(
    call: &Call,
    loaded: &Loaded,
    table: &table::Table,
) -> Result<Option<u64>, Problem> {
    if loaded.version.config.money.run.is_none() {
        return Ok(None);
    }
    let wish = Wish {
        rows: 0,
        reads_on: true,
    };
    let looked = look::look(call, &table.blob, table.format, wish).await?;
    let rows = looked.rows_total.unwrap_or(looked.rows_seen);
    Ok(Some(table.wish.limit.map_or(rows, |limit| rows.min(limit))))
}

/// Only inputs that the model has can be mapped.
fn checked_map(loaded: &Loaded, wish: &NewBatch) -> Result<BTreeMap<String, String>, Problem> {
    let fields = loaded.schema.fields();
    let mut map = BTreeMap::new();
    for (input, column) in &wish.map {
        let Some(column) = column else {
            continue;
        };
        if !fields.iter().any(|(name, _)| name == input) {
            let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
            return Err(Problem::field(
                &format!("/map/{input}"),
                &format!("an input of the model ({})", names.join(", ")),
                "unknown",
            ));
        }
        map.insert(input.clone(), column.clone());
    }
    Ok(map)
}

fn checked_label(wish: &NewBatch) -> Result<Option<String>, Problem> {
    match wish.label.as_deref() {
        Some(label) if label.chars().count() > LABEL_CHARS_MAX => {
            Err(Problem::field("/label", "the name of a column", "too long"))
        }
        label => Ok(label.filter(|label| !label.is_empty()).map(str::to_owned)),
    }
}

//! `POST /v2/models/{name}/infer`: tensors in, an answer of the model, tensors out.
//! Does not read tensors or write them itself.

use super::{
    input::{self, Built},
    model, output, packing,
    request::{self, Request},
    response::{self, By},
    signature,
};
use crate::gateway::{
    blobs,
    call::Call,
    input::{folder_of, hidden_fields},
    predictions::start::{refused, source, wait},
    problem::{Answer, Problem},
    wire::{
        prediction::{links, message},
        value::Part,
    },
};
use http::StatusCode;
use onstage_core::{
    Id,
    limits::INLINE_BYTES_MAX,
    outcome::{Failure, Reason},
    value::{Stored, Value},
};
use onstage_engine::{Ask, Finished, Keep, Loaded, Refused, values::store_value};
use std::{sync::Arc, time::Duration};

pub(super) async fn run(mut call: Call) -> Answer {
    let loaded = model::loaded(&call).await?;
    if loaded.schema.background {
        return Err(Problem::invalid(
            "background_model",
            format!(
                "The predictions of `{}` are jobs, for which this protocol has no word.",
                loaded.model
            ),
        )
        .hint("ask with `POST /v1/models/OWNER/NAME/predictions`"));
    }
    let mut request = request::read(&mut call).await?;
    let slots = signature::inputs(&loaded.schema);
    let built = input::build(&slots, std::mem::take(&mut request.inputs))?;
    loaded
        .input
        .check(built.for_schema().as_bytes())
        .map_err(|errors| Problem::unfit("", errors))?;
    let (id, finished) = predict(&call, &loaded, built, &request).await?;
    let value = match &finished.outcome {
        Ok(value) => value,
        Err(failure) => return Err(failed(&call, failure, &id)),
    };
    let outputs = signature::outputs(&loaded.schema);
    let links = links(&call, &id, Part::Output);
    let tensors = output::tensors(&outputs, value, &links).ok_or_else(|| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "bad_output",
            "The model's answer is not what it says of itself.",
        )
    })?;
    let by = By {
        model: loaded.model.name(),
        version: loaded.version.number,
    };
    response::answer(&by, &request, tensors, packing::wanted(&call)).await
}

/// Asks and waits for the end. Errors: 429, 503, 504.
async fn predict(
    call: &Call,
    loaded: &Arc<Loaded>,
    built: Built,
    request: &Request,
) -> Result<(Id, Arc<Finished>), Problem> {
    let id = call.state.parts.new_id();
    let stored_input = recorded(call, loaded, &id, &built).await?;
    let in_blobs = stored_input.has_blobs();
    let patience = patience(call, request);
    let ask = Ask {
        id: id.clone(),
        version: Arc::clone(loaded),
        input: built.into_value(),
        placed: Arc::default(),
        stored_input,
        by: call.principal()?.clone(),
        source: source(call).to_owned(),
        deadline: Some(patience),
        keep: match source(call) {
            "api" => Keep::Brief,
            _ => Keep::Always,
        },
    };
    let ticket = match call.state.engine.predict(ask) {
        Ok(ticket) => ticket,
        Err(why) => {
            if in_blobs {
                blobs::remove_all(call, &folder_of(&id)).await;
            }
            return Err(refused(&why, &loaded.model));
        }
    };
    // Whoever computes past its deadline is ended a little after it.
    match wait(call, &ticket, patience).await {
        Some(finished) => Ok((id, finished)),
        None if call.state.shutdown.is_cancelled() => {
            Err(refused(&Refused::ShuttingDown, &loaded.model))
        }
        None => Err(too_slow()),
    }
}

/// The input as it is kept: large tensors and files only by their size.
async fn recorded(call: &Call, loaded: &Loaded, id: &Id, built: &Built) -> Result<Stored, Problem> {
    let hidden = hidden_fields(Some(&loaded.schema), &loaded.version.config);
    let json = built.for_record(&hidden);
    if json.len() <= INLINE_BYTES_MAX {
        return Ok(Stored::Inline(String::from_utf8_lossy(&json).into_owned()));
    }
    let place = format!("predictions/{id}/record");
    Ok(store_value(&*call.state.parts.blobs, &place, &Value::json(json)).await?)
}

/// The protocol has no word for "later": an answer is waited for as long as the server allows.
fn patience(call: &Call, request: &Request) -> Duration {
    let most = call.state.settings.wait_max;
    request
        .timeout_us
        .map_or(most, |timeout| Duration::from_micros(timeout).min(most))
}

fn too_slow() -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "timeout",
        "The answer did not come in time.",
    )
    .hint("ask with `POST /v1/models/OWNER/NAME/predictions` for what takes longer")
}

fn failed(call: &Call, failure: &Failure, id: &Id) -> Problem {
    let (status, code) = match failure.reason {
        Reason::UserError => (StatusCode::BAD_REQUEST, "user_error"),
        Reason::Timeout | Reason::Expired => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        Reason::Ok | Reason::Exception | Reason::BadOutput => {
            (StatusCode::INTERNAL_SERVER_ERROR, "model_failed")
        }
        Reason::OutOfMemory
        | Reason::SetupFailed
        | Reason::WorkerLost
        | Reason::NoCapacity
        | Reason::OverBudget
        | Reason::Canceled => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    Problem::new(status, code, message(failure, id, call.is_owner()))
}

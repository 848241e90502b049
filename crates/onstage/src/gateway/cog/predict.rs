//! `POST /m/{name}/predictions` and `PUT …/predictions/{id}`: Cog's statuses, and its words for an input that does not fit.
//! Does not start anything itself.

use crate::gateway::{
    body,
    call::{self, Call},
    predictions::{live, of_json, own_id, parse_body, under_id},
    problem::{Answer, Problem},
};
use http::StatusCode;

pub(crate) async fn create(mut call: Call) -> Answer {
    let loaded = live(&call, &call.model_name()?).await?;
    let bytes = body::read_json(&mut call).await?;
    let parsed = parse_body(&call, &bytes)?;
    let answer = of_json(&call, loaded, &bytes, parsed.json, parsed.extras).await;
    in_cogs_words(answer)
}

pub(crate) async fn put(mut call: Call) -> Answer {
    let id = own_id(&call)?;
    let loaded = live(&call, &call.model_name()?).await?;
    let bytes = body::read_json(&mut call).await?;
    let parsed = parse_body(&call, &bytes)?;
    let answer = under_id(&call, id, loaded, &bytes, parsed.json, parsed.extras).await;
    in_cogs_words(answer)
}

fn in_cogs_words(answer: Answer) -> Answer {
    match answer {
        Ok(mut response) => {
            if response.status() == StatusCode::CREATED {
                *response.status_mut() = StatusCode::OK;
            }
            Ok(response)
        }
        Err(problem) if problem.status == StatusCode::UNPROCESSABLE_ENTITY => unfit(&problem),
        Err(problem) => Err(problem),
    }
}

/// `{"detail": [{"loc": ["body", "input", "age"], "msg": …, "type": …}]}`.
fn unfit(problem: &Problem) -> Answer {
    let detail: Vec<serde_json::Value> = problem
        .errors
        .iter()
        .map(|error| {
            let mut place = vec!["body"];
            place.extend(error.pointer.split('/').filter(|part| !part.is_empty()));
            serde_json::json!({
                "loc": place,
                "msg": format!("should be {}, is {}", error.expected, error.got),
                "type": "value_error",
            })
        })
        .collect();
    let body = if detail.is_empty() {
        serde_json::json!({"detail": [{"loc": ["body"], "msg": problem.detail, "type": "value_error"}]})
    } else {
        serde_json::json!({ "detail": detail })
    };
    call::json(StatusCode::UNPROCESSABLE_ENTITY, &body)
}

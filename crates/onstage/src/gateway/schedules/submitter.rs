//! Makes the job of a tick: the same call that a client would send, as whoever made the schedule, with a key that is the tick's own.
//! Does not decide when.

use crate::gateway::{
    auth::{self, Who},
    call::{Call, Seen},
    predictions::start::SCHEDULE_AGENT,
    problem::Problem,
    state::State,
    table::{self, Access},
};
use async_trait::async_trait;
use axum::body::Body;
use http::{Method, StatusCode, header};
use onstage_core::{
    Error, Id, Kind, Result, Timestamp,
    job::JobKind,
    people::Role,
    ports::Submitter,
    schedule::{Schedule, tick_key},
};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};

/// What the answer to such a call has at most.
const ANSWER_BYTES_MAX: usize = 4 << 20;

pub(crate) struct Submits(pub(crate) State);

#[async_trait]
impl Submitter for Submits {
    async fn submit(&self, schedule: &Schedule, tick: Timestamp) -> Result<Id> {
        let who = self.who(schedule).await?;
        let asked = self.asked(schedule).await?;
        let found = table::routes()
            .into_iter()
            .find(|route| route.method == Method::POST && route.path == asked.path);
        let route =
            found.ok_or_else(|| Error::internal(format!("there is no route `{}`", asked.path)))?;
        if route.access == Access::Owner && who.principal.role != Role::Owner {
            return Err(Error::denied(format!(
                "`{}` may not do this any more: it is for the owner",
                who.principal.name
            )));
        }
        let (parts, ()) = http::Request::builder()
            .method(Method::POST)
            .uri(asked.path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, SCHEDULE_AGENT)
            .header("prefer", "respond-async")
            .header("idempotency-key", tick_key(&schedule.id, tick))
            .body(())
            .map_err(|error| Error::internal("a tick makes no request").because(error))?
            .into_parts();
        let seen = Seen {
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            request_id: format!("schedule-{}", schedule.id),
        };
        let body = Body::from(asked.body.to_string());
        let call = Call::new(self.0.clone(), Some(who), parts, asked.params, body, seen);
        let response = (route.run)(call).await.map_err(refused)?;
        let body = axum::body::to_bytes(response.into_body(), ANSWER_BYTES_MAX).await;
        let made: Option<Value> = body
            .ok()
            .and_then(|body| serde_json::from_slice(&body).ok());
        let id = made.as_ref().and_then(|made| made["id"].as_str());
        id.ok_or_else(|| Error::internal("the answer to a tick names no job"))?
            .parse()
    }
}

/// A call of one of the routes that make jobs.
struct Asked {
    path: &'static str,
    params: Vec<(String, String)>,
    body: Value,
}

impl Submits {
    /// Who made it. Errors: denied, when that was a token that is not there any more.
    async fn who(&self, schedule: &Schedule) -> Result<Who> {
        let mut principal = schedule.by.clone();
        if schedule.by_token {
            let token = auth::token_of(&self.0, &principal.id).await?;
            principal = token.ok_or_else(|| {
                Error::denied(format!(
                    "the token `{}` that made it was removed or has ended",
                    schedule.by.name
                ))
                .hint("resume it to go on, or remove it")
            })?;
        }
        Ok(Who {
            principal,
            by_cookie: false,
        })
    }

    async fn asked(&self, schedule: &Schedule) -> Result<Asked> {
        let model = &schedule.model;
        let mut body: Value = serde_json::from_str(&schedule.request)
            .map_err(|error| Error::invalid("the request is not JSON").because(error))?;
        let mut params = vec![
            ("owner".to_owned(), model.owner().to_owned()),
            ("name".to_owned(), model.name().to_owned()),
        ];
        let version = schedule.version.as_deref();
        let path = match schedule.kind {
            JobKind::Prediction => {
                body["version"] = match version {
                    Some(version) => format!("{model}@{version}").into(),
                    None => model.to_string().into(),
                };
                "/v1/predictions"
            }
            JobKind::Batch => {
                if let Some(version) = version {
                    body["version"] = version.into();
                }
                "/v1/models/{owner}/{name}/batches"
            }
            JobKind::Training => {
                let version = match version {
                    Some(version) => version.to_owned(),
                    None => self.live(schedule).await?,
                };
                params.push(("version".to_owned(), version));
                "/v1/models/{owner}/{name}/versions/{version}/trainings"
            }
        };
        Ok(Asked { path, params, body })
    }

    async fn live(&self, schedule: &Schedule) -> Result<String> {
        let model = self.0.parts.store.model(&schedule.model).await?;
        let live = model.and_then(|model| model.live);
        live.map(|id| id.0)
            .ok_or_else(|| Error::conflict(format!("`{}` has no live version", schedule.model)))
    }
}

fn refused(problem: Problem) -> Error {
    let kind = match problem.status {
        StatusCode::TOO_MANY_REQUESTS => Kind::Busy,
        _ if problem.retryable => Kind::Unavailable,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Kind::Unavailable,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Kind::Denied,
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::CONFLICT => Kind::Conflict,
        status if status.is_server_error() => Kind::Internal,
        _ => Kind::Invalid,
    };
    let error = Error::new(kind, problem.detail);
    match problem.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

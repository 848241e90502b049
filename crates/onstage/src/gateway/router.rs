//! The router out of the table: every route behind its access check, every miss a problem.
//! Does not know what handlers do.

use super::{
    auth::{self, Who},
    call::{Call, Seen, own_host},
    hosts, page,
    problem::{Answer, Problem},
    state::State,
    table::{self, Access, Run},
};
use axum::{
    Router,
    extract::{RawPathParams, Request, rejection::RawPathParamsRejection},
    response::Response,
    routing::{MethodFilter, MethodRouter},
};
use http::{HeaderMap, Method, StatusCode, header};
use onstage_core::people::Role;
use std::{collections::BTreeMap, net::IpAddr};

type Params = Result<RawPathParams, RawPathParamsRejection>;

pub(crate) fn build(state: &State) -> Router {
    let mut paths: BTreeMap<&'static str, MethodRouter> = BTreeMap::new();
    for route in table::routes() {
        let filter = MethodFilter::try_from(route.method.clone()).expect("a known method");
        let (state, access, run, path) = (state.clone(), route.access, route.run, route.path);
        let handler = move |params: Params, request: Request| {
            let answer = dispatch(state.clone(), access, run, params, request);
            async move {
                let (answer, request_id) = answer.await;
                answer.unwrap_or_else(|problem| problem.into_response_at(path, &request_id))
            }
        };
        let slot = paths.entry(route.path).or_default();
        *slot = std::mem::take(slot).on(filter, handler);
    }
    let state = state.clone();
    paths
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            router.route(path, methods)
        })
        .fallback(move |request| missing(state.clone(), request))
        .method_not_allowed_fallback(wrong_method)
}

async fn dispatch(
    state: State,
    access: Access,
    run: Run,
    params: Params,
    request: Request,
) -> (Answer, String) {
    let (mut parts, body) = request.into_parts();
    let seen = seen(&mut parts.extensions);
    let request_id = seen.request_id.clone();
    let answer = async {
        let who = admit(&state, access, &parts.method, &parts.headers, seen.peer).await?;
        let params = read_params(params)?;
        run(Call::new(state, who, parts, params, body, seen)).await
    };
    (answer.await, request_id)
}

/// Whether this request may reach a route. Nothing of its body has been read.
async fn admit(
    state: &State,
    access: Access,
    method: &Method,
    headers: &HeaderMap,
    peer: IpAddr,
) -> Result<Option<Who>, Problem> {
    if access == Access::Public {
        return Ok(None);
    }
    let Some(who) = auth::who(state, headers).await? else {
        return Err(Problem::unauthenticated());
    };
    let own = own_host(state, headers, peer);
    if who.by_cookie && !hosts::same_origin(method, headers, own) {
        return Err(foreign_origin());
    }
    if access == Access::Owner && who.principal.role != Role::Owner {
        return Err(Problem::forbidden(
            "owner_only",
            "Only the owner of this installation may do this.",
        ));
    }
    Ok(Some(who))
}

pub(crate) fn foreign_origin() -> Problem {
    Problem::forbidden(
        "foreign_origin",
        "This request comes from another site's page.",
    )
    .hint("programs send a token in `Authorization` instead of a cookie")
}

fn read_params(params: Params) -> Result<Vec<(String, String)>, Problem> {
    let params = params
        .map_err(|_| Problem::invalid("invalid_path", "The path is not well-formed UTF-8."))?;
    Ok(params
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// Programs are told as everywhere; people get the page, which knows more of ways on.
async fn missing(state: State, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let seen = seen(&mut parts.extensions);
    if is_person(&parts) {
        let call = Call::new(state, None, parts, Vec::new(), body, seen);
        return page::nowhere(&call);
    }
    Problem::not_found("There is nothing at this path.")
        .hint("`/openapi.json` lists what there is")
        .into_response_at(parts.uri.path(), &seen.request_id)
}

fn is_person(parts: &http::request::Parts) -> bool {
    let accepts = parts.headers.get(header::ACCEPT);
    let html = accepts.is_some_and(|accepts| {
        accepts
            .to_str()
            .is_ok_and(|accepts| accepts.contains("text/html"))
    });
    let of_programs = ["/v1", "/v2", "/assets"]
        .iter()
        .any(|area| parts.uri.path().starts_with(area));
    html && parts.method == Method::GET && !of_programs
}

async fn wrong_method(mut request: Request) -> Response {
    let seen = seen(request.extensions_mut());
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("`{}` is not possible at this path.", request.method()),
    )
    .into_response_at(request.uri().path(), &seen.request_id)
}

fn seen(extensions: &mut http::Extensions) -> Seen {
    extensions.remove().unwrap_or(Seen {
        peer: IpAddr::from([0, 0, 0, 0]),
        request_id: String::new(),
    })
}

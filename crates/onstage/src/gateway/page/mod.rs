//! The page: index.html for every address a person may open, and its assets.
//! Holds no data: whoever is not signed in gets a page that asks them to.

mod assets;

use super::{
    call::{self, Call},
    problem::{Answer, Problem},
    table::{Gives::Media, Route, route},
};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

/// What is shown when the binary was built without the page.
const MISSING: &str = include_str!("missing.html");

pub(crate) fn routes() -> Vec<Route> {
    let pages = [
        ("/", "The gallery"),
        ("/m/{name}", "A model's page"),
        ("/m/{owner}/{name}", "A model's page"),
        ("/m/{owner}/{name}/{tab}", "A model's page"),
        ("/runs/{id}", "A prediction's page"),
        ("/batches/{id}", "A batch job's page"),
        ("/trainings/{id}", "A training's page"),
        ("/datasets", "The datasets"),
        ("/datasets/{name}", "A dataset's page"),
        ("/schedules", "What is done by the clock"),
        ("/usage", "What was computed"),
    ];
    pages
        .into_iter()
        .map(|(path, summary)| {
            route!(GET path, Public, summary, open).gives(200, Media("text/html"))
        })
        .chain([
            route!(GET "/assets/{*path}", Public, "A part of the page", asset)
                .gives(200, Media("application/octet-stream"))
                .errors(&[404]),
        ])
        .collect()
}

async fn open(call: Call) -> Answer {
    Ok(index(&call))
}

/// Where no page is, for a person with a browser: the page says so, with a way on.
pub(crate) fn nowhere(call: &Call) -> Response {
    let mut response = index(call);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// index.html with its addresses behind the path prefix.
pub(crate) fn index(call: &Call) -> Response {
    let html = match assets::text("index.html") {
        Some(html) => html.replace("=\"./", &format!("=\"{}", call.link("/"))),
        None => MISSING.to_owned(),
    };
    let mut response = call::bytes(StatusCode::OK, "text/html; charset=utf-8", html);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Assets have their digest in their names and never change.
async fn asset(call: Call) -> Answer {
    let wanted = call.param("path");
    if wanted.split(['/', '\\']).any(|part| part.starts_with('.')) {
        return Err(missing());
    }
    let path = format!("assets/{wanted}");
    let packed = call
        .header(&header::ACCEPT_ENCODING)
        .is_some_and(|accepts| accepts.contains("gzip"));
    let Some(asset) = assets::get(&path) else {
        return Err(missing());
    };
    let (bytes, encoding) = match asset.gzipped {
        Some(gzipped) if packed => (gzipped, Some("gzip")),
        _ => (asset.bytes, None),
    };
    let mut response = call::bytes(StatusCode::OK, "application/octet-stream", bytes);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&asset.media_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    Ok(response)
}

fn missing() -> Problem {
    Problem::not_found("There is no such part of the page.")
}

#[cfg(test)]
mod tests {
    use super::MISSING;

    #[test]
    fn the_page_of_a_build_without_a_page_names_a_target_that_is_there() {
        let makefile = include_str!("../../../../../Makefile");
        let (_, after) = MISSING
            .split_once("<code>make ")
            .expect("it says what to run");
        let (target, _) = after.split_once("</code>").expect("the code ends");
        assert!(makefile.contains(&format!("\n{target}: ## ")), "{target}");
    }
}

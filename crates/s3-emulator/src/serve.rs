//! The server: accepts, counts, does what the faults say to requests and answers.
//! Does not decide which request meets a fault.

use crate::{
    BUCKET, Shared,
    faults::{self, Fault},
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use s3s::service::S3Service;
use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering, mpsc},
};
use tokio::{net::TcpListener, sync::oneshot};

type Body = UnsyncBoxBody<Bytes, io::Error>;
type Ill = Box<dyn std::error::Error + Send + Sync>;

pub(crate) fn run(
    service: S3Service,
    shared: Arc<Shared>,
    ended: oneshot::Receiver<()>,
    tell: mpsc::Sender<SocketAddr>,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let _ = tell.send(address);
        tokio::select! {
            () = accept(listener, service, shared) => {}
            _ = ended => {}
        }
    });
    runtime.shutdown_background();
}

async fn accept(listener: TcpListener, service: S3Service, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (service, shared) = (service.clone(), Arc::clone(&shared));
        let answering = service_fn(move |request| {
            let (service, shared) = (service.clone(), Arc::clone(&shared));
            async move { answer(&service, &shared, request).await }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), answering);
        #[expect(
            clippy::disallowed_methods,
            reason = "a client that goes away in the middle is no affair of this side"
        )]
        tokio::spawn(async move { connection.await.map_err(drop) });
    }
}

async fn answer(
    service: &S3Service,
    shared: &Shared,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    if request.method() == Method::OPTIONS {
        return Ok(open_to_pages(whole(StatusCode::NO_CONTENT, "")));
    }
    if request
        .uri()
        .query()
        .is_some_and(|query| query.contains("X-Amz-Signature"))
    {
        if shared.refuses_links.load(Ordering::SeqCst) {
            return Ok(open_to_pages(refusal(
                StatusCode::FORBIDDEN,
                "AccessDenied",
            )));
        }
        shared.by_link.fetch_add(1, Ordering::SeqCst);
    }
    if request.uri().path().split('/').nth(1) != Some(BUCKET) {
        return Ok(refusal(StatusCode::NOT_FOUND, "NoSuchBucket"));
    }
    let number = shared.requests.fetch_add(1, Ordering::SeqCst) + 1;
    let fault = faults::of(number).filter(|_| shared.is_ill.load(Ordering::SeqCst));
    if let Some(fault) = fault {
        shared.told.add(fault);
    }
    let answered = match fault {
        Some(Fault::Internal) => Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")),
        Some(Fault::SlowDown) => Ok(refusal(StatusCode::SERVICE_UNAVAILABLE, "SlowDown")),
        Some(Fault::Flipped) => done(service, request, flipped).await.map(as_it_is),
        Some(Fault::Reset) => done(service, request, same).await.map(broken_off),
        Some(Fault::Truncated) => done(service, request, same).await.map(cut_short),
        None => done(service, request, same).await.map(as_it_is),
    };
    Ok(open_to_pages(answered.unwrap_or_else(|error| {
        whole(StatusCode::BAD_GATEWAY, error.to_string())
    })))
}

/// What a well S3 answers to the request with this done to its body; both whole in memory, as tests have small ones.
async fn done(
    service: &S3Service,
    request: Request<Incoming>,
    change: fn(&Bytes) -> Bytes,
) -> Result<Response<Bytes>, Ill> {
    let (head, body) = request.into_parts();
    let body = change(&body.collect().await?.to_bytes());
    let request = Request::from_parts(head, s3s::Body::from(body));
    let answer = service.call(request).await;
    let (head, body) = answer.map_err(|error| format!("{error:?}"))?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}

fn same(body: &Bytes) -> Bytes {
    body.clone()
}

fn flipped(body: &Bytes) -> Bytes {
    let mut changed = body.to_vec();
    if let Some(last) = changed.last_mut() {
        *last ^= 1;
    }
    changed.into()
}

fn as_it_is(answer: Response<Bytes>) -> Response<Body> {
    answer.map(|body| {
        Full::new(body)
            .map_err(|never| match never {})
            .boxed_unsync()
    })
}

/// Half of the body, then the end of the connection.
fn broken_off(answer: Response<Bytes>) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    head.headers
        .insert(header::CONTENT_LENGTH, (body.len() + 1).into());
    let half = Ok(Frame::data(body.slice(..body.len() / 2)));
    let end = Err(io::ErrorKind::ConnectionReset.into());
    let pieces = StreamBody::new(futures::stream::iter([half, end]));
    Response::from_parts(head, pieces.boxed_unsync())
}

/// Half of the body, as if that were all.
fn cut_short(answer: Response<Bytes>) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    let half = body.slice(..body.len() / 2);
    if !body.is_empty() {
        head.headers
            .insert(header::CONTENT_LENGTH, half.len().into());
    }
    as_it_is(Response::from_parts(head, half))
}

fn refusal(status: StatusCode, code: &str) -> Response<Body> {
    let body = format!("<Error><Code>{code}</Code><Message>as the test wants it</Message></Error>");
    whole(status, body)
}

fn whole(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    as_it_is(answer)
}

/// As a bucket is that allows every page to use its links.
fn open_to_pages(mut answer: Response<Body>) -> Response<Body> {
    let headers = answer.headers_mut();
    let all = HeaderValue::from_static("*");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, all.clone());
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, PUT"),
    );
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, all);
    answer
}

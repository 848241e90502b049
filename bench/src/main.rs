//! The limit: a bare hyper server that reads the body and answers a constant, on the same runtime and machine.
//! Prints its address on the first line; ends with its parent's signal.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, io::Write as _};
use tokio::net::TcpListener;

const ANSWER: &[u8] = br#"{"status":"succeeded","output":7}"#;

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    response.headers_mut().insert(
        "content-type",
        hyper::header::HeaderValue::from_static("application/json"),
    );
    Ok(response)
}

#[tokio::main]
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark's peer, not a part of Onstage"
)]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(async move {
            http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service_fn(answer))
                .await
        });
    }
}

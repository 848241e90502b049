//! One message over one connection to an address that was checked: TLS, HTTP/1.1, the status that comes back.
//! Does not check addresses, follows no redirect, and asks no name server.

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use onstage_core::{Error, Result};
use onstage_engine::spawn::spawn;
use reqwest::Url;
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};
use tokio_util::task::AbortOnDropHandle;

/// What is read of an answer, of which only the status counts.
const ANSWER_BYTES_MAX: usize = 64 << 10;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Trusts whom the machine trusts.
pub(super) fn trust() -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    let versions = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("TLS cannot be set up").because(error))?;
    let config = versions.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Posts JSON; answers the status.
pub(super) async fn post(
    tls: &TlsConnector,
    url: &Url,
    addresses: &[SocketAddr],
    headers: &[(&'static str, String)],
    body: String,
) -> Result<u16> {
    let stream = connect(tls, url, addresses).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broke)?;
    // The connection goes with this call, however it ends.
    let _connection = AbortOnDropHandle::new(spawn("a message to a webhook", async move {
        let _ = connection.await;
    }));
    let answer = sender.send_request(request(url, headers, body)?);
    let answer = answer.await.map_err(broke)?;
    let status = answer.status().as_u16();
    let (mut body, mut read) = (answer.into_body(), 0);
    while read < ANSWER_BYTES_MAX {
        match body.frame().await {
            Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
            _ => break,
        }
    }
    Ok(status)
}

async fn connect(
    tls: &TlsConnector,
    url: &Url,
    addresses: &[SocketAddr],
) -> Result<Box<dyn Stream>> {
    let plain = TcpStream::connect(addresses).await;
    let plain = plain.map_err(|error| Error::unavailable("nobody answers there").because(error))?;
    if url.scheme() != "https" {
        return Ok(Box::new(plain));
    }
    let host = url.host_str().unwrap_or_default();
    let name = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let name = ServerName::try_from(name)
        .map_err(|error| Error::invalid("no certificate can be for this host").because(error))?;
    let stream = tls.connect(name, plain).await;
    let stream = stream.map_err(|error| {
        Error::unavailable(format!("`{host}` cannot be trusted")).because(error)
    })?;
    Ok(Box::new(stream))
}

fn request(
    url: &Url,
    headers: &[(&'static str, String)],
    body: String,
) -> Result<Request<Full<Bytes>>> {
    let wrong = |error: http::Error| Error::internal("a message has no request").because(error);
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let agent = concat!("onstage/", env!("CARGO_PKG_VERSION"));
    let mut request = Request::post(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, HeaderValue::from_static(agent))
        .header(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.body(Full::from(body)).map_err(wrong)
}

fn broke(error: hyper::Error) -> Error {
    Error::unavailable("the connection broke").because(error)
}

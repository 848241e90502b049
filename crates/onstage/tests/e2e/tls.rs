//! A server behind a proxy that speaks TLS, as the command line meets it.

use crate::world::{World, text};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{path::Path, process::Command, sync::Arc};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_trusts_the_certificates_that_it_should() {
    let world = World::start().await;
    let (certificate, key) = (
        world.folder.path().join("certificate.pem"),
        world.folder.path().join("key.pem"),
    );
    sign(&certificate, &key);
    let port = proxy(&world, &certificate, &key).await;
    let models = |trusted: Option<&Path>| {
        let mut command = world.command();
        command
            .args(["models", "--json"])
            .env("ONSTAGE_URL", format!("https://localhost:{port}"))
            .env("ONSTAGE_TOKEN", &world.token)
            .env_remove("SSL_CERT_FILE")
            .envs(trusted.map(|file| ("SSL_CERT_FILE", file)));
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let told = models(Some(&certificate)).await.unwrap();
    assert!(told.status.success(), "{}", text(&told.stderr));
    assert!(text(&told.stdout).contains("\"results\""));
    let told = models(None).await.unwrap();
    let said = text(&told.stderr);
    assert_eq!(told.status.code(), Some(3), "{said}");
    assert!(said.contains("is not trusted"), "{said}");
    assert!(said.contains("SSL_CERT_FILE"), "{said}");
    world.close().await;
}

/// A certificate for `localhost` that has signed itself.
fn sign(certificate: &Path, key: &Path) {
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
}

/// Takes TLS off and passes the rest on; answers its port.
async fn proxy(world: &World, certificate: &Path, key: &Path) -> u16 {
    let chain = CertificateDer::pem_file_iter(certificate).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = world.url.strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                // A client that does not trust it goes away here.
                let Ok(mut outside) = acceptor.accept(socket).await else {
                    return;
                };
                let mut inside = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    port
}

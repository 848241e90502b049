//! Clients that no HTTP library would be: half requests, slow readers, silent sockets.
//! Knows bytes and addresses, no experiment.

use crate::world::World;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

pub(crate) async fn connect(world: &World) -> TcpStream {
    let address = world.url.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// A connection whose kernel holds little of what is not read.
pub(crate) async fn connect_narrow(world: &World) -> TcpStream {
    let address = world.url.strip_prefix("http://").unwrap().parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address).await.unwrap()
}

pub(crate) fn get(world: &World, path: &str, more: &str) -> String {
    let host = world.url.strip_prefix("http://").unwrap();
    format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n{more}\r\n",
        world.token
    )
}

/// A prediction as bytes.
pub(crate) fn post(world: &World, model: &str, input: &Value) -> Vec<u8> {
    let host = world.url.strip_prefix("http://").unwrap();
    let body = json!({ "input": input }).to_string();
    format!(
        "POST /v1/models/lab/{model}/predictions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        world.token,
        body.len()
    )
    .into_bytes()
}

/// Reads until the peer ends the connection; answers what came, and whether it ended within `most`.
pub(crate) async fn read_to_end(stream: &mut TcpStream, most: Duration) -> (String, bool) {
    let mut bytes = Vec::new();
    let ended = tokio::time::timeout(most, stream.read_to_end(&mut bytes)).await;
    (String::from_utf8_lossy(&bytes).into_owned(), ended.is_ok())
}

/// Sends one request and reads the head of its answer.
pub(crate) async fn head(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

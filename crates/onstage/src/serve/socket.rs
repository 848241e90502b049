//! The listening socket: one that was opened before we started and outlives us (socket activation), or our own.
//! With the former a restart refuses nobody: who connects meanwhile waits in its backlog.

use crate::{environment::Environment, gateway};
use listenfd::ListenFd;
use onstage_core::{Error, Kind, Result};
use rustix::io::{FdFlags, fcntl_setfd};
use std::net::{SocketAddr, TcpListener};

/// Errors: conflict or denied, when our own cannot be opened; invalid, when what was handed to us is no listening TCP socket.
pub(super) fn open(
    listen: SocketAddr,
    environment: &Environment,
) -> Result<(tokio::net::TcpListener, SocketAddr)> {
    let listener = match handed_over(environment)? {
        Some(listener) => listener,
        None => gateway::listen(listen).map_err(port_hint)?,
    };
    let address = listener
        .local_addr()
        .map_err(|error| Error::internal("the listener has no address").because(error))?;
    Ok((listener, address))
}

/// The first socket of systemd's protocol (`LISTEN_FDS`), when there is one for us.
fn handed_over(environment: &Environment) -> Result<Option<tokio::net::TcpListener>> {
    if environment.get("LISTEN_FDS").is_none() {
        return Ok(None);
    }
    let taken = ListenFd::from_env().take_tcp_listener(0);
    let unfit = |error: std::io::Error| {
        Error::invalid("the socket handed over by LISTEN_FDS cannot be used")
            .because(error)
            .hint("it must be one TCP socket that listens; without it leave the variable out")
    };
    taken
        .map_err(unfit)?
        .map(|listener| ours(listener).map_err(unfit))
        .transpose()
}

fn ours(listener: TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    // Workers and tasks must not hold it.
    fcntl_setfd(&listener, FdFlags::CLOEXEC)?;
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

fn port_hint(error: Error) -> Error {
    match error.kind {
        Kind::Conflict => error.hint("another program listens there; choose another port with `--listen 127.0.0.1:PORT`, or port 0 for any"),
        Kind::Denied => error.hint("ports below 1024 need rights; choose one above with `--listen`"),
        _ => error,
    }
}

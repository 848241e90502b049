//! The accept loop: connections with limits on every wait, and an end that is bounded.
//! Knows bytes and sockets; what a request means is the front's.

mod admission;
mod body;
mod framing;
mod io;
mod watch;

#[cfg(test)]
mod tests;

pub(crate) use watch::Patience;

use super::{front::Front, state::State};
use admission::{Admission, Place};
use body::Watched;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use io::Guarded;
use onstage_core::{Error, Result};
use onstage_engine::spawn::spawn;
use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Notify,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use watch::{Pulse, Watch};

/// Connections the kernel holds until they are accepted.
const BACKLOG: u32 = 4096;
/// After the end was asked for, how long a connection that has not asked for anything yet may still do so.
const FIRST_REQUEST_WAIT: Duration = Duration::from_secs(1);
/// How often dawdling connections are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// The pause after `accept` failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What one connection may hold of what was read, and of what waits to be sent.
const CONNECTION_BUFFER_BYTES_MAX: usize = 64 << 10;
/// All bytes of a request's head.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Fields of a request's head.
const HEAD_FIELDS_MAX: usize = 100;
/// What is sent to a connection that finds no place.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Limits of the listener.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub patience: Patience,
    pub connections_max: usize,
    /// Loopback and configured proxies are exempt.
    pub connections_per_address_max: usize,
    /// How long open requests may take after the shutdown signal.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            patience: Patience::default(),
            connections_max: 12_288,
            connections_per_address_max: 512,
            drain: Duration::from_secs(10),
        }
    }
}

/// Opens a listening socket. Errors: conflict when the port is taken.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener> {
    let open = || {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Error::conflict(format!("address `{address}` is taken"))
            .because(error)
            .hint("another program listens there; choose another port with `--port`"),
        std::io::ErrorKind::PermissionDenied => {
            Error::denied(format!("address `{address}` may not be used"))
                .because(error)
                .hint("ports below 1024 need rights; choose one above with `--port`")
        }
        _ => Error::unavailable(format!("cannot listen on `{address}`")).because(error),
    })
}

/// Takes connections until `shutdown`, then lets open requests end within the drain limit.
pub(crate) async fn run(listener: TcpListener, state: State, shutdown: CancellationToken) {
    let floor = Floor::new(state, shutdown.clone());
    let sweeper = spawn("connection sweeper", sweep(Arc::clone(&floor)));
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => floor.admit(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    floor.tell(|watch| &watch.drain);
    floor.tracker.close();
    if tokio::time::timeout(floor.limits.drain, floor.tracker.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            open = floor.tracker.len(),
            "connections were still open at the end of the drain; they are cut"
        );
        floor.cut.cancel();
        floor.tell(|watch| &watch.overdue);
        floor.tracker.wait().await;
    }
    sweeper.abort();
}

/// What all connections share.
struct Floor {
    front: Front,
    limits: Limits,
    patience: Arc<Patience>,
    admission: Admission,
    pulse: Pulse,
    watches: Mutex<HashMap<u64, Arc<Watch>>>,
    /// The first connection after there was none.
    first_came: Notify,
    next: std::sync::atomic::AtomicU64,
    http: http1::Builder,
    tracker: TaskTracker,
    shutdown: CancellationToken,
    cut: CancellationToken,
}

impl Floor {
    fn new(state: State, shutdown: CancellationToken) -> Arc<Self> {
        let limits = state.settings.limits.clone();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            // The sweeper judges slow heads; hyper's own timer is the second net.
            .header_read_timeout(limits.patience.head + limits.patience.idle)
            .max_headers(HEAD_FIELDS_MAX)
            .max_header_size(HEAD_BYTES_MAX)
            // Also of what waits to be sent: a reader that does not read must not hold much.
            .max_buf_size(CONNECTION_BUFFER_BYTES_MAX)
            .half_close(false);
        Arc::new(Self {
            admission: Admission::new(
                limits.connections_max,
                limits.connections_per_address_max,
                &state.settings.proxies,
            ),
            patience: Arc::new(limits.patience.clone()),
            limits,
            front: Front::new(state),
            pulse: Pulse::default(),
            watches: Mutex::default(),
            first_came: Notify::new(),
            next: std::sync::atomic::AtomicU64::new(0),
            http,
            tracker: TaskTracker::new(),
            shutdown,
            cut: CancellationToken::new(),
        })
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let Some(place) = self.admission.enter(peer.ip()) else {
            tracing::warn!(%peer, open = self.admission.total(), "too many connections");
            // Best effort: whoever does not take it at once gets a closed connection.
            let _ = stream.try_write(FULL);
            return;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone before it was served");
            return;
        }
        let floor = Arc::clone(self);
        let token = self.tracker.token();
        spawn("connection", async move {
            floor.serve(stream, peer, place).await;
            drop(token);
        });
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr, _place: Place) {
        let watch = Arc::new(Watch::new(self.pulse.clone()));
        let _listed = Listed::new(self, Arc::clone(&watch));
        let io = Guarded::new(stream, Arc::clone(&watch), Arc::clone(&self.patience));
        let service = service_fn(|request: Request<Incoming>| {
            // A second request that came in the same bytes as the first: its turn begins here.
            watch.answering();
            let answer = self
                .front
                .answer(request.map(axum::body::Body::new), peer.ip());
            let watch = Arc::clone(&watch);
            async move {
                let response = answer.await;
                Ok::<_, Infallible>(response.map(|body| Watched::new(body, watch)))
            }
        });
        let mut connection = std::pin::pin!(self.http.serve_connection(TokioIo::new(io), service));
        let mut draining = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, %error, "a connection ended badly");
                    }
                    return;
                }
                () = watch.overdue.notified() => return,
                () = told_to_drain(&watch), if !draining => {
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// Tells every connection; one that is not listed yet sees the token when it is.
    fn tell(&self, what: impl Fn(&Watch) -> &Notify) {
        for watch in self.watches().values() {
            what(watch).notify_one();
        }
    }

    fn watches(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Watch>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who connected just before the end is answered: hyper would close a connection that has not asked yet.
async fn told_to_drain(watch: &Watch) {
    watch.drain.notified().await;
    let _ = tokio::time::timeout(FIRST_REQUEST_WAIT, watch.first_request()).await;
}

/// A watch's place in the sweeper's list, for as long as its connection lives.
struct Listed<'a> {
    floor: &'a Floor,
    number: u64,
}

impl<'a> Listed<'a> {
    fn new(floor: &'a Floor, watch: Arc<Watch>) -> Self {
        let number = floor
            .next
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let count = {
            let mut watches = floor.watches();
            if floor.shutdown.is_cancelled() {
                watch.drain.notify_one();
            }
            if floor.cut.is_cancelled() {
                watch.overdue.notify_one();
            }
            watches.insert(number, watch);
            watches.len()
        };
        if count == 1 {
            floor.first_came.notify_one();
        }
        Self { floor, number }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.floor.watches().remove(&self.number);
    }
}

async fn sweep(floor: Arc<Floor>) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    loop {
        // A front at rest sleeps; the pulse is only for connections that are open.
        if floor.watches().is_empty() {
            floor.first_came.notified().await;
            every.reset();
        }
        every.tick().await;
        let now_s = floor.pulse.tick();
        for watch in floor.watches().values() {
            if let Some(why) = watch::overdue(watch.view(), now_s, &floor.patience) {
                tracing::debug!(why, "a connection is closed");
                watch.overdue.notify_one();
            }
        }
    }
}

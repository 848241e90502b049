//! HTTP/1.1 connections to one address, kept and used again.
//! Does not count or time anything.

use crate::plan::Ask;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use std::{cell::RefCell, error::Error};
use tokio::{net::TcpStream, sync::Semaphore, task::JoinHandle};

pub(crate) type Fault = Box<dyn Error>;
pub(crate) type Connection = SendRequest<Full<Bytes>>;

/// An answer that came whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

pub(crate) struct Client {
    ask: Ask,
    body: Bytes,
    /// The last one used is the next one used, so that few grow old.
    free: RefCell<Vec<Connection>>,
    places: Semaphore,
}

impl Client {
    pub(crate) fn new(mut ask: Ask, connections_max: usize) -> Self {
        Self {
            body: Bytes::from(std::mem::take(&mut ask.body)),
            ask,
            free: RefCell::default(),
            places: Semaphore::new(connections_max),
        }
    }

    /// Asks once, on a connection that is free or new.
    pub(crate) async fn ask(&self) -> Result<Answer, Fault> {
        let _place = self.places.acquire().await?;
        while let Some(mut connection) = self.take() {
            match self.ask_on(&mut connection).await {
                Ok(answer) => return Ok(self.give_back(connection, answer)),
                // The server closed it meanwhile, as it may; every client then takes another.
                Err(fault) if connection.is_closed() && is_cut(&*fault) => {}
                Err(fault) => return Err(fault),
            }
        }
        let mut connection = self.connect().await?;
        let answer = self.ask_on(&mut connection).await?;
        Ok(self.give_back(connection, answer))
    }

    fn take(&self) -> Option<Connection> {
        let mut free = self.free.borrow_mut();
        std::iter::from_fn(|| free.pop()).find(|connection| !connection.is_closed())
    }

    fn give_back(&self, connection: Connection, answer: Answer) -> Answer {
        self.free.borrow_mut().push(connection);
        answer
    }

    pub(crate) async fn connect(&self) -> Result<Connection, Fault> {
        let socket = TcpStream::connect(&self.ask.address).await?;
        socket.set_nodelay(true)?;
        let (connection, driver) = http1::handshake(TokioIo::new(socket)).await?;
        spawn(async move {
            // Whoever waits for an answer is told by the other half.
            let _ = driver.await;
        });
        Ok(connection)
    }

    pub(crate) async fn ask_on(&self, connection: &mut Connection) -> Result<Answer, Fault> {
        let response = self.begin_on(connection).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, body })
    }

    /// The answer's head; its body is still to come.
    pub(crate) async fn begin_on(
        &self,
        connection: &mut Connection,
    ) -> Result<Response<Incoming>, Fault> {
        connection.ready().await?;
        Ok(connection.send_request(self.request()?).await?)
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, Fault> {
        let mut request = Request::builder()
            .method(self.ask.method.as_str())
            .uri(&self.ask.path)
            .header("host", &self.ask.address);
        for (name, value) in &self.ask.headers {
            request = request.header(name, value);
        }
        Ok(request.body(Full::new(self.body.clone()))?)
    }
}

fn is_cut(fault: &(dyn Error + 'static)) -> bool {
    fault.downcast_ref::<hyper::Error>().is_some_and(|error| {
        error.is_canceled() || error.is_closed() || error.is_incomplete_message()
    })
}

pub(crate) fn spawn(work: impl Future<Output = ()> + 'static) -> JoinHandle<()> {
    tokio::task::spawn_local(work)
}

pub(crate) fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

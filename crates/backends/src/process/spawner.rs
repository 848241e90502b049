//! The one thread that forks: lives as long as somebody holds it.
//! Does not know what is started.

use super::child;
use std::{io, sync::Arc};
use tokio::{
    process::{Child, Command},
    runtime::Handle,
    sync::{mpsc, oneshot},
};

/// Starts that may wait for the thread.
const WAITING_MAX: usize = 64;

struct Request {
    command: Command,
    runtime: Handle,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// Spawns children from a thread of its own.
///
/// The kernel sends the parent-death signal when the *thread* that forked ends, not the process. Threads of the async runtime
/// come and go, so a child forked there would be killed for no reason. Whoever holds a child holds this too.
#[derive(Debug)]
pub(crate) struct Spawner {
    requests: mpsc::Sender<Request>,
}

impl Spawner {
    pub(crate) fn start() -> io::Result<Arc<Self>> {
        let (requests, mut queue) = mpsc::channel::<Request>(WAITING_MAX);
        std::thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                while let Some(request) = queue.blocking_recv() {
                    perform(request);
                }
            })?;
        Ok(Arc::new(Self { requests }))
    }

    /// Spawns the child; it is killed when the returned `Child` is dropped.
    pub(crate) async fn spawn(&self, mut command: Command) -> io::Result<Child> {
        command.kill_on_drop(true);
        let (answer, answered) = oneshot::channel();
        let gone = || io::Error::other("the spawning thread is gone");
        self.requests
            .send(Request {
                command,
                runtime: Handle::current(),
                answer,
            })
            .await
            .map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn perform(mut request: Request) {
    let _entered = request.runtime.enter();
    child::close_others_on_exec();
    let spawned = request.command.spawn();
    // Our copies of the pipe ends the child writes to must be closed, or their readers would never see an end.
    drop(request.command);
    // When nobody waits any more, the child comes back here and is killed by being dropped.
    drop(request.answer.send(spawned));
}

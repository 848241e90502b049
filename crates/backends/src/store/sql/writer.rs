//! The writer of a file: the one owner of the one connection that writes. What is queued at a moment shares one commit.
//! Must not know what is written.

use super::{
    dialect,
    error::{copy_of, ends_transaction, kind_of, store_error},
    presence::{Presence, Turn},
    work::Work,
};
use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture};
use onstage_core::{Error, Kind, Result};
use sea_orm::{DatabaseConnection, DatabaseTransaction, TransactionTrait};
use std::{panic::AssertUnwindSafe, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// Writes that wait for the writer; more wait outside, within their deadline.
const QUEUED_WRITES_MAX: usize = 4_096;
/// Writes that share one commit.
const GROUP_WRITES_MAX: usize = 256;
/// After so long without a write, the log is moved into the file.
const IDLE_CHECKPOINT_MS: u64 = 30_000;

/// Opens the writing connection anew.
pub(super) type Reopen =
    Box<dyn Fn() -> BoxFuture<'static, Result<DatabaseConnection>> + Send + Sync>;

/// A handle to the writer, which ends when the last handle is gone.
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Write>>,
    presence: Presence,
}

impl Writer {
    pub(super) fn start(connection: DatabaseConnection, reopen: Reopen) -> Self {
        let (queue, writes) = mpsc::channel(QUEUED_WRITES_MAX);
        let presence = Presence::default();
        let file = File {
            open: Some(connection),
            reopen,
            presence: presence.clone(),
        };
        crate::spawn::spawn("store writer", run(file, writes));
        Self { queue, presence }
    }

    pub(super) fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Runs `work` in a transaction; its answer comes after the commit.
    pub(super) async fn write<T: Send + 'static>(&self, work: Box<dyn Work<T>>) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let turn = Turn::default();
        let write = Box::new(Pending {
            work,
            value: None,
            turn: turn.clone(),
            reply,
        });
        let sent = self.queue.send(write).await;
        sent.map_err(|_| Error::unavailable("the store is closed"))?;
        self.presence.answer(&turn, answer).await
    }
}

/// A queued write with its type hidden.
#[async_trait]
trait Write: Send {
    /// Whether its caller has stopped waiting.
    fn is_abandoned(&self) -> bool;
    /// False when its caller has given it up; from now on it does not.
    fn begin(&self) -> bool;
    /// Does the work and keeps its value until the commit.
    async fn run(&mut self, transaction: &DatabaseTransaction) -> Result<()>;
    fn answer(self: Box<Self>, outcome: Result<()>);
}

struct Pending<T> {
    work: Box<dyn Work<T>>,
    value: Option<T>,
    turn: Turn,
    reply: oneshot::Sender<Result<T>>,
}

#[async_trait]
impl<T: Send + 'static> Write for Pending<T> {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn begin(&self) -> bool {
        self.turn.begin()
    }

    async fn run(&mut self, transaction: &DatabaseTransaction) -> Result<()> {
        self.value = Some(self.work.run(transaction).await?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let Self { value, reply, .. } = *self;
        let missing = || Error::internal("a write that ran has a value");
        // A failed send means that nobody waits any more: the caller was told that the outcome is not known.
        let _ = reply.send(outcome.and_then(|()| value.ok_or_else(missing)));
    }
}

/// The file that is written.
struct File {
    /// `None` when it must be opened anew.
    open: Option<DatabaseConnection>,
    reopen: Reopen,
    presence: Presence,
}

async fn run(mut file: File, mut writes: mpsc::Receiver<Box<dyn Write>>) {
    let idle = Duration::from_millis(IDLE_CHECKPOINT_MS);
    let mut group = Vec::with_capacity(GROUP_WRITES_MAX);
    let mut log_is_empty = false;
    loop {
        let next = writes.recv_many(&mut group, GROUP_WRITES_MAX);
        match tokio::time::timeout(idle, next).await {
            Ok(0) => break,
            Ok(_) => {
                group.retain(|write| !write.is_abandoned());
                file.write(std::mem::take(&mut group)).await;
                log_is_empty = false;
            }
            Err(_) if !log_is_empty => {
                log_is_empty = true;
                if let Some(connection) = &file.open
                    && let Err(error) = dialect::tidy_up(connection).await
                {
                    tracing::debug!(%error, "the store's log was not emptied");
                }
            }
            Err(_) => {}
        }
    }
    if let Some(connection) = file.open {
        close(connection).await;
    }
}

impl File {
    /// Commits a group.
    async fn write(&mut self, group: Vec<Box<dyn Write>>) {
        if group.is_empty() {
            return;
        }
        let connection = match self.open.take() {
            Some(connection) => connection,
            None => match (self.reopen)().await {
                Ok(connection) => connection,
                Err(error) => {
                    self.presence.saw(false);
                    return answer_all(group, &error);
                }
            },
        };
        // Who waits for a write of a group that panicked is told by its end.
        let commit = commit_group(&connection, &self.presence, group);
        let after = AssertUnwindSafe(commit).catch_unwind().await;
        let after = after.unwrap_or_else(|_| {
            tracing::error!("a write to the store panicked; its group is rolled back");
            After::Unknown
        });
        match after {
            After::Outside => self.open = Some(connection),
            After::Unknown => close(connection).await,
        }
    }
}

async fn close(connection: DatabaseConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "the store's writing connection was not closed cleanly");
    }
}

/// Where a group leaves its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// Outside of any transaction.
    Outside,
    /// A commit or a rollback failed. SQLite may have undone the transaction by itself while the driver still counts
    /// it as open; what would be "committed" next would be only a part of it, and lost. Such a connection is not used again.
    Unknown,
}

/// One transaction for all; each write has its own answer, given after the commit.
async fn commit_group(
    connection: &DatabaseConnection,
    presence: &Presence,
    mut group: Vec<Box<dyn Write>>,
) -> After {
    let begun = dialect::begin(connection).await;
    let away = |error| kind_of(error) == Kind::Unavailable;
    presence.saw(!begun.as_ref().is_err_and(away));
    let transaction = match begun {
        Ok(transaction) => transaction,
        Err(error) => {
            answer_all(group, &store_error(error));
            return After::Unknown;
        }
    };
    // Another process may have kept the file locked for longer than they wait.
    group.retain(|write| write.begin());
    let alone = group.len() == 1;
    let mut done = Vec::with_capacity(group.len());
    let mut rest = group.into_iter();
    while let Some(mut write) = rest.next() {
        let outcome = match alone {
            true => write.run(&transaction).await,
            false => run_undoable(&transaction, write.as_mut()).await,
        };
        match outcome {
            Err(error) if alone || ends_transaction(&error) => {
                let after = roll_back(transaction).await;
                let others = done
                    .into_iter()
                    .map(|(write, _)| write)
                    .chain(rest)
                    .collect();
                answer_all(others, &error);
                write.answer(Err(error));
                return after;
            }
            outcome => done.push((write, outcome)),
        }
    }
    match transaction.commit().await {
        Ok(()) => {
            done.into_iter()
                .for_each(|(write, outcome)| write.answer(outcome));
            After::Outside
        }
        Err(error) => {
            let group = done.into_iter().map(|(write, _)| write).collect();
            answer_all(group, &store_error(error));
            After::Unknown
        }
    }
}

/// Runs one write of several, so that its failure undoes nothing but itself.
async fn run_undoable(transaction: &DatabaseTransaction, write: &mut dyn Write) -> Result<()> {
    let part = transaction.begin().await.map_err(store_error)?;
    match write.run(&part).await {
        Ok(()) => part.commit().await.map_err(store_error),
        Err(error) => match part.rollback().await {
            Ok(()) => Err(error),
            // On a full disk SQLite may have undone the whole transaction by itself.
            Err(_) if ends_transaction(&error) => Err(error),
            Err(cause) => {
                let text = "the store could not undo a refused write";
                Err(Error::unavailable(text).because(cause))
            }
        },
    }
}

async fn roll_back(transaction: DatabaseTransaction) -> After {
    match transaction.rollback().await {
        Ok(()) => After::Outside,
        Err(error) => {
            tracing::debug!(%error, "the database had rolled back by itself");
            After::Unknown
        }
    }
}

/// Tells a whole group that it was not written, and why.
fn answer_all(group: Vec<Box<dyn Write>>, error: &Error) {
    for write in group {
        write.answer(Err(copy_of(error)));
    }
}

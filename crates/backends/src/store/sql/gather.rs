//! What many ask for at the same moment, done by one write for all: one statement for many rows instead of one for each.
//! Must not know what is written.

use super::{
    error::copy_of,
    presence::{Presence, Turn},
};
use futures::future::{BoxFuture, join_all};
use onstage_core::{Error, Kind, Result};
use tokio::sync::{mpsc, oneshot};

/// Callers that wait to be gathered; more wait outside, within their deadline.
const WAITING_MAX: usize = 4_096;
/// Values of one write.
const GROUP_MAX: usize = 128;

/// Parts whose lengths are powers of two: so few different statements stay prepared.
pub(super) fn in_powers<T>(all: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = all;
    std::iter::from_fn(move || {
        let (part, others) = rest.split_at(1 << rest.len().checked_ilog2()?);
        rest = others;
        Some(part)
    })
}

/// A handle to the gatherer, which ends when the last handle is gone.
pub(super) struct Gatherer<V, T> {
    queue: mpsc::Sender<Waiting<V, T>>,
    presence: Presence,
}

struct Waiting<V, T> {
    value: V,
    turn: Turn,
    reply: oneshot::Sender<Result<T>>,
}

impl<V, T> Gatherer<V, T>
where
    V: Clone + Send + Sync + 'static,
    T: Send + 'static,
{
    /// `write` does all or nothing, and answers in the order of the values.
    pub(super) fn start<F>(presence: Presence, write: F) -> Self
    where
        F: Fn(Vec<V>) -> BoxFuture<'static, Result<Vec<T>>> + Send + Sync + 'static,
    {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        crate::spawn::spawn("store gatherer", run(write, waiting));
        Self { queue, presence }
    }

    pub(super) async fn write(&self, value: V) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let turn = Turn::default();
        let waiting = Waiting {
            value,
            turn: turn.clone(),
            reply,
        };
        let sent = self.queue.send(waiting).await;
        sent.map_err(|_| Error::unavailable("the store is closed"))?;
        self.presence.answer(&turn, answer).await
    }
}

async fn run<V, T, F>(write: F, mut waiting: mpsc::Receiver<Waiting<V, T>>)
where
    V: Clone + Send + Sync,
    T: Send,
    F: Fn(Vec<V>) -> BoxFuture<'static, Result<Vec<T>>> + Send + Sync,
{
    let mut group = Vec::with_capacity(GROUP_MAX);
    // What comes while a group is written is the next group.
    while waiting.recv_many(&mut group, GROUP_MAX).await > 0 {
        group.retain(|one| !one.reply.is_closed() && one.turn.begin());
        if !group.is_empty() {
            write_group(&write, std::mem::take(&mut group)).await;
        }
    }
}

async fn write_group<V, T, F>(write: &F, group: Vec<Waiting<V, T>>)
where
    V: Clone + Send + Sync,
    T: Send,
    F: Fn(Vec<V>) -> BoxFuture<'static, Result<Vec<T>>> + Send + Sync,
{
    match write(group.iter().map(|one| one.value.clone()).collect()).await {
        Ok(answers) => answer(group.into_iter().zip(answers.into_iter().map(Ok))),
        // The store's trouble is everybody's.
        Err(error) if group.len() == 1 || error.kind.retryable() || error.kind == Kind::Full => {
            let told = |one| (one, Err(copy_of(&error)));
            answer(group.into_iter().map(told));
        }
        // One of them cannot be written, and takes no other with it.
        Err(_) => {
            let alone = group.into_iter().map(|one| async {
                let written = write(vec![one.value.clone()]).await;
                let missing = || Error::internal("a write that ran has a value");
                let first =
                    written.and_then(|answers| answers.into_iter().next().ok_or_else(missing));
                (one, first)
            });
            answer(join_all(alone).await.into_iter());
        }
    }
}

/// A failed send means that nobody waits any more: the caller was told that the outcome is not known.
fn answer<V, T>(answers: impl Iterator<Item = (Waiting<V, T>, Result<T>)>) {
    for (one, outcome) in answers {
        let _ = one.reply.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::sync::{Arc, Mutex};
    use tokio::sync::Notify;

    /// Doubles numbers and notes its groups; refuses a group with a 13 in it, and is away for one with a 99.
    fn doubler(groups: Arc<Mutex<Vec<Vec<u32>>>>) -> Gatherer<u32, u32> {
        Gatherer::start(Presence::default(), move |values: Vec<u32>| {
            let groups = groups.clone();
            async move {
                tokio::task::yield_now().await;
                groups.lock().unwrap().push(values.clone());
                if values.contains(&13) {
                    return Err(Error::conflict("thirteen"));
                }
                if values.contains(&99) {
                    return Err(Error::unavailable("away"));
                }
                Ok(values.into_iter().map(|value| value * 2).collect())
            }
            .boxed()
        })
    }

    async fn ask(gatherer: &Gatherer<u32, u32>, values: &[u32]) -> Vec<Result<u32, Kind>> {
        let asked = values.iter().map(|value| gatherer.write(*value));
        let answers = join_all(asked).await.into_iter();
        answers.map(|it| it.map_err(|error| error.kind)).collect()
    }

    #[test]
    fn parts_are_powers_of_two_and_all_of_it() {
        let lengths = |count: usize| {
            in_powers(&vec![0; count])
                .map(<[_]>::len)
                .collect::<Vec<_>>()
        };
        assert!(lengths(0).is_empty());
        assert_eq!(lengths(1), [1]);
        assert_eq!(lengths(45), [32, 8, 4, 1]);
    }

    #[tokio::test]
    async fn what_waits_at_the_same_moment_is_one_write_and_each_gets_its_own_answer() {
        let groups = Arc::new(Mutex::new(Vec::new()));
        let gatherer = doubler(groups.clone());
        assert_eq!(ask(&gatherer, &[1, 2, 3]).await, [Ok(2), Ok(4), Ok(6)]);
        assert_eq!(*groups.lock().unwrap(), [[1, 2, 3]]);
    }

    #[tokio::test]
    async fn one_that_is_refused_takes_no_other_with_it_and_an_outage_is_tried_once() {
        let groups = Arc::new(Mutex::new(Vec::new()));
        let gatherer = doubler(groups.clone());
        let answers = ask(&gatherer, &[1, 13, 3]).await;
        assert_eq!(answers, [Ok(2), Err(Kind::Conflict), Ok(6)]);
        groups.lock().unwrap().clear();
        let answers = ask(&gatherer, &[1, 99]).await;
        assert_eq!(answers, [Err(Kind::Unavailable), Err(Kind::Unavailable)]);
        assert_eq!(groups.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn who_waits_for_a_store_that_is_away_is_told_and_not_written() {
        let groups = Arc::new(Mutex::new(Vec::new()));
        let (noted, goes_on) = (groups.clone(), Arc::new(Notify::new()));
        let stands_still = goes_on.clone();
        let presence = Presence::default();
        let gatherer = Gatherer::start(presence.clone(), move |values: Vec<u32>| {
            let (groups, stands_still) = (noted.clone(), stands_still.clone());
            async move {
                groups.lock().unwrap().push(values.clone());
                stands_still.notified().await;
                Ok(values)
            }
            .boxed()
        });
        let late = async {
            while groups.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            presence.saw(false);
            let told = gatherer.write(2).await.map_err(|error| error.kind);
            presence.saw(true);
            goes_on.notify_one();
            told
        };
        let (first, late) = futures::join!(gatherer.write(1), late);
        assert_eq!((first.unwrap(), late), (1, Err(Kind::Unavailable)));
        goes_on.notify_one();
        assert_eq!(gatherer.write(3).await.unwrap(), 3);
        assert_eq!(*groups.lock().unwrap(), [[1], [3]]);
    }
}

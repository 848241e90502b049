//! What is said last of jobs that have ended, written while the task goes on to the next ones: one group at a time.
//! Does not know what is said.

use crate::spawn::spawn;
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

#[derive(Default)]
pub(crate) struct Farewells {
    writing: Mutex<Option<AbortOnDropHandle<Option<()>>>>,
}

impl Farewells {
    /// Begins to write, once what was begun before is written.
    pub(crate) async fn begin(&self, writing: impl Future<Output = ()> + Send + 'static) {
        let mut before = self.writing.lock().await;
        if let Some(before) = before.take() {
            let _ = before.await;
        }
        *before = Some(AbortOnDropHandle::new(spawn(
            "last events of jobs",
            writing,
        )));
    }

    /// Resolves when nothing is left to write.
    pub(crate) async fn written(&self) {
        if let Some(before) = self.writing.lock().await.take() {
            let _ = before.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, poll};
    use std::{
        pin::pin,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering::SeqCst},
        },
    };
    use tokio::sync::Semaphore;

    #[tokio::test]
    async fn one_group_is_written_after_the_other_and_the_end_waits_for_the_last() {
        let (farewells, gate) = (Farewells::default(), Arc::new(Semaphore::new(0)));
        let done = Arc::new(AtomicU32::new(0));
        let writing = || {
            let (gate, done) = (gate.clone(), done.clone());
            async move {
                gate.acquire().await.unwrap().forget();
                done.fetch_add(1, SeqCst);
            }
        };
        assert!(farewells.begin(writing()).now_or_never().is_some());
        let mut second = pin!(farewells.begin(writing()));
        assert!(poll!(&mut second).is_pending());
        gate.add_permits(1);
        second.await;
        assert_eq!(done.load(SeqCst), 1);
        let mut written = pin!(farewells.written());
        assert!(poll!(&mut written).is_pending());
        gate.add_permits(1);
        written.await;
        assert_eq!(done.load(SeqCst), 2);
    }
}

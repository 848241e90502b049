//! What the logs of jobs say of their ends, written while the task goes on to the next: one group at a time.
//! Does not know what became of a job.

use crate::{parts::Parts, spawn::spawn};
use futures::future::join_all;
use onstage_core::{Id, event::NewEvent};
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

#[derive(Default)]
pub(crate) struct Farewells {
    writing: Mutex<Option<AbortOnDropHandle<Option<()>>>>,
}

impl Farewells {
    /// Begins to write the last events of jobs that have ended, once those before are written.
    pub(crate) async fn write(&self, parts: &Parts, last: Vec<(Id, Vec<NewEvent>)>) {
        let mut writing = self.writing.lock().await;
        if let Some(before) = writing.take() {
            let _ = before.await;
        }
        let parts = parts.clone();
        // Together, because writes at the same moment share a commit.
        let work = async move {
            join_all(
                last.into_iter()
                    .map(|(job, events)| append(&parts, job, events)),
            )
            .await;
        };
        *writing = Some(AbortOnDropHandle::new(spawn("last events of jobs", work)));
    }

    /// Resolves when nothing is left to write.
    pub(crate) async fn written(&self) {
        if let Some(before) = self.writing.lock().await.take() {
            let _ = before.await;
        }
    }
}

/// The log is for those who watch; readers go by the job's state.
pub(super) async fn append(parts: &Parts, job: Id, events: Vec<NewEvent>) {
    if let Err(error) = parts.store.append_events(&job, None, events).await {
        tracing::warn!(%job, %error, "the last events of a run could not be written");
    }
}

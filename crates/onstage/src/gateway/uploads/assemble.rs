//! Putting parts together into one blob, once at a time per upload, whoever asks and goes away meanwhile.
//! Does not make records.

use crate::gateway::{blobs::copy, state::State};
use futures::{FutureExt, future::Shared};
use onstage_core::{
    Error, Id, Result,
    dataset::HEAD_BYTES,
    ports::Blobs,
    upload::{Upload, UploadPart},
    value::BlobRef,
};
use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The whole file and its first bytes.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    pub(super) blob: BlobRef,
    pub(super) head: Vec<u8>,
}

type Outcome = std::result::Result<Whole, Arc<Error>>;
type Ending = Shared<Pin<Box<dyn Future<Output = Outcome> + Send>>>;

/// One that is under way.
#[derive(Clone)]
struct Assembly {
    done_bytes: Arc<AtomicU64>,
    ending: Ending,
}

/// Those of this front that are under way, or whose outcome was not fetched yet.
#[derive(Default)]
pub(crate) struct Assemblies(Mutex<HashMap<Id, Assembly>>);

impl Assemblies {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Assembly>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much of it is put together; none when nobody is at it.
    pub(crate) fn done_bytes(&self, id: &Id) -> Option<u64> {
        let known = self.lock();
        let assembly = known.get(id)?;
        Some(assembly.done_bytes.load(Ordering::Relaxed))
    }

    /// Forgets an outcome that was taken, or one that may be tried again.
    pub(super) fn done(&self, id: &Id) {
        self.lock().remove(id);
    }

    /// Forgets one whose upload is gone, when nothing is written any more: without its parts it ends soon.
    pub(super) async fn end(&self, id: &Id) {
        let assembly = self.lock().remove(id);
        if let Some(assembly) = assembly {
            let _ = assembly.ending.await;
        }
    }
}

/// Begins to put it together under `key`, or joins who is at it. It goes on when this is dropped.
pub(super) fn assemble(
    state: &State,
    upload: &Upload,
    parts: Vec<UploadPart>,
    key: String,
) -> impl Future<Output = Outcome> + use<> {
    let mut known = state.assemblies.lock();
    if let Some(assembly) = known.get(&upload.id) {
        return assembly.ending.clone();
    }
    let done_bytes = Arc::new(AtomicU64::new(0));
    let work = {
        let (blobs, done) = (Arc::clone(&state.parts.blobs), Arc::clone(&done_bytes));
        async move { joined(&*blobs, &parts, &key, &done).await.map_err(Arc::new) }
    };
    let task = onstage_engine::spawn::spawn("upload assembly", work);
    let ending = async move {
        let broken = || Arc::new(Error::internal("putting an upload together broke off"));
        match task.await {
            Ok(Some(outcome)) => outcome,
            Ok(None) | Err(_) => Err(broken()),
        }
    };
    let ending = ending.boxed().shared();
    let assembly = Assembly {
        done_bytes,
        ending: ending.clone(),
    };
    known.insert(upload.id.clone(), assembly);
    ending
}

async fn joined(
    blobs: &dyn Blobs,
    parts: &[UploadPart],
    key: &str,
    done_bytes: &AtomicU64,
) -> Result<Whole> {
    let mut writer = blobs.writer(key).await?;
    let mut head = Vec::new();
    for part in parts {
        copy(blobs, &part.blob, &mut *writer, |piece| {
            let more = (HEAD_BYTES - head.len()).min(piece.len());
            head.extend_from_slice(&piece[..more]);
            done_bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        })
        .await?;
    }
    let blob = writer.finish().await?;
    Ok(Whole { blob, head })
}

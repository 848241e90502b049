//! Bundles on this host: fetched and unpacked once by their digest; those of models that nobody asks any more make room.
//! Does not start what is in them.

use crate::{
    bundle,
    shelf::{Shelf, WHOLE, blocking},
};
use onstage_core::{
    Error, Result,
    ports::{Blobs, Placed},
    value::BlobRef,
};
use std::{path::Path, sync::Arc, time::Duration};

/// What is kept, unpacked; bundles in use may be more. Each save under `onstage dev` is one.
const KEPT_BYTES_MAX: u64 = 20 << 30;
/// Fetching and unpacking one bundle.
const UNPACK_SECONDS_MAX: u64 = 600;

pub(super) struct Bundles {
    shelf: Shelf,
    blobs: Arc<dyn Blobs>,
}

impl std::fmt::Debug for Bundles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Bundles").field(&self.shelf).finish()
    }
}

impl Bundles {
    /// Below `<data>/bundles`.
    pub(super) fn new(data_dir: &Path, blobs: Arc<dyn Blobs>) -> Self {
        Self::with(data_dir, blobs, KEPT_BYTES_MAX)
    }

    fn with(data_dir: &Path, blobs: Arc<dyn Blobs>, bytes_max: u64) -> Self {
        let wait_max = Duration::from_secs(UNPACK_SECONDS_MAX);
        Self {
            shelf: Shelf::new(data_dir.join("bundles"), bytes_max, wait_max),
            blobs,
        }
    }

    /// The bundle's folder, which stays as long as somebody holds the place.
    pub(super) async fn place(&self, bundle: &BlobRef) -> Result<Placed> {
        let digest = &bundle.sha256;
        let is_digest = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digest.len() != 64 || !digest.bytes().all(is_digest) {
            let text = format!("bundle `{}` has no digest", bundle.key);
            return Err(Error::invalid(text));
        }
        let what = format!("bundle `{}`", bundle.key);
        let taken = self.shelf.take(digest, &what, |beside| async move {
            let archive = beside.path().join("bundle.tar.gz");
            self.blobs.fetch(bundle, &archive).await?;
            let unpack = move || bundle::unpack(&archive, &beside.path().join(WHOLE));
            blocking(unpack).await.map(|unpacked| unpacked.bytes)
        });
        let (folder, lock) = taken.await?;
        Ok(Placed::new(folder, lock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs;
    use std::fs;

    async fn bundle(blobs: &Arc<dyn Blobs>, name: &str) -> BlobRef {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.py"), name.repeat(1_000)).unwrap();
        let packed = bundle::pack(folder.path(), &[], &[]).unwrap();
        blobs
            .put(
                &format!("bundles/{name}"),
                fs::read(&packed.archive).unwrap().into(),
            )
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_no_process_uses_makes_room() {
        let (data, blobs) = (tempfile::tempdir().unwrap(), blobs::memory());
        let bundles = Bundles::with(data.path(), Arc::clone(&blobs), 1_500);
        let (a, b, c) = (
            bundle(&blobs, "a").await,
            bundle(&blobs, "b").await,
            bundle(&blobs, "c").await,
        );
        let held = bundles.place(&a).await.unwrap();
        let unused = bundles.place(&b).await.unwrap().path;
        let newest = bundles.place(&c).await.unwrap();
        assert!(held.path.is_dir() && newest.path.is_dir());
        assert!(!unused.exists());
        let again = bundles.place(&b).await.unwrap();
        let code = fs::read_to_string(again.path.join("model.py")).unwrap();
        assert_eq!(code, "b".repeat(1_000));
    }
}

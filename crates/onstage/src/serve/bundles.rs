//! The gateway's port for pushed folders, joined to the archive code.
//! Decides nothing about what a bundle may hold.

use crate::gateway;
use async_trait::async_trait;
use bytes::Bytes;
use onstage_backends::bundle::{self, Example, Packed};
use onstage_core::{
    Error, Result,
    config::ModelConfig,
    ports::{Blobs, Launcher},
    value::BlobRef,
};
use std::{
    collections::BTreeMap,
    io::Read,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

/// Bytes read of an archive at once.
const PIECE_BYTES: usize = 1 << 20;

/// Receives bundles into blobs and reads examples out of unpacked ones.
pub(super) struct Receiver {
    pub(super) blobs: Arc<dyn Blobs>,
    pub(super) launcher: Arc<dyn Launcher>,
    pub(super) tempdir: PathBuf,
}

#[async_trait]
impl gateway::Bundles for Receiver {
    async fn receive(&self, archive: &Path) -> Result<gateway::PushedBundle> {
        let (from, tempdir) = (archive.to_owned(), self.tempdir.clone());
        let read = blocking(move || read(&from, &tempdir)).await?;
        let key = format!("bundles/{}.tar.gz", read.digest);
        Ok(gateway::PushedBundle {
            bundle: put(&*self.blobs, &key, archive).await?,
            digest: read.digest,
            config: read.config,
            examples: serde_json::to_string(&read.examples)
                .map_err(|error| Error::internal("examples cannot be written").because(error))?,
        })
    }

    async fn make(&self, files: BTreeMap<String, Vec<u8>>) -> Result<gateway::PushedBundle> {
        let tempdir = self.tempdir.clone();
        let packed = blocking(move || pack(&files, &tempdir)).await?;
        self.receive(&packed.archive).await
    }

    async fn example(&self, bundle: &BlobRef, file: &str) -> Result<Bytes> {
        let missing = || Error::not_found(format!("there is no example file `{file}`"));
        let mut parts = Path::new(file).components();
        if !matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        ) {
            return Err(missing());
        }
        let path = self
            .launcher
            .folder(bundle)
            .await?
            .join("examples")
            .join(file);
        tokio::fs::read(path)
            .await
            .map(Bytes::from)
            .map_err(|_| missing())
    }
}

/// Writes files into a folder of its own and packs that.
fn pack(files: &BTreeMap<String, Vec<u8>>, tempdir: &Path) -> Result<Packed> {
    let cannot = |error| Error::unavailable("a temporary folder cannot be written").because(error);
    let own = tempfile::tempdir_in(tempdir).map_err(cannot)?;
    for (path, bytes) in files {
        std::fs::write(own.path().join(path), bytes).map_err(cannot)?;
    }
    bundle::pack(own.path(), &[], &[])
}

/// What an archive holds.
struct Contents {
    digest: String,
    config: ModelConfig,
    examples: Vec<Example>,
}

/// Unpacks into a folder of its own, reads it and removes it.
fn read(archive: &Path, tempdir: &Path) -> Result<Contents> {
    let own = tempfile::tempdir_in(tempdir)
        .map_err(|error| Error::unavailable("a temporary folder cannot be made").because(error))?;
    // The same name each time, because a folder without `onstage.toml` is named after itself.
    let folder = own.path().join("model");
    let unpacked = bundle::unpack(archive, &folder)?;
    Ok(Contents {
        digest: unpacked.contents_digest,
        config: bundle::read_config(&folder)?,
        examples: bundle::read_examples(&folder)?,
    })
}

async fn put(blobs: &dyn Blobs, key: &str, archive: &Path) -> Result<BlobRef> {
    let cannot = |error| Error::unavailable("the pushed archive cannot be read").because(error);
    let mut file = std::fs::File::open(archive).map_err(cannot)?;
    let mut writer = blobs.writer(key).await?;
    loop {
        let (back, piece) = blocking(move || {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            (&mut file)
                .take(PIECE_BYTES as u64)
                .read_to_end(&mut piece)
                .map_err(cannot)?;
            Ok((file, piece))
        })
        .await?;
        if piece.is_empty() {
            return writer.finish().await;
        }
        file = back;
        writer.write(piece.into()).await?;
    }
}

/// Runs what blocks where it holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("reading an archive panicked").because(error))?
}

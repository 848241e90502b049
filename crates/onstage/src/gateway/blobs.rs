//! Blobs as they are: copied piece by piece, removed when nobody refers to them any more.
//! Does not know what is in them.

use super::call::Call;
use bytes::Bytes;
use onstage_core::{
    Result,
    ports::{BlobWriter, Blobs},
    value::BlobRef,
};

/// Read and written at a time.
const PIECE_BYTES: u64 = 1 << 20;

/// Writes what is in a blob; `seen` is shown every piece.
pub(crate) async fn copy(
    blobs: &dyn Blobs,
    from: &BlobRef,
    to: &mut dyn BlobWriter,
    mut seen: impl FnMut(&Bytes),
) -> Result<()> {
    let mut reader = blobs.reader(&from.key, 0..from.size_bytes, PIECE_BYTES)?;
    while let Some(piece) = reader.next().await? {
        seen(&piece);
        to.write(piece).await?;
    }
    Ok(())
}

/// Removes what lies in a folder and belongs to no record; what cannot be removed now is only space.
pub(crate) async fn remove_all(call: &Call, folder: &str) {
    let blobs = &call.state.parts.blobs;
    let keys = match blobs.list(folder).await {
        Ok(keys) => keys,
        Err(error) => {
            tracing::warn!(folder, %error, "blobs that nobody refers to stay");
            return;
        }
    };
    for key in keys {
        if let Err(error) = blobs.delete(&key).await {
            tracing::warn!(key, %error, "a blob that nobody refers to stays");
        }
    }
}

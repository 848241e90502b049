//! `DELETE /v1/files/{id}`: the record first, then the bytes.
//! Does not look for who uses it.

use super::find;
use crate::gateway::{
    call::{self, Call},
    predictions::find::own,
    problem::Answer,
};

pub(crate) async fn run(call: Call) -> Answer {
    let file = find(&call, &call.id()?).await?;
    own(&call, &file.by)?;
    let removed = call.state.parts.store.remove_file(&file.id).await?;
    if let Err(error) = call.state.parts.blobs.delete(&removed.blob.key).await {
        tracing::warn!(key = removed.blob.key, %error, "a deleted file's blob stays");
    }
    Ok(call::no_content())
}

//! `GET …/content`: a version's bytes, streamed, or one range of them.
//! Does not unpack anything.

use super::in_path;
use crate::gateway::{call::Call, files::download, problem::Answer};

pub(crate) async fn run(call: Call) -> Answer {
    let version = in_path(&call).await?;
    download::blob(
        &call,
        &version.blob,
        &version.file_name,
        &version.media_type,
    )
}

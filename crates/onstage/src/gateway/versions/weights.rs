//! `GET …/versions/{version}/weights`: what a training learnt, as a download.
//! Does not look into it.

use super::find;
use crate::gateway::{
    call::Call,
    files::download,
    problem::{Answer, Problem},
};

pub(crate) async fn run(call: Call) -> Answer {
    let version = find::in_path(&call).await?;
    let weights = version.weights.as_ref().ok_or_else(|| {
        Problem::not_found(format!(
            "Version v{} of `{}` has no weights of its own.",
            version.number, version.model
        ))
    })?;
    let (name, media_type) = match weights.is_folder {
        true => (format!("{}.tar", weights.name), "application/x-tar"),
        false => (weights.name.clone(), "application/octet-stream"),
    };
    download::blob(&call, &weights.blob, &name, media_type)
}

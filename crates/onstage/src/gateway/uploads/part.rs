//! `PUT /v1/uploads/{id}/parts/{part}`: one part into a blob of its own; the record says which blob counts.
//! Does not look inside.

use super::{find, forget};
use crate::gateway::{
    body::upload::body_to_blob,
    call::{self, Call, shortened},
    problem::{Answer, Problem},
    wire,
};
use http::StatusCode;
use onstage_core::{
    Id,
    upload::{Upload, UploadPart},
    value::BlobRef,
};
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Query {
    /// Of the part, in hex.
    pub(super) sha256: Option<String>,
}

pub(crate) async fn run(mut call: Call) -> Answer {
    let query: Query = call.query()?;
    let (upload, _) = find(&call).await?;
    let (number, size) = wanted(&call, &upload)?;
    // A part that is sent again gets another blob, so that a half-way one never takes the place of a whole.
    let key = format!(
        "uploads/{}/{number}-{}",
        upload.id,
        call.state.parts.new_id()
    );
    let (blob, _) = body_to_blob(&mut call, &key, size, 0).await?;
    let part = UploadPart { number, blob };
    let noted = match check(&part.blob, size, query.sha256.as_deref()) {
        Ok(()) => note(&call, &upload.id, &part).await,
        Err(problem) => Err(problem),
    };
    if let Err(problem) = &noted
        && !problem.retryable
    {
        forget(&call, &key).await;
    }
    noted?;
    call::json(StatusCode::OK, &wire::upload::part(&part))
}

pub(super) fn check(blob: &BlobRef, size: u64, sha256: Option<&str>) -> Result<(), Problem> {
    if blob.size_bytes != size {
        let got = format!("{} bytes", blob.size_bytes);
        return Err(Problem::field("/", &format!("a part of {size} bytes"), got));
    }
    match sha256 {
        Some(said) if !said.eq_ignore_ascii_case(&blob.sha256) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "wrong_checksum",
            format!("The part that came has the SHA-256 `{}`.", blob.sha256),
        )
        .hint("send the part again")),
        _ => Ok(()),
    }
}

/// The part in the path, and its size.
pub(super) fn wanted(call: &Call, upload: &Upload) -> Result<(u32, u64), Problem> {
    let number = call.param("part").parse().ok();
    let found = number.and_then(|number| Some((number, upload.part_size(number)?)));
    found.ok_or_else(|| {
        Problem::not_found(format!(
            "Upload `{}` has the parts 1 to {}, and no part `{}`.",
            upload.id,
            upload.parts(),
            shortened(call.param("part"))
        ))
    })
}

/// Records a part; what came under its number before is forgotten.
pub(super) async fn note(call: &Call, id: &Id, part: &UploadPart) -> Result<(), Problem> {
    let parts = &call.state.parts;
    let before = parts
        .store
        .put_part(id, part.clone(), parts.clock.now())
        .await?;
    if let Some(blob) = before.filter(|blob| blob.key != part.blob.key) {
        forget(call, &blob.key).await;
    }
    Ok(())
}

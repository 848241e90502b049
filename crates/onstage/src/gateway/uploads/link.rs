//! Parts that go to the storage by a link, past this server: where to, and then that they are there.
//! Takes no bytes.

use super::{
    find,
    part::{Query, check, note as record, wanted},
};
use crate::gateway::{
    call::{self, Call, shortened},
    problem::{Answer, Problem},
    wire,
};
use http::StatusCode;
use onstage_core::{
    Kind,
    upload::{Upload, UploadPart},
    value::BlobRef,
};
use std::time::Duration;

/// A part's request must have been begun by then; a link is fetched just before it is used.
const LINK_LASTS: Duration = Duration::from_secs(15 * 60);

/// `POST /v1/uploads/{id}/parts/{part}/link`.
pub(crate) async fn give(call: Call) -> Answer {
    let (_, part) = asked(&call).await?;
    let parts = &call.state.parts;
    if !parts.blobs.gives_links() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "not_direct",
            "The storage of this installation takes parts only through its server.",
        )
        .hint("send the part with `PUT` to its own address"));
    }
    let expires_at = parts.clock.now().plus(LINK_LASTS);
    let link = parts.blobs.put_link(&part.blob, LINK_LASTS).await?;
    call::json(StatusCode::OK, &wire::upload::link(link, expires_at))
}

/// `POST /v1/uploads/{id}/parts/{part}`.
pub(crate) async fn note(call: Call) -> Answer {
    let (upload, part) = asked(&call).await?;
    let key = &part.blob.key;
    let came = match call.state.parts.blobs.size(key).await {
        Err(error) if error.kind == Kind::NotFound => {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "part_missing",
                format!("Part {} has not come to the storage.", part.number),
            )
            .hint("ask for a link and send it, then say so again"));
        }
        size => size?,
    };
    let there = BlobRef {
        size_bytes: came,
        ..part.blob.clone()
    };
    if let Err(problem) = check(&there, part.blob.size_bytes, None) {
        super::forget(&call, key).await;
        return Err(problem);
    }
    record(&call, &upload.id, &part).await?;
    call::json(StatusCode::OK, &wire::upload::part(&part))
}

/// The part in the path as it will lie in the storage: its key names its digest, which its link lets nobody change.
async fn asked(call: &Call) -> Result<(Upload, UploadPart), Problem> {
    let query: Query = call.query()?;
    let (upload, _) = find(call).await?;
    let (number, size_bytes) = wanted(call, &upload)?;
    let sha256 = query.sha256.unwrap_or_default().to_ascii_lowercase();
    if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Problem::field(
            "/sha256",
            "the part's SHA-256 in hex",
            shortened(&sha256),
        ));
    }
    let blob = BlobRef {
        key: format!("uploads/{}/{number}-{sha256}", upload.id),
        size_bytes,
        sha256,
    };
    Ok((upload, UploadPart { number, blob }))
}

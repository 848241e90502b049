//! A file that a request names, at rest: as it lies, or put there.
//! Does not read what is in it.

use super::{FileRef, parse_ref};
use crate::gateway::{body::upload, call::Call, files, problem::Problem};
use onstage_core::value::BlobRef;

/// Where it lies and what is known about it.
pub(crate) struct AtRest {
    pub(crate) blob: BlobRef,
    pub(crate) name: Option<String>,
    pub(crate) media_type: String,
}

/// What the text names; bytes that lie nowhere by themselves go under `key`. None, when it names no file.
pub(crate) async fn at_rest(call: &Call, key: &str, text: &str) -> Result<Option<AtRest>, Problem> {
    let own = call.own_host();
    let found = match parse_ref(text, |host| host.eq_ignore_ascii_case(own)) {
        Some(FileRef::Uploaded(file)) => {
            let file = files::find(call, &file).await?;
            AtRest {
                blob: file.blob,
                name: Some(file.name),
                media_type: file.media_type,
            }
        }
        Some(FileRef::Data { media_type, bytes }) => AtRest {
            blob: upload::bytes_to_blob(call, bytes, key).await?,
            name: None,
            media_type,
        },
        Some(FileRef::Inside { id, part, number }) => {
            let file = files::inside(call, &id, part, number).await?;
            let most = call.state.settings.upload_bytes_max;
            AtRest {
                blob: file.to_blob(call, key, most).await?,
                name: file.name,
                media_type: file.media_type,
            }
        }
        Some(FileRef::FormPart(_)) | None => return Ok(None),
    };
    Ok(Some(found))
}

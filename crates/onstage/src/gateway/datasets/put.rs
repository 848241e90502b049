//! `PUT /v1/datasets/{name}`: the body streamed into a blob, hashed on the way; the record last.
//! Does not hold more than pieces of it.

use super::{Coming, add, answer};
use crate::gateway::{
    body::{self, form, upload},
    call::{Call, shortened},
    problem::{Answer, Problem},
};
use http::header;
use onstage_core::dataset::{DatasetFormat, DatasetSource, HEAD_BYTES};
use serde::Deserialize;

#[derive(Deserialize)]
struct Query {
    filename: Option<String>,
    format: Option<String>,
}

pub(crate) async fn run(mut call: Call) -> Answer {
    let coming = said(&call)?;
    let key = format!("datasets/{}", call.state.parts.new_id());
    let limit = call.state.settings.dataset_bytes_max;
    let (blob, head) = upload::body_to_blob(&mut call, &key, limit, HEAD_BYTES).await?;
    let (version, new) = add(&call, coming, blob, &head).await?;
    answer(&call, &version, new)
}

fn said(call: &Call) -> Result<Coming, Problem> {
    let query: Query = call.query()?;
    if body::is_multipart(&call.headers) {
        return Err(body::unsupported(
            "The body must be the file itself, not a form.",
            "with curl: `--upload-file FILE`",
        ));
    }
    let disposition = call.header(&header::CONTENT_DISPOSITION);
    let file_name = query
        .filename
        .or_else(|| disposition.and_then(form::disposition_name));
    Ok(Coming {
        dataset: call.param("name").parse()?,
        file_name: file_name.map(|name| form::plain_name(&name)),
        media_type: body::media_type(&call.headers),
        format: query.format.as_deref().map(format).transpose()?,
        source: DatasetSource::Upload,
    })
}

pub(crate) fn format(text: &str) -> Result<DatasetFormat, Problem> {
    DatasetFormat::parse(text).ok_or_else(|| {
        let names = DatasetFormat::ALL.map(DatasetFormat::name).join(", ");
        Problem::field("/format", &names, shortened(text))
    })
}

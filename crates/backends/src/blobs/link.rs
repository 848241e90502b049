//! Links for whoever has no credentials: one request, with these bytes and no others, begun within a time.
//! Makes no request.

use super::objects::in_time;
use crate::hex;
use base64::{Engine, prelude::BASE64_STANDARD};
use object_store::{
    path::Path,
    signer::{HeaderName, HeaderValue, Method, SignedUrlOptions, Signer},
};
use onstage_core::{Error, Result, ports::PutLink, value::BlobRef};
use std::time::Duration;

const CHECKSUM: &str = "x-amz-checksum-sha256";

/// The checksum is signed too, so that the storage refuses any other bytes.
pub(super) async fn to_put(
    signer: &dyn Signer,
    place: &Path,
    blob: &BlobRef,
    lasts: Duration,
) -> Result<PutLink> {
    let digest = hex::bytes_of(&blob.sha256)
        .ok_or_else(|| Error::invalid(format!("`{}` is no SHA-256 in hex", blob.sha256)))?;
    let checksum = BASE64_STANDARD.encode(digest);
    let value = HeaderValue::from_str(&checksum)
        .map_err(|error| Error::internal("a header of a link").because(error))?;
    let options =
        SignedUrlOptions::new().with_signed_header(HeaderName::from_static(CHECKSUM), value);
    let url = signer.signed_url_opts(Method::PUT, place, lasts, &options);
    let url = in_time(&blob.key, url).await?;
    Ok(PutLink {
        url: url.into(),
        headers: vec![(CHECKSUM.to_owned(), checksum)],
    })
}

//! The adding of a version whose bytes are in a blob, however they came.
//! Does not read the bytes.

use crate::gateway::{
    call::{self, Call, set},
    problem::{Answer, Problem},
    wire,
};
use http::{StatusCode, header};
use onstage_core::{
    dataset::{DatasetFormat, DatasetName, DatasetSource, DatasetVersion, NewDatasetVersion},
    value::BlobRef,
};

/// Media types that clients send when they know nothing.
const SAYS_NOTHING: [&str; 3] = [
    "",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
];

/// What was said about a version that comes in.
#[derive(Debug, Clone)]
pub(crate) struct Coming {
    pub(crate) dataset: DatasetName,
    pub(crate) file_name: Option<String>,
    pub(crate) media_type: String,
    pub(crate) format: Option<DatasetFormat>,
    pub(crate) source: DatasetSource,
}

impl Coming {
    /// What was said, else what the name says, else the media type, else the first bytes.
    fn format(&self, head: &[u8]) -> DatasetFormat {
        self.format
            .or_else(|| DatasetFormat::of_file_name(self.file_name.as_deref()?))
            .or_else(|| DatasetFormat::of_media_type(&self.media_type))
            .unwrap_or_else(|| DatasetFormat::sniff(head))
    }

    fn named(self, blob: BlobRef, head: &[u8], call: &Call) -> Result<NewDatasetVersion, Problem> {
        let format = self.format(head);
        let plain = self.media_type.split(';').next().unwrap_or_default();
        let media_type = match SAYS_NOTHING.contains(&plain.trim()) {
            true => format.media_type().to_owned(),
            false => self.media_type,
        };
        let file_name = self.file_name.filter(|name| !name.is_empty());
        Ok(NewDatasetVersion {
            blob,
            file_name: file_name.unwrap_or_else(|| own_name(&self.dataset, format)),
            media_type,
            format,
            dataset: self.dataset,
            source: self.source,
            by: call.principal()?.id.clone(),
            created_at: call.state.parts.clock.now(),
        })
    }
}

fn own_name(dataset: &DatasetName, format: DatasetFormat) -> String {
    match format {
        DatasetFormat::Other => dataset.to_string(),
        format => format!("{dataset}.{}", format.name()),
    }
}

/// Adds the version, or answers the newest one when it has the same bytes already; the bool tells. `head` are the first bytes.
/// The blob is removed when nobody refers to it in the end.
pub(crate) async fn add(
    call: &Call,
    coming: Coming,
    blob: BlobRef,
    head: &[u8],
) -> Result<(DatasetVersion, bool), Problem> {
    let parts = &call.state.parts;
    let key = blob.key.clone();
    let added = match coming.named(blob, head, call) {
        Ok(new) => parts
            .store
            .add_dataset_version(new)
            .await
            .map_err(Problem::from),
        Err(problem) => Err(problem),
    };
    let unneeded = match &added {
        Ok((version, _)) => version.blob.key != key,
        // Without an answer from the store, the row may be there.
        Err(problem) => !problem.retryable,
    };
    if unneeded {
        forget(call, &key).await;
    }
    added
}

/// 201 for a new version, 200 for one that was there.
pub(crate) fn answer(call: &Call, version: &DatasetVersion, new: bool) -> Answer {
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut response = call::json(status, &wire::dataset::version(call, version))?;
    let path = wire::dataset::path(version);
    set(&mut response, header::LOCATION, &call.link(&path));
    Ok(response)
}

/// Removes a blob that no row points at.
pub(super) async fn forget(call: &Call, key: &str) {
    if let Err(error) = call.state.parts.blobs.delete(key).await {
        tracing::warn!(key, %error, "the blob of no dataset stays");
    }
}

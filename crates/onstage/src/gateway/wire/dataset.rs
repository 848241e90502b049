//! Datasets as the wire has them: the dataset, a version, and a look into one.
//! Does not fetch.

use super::time;
use crate::gateway::{call::Call, look::Look};
use onstage_core::dataset::{self, DatasetSource};
use onstage_core::ports::ArchiveList;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct Dataset {
    name: String,
    /// How many there are.
    versions: u32,
    newest: DatasetVersion,
    urls: BTreeMap<&'static str, String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct DatasetVersion {
    dataset: String,
    version: u32,
    /// As inputs name it: `labels@v3`.
    reference: String,
    name: String,
    content_type: String,
    /// `csv`, `jsonl`, `parquet`, `arrow`, `zip`, `tar` or `other`.
    format: &'static str,
    size: u64,
    checksums: BTreeMap<&'static str, String>,
    /// `upload` or `feedback`.
    source: &'static str,
    /// The model whose feedback it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    by: String,
    created_at: String,
    urls: BTreeMap<&'static str, String>,
}

/// The beginning of a version that is a table, or an archive of files.
#[derive(Serialize, ToSchema)]
pub(crate) struct DatasetPreview {
    reference: String,
    format: &'static str,
    columns: Vec<PreviewColumn>,
    #[schema(value_type = Vec<Object>)]
    rows: Vec<serde_json::Value>,
    /// How many rows the columns' types and counts are of.
    rows_seen: u64,
    rows_total: Option<u64>,
    /// Of an archive: the files in it, in its order.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<ArchivedFile>>,
    /// Whether that is all of it.
    whole: bool,
    /// When not: why.
    note: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ArchivedFile {
    path: String,
    size: u64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PreviewColumn {
    name: String,
    /// `integer`, `number`, `boolean`, `date`, `time`, `text`, `list`, `object` or `mixed`; null when no value was seen.
    r#type: Option<&'static str>,
    /// Rows without a value.
    missing: u64,
}

pub(crate) fn show(call: &Call, dataset: &dataset::Dataset) -> Dataset {
    let name = &dataset.newest.dataset;
    let base = call.url(&format!("/v1/datasets/{name}"));
    Dataset {
        name: name.to_string(),
        versions: dataset.versions,
        newest: version(call, &dataset.newest),
        urls: BTreeMap::from([("versions", format!("{base}/versions")), ("get", base)]),
    }
}

pub(crate) fn version(call: &Call, version: &dataset::DatasetVersion) -> DatasetVersion {
    let base = call.url(&path(version));
    let (source, model) = match &version.source {
        DatasetSource::Upload => ("upload", None),
        DatasetSource::Feedback { model } => ("feedback", Some(model.to_string())),
    };
    DatasetVersion {
        dataset: version.dataset.to_string(),
        version: version.number,
        reference: version.reference().to_string(),
        name: version.file_name.clone(),
        content_type: version.media_type.clone(),
        format: version.format.name(),
        size: version.blob.size_bytes,
        checksums: BTreeMap::from([("sha256", version.blob.sha256.clone())]),
        source,
        model,
        by: version.by.to_string(),
        created_at: time(version.created_at),
        urls: BTreeMap::from([
            ("content", format!("{base}/content")),
            ("preview", format!("{base}/preview")),
            ("get", base),
        ]),
    }
}

/// The address of a version on this server.
pub(crate) fn path(version: &dataset::DatasetVersion) -> String {
    format!(
        "/v1/datasets/{}/versions/{}",
        version.dataset, version.number
    )
}

pub(crate) fn preview(version: &dataset::DatasetVersion, look: Look) -> DatasetPreview {
    let columns = look.columns.into_iter().map(|column| PreviewColumn {
        name: column.name,
        r#type: column.kind.map(|kind| kind.name()),
        missing: column.missing,
    });
    DatasetPreview {
        reference: version.reference().to_string(),
        format: version.format.name(),
        columns: columns.collect(),
        rows: look.rows,
        rows_seen: look.rows_seen,
        rows_total: look.rows_total,
        files: None,
        whole: look.stopped.is_none(),
        note: look.stopped,
    }
}

/// What is in an archive; `note` says why that is not all of it.
pub(crate) fn listed(
    version: &dataset::DatasetVersion,
    list: ArchiveList,
    note: Option<String>,
) -> DatasetPreview {
    let files = list.files.into_iter().map(|file| ArchivedFile {
        path: file.path,
        size: file.size_bytes,
    });
    DatasetPreview {
        reference: version.reference().to_string(),
        format: version.format.name(),
        columns: Vec::new(),
        rows: Vec::new(),
        rows_seen: 0,
        rows_total: None,
        files: Some(files.collect()),
        whole: note.is_none(),
        note,
    }
}

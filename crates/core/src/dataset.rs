//! Datasets: named tables or files whose versions never change, for trainings and batch jobs to refer to.
//! Does not hold the bytes.

mod sniff;

pub use sniff::HEAD_BYTES;

use crate::{Error, Id, ModelName, Result, Timestamp, batch::TableFormat, name, value::BlobRef};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A dataset's name: lower-case letters, digits and inner hyphens, at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatasetName(String);

impl DatasetName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatasetName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        name::check("dataset", text)?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for DatasetName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<DatasetName> for String {
    fn from(name: DatasetName) -> Self {
        name.0
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One version of a dataset, or its newest: `labels@v3`, `labels`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatasetRef {
    pub name: DatasetName,
    /// None means the newest.
    pub number: Option<u32>,
}

impl DatasetRef {
    pub fn newest(name: DatasetName) -> Self {
        Self { name, number: None }
    }

    pub fn exactly(name: DatasetName, number: u32) -> Self {
        Self {
            name,
            number: Some(number),
        }
    }
}

/// A version's number as people write it: `v3` or `3`.
pub fn parse_number(text: &str) -> Result<u32> {
    let digits = text.strip_prefix('v').unwrap_or(text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    match digits.parse() {
        Ok(number) if plain => Ok(number),
        _ => {
            let shown: String = text.chars().take(80).collect();
            Err(
                Error::invalid(format!("`{shown}` is not the version of a dataset"))
                    .hint("write it like `v3`"),
            )
        }
    }
}

impl FromStr for DatasetRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('@') {
            Some((name, number)) => Ok(Self::exactly(name.parse()?, parse_number(number)?)),
            None => text.parse().map(Self::newest),
        }
    }
}

impl TryFrom<String> for DatasetRef {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<DatasetRef> for String {
    fn from(which: DatasetRef) -> Self {
        which.to_string()
    }
}

impl fmt::Display for DatasetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "{}@v{number}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

/// How the bytes of a dataset are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatasetFormat {
    Csv,
    Jsonl,
    Parquet,
    Arrow,
    /// A folder of files, unpacked where it is placed.
    Zip,
    /// The same; gzip'd or plain.
    Tar,
    Other,
}

impl DatasetFormat {
    pub const ALL: [Self; 7] = [
        Self::Csv,
        Self::Jsonl,
        Self::Parquet,
        Self::Arrow,
        Self::Zip,
        Self::Tar,
        Self::Other,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Zip => "zip",
            Self::Tar => "tar",
            Self::Other => "other",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => TableFormat::Csv.media_type(),
            Self::Jsonl => TableFormat::Jsonl.media_type(),
            Self::Parquet => TableFormat::Parquet.media_type(),
            Self::Arrow => TableFormat::Arrow.media_type(),
            Self::Zip => "application/zip",
            Self::Tar => "application/x-tar",
            Self::Other => "application/octet-stream",
        }
    }

    /// The format a file name's ending says.
    pub fn of_file_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let ending = lower.rsplit_once('.')?.1;
        match ending {
            "zip" => Some(Self::Zip),
            "tar" | "tgz" => Some(Self::Tar),
            "gz" => lower.ends_with(".tar.gz").then_some(Self::Tar),
            _ => TableFormat::of_file_name(&lower).map(Self::from),
        }
    }

    /// The format a media type says; none for those that say nothing.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        let plain = media_type.split(';').next().unwrap_or_default().trim();
        match plain {
            "application/jsonl" | "application/x-jsonlines" => Some(Self::Jsonl),
            "application/vnd.apache.arrow.stream" => Some(Self::Arrow),
            "application/x-zip-compressed" => Some(Self::Zip),
            _ => Self::ALL
                .into_iter()
                .find(|format| *format != Self::Other && format.media_type() == plain),
        }
    }

    /// As a table that rows can be read out of.
    pub fn table(self) -> Option<TableFormat> {
        match self {
            Self::Csv => Some(TableFormat::Csv),
            Self::Jsonl => Some(TableFormat::Jsonl),
            Self::Parquet => Some(TableFormat::Parquet),
            Self::Arrow => Some(TableFormat::Arrow),
            Self::Zip | Self::Tar | Self::Other => None,
        }
    }

    /// Whether it is a folder where it is placed.
    pub fn is_folder(self) -> bool {
        matches!(self, Self::Zip | Self::Tar)
    }
}

impl From<TableFormat> for DatasetFormat {
    fn from(format: TableFormat) -> Self {
        match format {
            TableFormat::Csv => Self::Csv,
            TableFormat::Jsonl => Self::Jsonl,
            TableFormat::Parquet => Self::Parquet,
            TableFormat::Arrow => Self::Arrow,
        }
    }
}

/// Where a version came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum DatasetSource {
    Upload,
    /// What people said about a model's predictions.
    Feedback {
        model: ModelName,
    },
}

/// A version that is to be added; the store numbers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDatasetVersion {
    pub dataset: DatasetName,
    pub blob: BlobRef,
    pub file_name: String,
    pub media_type: String,
    pub format: DatasetFormat,
    pub source: DatasetSource,
    /// The principal's id.
    pub by: Id,
    pub created_at: Timestamp,
}

impl NewDatasetVersion {
    pub fn numbered(self, number: u32) -> DatasetVersion {
        DatasetVersion {
            dataset: self.dataset,
            number,
            blob: self.blob,
            file_name: self.file_name,
            media_type: self.media_type,
            format: self.format,
            source: self.source,
            by: self.by,
            created_at: self.created_at,
        }
    }
}

/// An immutable version of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetVersion {
    pub dataset: DatasetName,
    /// From 1; never given twice, whatever was removed.
    pub number: u32,
    /// Shared by all versions with equal bytes.
    pub blob: BlobRef,
    pub file_name: String,
    pub media_type: String,
    pub format: DatasetFormat,
    pub source: DatasetSource,
    /// The principal's id.
    pub by: Id,
    pub created_at: Timestamp,
}

/// Bytes that can be placed on a host: one file, or an archive that is unpacked there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// What messages call it: `labels@v3`, or the name of an uploaded file.
    pub named: String,
    pub blob: BlobRef,
    pub file_name: String,
    pub format: DatasetFormat,
}

impl DatasetVersion {
    pub fn content(&self) -> Content {
        Content {
            named: self.reference().to_string(),
            blob: self.blob.clone(),
            file_name: self.file_name.clone(),
            format: self.format,
        }
    }

    pub fn reference(&self) -> DatasetRef {
        DatasetRef::exactly(self.dataset.clone(), self.number)
    }

    /// Whether adding `new` would add nothing: it has the same bytes, to be read the same way.
    pub fn is_same(&self, new: &NewDatasetVersion) -> bool {
        self.blob.sha256 == new.blob.sha256
            && self.blob.size_bytes == new.blob.size_bytes
            && self.format == new.format
    }
}

/// A dataset in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    pub newest: DatasetVersion,
    /// How many there are.
    pub versions: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_written_back() {
        for text in ["labels", "labels@v3", "a-1@v10"] {
            assert_eq!(text.parse::<DatasetRef>().unwrap().to_string(), text);
        }
        let plain: DatasetRef = "labels@3".parse().unwrap();
        assert_eq!(plain.to_string(), "labels@v3");
        for text in [
            "",
            "@v1",
            "labels@",
            "labels@v0",
            "labels@v01",
            "labels@v-1",
            "labels@+1",
            "labels@v99999999999",
            "labels@newest",
            "lab/labels",
            "..",
            "Labels",
        ] {
            assert!(text.parse::<DatasetRef>().is_err(), "{text}");
        }
    }

    #[test]
    fn endings_and_media_types_say_the_format() {
        for (name, format) in [
            ("a.CSV", Some(DatasetFormat::Csv)),
            ("a.b.ndjson", Some(DatasetFormat::Jsonl)),
            ("a.feather", Some(DatasetFormat::Arrow)),
            ("photos.tar.gz", Some(DatasetFormat::Tar)),
            ("photos.zip", Some(DatasetFormat::Zip)),
            ("a.csv.gz", None),
            ("csv", None),
        ] {
            assert_eq!(DatasetFormat::of_file_name(name), format, "{name}");
        }
        for format in DatasetFormat::ALL {
            assert_eq!(DatasetFormat::parse(format.name()), Some(format));
            let said = DatasetFormat::of_media_type(&format!("{}; charset=x", format.media_type()));
            let known = (format != DatasetFormat::Other).then_some(format);
            assert_eq!(said, known, "{format:?}");
        }
    }
}

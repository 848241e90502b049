//! An input or output on its way: raw JSON text and the bytes that its `$attachment` objects stand for.
//! Does not parse the JSON and does not know where the bytes come from.

use bytes::Bytes;

/// Raw JSON plus attachments. `$attachment` numbers inside `json` count from the first of `attachments`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Value {
    /// UTF-8 JSON text, already checked to be well-formed.
    pub json: Bytes,
    pub attachments: Vec<Bytes>,
}

impl Value {
    pub fn json(text: impl Into<Bytes>) -> Self {
        Self {
            json: text.into(),
            attachments: Vec::new(),
        }
    }

    pub fn null() -> Self {
        Self::json(Bytes::from_static(b"null"))
    }

    /// Bytes all told, for limits.
    pub fn len(&self) -> usize {
        self.json.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a value lies at rest.
///
/// At rest a file inside a value is `{"$blob": key, "name": …, "media_type": …, "size": n}`; the JSON around it is inline
/// when small, else itself a blob.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// JSON text within `INLINE_BYTES_MAX`.
    Inline(String),
    /// A blob with the JSON text.
    Blob(BlobRef),
    /// It was there and is not kept any longer.
    Removed,
}

impl Stored {
    /// Whether anything of it lies in the blobs.
    pub fn has_blobs(&self) -> bool {
        match self {
            Self::Inline(text) => text.contains("\"$blob\""),
            Self::Blob(_) => true,
            Self::Removed => false,
        }
    }
}

/// A blob as a record points at it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BlobRef {
    /// The key in the blob storage: lower-case path segments joined by `/`.
    pub key: String,
    pub size_bytes: u64,
    /// Lower-case hex; empty where a record does not say.
    pub sha256: String,
}

//! Uploads that come in parts, in any order and again: what is to come, and how large each part is.
//! Does not hold the bytes.

use crate::{
    Error, Id, Result, Timestamp,
    dataset::{DatasetFormat, DatasetName, DatasetRef},
    value::BlobRef,
};
use serde::{Deserialize, Serialize};

/// Smaller parts would cost more in requests than a cut costs in bytes.
const PART_BYTES_MIN: u64 = 16 << 20;
/// Parts of one upload; what is larger has larger parts.
pub const PARTS_MAX: u64 = 4_096;
/// An upload is forgotten when nothing came for so long.
pub const UPLOAD_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    pub id: Id,
    pub name: String,
    pub media_type: String,
    /// Of the whole file.
    pub size_bytes: u64,
    /// Of every part but the last.
    pub part_bytes: u64,
    /// The dataset that it becomes a version of; a file when there is none.
    pub dataset: Option<DatasetName>,
    pub format: Option<DatasetFormat>,
    /// The principal's id.
    pub by: Id,
    pub created_at: Timestamp,
    /// When the last part came.
    pub touched_at: Timestamp,
    /// What it has become.
    pub made: Option<Made>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Made {
    Dataset(DatasetRef),
    File(Id),
}

/// A part that came, numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPart {
    pub number: u32,
    pub blob: BlobRef,
}

impl Upload {
    /// How large the parts of a file are: so many MiB that there are not too many.
    pub fn part_bytes_for(size_bytes: u64) -> u64 {
        const MIB: u64 = 1 << 20;
        let needed = size_bytes.div_ceil(PARTS_MAX).div_ceil(MIB) * MIB;
        needed.max(PART_BYTES_MIN)
    }

    /// Under which key its parts are put together: under its own id, so that completing it twice makes one file.
    pub fn whole_key(&self) -> String {
        match self.dataset {
            Some(_) => format!("datasets/{}", self.id),
            None => format!("files/{}", self.id),
        }
    }

    pub fn parts(&self) -> u32 {
        self.size_bytes.div_ceil(self.part_bytes.max(1)) as u32
    }

    /// The size of a part; none when there is no such part.
    pub fn part_size(&self, number: u32) -> Option<u64> {
        let before = u64::from(number.checked_sub(1)?) * self.part_bytes;
        let rest = self.size_bytes.checked_sub(before)?;
        (rest > 0).then(|| rest.min(self.part_bytes))
    }

    /// All parts in order. Errors: conflict, when one is missing.
    pub fn whole(&self, mut parts: Vec<UploadPart>) -> Result<Vec<UploadPart>> {
        parts.sort_by_key(|part| part.number);
        let there: Vec<u32> = parts.iter().map(|part| part.number).collect();
        let missing: Vec<u32> = (1..=self.parts())
            .filter(|number| there.binary_search(number).is_err())
            .collect();
        let Some(first) = missing.first() else {
            return Ok(parts);
        };
        Err(Error::conflict(format!(
            "upload `{}` lacks {} of its {} parts, the first is part {first}",
            self.id,
            missing.len(),
            self.parts()
        ))
        .hint("send the missing parts, then complete it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(size_bytes: u64) -> Upload {
        Upload {
            id: "an-upload".parse().unwrap(),
            name: "a".to_owned(),
            media_type: String::new(),
            size_bytes,
            part_bytes: Upload::part_bytes_for(size_bytes),
            dataset: None,
            format: None,
            by: "somebody".parse().unwrap(),
            created_at: Timestamp(0),
            touched_at: Timestamp(0),
            made: None,
        }
    }

    #[test]
    fn parts_cover_the_file() {
        let part = PART_BYTES_MIN;
        for (size, parts) in [(1, 1), (part, 1), (part + 1, 2), (5 << 30, 320)] {
            let upload = upload(size);
            assert_eq!(upload.parts(), parts, "{size}");
            let sum: u64 = (1..=parts).map(|n| upload.part_size(n).unwrap()).sum();
            assert_eq!(sum, size);
            assert_eq!(upload.part_size(0), None);
            assert_eq!(upload.part_size(parts + 1), None);
        }
        let huge = upload(1 << 40);
        assert!(u64::from(huge.parts()) <= PARTS_MAX && huge.part_bytes.is_multiple_of(1 << 20));
        assert_eq!(huge.part_size(u32::MAX), None);
    }

    #[test]
    fn a_missing_part_is_named() {
        let upload = upload(3 * PART_BYTES_MIN);
        let part = |number| UploadPart {
            number,
            blob: BlobRef {
                key: String::new(),
                size_bytes: PART_BYTES_MIN,
                sha256: String::new(),
            },
        };
        let whole = upload.whole(vec![part(3), part(1), part(2)]).unwrap();
        assert_eq!(whole, [part(1), part(2), part(3)]);
        let error = upload.whole(vec![part(3), part(1)]).unwrap_err();
        assert!(error.message.contains("part 2"), "{error}");
    }
}

//! The protocol's names of types of numbers, and its BYTES: elements that each begin with their length.
//! Does not know requests.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use onstage_core::tensor::Dtype;

pub(super) const BYTES: &str = "BYTES";
/// The length before each element of a BYTES tensor.
const PREFIX_BYTES: usize = 4;

pub(super) fn name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bool => "BOOL",
        Dtype::Int8 => "INT8",
        Dtype::Int16 => "INT16",
        Dtype::Int32 => "INT32",
        Dtype::Int64 => "INT64",
        Dtype::Uint8 => "UINT8",
        Dtype::Uint16 => "UINT16",
        Dtype::Uint32 => "UINT32",
        Dtype::Uint64 => "UINT64",
        Dtype::Float16 => "FP16",
        Dtype::Bfloat16 => "BF16",
        Dtype::Float32 => "FP32",
        Dtype::Float64 => "FP64",
    }
}

/// The type of numbers; none for BYTES and for what there is not.
pub(super) fn parse(text: &str) -> Option<Dtype> {
    Dtype::ALL.into_iter().find(|dtype| name(*dtype) == text)
}

/// The elements of a binary BYTES tensor, without a copy; none when the lengths do not add up.
pub(super) fn elements(mut data: Bytes) -> Option<Vec<Bytes>> {
    let mut elements = Vec::new();
    while !data.is_empty() {
        if data.len() < PREFIX_BYTES {
            return None;
        }
        let length = data.get_u32_le() as usize;
        if length > data.len() {
            return None;
        }
        elements.push(data.split_to(length));
    }
    Some(elements)
}

/// A binary BYTES tensor in pieces: large elements are not copied.
pub(super) fn joined(elements: &[Bytes]) -> Vec<Bytes> {
    const COPIED_BYTES_MAX: usize = 16 * 1024;
    let mut pieces = Vec::new();
    let mut small = BytesMut::new();
    for element in elements {
        small.put_u32_le(element.len() as u32);
        if element.len() <= COPIED_BYTES_MAX {
            small.extend_from_slice(element);
        } else {
            pieces.push(small.split().freeze());
            pieces.push(element.clone());
        }
    }
    if !small.is_empty() {
        pieces.push(small.freeze());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_and_go() {
        let long = Bytes::from(vec![7; 20_000]);
        let all = [
            Bytes::from_static(b"ab"),
            Bytes::new(),
            long.clone(),
            Bytes::from_static(b"c"),
        ];
        let pieces = joined(&all);
        assert!(pieces.iter().any(|piece| piece.as_ptr() == long.as_ptr()));
        let whole: Bytes = pieces.concat().into();
        assert_eq!(elements(whole.clone()).unwrap(), all);
        assert!(elements(whole.slice(..whole.len() - 1)).is_none());
        assert!(elements(Bytes::from_static(b"\xff\xff\xff\xff")).is_none());
        assert!(elements(Bytes::from_static(b"\0")).is_none());
        assert!(elements(Bytes::new()).unwrap().is_empty());
    }

    #[test]
    fn names_lead_back() {
        for dtype in Dtype::ALL {
            assert_eq!(parse(name(dtype)), Some(dtype));
        }
        assert_eq!(parse(BYTES), None);
    }
}

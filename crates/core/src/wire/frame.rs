//! The framing of the worker protocol: lengths, a JSON header, raw attachments.
//! Does not look into the header beyond its attachment sizes.

use crate::limits::{FRAME_ATTACHMENTS_MAX, FRAME_BYTES_MAX, FRAME_HEADER_BYTES_MAX};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Deserialize;

/// Bytes of the two length fields.
const PREFIX_BYTES: usize = 8;

/// One frame: the header's JSON text and the attachments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub header: Bytes,
    pub attachments: Vec<Bytes>,
}

/// Why bytes are not a frame. The connection cannot go on after any of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {0} bytes is over the limit of {FRAME_BYTES_MAX}")]
    TooLong(usize),
    #[error("a frame of {0} bytes has no room for its header's length")]
    TooShort(usize),
    #[error(
        "a header of {0} bytes does not fit its frame or the limit of {FRAME_HEADER_BYTES_MAX}"
    )]
    BadHeaderLength(usize),
    #[error("the header is not a JSON object: {0}")]
    BadHeader(String),
    #[error("{0} attachments are over the limit of {FRAME_ATTACHMENTS_MAX}")]
    TooManyAttachments(usize),
    #[error("the attachment sizes do not add up to the frame's end")]
    AttachmentsDoNotAddUp,
}

#[derive(Deserialize)]
struct Sizes {
    #[serde(default)]
    attachments: Vec<usize>,
}

impl Frame {
    pub fn new(header: impl Into<Bytes>) -> Self {
        Self {
            header: header.into(),
            attachments: Vec::new(),
        }
    }

    /// Takes one frame from the front of `buffer`; `None` when more bytes are needed.
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let Some((length, header_length)) = peek(buffer)? else {
            return Ok(None);
        };
        if buffer.len() < 4 + length {
            buffer.reserve(4 + length - buffer.len());
            return Ok(None);
        }
        buffer.advance(PREFIX_BYTES);
        let header = buffer.split_to(header_length).freeze();
        let rest = buffer.split_to(length - 4 - header_length).freeze();
        Ok(Some(Self {
            attachments: split_attachments(&header, rest)?,
            header,
        }))
    }

    /// Appends the frame's bytes. The header must name the attachments' sizes when there are any.
    pub fn encode(&self, out: &mut BytesMut) {
        let attached: usize = self.attachments.iter().map(Bytes::len).sum();
        let length = 4 + self.header.len() + attached;
        out.reserve(4 + length);
        out.put_u32_le(length as u32);
        out.put_u32_le(self.header.len() as u32);
        out.put_slice(&self.header);
        for attachment in &self.attachments {
            out.put_slice(attachment);
        }
    }
}

/// The frame's `length` and `header_length`, once eight bytes are there and both are within limits.
fn peek(buffer: &BytesMut) -> Result<Option<(usize, usize)>, FrameError> {
    let mut prefix = &buffer[..buffer.len().min(PREFIX_BYTES)];
    if prefix.len() < 4 {
        return Ok(None);
    }
    let length = prefix.get_u32_le() as usize;
    if length > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong(length));
    }
    if length < 4 {
        return Err(FrameError::TooShort(length));
    }
    if prefix.len() < 4 {
        return Ok(None);
    }
    let header_length = prefix.get_u32_le() as usize;
    if header_length > length - 4 || header_length > FRAME_HEADER_BYTES_MAX {
        return Err(FrameError::BadHeaderLength(header_length));
    }
    Ok(Some((length, header_length)))
}

fn split_attachments(header: &Bytes, mut rest: Bytes) -> Result<Vec<Bytes>, FrameError> {
    if rest.is_empty() && header.first() == Some(&b'{') {
        // The common frame has no attachments; its header is parsed once, by whoever reads the message. Only zero-length attachments differ, and those need the sizes.
        if !contains(header, b"\"attachments\"") {
            return Ok(Vec::new());
        }
    }
    let sizes: Sizes =
        serde_json::from_slice(header).map_err(|error| FrameError::BadHeader(error.to_string()))?;
    if sizes.attachments.len() > FRAME_ATTACHMENTS_MAX {
        return Err(FrameError::TooManyAttachments(sizes.attachments.len()));
    }
    let total = sizes
        .attachments
        .iter()
        .try_fold(0_usize, |sum, size| sum.checked_add(*size));
    if total != Some(rest.len()) {
        return Err(FrameError::AttachmentsDoNotAddUp);
    }
    Ok(sizes
        .attachments
        .into_iter()
        .map(|size| rest.split_to(size))
        .collect())
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_of(frame: &Frame) -> BytesMut {
        let mut out = BytesMut::new();
        frame.encode(&mut out);
        out
    }

    #[test]
    fn limits_are_kept() {
        for (length, header_length) in [
            (u32::MAX, 10),
            (3, 0),
            (10, 20),
            (FRAME_BYTES_MAX as u32, FRAME_BYTES_MAX as u32 - 4),
        ] {
            let mut buffer = BytesMut::new();
            buffer.put_u32_le(length);
            buffer.put_u32_le(header_length);
            assert!(
                Frame::decode(&mut buffer).is_err(),
                "{length} {header_length}"
            );
        }
    }

    #[test]
    fn attachment_sizes_must_add_up() {
        for header in [
            r#"{"t":"x","attachments":[3]}"#,
            r#"{"t":"x","attachments":[1,2]}"#,
            r#"{"t":"x"}"#,
            r#"{"attachments":[18446744073709551615,3]}"#,
        ] {
            let mut buffer = bytes_of(&Frame {
                header: Bytes::from_static(header.as_bytes()),
                attachments: vec![Bytes::from_static(b"12")],
            });
            assert!(Frame::decode(&mut buffer).is_err(), "{header}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_however_it_is_cut(attachments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..5), cut in 0_usize..200) {
            let sizes: Vec<usize> = attachments.iter().map(Vec::len).collect();
            let header = if sizes.is_empty() { r#"{"t":"x"}"#.to_owned() } else { format!(r#"{{"t":"x","attachments":{sizes:?}}}"#) };
            let frame = Frame { header: header.into(), attachments: attachments.into_iter().map(Bytes::from).collect() };
            let all = bytes_of(&frame);
            let cut = cut.min(all.len());
            let mut buffer = BytesMut::from(&all[..cut]);
            if cut < all.len() {
                prop_assert_eq!(Frame::decode(&mut buffer), Ok(None));
            }
            buffer.extend_from_slice(&all[cut..]);
            prop_assert_eq!(Frame::decode(&mut buffer), Ok(Some(frame)));
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn garbage_never_panics(garbage in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut buffer = BytesMut::from(&garbage[..]);
            while let Ok(Some(_)) = Frame::decode(&mut buffer) {}
        }
    }
}

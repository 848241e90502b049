//! Where the messages of an Arrow file or stream lie. Each is looked at before room is made for it: what it says of itself may be false.
//! Does not decode columns.

use arrow_buffer::Buffer;
use arrow_ipc::{
    Block, MessageHeader, MetadataVersion, RecordBatch, convert::try_fb_to_schema,
    reader::read_footer_length, root_as_footer, root_as_message,
};
use arrow_schema::SchemaRef;
use onstage_core::ports::ByteSource;
use std::{collections::VecDeque, sync::Arc};

const MAGIC: &[u8] = b"ARROW1";
/// The magic and what fills it up to a multiple of eight.
const HEAD_BYTES: u64 = 8;
/// The length of the footer and the magic.
const TAIL_BYTES: u64 = 10;
/// Of Feather's first version, which is another format.
const FEATHER_1: &[u8] = b"FEA1";
const CONTINUES: [u8; 4] = [0xff; 4];
/// Before a message of a stream: that it goes on, and its length.
const PREFIX_BYTES: u64 = 8;
/// Of a footer, or of what describes one message.
const DESCRIPTION_BYTES_MAX: u64 = 16 << 20;
/// Stands before a buffer that was not worth compressing.
const NOT_COMPRESSED: i64 = -1;

/// The messages behind the schema, in the order in which they are to be read.
pub(super) struct Messages {
    source: Arc<dyn ByteSource>,
    /// Of one message, as it lies there and unpacked.
    bytes_max: u64,
    places: Places,
}

enum Places {
    /// Those of a file are listed at its end.
    Listed(VecDeque<Block>),
    /// Those of a stream follow each other; this is where the next one is.
    Following(u64),
}

/// A message with its bytes: a dictionary or a batch of rows.
pub(super) struct Message {
    pub(super) block: Block,
    pub(super) bytes: Buffer,
    pub(super) is_dictionary: bool,
}

/// What stands before all messages.
pub(super) struct Head {
    pub(super) schema: SchemaRef,
    pub(super) version: MetadataVersion,
}

impl Messages {
    /// Errors: why this is neither an Arrow file nor a stream.
    pub(super) fn open(
        source: Arc<dyn ByteSource>,
        bytes_max: u64,
    ) -> Result<(Head, Self), String> {
        let size = source.size_bytes();
        let first = read(&*source, 0, size.min(HEAD_BYTES))?;
        let (head, places) = if first.starts_with(MAGIC) {
            listed(&*source, size)?
        } else if first.starts_with(FEATHER_1) {
            return Err(
                "it is of the first version of Feather, which nothing writes any more".to_owned(),
            );
        } else {
            following(&*source)?
        };
        let messages = Self {
            source,
            bytes_max,
            places,
        };
        Ok((head, messages))
    }

    /// `None` at the end. Errors: why nothing more can be read.
    pub(super) fn next(&mut self) -> Result<Option<Message>, String> {
        let Some(block) = self.next_block()? else {
            return Ok(None);
        };
        let (at, described) = (
            positive(block.offset())?,
            positive(block.metaDataLength().into())?,
        );
        let whole = described
            .checked_add(positive(block.bodyLength())?)
            .ok_or("a message has no length")?;
        if whole > self.bytes_max {
            return Err(too_large(whole, self.bytes_max));
        }
        let bytes = read(&*self.source, at, whole)?;
        let description = bytes.get(..described as usize).ok_or("a message is cut")?;
        let message = describes(description)?;
        let (is_dictionary, batch) = match message.header_type() {
            MessageHeader::DictionaryBatch => {
                let dictionary = message.header_as_dictionary_batch();
                (true, dictionary.and_then(|dictionary| dictionary.data()))
            }
            MessageHeader::RecordBatch => (false, message.header_as_record_batch()),
            other => return Err(format!("a message is of another kind: {other:?}")),
        };
        let batch = batch.ok_or("a message has no content")?;
        let unpacked = unpacked_bytes(batch, &bytes[described as usize..])?;
        if unpacked > self.bytes_max {
            return Err(too_large(unpacked, self.bytes_max));
        }
        Ok(Some(Message {
            block,
            bytes: Buffer::from(bytes),
            is_dictionary,
        }))
    }

    fn next_block(&mut self) -> Result<Option<Block>, String> {
        let at = match &mut self.places {
            Places::Listed(blocks) => return Ok(blocks.pop_front()),
            Places::Following(at) => *at,
        };
        let Some((block, _)) = described_at(&*self.source, at)? else {
            return Ok(None);
        };
        let length = positive(block.metaDataLength().into())?
            .checked_add(positive(block.bodyLength())?)
            .and_then(|length| length.checked_add(at));
        self.places = Places::Following(length.ok_or("a message has no length")?);
        Ok(Some(block))
    }
}

fn listed(source: &dyn ByteSource, size: u64) -> Result<(Head, Places), String> {
    let tail_at = size.checked_sub(TAIL_BYTES).ok_or("it has no end")?;
    let tail = read(source, tail_at, TAIL_BYTES)?;
    let tail = <[u8; TAIL_BYTES as usize]>::try_from(&*tail).map_err(|_| "it has no end")?;
    let length = read_footer_length(tail).map_err(|_| "it has no end")? as u64;
    let at = tail_at.checked_sub(length).ok_or("its end is damaged")?;
    if length > DESCRIPTION_BYTES_MAX {
        return Err(too_large(length, DESCRIPTION_BYTES_MAX));
    }
    let footer = read(source, at, length)?;
    let footer = root_as_footer(&footer).map_err(|error| format!("its end is damaged: {error}"))?;
    let head = head(footer.schema(), footer.version())?;
    let dictionaries = footer.dictionaries().into_iter().flatten();
    let batches = footer.recordBatches().into_iter().flatten();
    let blocks = dictionaries.chain(batches).copied().collect();
    Ok((head, Places::Listed(blocks)))
}

fn following(source: &dyn ByteSource) -> Result<(Head, Places), String> {
    let (block, description) = described_at(source, 0)?.ok_or("it holds nothing")?;
    let message = describes(&description)?;
    let head = head(message.header_as_schema(), message.version())?;
    let next = positive(block.metaDataLength().into())?;
    Ok((head, Places::Following(next)))
}

fn head(schema: Option<arrow_ipc::Schema<'_>>, version: MetadataVersion) -> Result<Head, String> {
    let schema = schema.ok_or("it names no columns")?;
    if !schema.endianness().equals_to_target_endianness() {
        return Err("its numbers are of a machine with another order of bytes".to_owned());
    }
    let schema = try_fb_to_schema(schema).map_err(|error| error.to_string())?;
    Ok(Head {
        schema: Arc::new(schema),
        version,
    })
}

/// The message at this place of a stream, with what describes it; `None` at the stream's end.
fn described_at(source: &dyn ByteSource, at: u64) -> Result<Option<(Block, bytes::Bytes)>, String> {
    let left = source.size_bytes().saturating_sub(at);
    if left == 0 {
        // Some that write streams end them so.
        return Ok(None);
    }
    let prefix = read(source, at, left.min(PREFIX_BYTES))?;
    let (first, second) = prefix.split_at(prefix.len().min(4));
    // Before its eighth release Arrow wrote the length alone.
    let (length, before) = match first == CONTINUES {
        true => (second, PREFIX_BYTES),
        false => (first, 4),
    };
    let length = <[u8; 4]>::try_from(length).map_err(|_| "a message is cut")?;
    let length = positive(i32::from_le_bytes(length).into())?;
    if length == 0 {
        return Ok(None);
    }
    if length > DESCRIPTION_BYTES_MAX {
        return Err(too_large(length, DESCRIPTION_BYTES_MAX));
    }
    let description = read(source, at, before + length)?;
    let body = describes(&description)?.bodyLength();
    let described = i32::try_from(before + length).map_err(|_| "a message has no length")?;
    let at = i64::try_from(at).map_err(|_| "a message has no place")?;
    Ok(Some((Block::new(at, described, body), description)))
}

/// With or without the mark that it goes on.
fn describes(description: &[u8]) -> Result<arrow_ipc::Message<'_>, String> {
    let message = match description.strip_prefix(&CONTINUES) {
        Some(rest) => rest.get(4..).map(root_as_message),
        None => description.get(4..).map(root_as_message),
    };
    let message = message.ok_or("a message is cut")?;
    message.map_err(|error| format!("a message is damaged: {error}"))
}

/// How many bytes the batch's buffers have when they are unpacked, by what stands before each.
fn unpacked_bytes(batch: RecordBatch<'_>, body: &[u8]) -> Result<u64, String> {
    let mut sum = 0_u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let (at, length) = (positive(buffer.offset())?, positive(buffer.length())?);
        let end = at
            .checked_add(length)
            .filter(|end| *end <= body.len() as u64);
        let end = end.ok_or("a column lies outside of its message")?;
        let bytes = &body[at as usize..end as usize];
        let unpacked = match batch.compression().and(bytes.first_chunk()) {
            Some(unpacked) => match i64::from_le_bytes(*unpacked) {
                NOT_COMPRESSED => length,
                unpacked => positive(unpacked)?,
            },
            None => length,
        };
        sum = sum.saturating_add(unpacked);
    }
    Ok(sum)
}

fn read(source: &dyn ByteSource, at: u64, length: u64) -> Result<bytes::Bytes, String> {
    let end = at
        .checked_add(length)
        .filter(|end| *end <= source.size_bytes());
    let end = end.ok_or("it ends too early")?;
    source.read(at..end).map_err(|error| error.to_string())
}

fn positive(number: i64) -> Result<u64, String> {
    u64::try_from(number).map_err(|_| "a message has no length".to_owned())
}

fn too_large(bytes: u64, most: u64) -> String {
    format!("a part of it has {bytes} bytes, at most {most}; write it in smaller batches of rows")
}

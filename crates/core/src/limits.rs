//! Named limits that several parts share; each name ends in its unit.
//! A limit that only one file needs lives in that file.

/// Inputs and outputs larger than this live in blobs; smaller ones ride in the record.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;
/// A JSON request body.
pub const JSON_BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Nesting of JSON from outside.
pub const JSON_DEPTH_MAX: usize = 64;
/// A frame of the worker protocol, all told.
pub const FRAME_BYTES_MAX: usize = 1 << 30;
/// The JSON header of a frame.
pub const FRAME_HEADER_BYTES_MAX: usize = 64 << 20;
/// Attachments in one frame.
pub const FRAME_ATTACHMENTS_MAX: usize = 65_536;
/// Text of one log line; longer lines are cut and say so.
pub const LOG_LINE_BYTES_MAX: usize = 16 * 1024;
/// Logs kept of one prediction, job or build; the middle is dropped and the gap marked.
pub const LOG_KEPT_BYTES_MAX: usize = 256 * 1024;
/// Key of an app-state entry.
pub const STATE_KEY_BYTES_MAX: usize = 512;
/// Value of an app-state entry.
pub const STATE_VALUE_BYTES_MAX: usize = 64 * 1024;
/// Entries one `items` call answers.
pub const STATE_ITEMS_MAX: usize = 10_000;
/// Sums that one call for usage answers.
pub const USAGE_ROWS_MAX: usize = 10_000;
/// Rows of a page of results.
pub const PAGE_ROWS_MAX: u32 = 200;

//! Follows where requests begin and end in a connection's bytes, and refuses heads that two parsers could read differently.
//! Does not build requests; hyper does, behind this.

use std::{error::Error, fmt};

/// Bytes of a head that are held while it is incomplete; hyper's own limit on heads is lower.
const HEAD_HELD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a chunk's size line.
const CHUNK_LINE_BYTES_MAX: usize = 256;

/// Why a head or body cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A head that must be answered with 400; the place in the fed bytes where it begins.
    Head { at: usize, why: &'static str },
    /// A body that breaks the chunked encoding: the connection ends.
    Body,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head { why, .. } => f.write_str(why),
            Self::Body => f.write_str("the chunked body is malformed"),
        }
    }
}

impl Error for Refused {}

/// The place in a connection's bytes.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    place: Place,
    /// Empty lines have come where a head should: whoever sends them has begun, and is held to the time of a head.
    dawdles: bool,
}

#[derive(Debug)]
enum Place {
    Head { held: Vec<u8> },
    Sized { left: u64 },
    Chunked(Chunk),
}

#[derive(Debug)]
enum Chunk {
    SizeLine {
        line: Vec<u8>,
    },
    Data {
        left: u64,
    },
    DataEnd {
        left: u8,
    },
    /// Lines after the last chunk; `empty` until the line has a byte.
    Trailer {
        empty: bool,
    },
}

impl Default for Place {
    fn default() -> Self {
        Self::Head { held: Vec::new() }
    }
}

impl Framing {
    /// Whether a body has begun and not ended.
    pub(crate) fn in_body(&self) -> bool {
        !matches!(self.place, Place::Head { .. })
    }

    /// Whether a part of a head has come.
    pub(crate) fn in_head(&self) -> bool {
        matches!(&self.place, Place::Head { held } if self.dawdles || !held.is_empty())
    }

    /// Takes the next bytes of the connection.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let mut at = 0;
        while at < bytes.len() {
            at += match &mut self.place {
                Place::Head { held } => {
                    let (used, next) =
                        feed_head(held, &bytes[at..]).map_err(|why| Refused::Head { at, why })?;
                    self.dawdles = held.is_empty() && next.is_none();
                    if let Some(next) = next {
                        self.place = next;
                    }
                    used
                }
                Place::Sized { left } => {
                    let used = (*left).min((bytes.len() - at) as u64);
                    *left -= used;
                    if *left == 0 {
                        self.place = Place::default();
                    }
                    used as usize
                }
                Place::Chunked(chunk) => {
                    let used = feed_chunk(chunk, &bytes[at..])?;
                    match used {
                        Fed::More(used) => used,
                        Fed::End(used) => {
                            self.place = Place::default();
                            used
                        }
                    }
                }
            };
        }
        Ok(())
    }
}

/// Answers how many bytes belong to the head, and what follows when it is complete.
fn feed_head(held: &mut Vec<u8>, bytes: &[u8]) -> Result<(usize, Option<Place>), &'static str> {
    if held.is_empty() {
        // Empty lines before a request line are skipped, as hyper does.
        let blank = bytes
            .iter()
            .take_while(|b| **b == b'\r' || **b == b'\n')
            .count();
        if blank > 0 {
            return Ok((blank, None));
        }
        if let Some(end) = find_end(bytes, 0) {
            return Ok((end, judge(&bytes[..end])?));
        }
    }
    let from = held.len();
    held.extend_from_slice(bytes);
    let found = find_end(held, from.saturating_sub(3));
    match found {
        Some(end) => {
            let next = judge(&held[..end])?;
            held.clear();
            Ok((end - from, next))
        }
        // Too long: hyper refuses it by its own limit; nothing more is held.
        None if held.len() > HEAD_HELD_BYTES_MAX => Err("the head is too large"),
        None => Ok((bytes.len(), None)),
    }
}

/// The end of a head, behind its empty line. A line feed alone ends it too, so that `judge` sees and refuses it.
fn find_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(place) = bytes[at..].iter().position(|b| *b == b'\n') {
        let line_feed = at + place;
        let rest = &bytes[line_feed + 1..];
        if rest.starts_with(b"\r\n") {
            return Some(line_feed + 3);
        }
        if rest.starts_with(b"\n") {
            return Some(line_feed + 2);
        }
        at = line_feed + 1;
    }
    None
}

/// What follows a complete head.
fn judge(head: &[u8]) -> Result<Option<Place>, &'static str> {
    let mut lines = head.split(|b| *b == b'\n');
    let request_line = without_return(lines.next().unwrap_or_default())?;
    if request_line.starts_with(b"CONNECT ") {
        return Err("CONNECT is not served");
    }
    let mut length: Option<u64> = None;
    let mut chunked = false;
    for line in lines {
        if line.is_empty() {
            break;
        }
        let line = without_return(line)?;
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            if length.replace(parse_length(value)?).is_some() {
                return Err("more than one content-length");
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err("only one transfer-encoding, chunked, is served");
            }
            chunked = true;
        }
    }
    match (chunked, length) {
        (true, Some(_)) => Err("both content-length and transfer-encoding"),
        (true, None) if !request_line.ends_with(b"HTTP/1.1") => {
            Err("transfer-encoding needs HTTP/1.1")
        }
        (true, None) => Ok(Some(Place::Chunked(Chunk::SizeLine { line: Vec::new() }))),
        (false, Some(left)) if left > 0 => Ok(Some(Place::Sized { left })),
        _ => Ok(Some(Place::default())),
    }
}

fn without_return(line: &[u8]) -> Result<&[u8], &'static str> {
    line.strip_suffix(b"\r")
        .ok_or("a line of the head ends with a line feed alone")
}

fn parse_length(value: &[u8]) -> Result<u64, &'static str> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value)
        .ok()
        .filter(|_| digits)
        .and_then(|text| text.parse().ok())
        .ok_or("content-length is not a number")
}

enum Fed {
    More(usize),
    End(usize),
}

fn feed_chunk(chunk: &mut Chunk, bytes: &[u8]) -> Result<Fed, Refused> {
    match chunk {
        Chunk::SizeLine { line } => {
            let Some(end) = bytes.iter().position(|b| *b == b'\n') else {
                line.extend_from_slice(bytes);
                return if line.len() > CHUNK_LINE_BYTES_MAX {
                    Err(Refused::Body)
                } else {
                    Ok(Fed::More(bytes.len()))
                };
            };
            line.extend_from_slice(&bytes[..end]);
            *chunk = match parse_size(line)? {
                0 => Chunk::Trailer { empty: true },
                left => Chunk::Data { left },
            };
            Ok(Fed::More(end + 1))
        }
        Chunk::Data { left } => {
            let used = (*left).min(bytes.len() as u64);
            *left -= used;
            if *left == 0 {
                *chunk = Chunk::DataEnd { left: 2 };
            }
            Ok(Fed::More(used as usize))
        }
        Chunk::DataEnd { left } => {
            let wanted = if *left == 2 { b'\r' } else { b'\n' };
            if bytes[0] != wanted {
                return Err(Refused::Body);
            }
            *left -= 1;
            if *left == 0 {
                *chunk = Chunk::SizeLine { line: Vec::new() };
            }
            Ok(Fed::More(1))
        }
        Chunk::Trailer { empty } => {
            let was_empty = *empty;
            match bytes[0] {
                b'\n' if was_empty => return Ok(Fed::End(1)),
                b'\n' => *empty = true,
                b'\r' => {}
                _ => *empty = false,
            }
            Ok(Fed::More(1))
        }
    }
}

/// The size in a chunk's first line; an extension behind `;` is ignored.
fn parse_size(line: &[u8]) -> Result<u64, Refused> {
    let line = line.strip_suffix(b"\r").ok_or(Refused::Body)?;
    let digits = line.split(|b| *b == b';').next().unwrap_or_default();
    let digits = digits.trim_ascii_end();
    let all_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| all_hex)
        .and_then(|text| u64::from_str_radix(text, 16).ok())
        .ok_or(Refused::Body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed_in_pieces(text: &str, piece: usize) -> Result<Framing, Refused> {
        let mut framing = Framing::default();
        for bytes in text.as_bytes().chunks(piece) {
            framing.feed(bytes)?;
        }
        Ok(framing)
    }

    #[test]
    fn ambiguous_heads_are_refused_however_they_are_cut() {
        let heads = [
            "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +4\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 4, 4\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\nHost: x\n\n",
            "GET / HTTP/1.1\r\nHost: x\nContent-Length: 4\r\n\r\n",
            "CONNECT x:1 HTTP/1.1\r\n\r\n",
        ];
        for head in heads {
            for piece in [1, 7, 4096] {
                let fed = feed_in_pieces(head, piece);
                assert!(
                    matches!(fed, Err(Refused::Head { .. })),
                    "{head:?} by {piece}"
                );
            }
        }
    }

    #[test]
    fn bodies_are_followed_to_their_end() {
        let requests = [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd", false),
            ("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabc", true),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                true,
            ),
        ];
        for (request, in_body) in requests {
            for piece in [1, 5, 4096] {
                let framing = feed_in_pieces(request, piece).unwrap();
                assert_eq!(framing.in_body(), in_body, "{request:?} by {piece}");
                assert!(!framing.in_head());
            }
        }
    }

    #[test]
    fn a_second_request_in_the_same_bytes_is_judged_too() {
        let first = "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";
        let second = "POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n";
        let refused = Framing::default()
            .feed(format!("{first}{second}").as_bytes())
            .unwrap_err();
        assert!(matches!(refused, Refused::Head { at, .. } if at == first.len()));
    }

    #[test]
    fn empty_lines_are_the_beginning_of_a_head() {
        let mut framing = Framing::default();
        framing.feed(b"\r\n").unwrap();
        assert!(framing.in_head());
        framing.feed(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        assert!(!framing.in_head() && !framing.in_body());
    }

    #[test]
    fn broken_chunks_end_the_connection() {
        for body in ["zz\r\n", "3\nabc", "3\r\nabcX", "-1\r\n", "\r\n"] {
            let text = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            let fed = Framing::default().feed(text.as_bytes());
            assert_eq!(fed.unwrap_err(), Refused::Body, "{body:?}");
        }
    }
}

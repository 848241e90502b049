//! A file on its way into an archive, no byte more or less than its header says.
//! Does not know archives.

use std::io::{self, Read};

/// Reads exactly as many bytes as were there when its size was written down: a file that changes while it is packed is an error, not
/// a torn archive.
pub(crate) struct Exact<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Exact<R> {
    pub(crate) fn new(inner: R, size_bytes: u64) -> Self {
        Self {
            inner,
            left: size_bytes,
        }
    }
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let shrunk = count == 0 && self.left > 0 && !buffer.is_empty();
        if shrunk || count as u64 > self.left {
            return Err(io::Error::other("it changed while it was packed"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_or_shrinks_is_an_error() {
        let read = |size_bytes| {
            let mut text = String::new();
            Exact::new("four".as_bytes(), size_bytes)
                .read_to_string(&mut text)
                .map(|_| text)
        };
        assert_eq!(read(4).unwrap(), "four");
        assert!(read(3).is_err(), "it grew");
        assert!(read(5).is_err(), "it shrank");
    }
}

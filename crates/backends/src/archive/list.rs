//! What is in an archive: its first files with their sizes, read where it lies.
//! Does not unpack anything.

use super::{Item, tar, zip};
use flate2::bufread::GzDecoder;
use onstage_core::{
    Error, Result,
    dataset::DatasetFormat,
    ports::{ArchiveList, ArchivedFile, ByteSource},
};
use std::{
    io::{self, BufReader, Read, Seek, SeekFrom},
    sync::Arc,
};

/// Of a gzip'd tar, which must be unpacked to be listed.
const UNPACKED_BYTES_MAX: u64 = 256 << 20;
/// Files and folders of one archive.
const ENTRIES_MAX: usize = 200_000;
/// Asked for at once.
const PIECE_BYTES: usize = 32 * 1024;
const GZIP_MARK: [u8; 2] = [0x1f, 0x8b];

/// Errors: invalid, when it is no such archive, or holds what must not be unpacked.
pub(crate) fn list(
    source: Arc<dyn ByteSource>,
    format: DatasetFormat,
    files_max: usize,
) -> Result<ArchiveList> {
    let mut leaping = BufReader::with_capacity(PIECE_BYTES, Leaping { source, at: 0 });
    let mut list = ArchiveList::default();
    let mut full = false;
    let take = |item: Item, _: &mut dyn Read| {
        let Item::File {
            path, size_bytes, ..
        } = item
        else {
            return Ok(());
        };
        full = list.files.len() >= files_max;
        if full {
            return Err("enough was seen".to_owned());
        }
        list.files.push(ArchivedFile { path, size_bytes });
        Ok(())
    };
    let mut cut = false;
    let walked = match format {
        DatasetFormat::Zip => zip::each(leaping, ENTRIES_MAX, take),
        _ if is_gzip(&mut leaping).map_err(unreadable)? => {
            let mut unpacked = GzDecoder::new(leaping).take(UNPACKED_BYTES_MAX);
            let walked = tar::each(&mut unpacked, ENTRIES_MAX, take);
            cut = unpacked.limit() == 0;
            walked
        }
        _ => tar::each_leaping(leaping, ENTRIES_MAX, take),
    };
    match walked {
        Ok(()) => {
            list.whole = true;
            list.files_total = Some(list.files.len() as u64);
        }
        Err(_) if full || cut => {}
        Err(why) => return Err(Error::invalid(format!("the archive is refused: {why}"))),
    }
    Ok(list)
}

/// Leaves the reader at its beginning.
fn is_gzip(reader: &mut (impl Read + Seek)) -> io::Result<bool> {
    let mut mark = Vec::new();
    reader
        .by_ref()
        .take(GZIP_MARK.len() as u64)
        .read_to_end(&mut mark)?;
    reader.rewind()?;
    Ok(mark == GZIP_MARK)
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands errors over")]
fn unreadable(error: io::Error) -> Error {
    Error::invalid(format!("the archive cannot be read: {error}"))
}

/// A source that is read from any place on.
struct Leaping {
    source: Arc<dyn ByteSource>,
    at: u64,
}

impl Read for Leaping {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.at.saturating_add(buffer.len() as u64);
        let end = end.min(self.source.size_bytes());
        if self.at >= end {
            return Ok(0);
        }
        let read = self.source.read(self.at..end).map_err(io::Error::other)?;
        buffer[..read.len()].copy_from_slice(&read);
        self.at += read.len() as u64;
        Ok(read.len())
    }
}

impl Seek for Leaping {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.size_bytes().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::{
        io::Write,
        ops::Range,
        sync::atomic::{AtomicU64, Ordering},
    };

    struct Counted {
        bytes: Bytes,
        read: AtomicU64,
    }

    impl ByteSource for Counted {
        fn size_bytes(&self) -> u64 {
            self.bytes.len() as u64
        }

        fn read(&self, range: Range<u64>) -> Result<Bytes> {
            self.read
                .fetch_add(range.end - range.start, Ordering::Relaxed);
            Ok(self.bytes.slice(range.start as usize..range.end as usize))
        }
    }

    fn counted(bytes: Vec<u8>) -> Arc<Counted> {
        Arc::new(Counted {
            bytes: bytes.into(),
            read: AtomicU64::new(0),
        })
    }

    fn tarred(files: &[(&str, usize)]) -> Vec<u8> {
        let mut tar = ::tar::Builder::new(Vec::new());
        for (name, size) in files {
            let mut header = ::tar::Header::new_ustar();
            header.set_size(*size as u64);
            header.set_mode(0o644);
            let data = vec![7; *size];
            tar.append_data(&mut header, name, data.as_slice()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn zipped(files: &[(&str, usize)]) -> Vec<u8> {
        let mut zip = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        let plain = ::zip::write::SimpleFileOptions::default()
            .compression_method(::zip::CompressionMethod::Stored);
        for (name, size) in files {
            zip.start_file(*name, plain).unwrap();
            zip.write_all(&vec![7; *size]).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    const FILES: [(&str, usize); 3] = [("a.txt", 3), ("deep/b.bin", 3_000_000), ("c", 0)];

    fn listed(list: &ArchiveList) -> Vec<(&str, usize)> {
        let files = list.files.iter();
        files
            .map(|file| (file.path.as_str(), file.size_bytes as usize))
            .collect()
    }

    #[test]
    fn files_are_listed_with_their_sizes_and_little_of_them_is_read() {
        for (format, bytes) in [
            (DatasetFormat::Tar, tarred(&FILES)),
            (DatasetFormat::Zip, zipped(&FILES)),
        ] {
            let source = counted(bytes);
            let all = list(source.clone(), format, 10).unwrap();
            assert_eq!(listed(&all), FILES, "{format:?}");
            assert_eq!((all.whole, all.files_total), (true, Some(3)));
            let read = source.read.load(Ordering::Relaxed);
            assert!(read < 1_000_000, "{format:?}: {read} bytes were read");
            let two = list(source, format, 2).unwrap();
            assert_eq!((listed(&two).len(), two.whole), (2, false));
        }
    }

    #[test]
    fn a_packed_tar_is_listed_too_and_what_is_no_archive_is_refused() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&tarred(&FILES)).unwrap();
        let packed = packed.finish().unwrap();
        let half = packed[..packed.len() / 2].to_vec();
        let all = list(counted(packed), DatasetFormat::Tar, 10).unwrap();
        assert_eq!((listed(&all), all.whole), (FILES.to_vec(), true));
        for bytes in [half, b"PK and so on, which is no archive at all".to_vec()] {
            for format in [DatasetFormat::Tar, DatasetFormat::Zip] {
                assert!(
                    list(counted(bytes.clone()), format, 10).is_err(),
                    "{format:?}"
                );
            }
        }
    }
}

//! Zips that were made to do harm. Those of tar are with the bundles, which the same loop unpacks.

use super::{Extraction, Limits, Nothing, Refused, zip};
use std::{
    fs::{self, File},
    io::{Cursor, Write},
    path::Path,
};
use zip_crate::{ZipWriter, write::SimpleFileOptions};

use ::zip as zip_crate;

const BYTES_MAX: u64 = 1 << 20;
const ENTRIES_MAX: usize = 100;

type Made = ZipWriter<Cursor<Vec<u8>>>;

fn made(fill: impl FnOnce(&mut Made)) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    fill(&mut zip);
    zip.finish().unwrap().into_inner()
}

fn file(zip: &mut Made, name: &str, bytes: &[u8]) {
    zip.start_file(name, SimpleFileOptions::default()).unwrap();
    zip.write_all(bytes).unwrap();
}

fn of(files: &[(&str, &[u8])]) -> Vec<u8> {
    made(|zip| {
        files
            .iter()
            .for_each(|(name, bytes)| file(zip, name, bytes));
    })
}

/// Puts other bytes of the same length for all that are found.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let (mut bytes, mut at, mut found) = (bytes.to_vec(), 0, 0);
    while at + from.len() <= bytes.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
            found += 1;
        }
        at += 1;
    }
    assert!(found > 0);
    bytes
}

fn unpack(bytes: &[u8], root: &Path) -> Result<u64, String> {
    let packed = tempfile::NamedTempFile::new().unwrap();
    fs::write(packed.path(), bytes).unwrap();
    let limits = Limits {
        bytes_max: BYTES_MAX,
        read_only: true,
    };
    let mut extraction = Extraction::new(root, limits, Nothing);
    let opened = File::open(packed.path()).unwrap();
    let walked = zip::each(opened, ENTRIES_MAX, |item, data| {
        extraction.item(item, data)
    });
    match extraction.finish(walked) {
        Ok(done) => Ok(done.bytes),
        Err(Refused::Archive(why)) => Err(why),
        Err(Refused::Disk(error)) => panic!("{error}"),
    }
}

fn refusal(name: &str, bytes: &[u8]) -> String {
    let world = tempfile::tempdir().unwrap();
    let root = world.path().join("a/b");
    fs::create_dir_all(&root).unwrap();
    let why = unpack(bytes, &root).expect_err(name);
    let around: Vec<_> = fs::read_dir(world.path()).unwrap().collect();
    assert_eq!(around.len(), 1, "{name} wrote outside");
    why
}

#[test]
fn a_plain_zip_is_unpacked_whatever_packed_it() {
    let world = tempfile::tempdir().unwrap();
    let bytes = made(|zip| {
        zip.add_directory("deep/", SimpleFileOptions::default())
            .unwrap();
        file(zip, "deep/a.txt", b"hello");
        file(zip, "z\u{fc}rich.csv", b"a,b");
        let stored =
            SimpleFileOptions::default().compression_method(zip_crate::CompressionMethod::Stored);
        zip.start_file("stored", stored.large_file(true)).unwrap();
        zip.write_all(b"as it is").unwrap();
    });
    assert_eq!(unpack(&bytes, world.path()), Ok(16));
    assert_eq!(fs::read(world.path().join("deep/a.txt")).unwrap(), b"hello");
    assert_eq!(
        fs::read(world.path().join("z\u{fc}rich.csv")).unwrap(),
        b"a,b"
    );
    assert_eq!(fs::read(world.path().join("stored")).unwrap(), b"as it is");
}

#[test]
fn paths_links_and_doubles_are_refused() {
    for name in [
        "../evil",
        "a/../../evil",
        "/tmp/onstage-evil",
        "a//b",
        "a/./b",
        "..\\evil",
        "a\nb",
        "",
        "..",
    ] {
        // The library cleans some names while it writes: they are put in afterwards.
        let stand_in = "x".repeat(name.len());
        let bytes = match name {
            "" => of(&[("", b"x")]),
            _ => replaced(
                &of(&[(&stand_in, b"y")]),
                stand_in.as_bytes(),
                name.as_bytes(),
            ),
        };
        refusal(name, &bytes);
    }
    let link = made(|zip| {
        let options = SimpleFileOptions::default();
        zip.add_symlink("a", "/etc/passwd", options).unwrap();
        file(zip, "a/b", b"x");
    });
    assert!(refusal("link", &link).contains("link"));
    let doubled = replaced(&of(&[("one", b"1"), ("two", b"2")]), b"two", b"one");
    assert!(refusal("doubled", &doubled).contains("twice"));
    let case = of(&[("Data/a", b"1"), ("data/b", b"2")]);
    assert!(refusal("case", &case).contains("case"));
    let both = of(&[("a", b"1"), ("a/b", b"2")]);
    assert!(refusal("file and folder", &both).contains("a file and a folder"));
    assert!(!Path::new("/tmp/onstage-evil").exists());
}

#[test]
fn bombs_and_lies_are_refused() {
    let zeros = vec![0; BYTES_MAX as usize + 1];
    assert!(refusal("zeros", &of(&[("zeros", &zeros)])).contains("unpacks to more"));
    let names: Vec<String> = (0..=ENTRIES_MAX).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), b"".as_slice()))
        .collect();
    assert!(refusal("many", &of(&many)).contains("more than 100"));
    // The directory says one byte, the bytes are more.
    let text = b"twelve bytes";
    let lying = replaced(
        &of(&[("a", text)]),
        &12_u32.to_le_bytes(),
        &1_u32.to_le_bytes(),
    );
    refusal("too long", &lying);
    let lying = replaced(
        &of(&[("a", text)]),
        &12_u32.to_le_bytes(),
        &99_u32.to_le_bytes(),
    );
    refusal("too short", &lying);
}

#[test]
fn what_is_damaged_is_refused() {
    let whole = of(&[("a", &[7; 50_000]), ("b", b"hello there")]);
    for at in [0, 1, 30, whole.len() / 2, whole.len() - 23, whole.len() - 1] {
        refusal(&format!("cut at {at}"), &whole[..at]);
    }
    refusal("text", b"this is not an archive");
    let stored = made(|zip| {
        let options =
            SimpleFileOptions::default().compression_method(zip_crate::CompressionMethod::Stored);
        zip.start_file("a", options).unwrap();
        zip.write_all(b"some bytes").unwrap();
    });
    refusal("flipped", &replaced(&stored, b"some bytes", b"same bytes"));
}

//! Archives that were made to do harm, byte by byte.

use super::files_of;
use crate::bundle::{RATIO_FREE_BYTES, unpack};
use flate2::{Compression, write::GzEncoder};
use onstage_core::Kind;
use std::{fs, io::Write, path::Path};
use tar::{EntryType, Header};

/// An entry with any header at all, valid or not.
fn entry(path: &[u8], kind: EntryType, link: &str, size: Option<u64>, data: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..path.len().min(100)].copy_from_slice(&path[..path.len().min(100)]);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size.unwrap_or(data.len() as u64));
    if !link.is_empty() {
        header.set_link_name(link).unwrap();
    }
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(path: &str) -> Vec<u8> {
    entry(path.as_bytes(), EntryType::Regular, "", None, b"data")
}

fn special(path: &str, kind: EntryType, link: &str) -> Vec<u8> {
    entry(path.as_bytes(), kind, link, None, b"")
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut data = Vec::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len() + 1;
        while length.to_string().len() + rest.len() != length {
            length = length.to_string().len() + rest.len();
        }
        write!(data, "{length}{rest}").unwrap();
    }
    entry(b"pax", EntryType::XHeader, "", None, &data)
}

fn long_name(name: &[u8]) -> Vec<u8> {
    entry(b"././@LongLink", EntryType::GNULongName, "", None, name)
}

fn gzip(tar: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(tar).unwrap();
    gzip.finish().unwrap()
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut tar = entries.concat();
    tar.extend_from_slice(&[0; 1024]);
    gzip(&tar)
}

/// Unpacks in a world of its own; answers the error, after looking that nothing was left anywhere.
fn refusal(name: &str, bytes: &[u8]) -> String {
    let world = tempfile::tempdir().unwrap();
    let archive = world.path().join("bundle.tar.gz");
    fs::write(&archive, bytes).unwrap();
    let inner = world.path().join("data/bundles");
    fs::create_dir_all(&inner).unwrap();
    let error = unpack(&archive, &inner.join("dest")).expect_err(name);
    assert_eq!(error.kind, Kind::Invalid, "{name}: {error}");
    assert_eq!(
        files_of(world.path()),
        ["bundle.tar.gz"],
        "{name} left files"
    );
    assert!(!inner.join("dest").exists());
    error.to_string()
}

#[test]
fn hostile_paths_links_and_devices_are_refused() {
    use EntryType::{Block, Char, Fifo, GNUSparse, Link, Symlink};
    let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("parent", vec![file("../evil")]),
        ("parent inside", vec![file("a/../../evil")]),
        ("parent at the end", vec![file("a/..")]),
        ("parent as dot slash", vec![file("./../evil")]),
        ("absolute", vec![file("/tmp/onstage-evil")]),
        ("double slash", vec![file("//tmp/onstage-evil")]),
        ("empty part", vec![file("a//b")]),
        ("dot part", vec![file("a/./b")]),
        ("backslash", vec![file("..\\evil")]),
        ("newline", vec![file("a\nb")]),
        ("escape character", vec![file("a\u{1b}[2Jb")]),
        (
            "not UTF-8",
            vec![entry(b"a\xff", EntryType::Regular, "", None, b"x")],
        ),
        ("no name", vec![file("")]),
        ("dot as a file", vec![file(".")]),
        ("file with a slash at its end", vec![file("a/")]),
        ("link", vec![special("a", Symlink, "/etc/passwd")]),
        ("link inside", vec![file("b"), special("a", Symlink, "b")]),
        (
            "link, then write through it",
            vec![special("a", Symlink, ".."), file("a/evil")],
        ),
        (
            "link of a folder, then write",
            vec![special("a", Symlink, "/tmp"), file("a/onstage-evil")],
        ),
        ("hard link", vec![special("a", Link, "/etc/passwd")]),
        ("hard link inside", vec![file("b"), special("a", Link, "b")]),
        ("character device", vec![special("a", Char, "")]),
        ("block device", vec![special("a", Block, "")]),
        ("pipe", vec![special("a", Fifo, "")]),
        ("sparse file", vec![special("a", GNUSparse, "")]),
        ("unknown type", vec![special("a", EntryType::new(b'Z'), "")]),
        (
            "continuous file",
            vec![special("a", EntryType::Continuous, "")],
        ),
        (
            "long name that leaves",
            vec![long_name(b"../evil\0"), file("fine")],
        ),
        (
            "long name that is absolute",
            vec![long_name(b"/tmp/onstage-evil\0"), file("fine")],
        ),
        (
            "long link",
            vec![
                entry(b"l", EntryType::GNULongLink, "", None, b"/etc"),
                file("fine"),
            ],
        ),
        (
            "two long names",
            vec![long_name(b"a\0"), long_name(b"b\0"), file("fine")],
        ),
        ("long name of nothing", vec![long_name(b"a\0")]),
        (
            "name with a zero inside",
            vec![long_name(b"a\0b\0"), file("fine")],
        ),
        (
            "PAX path that leaves",
            vec![pax(&[("path", "../evil")]), file("fine")],
        ),
        (
            "PAX path twice",
            vec![pax(&[("path", "a"), ("path", "b")]), file("fine")],
        ),
        (
            "PAX path and long name",
            vec![pax(&[("path", "a")]), long_name(b"b\0"), file("fine")],
        ),
        (
            "PAX size mismatch",
            vec![pax(&[("size", "0")]), file("fine")],
        ),
        (
            "PAX size that is larger",
            vec![pax(&[("size", "512")]), file("fine"), file("smuggled")],
        ),
        (
            "PAX link",
            vec![pax(&[("linkpath", "/etc/passwd")]), file("fine")],
        ),
        (
            "PAX sparse",
            vec![pax(&[("GNU.sparse.realsize", "9")]), file("fine")],
        ),
        (
            "PAX malformed",
            vec![
                entry(b"pax", EntryType::XHeader, "", None, b"99 path=x\n"),
                file("fine"),
            ],
        ),
        (
            "PAX global path",
            vec![
                entry(b"pax", EntryType::XGlobalHeader, "", None, b"9 path=x\n"),
                file("fine"),
            ],
        ),
        ("twice", vec![file("a"), file("a")]),
        ("twice through a dot", vec![file("a"), file("./a")]),
        ("case", vec![file("Model.py"), file("model.py")]),
        ("case of a folder", vec![file("Data/a"), file("data/b")]),
        ("file and folder", vec![file("a"), file("a/b")]),
        ("folder and file", vec![file("a/b"), file("a")]),
        (
            "folder with a size",
            vec![entry(b"d/", EntryType::Directory, "", None, b"x")],
        ),
        (
            "deep",
            vec![
                long_name(format!("{}x\0", "d/".repeat(40)).as_bytes()),
                file("fine"),
            ],
        ),
        (
            "long part",
            vec![
                long_name(format!("{}\0", "x".repeat(300)).as_bytes()),
                file("fine"),
            ],
        ),
        (
            "long path",
            vec![
                long_name(format!("{}\0", "x/".repeat(1_000)).as_bytes()),
                file("fine"),
            ],
        ),
        (
            "huge long name",
            vec![long_name(&vec![b'x'; 1 << 20]), file("fine")],
        ),
        (
            "size beyond the end",
            vec![entry(b"a", EntryType::Regular, "", Some(1 << 20), b"short")],
        ),
        (
            "size beyond everything",
            vec![entry(
                b"a",
                EntryType::Regular,
                "",
                Some(u64::MAX / 2),
                b"short",
            )],
        ),
    ];
    assert!(cases.len() >= 40);
    for (name, entries) in cases {
        let with_one_more = [vec![file("other")], entries].concat();
        let message = refusal(name, &archive(&with_one_more));
        assert!(
            message.starts_with("bundle is refused: "),
            "{name}: {message}"
        );
    }
    assert!(!Path::new("/tmp/onstage-evil").exists());
}

#[test]
fn what_is_not_an_archive_or_is_cut_is_refused() {
    let whole = archive(&[entry(b"a", EntryType::Regular, "", None, &vec![7; 100_000])]);
    for at in [0, 1, 10, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        refusal(&format!("cut at {at}"), &whole[..at]);
    }
    let mut flipped = whole.clone();
    let at = whole.len() - 6;
    flipped[at] ^= 1;
    refusal("checksum", &flipped);
    refusal("text", b"this is not an archive");
    refusal("zip", b"PK\x03\x04");
    refusal("trailing bytes", &[whole.as_slice(), b"more"].concat());
    refusal("a second archive", &[whole.as_slice(), &whole].concat());
    refusal(
        "entries after the end",
        &gzip(&[file("a"), vec![0; 1024], file("b")].concat()),
    );
    let mut bad_header = file("a");
    bad_header[0] = b'b';
    refusal("header checksum", &gzip(&bad_header));
}

#[test]
fn bombs_are_refused_within_limits() {
    let zeros = vec![0_u8; 64 << 20];
    let message = refusal(
        "zeros",
        &archive(&[entry(b"zeros", EntryType::Regular, "", None, &zeros)]),
    );
    assert!(message.contains("unpacks to more than"), "{message}");
    let mut many = Vec::new();
    for n in 0..200_000 {
        many.extend(entry(
            format!("f{n}").as_bytes(),
            EntryType::Regular,
            "",
            None,
            b"",
        ));
    }
    let message = refusal("entries", &archive(&[many]));
    assert!(
        message.contains("more than") || message.contains("too many"),
        "{message}"
    );
    // Under the limits it passes: 16 MiB of zeros are a table, not a bomb.
    let fine = archive(&[entry(
        b"zeros",
        EntryType::Regular,
        "",
        None,
        &zeros[..RATIO_FREE_BYTES as usize],
    )]);
    let world = tempfile::tempdir().unwrap();
    let path = world.path().join("a.tar.gz");
    fs::write(&path, fine).unwrap();
    assert_eq!(
        unpack(&path, &world.path().join("out")).unwrap().bytes,
        RATIO_FREE_BYTES
    );
}

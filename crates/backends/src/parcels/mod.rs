//! Parcels: files and folders taken up into the blobs and put down on this host, in constant memory.
//! Opens nothing that is in them: what they mean is the model's own affair.

mod pack;
mod unpack;

use crate::{
    durable,
    hex::hex,
    shelf::{Shelf, WHOLE},
};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use onstage_core::{
    Error, Result,
    parcel::Parcel,
    ports::{BlobWriter, Blobs, Parcels, Placed},
};
use sha2::{Digest, Sha256};
use std::{
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{io::AsyncReadExt, sync::mpsc};

/// Read and written at once.
const PIECE_BYTES: usize = 1 << 20;
/// Pieces of a folder that are packed ahead of the blobs.
const PIECES_AHEAD_MAX: usize = 2;
/// One parcel's way to this host; weights of tens of gigabytes take their time.
const PLACING_SECONDS_MAX: u64 = 4 * 3600;
/// What is kept on this host when nobody says otherwise; parcels in use may be more.
const CACHE_BYTES: u64 = 20 << 30;
/// The name of a parcel that has none.
const NAMELESS: &str = "parcel";

/// Parcels between a disk and the blobs.
pub struct DiskParcels {
    blobs: Arc<dyn Blobs>,
    /// Where those lie that are shared on this host.
    shelf: Shelf,
}

impl DiskParcels {
    /// What is shared goes below `<data>/parcels`.
    pub fn new(data_dir: &Path, blobs: Arc<dyn Blobs>) -> Self {
        let wait_max = Duration::from_secs(PLACING_SECONDS_MAX);
        Self {
            blobs,
            shelf: Shelf::new(data_dir.join("parcels"), CACHE_BYTES, wait_max),
        }
    }

    async fn take_file(&self, path: &Path, mut writer: Box<dyn BlobWriter>) -> Result<Parcel> {
        let broken = |error| unreadable(path, &error);
        let mut file = tokio::fs::File::open(path).await.map_err(broken)?;
        loop {
            let mut piece = BytesMut::with_capacity(PIECE_BYTES);
            while piece.len() < PIECE_BYTES {
                if file.read_buf(&mut piece).await.map_err(broken)? == 0 {
                    break;
                }
            }
            if piece.is_empty() {
                break;
            }
            writer.write(piece.freeze()).await?;
        }
        Ok(Parcel {
            blob: writer.finish().await?,
            name: name_of(path),
            is_folder: false,
        })
    }

    async fn take_folder(&self, path: &Path, mut writer: Box<dyn BlobWriter>) -> Result<Parcel> {
        let (pieces, mut packed) = mpsc::channel::<Bytes>(PIECES_AHEAD_MAX);
        let folder = path.to_owned();
        let packing = tokio::task::spawn_blocking(move || pack::folder(&folder, pieces));
        while let Some(piece) = packed.recv().await {
            writer.write(piece).await?;
        }
        packing
            .await
            .map_err(|error| Error::internal("packing a folder failed").because(error))??;
        Ok(Parcel {
            blob: writer.finish().await?,
            name: name_of(path),
            is_folder: true,
        })
    }
}

#[async_trait]
impl Parcels for DiskParcels {
    async fn take(&self, path: &Path, key: &str) -> Result<Parcel> {
        let found = tokio::fs::metadata(path).await;
        let found = found.map_err(|error| unreadable(path, &error))?;
        if !found.is_dir() && !found.is_file() {
            return Err(Error::invalid(format!(
                "`{}` is neither a file nor a folder",
                path.display()
            )));
        }
        let writer = self.blobs.writer(key).await?;
        match found.is_dir() {
            true => self.take_folder(path, writer).await,
            false => self.take_file(path, writer).await,
        }
    }

    async fn put_down(&self, parcel: &Parcel, folder: &Path) -> Result<PathBuf> {
        let place = folder.join(plain_name(&parcel.name));
        let arriving = match parcel.is_folder {
            true => folder.join(".arriving.tar"),
            false => place.clone(),
        };
        self.blobs.fetch(&parcel.blob, &arriving).await?;
        if !parcel.is_folder {
            return Ok(place);
        }
        let (bytes, to) = (parcel.blob.size_bytes, place.clone());
        tokio::task::spawn_blocking(move || {
            unpack::folder(&arriving, &to, bytes)?;
            let _ = fs::remove_file(&arriving);
            Ok(())
        })
        .await
        .map_err(|error| Error::internal("unpacking a folder failed").because(error))??;
        Ok(place)
    }

    async fn place(&self, parcel: &Parcel) -> Result<Placed> {
        let (name, what) = (digest(parcel), format!("the weights `{}`", parcel.name));
        let taken = self.shelf.take(&name, &what, |beside| async move {
            let whole = beside.path().join(WHOLE);
            fs::create_dir(&whole).map_err(|error| on_disk(&error))?;
            self.put_down(parcel, &whole).await?;
            // A folder's files are what its archive is, but for their heads.
            Ok(parcel.blob.size_bytes)
        });
        let (entry, lock) = taken.await?;
        Ok(Placed::new(entry.join(plain_name(&parcel.name)), lock))
    }
}

/// Of the bytes and as what they are placed.
fn digest(parcel: &Parcel) -> String {
    let text = format!(
        "{}\0{}\0{}",
        parcel.blob.sha256, parcel.is_folder, parcel.name
    );
    hex(&Sha256::digest(text))
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(
        || NAMELESS.to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// A record's name as the name of a file, and of nothing else.
fn plain_name(name: &str) -> &str {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(_)), None) => name,
        _ => NAMELESS,
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    let text = format!("`{}` cannot be read: {error}", path.display());
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::invalid(format!("there is nothing at `{}`", path.display()))
        }
        io::ErrorKind::PermissionDenied => Error::invalid(text),
        _ => Error::unavailable(text),
    }
}

fn on_disk(error: &io::Error) -> Error {
    let kind = durable::kind_of_own(error.kind());
    Error::new(kind, format!("a parcel cannot be put down: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs;
    use onstage_core::Kind;

    fn parcels(data: &Path) -> DiskParcels {
        DiskParcels::new(data, blobs::memory())
    }

    #[tokio::test]
    async fn a_file_comes_back_as_it_was() {
        let data = tempfile::tempdir().unwrap();
        let parcels = parcels(data.path());
        let path = data.path().join("net.pt");
        let bytes: Vec<u8> = (0..3 * PIECE_BYTES + 17).map(|n| n as u8).collect();
        fs::write(&path, &bytes).unwrap();
        let parcel = parcels.take(&path, "jobs/1/weights").await.unwrap();
        assert_eq!((parcel.name.as_str(), parcel.is_folder), ("net.pt", false));
        let placed = parcels.place(&parcel).await.unwrap().path;
        assert_eq!(fs::read(&placed).unwrap(), bytes);
        assert_eq!(parcels.place(&parcel).await.unwrap().path, placed);
        fs::write(&path, "").unwrap();
        let empty = parcels.take(&path, "jobs/1/empty").await.unwrap();
        let placed = parcels.place(&empty).await.unwrap().path;
        assert_eq!(fs::read(placed).unwrap(), b"");
    }

    #[tokio::test]
    async fn a_folder_comes_back_with_all_that_is_in_it() {
        let data = tempfile::tempdir().unwrap();
        let parcels = parcels(data.path());
        let folder = data.path().join("weights");
        let long = "x".repeat(180);
        for name in ["a.bin", "deep/er/b.bin", long.as_str(), "é/c"] {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name.repeat(20_000)).unwrap();
        }
        fs::create_dir(folder.join("empty")).unwrap();
        std::os::unix::fs::symlink("a.bin", folder.join("latest")).unwrap();
        let parcel = parcels.take(&folder, "jobs/1/weights").await.unwrap();
        assert!(parcel.is_folder);
        let again = parcels.take(&folder, "jobs/1/again").await.unwrap();
        assert_eq!(again.blob.sha256, parcel.blob.sha256, "the same bytes");
        let placed = parcels.place(&parcel).await.unwrap().path;
        assert!(placed.ends_with("weights"));
        for name in ["a.bin", "deep/er/b.bin", long.as_str(), "é/c"] {
            let text = fs::read_to_string(placed.join(name)).unwrap();
            assert_eq!(text, name.repeat(20_000), "{name}");
        }
        assert!(placed.join("empty").is_dir());
        let link = fs::read_to_string(placed.join("latest")).unwrap();
        assert_eq!(link, "a.bin".repeat(20_000), "a link to a file is the file");
        let beside: Vec<_> = fs::read_dir(placed.parent().unwrap()).unwrap().collect();
        assert_eq!(beside.len(), 1, "{beside:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_a_parcel_is_named() {
        let data = tempfile::tempdir().unwrap();
        let parcels = parcels(data.path());
        let missing = parcels.take(&data.path().join("none"), "a/b").await;
        assert_eq!(missing.unwrap_err().kind, Kind::Invalid);
        let folder = data.path().join("round");
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&folder, folder.join("itself")).unwrap();
        let error = parcels.take(&folder, "a/b").await.unwrap_err();
        assert_eq!(error.kind, Kind::Invalid);
        assert!(error.message.contains("itself"), "{error}");
        let folder = data.path().join("alike");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("A.bin"), "1").unwrap();
        fs::write(folder.join("a.bin"), "2").unwrap();
        let error = parcels.take(&folder, "a/b").await.unwrap_err();
        assert_eq!(error.kind, Kind::Invalid);
    }

    #[tokio::test]
    async fn a_damaged_or_hostile_parcel_is_not_placed() {
        let data = tempfile::tempdir().unwrap();
        let parcels = parcels(data.path());
        let path = data.path().join("net.pt");
        fs::write(&path, "weights").unwrap();
        let good = parcels.take(&path, "jobs/1/weights").await.unwrap();
        let mut damaged = good.clone();
        damaged.blob.sha256 = "0".repeat(64);
        assert!(parcels.place(&damaged).await.is_err());
        let no_tar = Parcel {
            is_folder: true,
            ..good.clone()
        };
        assert!(parcels.place(&no_tar).await.is_err());
        for name in ["../out", "/etc/x", "..", "a/b", ""] {
            let named = Parcel {
                name: name.to_owned(),
                ..good.clone()
            };
            let placed = parcels.place(&named).await.unwrap().path;
            assert!(placed.ends_with(NAMELESS), "{}", placed.display());
        }
    }

    #[tokio::test]
    async fn what_nobody_uses_makes_room_and_what_the_dead_left_goes_at_the_start() {
        let data = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(data.path().join("parcels"), 1_500, Duration::MAX);
        let parcels = DiskParcels {
            shelf,
            ..parcels(data.path())
        };
        let mut taken = Vec::new();
        for name in ["a", "b", "c"] {
            let path = data.path().join(name);
            fs::write(&path, name.repeat(1_000)).unwrap();
            let key = format!("jobs/{name}/weights");
            taken.push(parcels.take(&path, &key).await.unwrap());
        }
        let held = parcels.place(&taken[0]).await.unwrap();
        let let_go = parcels.place(&taken[1]).await.unwrap().path;
        let newest = parcels.place(&taken[2]).await.unwrap();
        assert!(
            held.path.exists() && newest.path.exists(),
            "they are in use"
        );
        assert!(!let_go.exists());
        let again = parcels.place(&taken[1]).await.unwrap();
        assert_eq!(fs::read(&again.path).unwrap(), "b".repeat(1_000).as_bytes());

        let shared = data.path().join("parcels");
        let on_its_way = |digest: &str| {
            let folder = shared.join(format!(".arriving-{digest}-abcdef"));
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("half"), "x").unwrap();
            folder
        };
        let (dead, lives) = (on_its_way(&"d".repeat(64)), on_its_way(&"e".repeat(64)));
        let lock = crate::shelf::Entry::at(shared.join("e".repeat(64)))
            .to_make(|| false)
            .await
            .unwrap()
            .unwrap();
        drop((held, newest));
        DiskParcels::new(data.path(), blobs::memory());
        assert!(!dead.exists() && lives.exists());
        assert!(!shared.join(format!("{}.lock", "d".repeat(64))).exists());
        drop(lock);
        let entry = crate::shelf::Entry::at(shared.join("e".repeat(64)));
        let _lock = entry.to_make(|| entry.is_there()).await.unwrap().unwrap();
        assert!(entry.beside().is_ok() && !lives.exists());
    }
}

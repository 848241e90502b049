//! An S3 on this machine, for tests: objects in a temporary folder, signatures and checksums checked as the real one does,
//! and faults on demand. Knows nothing of Onstage.

mod faults;
mod serve;

pub use faults::Fault;

use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
};
use tempfile::TempDir;

/// The one that there is.
pub const BUCKET: &str = "stage";
const ACCESS_KEY: &str = "ONSTAGETESTS";
const SECRET_KEY: &str = "no-secret-of-anybody";

/// Ends with its value, and its objects with it.
pub struct S3Emulator {
    folder: TempDir,
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Dropped, it ends the server.
    _ending: tokio::sync::oneshot::Sender<()>,
}

struct Shared {
    requests: AtomicU64,
    /// Of those that had a link instead of credentials.
    by_link: AtomicU64,
    is_ill: AtomicBool,
    refuses_links: AtomicBool,
    told: faults::Told,
}

impl S3Emulator {
    /// A place in its bucket, below a prefix as in a bucket that is shared.
    pub const PLACE: &str = "s3://stage/on/stage";

    /// Starts one in threads of its own, so that a test that blocks does not stop it.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::create_dir(folder.path().join(BUCKET)).expect("a bucket can be made");
        let files = FileSystem::new(folder.path()).expect("the bucket's folder is there");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let shared = Arc::new(Shared {
            requests: AtomicU64::new(0),
            by_link: AtomicU64::new(0),
            is_ill: AtomicBool::new(false),
            refuses_links: AtomicBool::new(false),
            told: faults::Told::default(),
        });
        let (ending, ended) = tokio::sync::oneshot::channel();
        let (tell, told) = mpsc::channel();
        let for_server = Arc::clone(&shared);
        thread::spawn(move || serve::run(service, for_server, ended, tell));
        let address = told.recv().expect("the server listens");
        Self {
            folder,
            address,
            shared,
            _ending: ending,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a process needs in its environment to find it, as every AWS client reads it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
        ]
    }

    /// From now on every fifth request, by a fixed sequence, meets one of the faults.
    pub fn fall_ill(&self) {
        self.shared.is_ill.store(true, Ordering::SeqCst);
    }

    pub fn get_well(&self) {
        self.shared.is_ill.store(false, Ordering::SeqCst);
    }

    /// Requests that came so far.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Requests that came by a link and were let in.
    pub fn links_used(&self) -> u64 {
        self.shared.by_link.load(Ordering::SeqCst)
    }

    /// From now on whoever comes by a link is turned away, as by a network that lets nothing out to the storage.
    pub fn refuse_links(&self) {
        self.shared.refuses_links.store(true, Ordering::SeqCst);
    }

    /// How often each fault was met.
    pub fn faults(&self) -> BTreeMap<Fault, u64> {
        self.shared.told.all()
    }

    /// How many objects there are whose key begins so.
    pub fn objects(&self, prefix: &str) -> usize {
        let place = self.folder.path().join(BUCKET).join(prefix);
        files(&place)
    }

    /// Names of what uploads left that were neither completed nor taken back.
    pub fn leftovers(&self) -> Vec<String> {
        names(self.folder.path())
            .into_iter()
            .filter(|name| name.starts_with(".upload"))
            .collect()
    }
}

fn files(place: &Path) -> usize {
    let Ok(entries) = fs::read_dir(place) else {
        return usize::from(place.is_file());
    };
    entries.flatten().map(|entry| files(&entry.path())).sum()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

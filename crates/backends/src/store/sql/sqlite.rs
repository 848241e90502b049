//! All that is special about SQLite: how it is opened, its version, its error codes, its checkpoint.
//! Must not know a table.

use super::error::store_error;
use onstage_core::{Error, Kind, Result};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    DbErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use std::{os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

/// Older ones can corrupt a WAL database when a checkpoint resets the log at the wrong moment.
const OLDEST: (u32, u32, u32) = (3, 51, 3);
/// How long a statement waits for another process's lock.
const BUSY_MS_MAX: u64 = 5_000;
/// Connections that read at the same time.
const READERS_MAX: u32 = 4;
/// How often opening is tried while other processes open the same new file.
const OPEN_TRIES_MAX: u32 = 20;
const OPEN_RETRY_MS: u64 = 50;

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Durability {
    /// Loss of power: the log is synced at every commit.
    Full,
    /// The death of the process only. For tests that commit a million times.
    #[cfg(test)]
    Process,
}

impl Durability {
    fn synchronous(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            #[cfg(test)]
            Self::Process => "OFF",
        }
    }
}

/// The connection that writes; makes the file.
pub(super) async fn connect_writer(
    path: &Path,
    durability: Durability,
) -> Result<DatabaseConnection> {
    refuse_network_folder(path)?;
    make_private_file(path)?;
    let mut tries = 1;
    loop {
        match connect(path, 1, durability, false).await {
            Ok(connection) => {
                check_version(&version(&connection).await?)?;
                return Ok(connection);
            }
            Err(error) if error.kind == Kind::Unavailable && tries < OPEN_TRIES_MAX => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(OPEN_RETRY_MS)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// What a statement may have to undo goes to no file from now on: each write of many rows made one, in a folder that may be full
/// or not writable. Not for making tables and for reading, which may sort more than fits into memory.
pub(super) async fn undo_in_memory(connection: &DatabaseConnection) -> Result<()> {
    let set = connection.execute_unprepared("PRAGMA temp_store = MEMORY");
    set.await.map(drop).map_err(store_error)
}

/// Connections that cannot write.
pub(super) async fn connect_readers(path: &Path) -> Result<DatabaseConnection> {
    connect(path, READERS_MAX, Durability::Full, true).await
}

/// One connection to a file that nobody writes; leaves every byte of it as it is.
pub(super) async fn connect_still(path: &Path) -> Result<DatabaseConnection> {
    let file = path.to_owned();
    let mut options = ConnectOptions::new("sqlite://");
    options
        .max_connections(1)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| sqlite.filename(&file).read_only(true).immutable(true));
    let opened = Database::connect(options).await;
    opened.map_err(|error| cannot_open(path, error))
}

async fn connect(
    path: &Path,
    connections_max: u32,
    durability: Durability,
    only_reads: bool,
) -> Result<DatabaseConnection> {
    let file = path.to_owned();
    let mut options = ConnectOptions::new("sqlite://");
    options
        .max_connections(connections_max)
        .min_connections(1)
        .acquire_timeout(Duration::from_millis(super::CALL_MS_MAX))
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = sqlite
                .filename(&file)
                .create_if_missing(false)
                .foreign_keys(true)
                .busy_timeout(Duration::from_millis(BUSY_MS_MAX))
                .pragma("journal_mode", "WAL")
                .pragma("synchronous", durability.synchronous());
            if only_reads {
                sqlite.pragma("query_only", "ON")
            } else {
                sqlite
            }
        });
    let opened = Database::connect(options).await;
    opened.map_err(|error| cannot_open(path, error))
}

fn cannot_open(path: &Path, error: DbErr) -> Error {
    let error = store_error(error);
    let text = format!("store `{}` cannot be opened", path.display());
    Error::new(error.kind, text)
        .because(error)
        .hint("is it a SQLite file that this user may read and write?")
}

/// Takes the write lock at once, so that no transaction fails half way because another process wrote meanwhile.
pub(super) async fn begin(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    connection.begin_with_options(options).await
}

/// Moves the write-ahead log into the file and empties it; what readers still need stays.
pub(super) async fn checkpoint(connection: &DatabaseConnection) -> Result<(), DbErr> {
    connection
        .execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)")
        .await
        .map(|_| ())
}

/// The version of the SQLite that is linked in, and whether it is safe to use.
pub(in crate::store) async fn linked_version() -> Result<String> {
    let connection = Database::connect("sqlite::memory:")
        .await
        .map_err(store_error)?;
    let version = version(&connection).await?;
    check_version(&version).map(|()| version)
}

async fn version(connection: &DatabaseConnection) -> Result<String> {
    let ask = Statement::from_string(DbBackend::Sqlite, "SELECT sqlite_version()");
    let row = connection.query_one_raw(ask).await.map_err(store_error)?;
    let row = row.ok_or_else(|| Error::internal("SQLite did not say its version"))?;
    row.try_get_by_index(0).map_err(store_error)
}

/// Refuses a SQLite library that may corrupt the file.
fn check_version(text: &str) -> Result<()> {
    let mut parts = text.split('.').map(|part| part.parse::<u32>().ok());
    let mut next = || parts.next().flatten().unwrap_or(0);
    let (major, minor, patch) = (next(), next(), next());
    if (major, minor, patch) >= OLDEST {
        return Ok(());
    }
    let (a, b, c) = OLDEST;
    Err(Error::conflict(format!(
        "SQLite `{text}` is too old: it can corrupt a database in WAL mode"
    ))
    .hint(format!(
        "use an Onstage that is linked with SQLite {a}.{b}.{c} or newer"
    )))
}

/// What an extended result code means to a caller.
pub(super) fn kind_of_code(code: i32) -> Kind {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const NOMEM: i32 = 7;
    const READONLY: i32 = 8;
    const IOERR: i32 = 10;
    const FULL: i32 = 13;
    const CANTOPEN: i32 = 14;
    match code & 0xff {
        FULL => Kind::Full,
        BUSY | LOCKED | NOMEM | READONLY | IOERR | CANTOPEN => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

/// The file holds people's inputs and hashes of secrets: only its owner reads it. SQLite gives its side files the same mode.
fn make_private_file(path: &Path) -> Result<()> {
    const OWNER_ONLY: u32 = 0o600;
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(OWNER_ONLY)
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) => {
            let kind = crate::durable::kind_of_io(error.kind());
            Err(
                Error::new(kind, format!("store `{}` cannot be opened", path.display()))
                    .because(error)
                    .hint("its folder must exist and be writable"),
            )
        }
    }
}

/// WAL needs shared memory between its processes, which network file systems do not give.
fn refuse_network_folder(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    match rustix::fs::statfs(folder) {
        Ok(facts) if is_network(facts.f_type as u32) => Err(Error::conflict(format!(
            "store `{}` lies on a network file system",
            path.display()
        ))
        .hint("SQLite is safe on a local disk only; move the data folder there, or use a database server")),
        _ => Ok(()),
    }
}

/// By the magic number of the file system: NFS, SMB, CIFS, SMB2, AFS, Ceph, Coda, NCP.
fn is_network(magic: u32) -> bool {
    const NETWORK: [u32; 8] = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x5346_414f,
        0x00c3_6400,
        0x7375_7245,
        0x564c,
    ];
    NETWORK.contains(&magic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_sqlite_is_refused_by_its_version() {
        for text in ["3.7.17", "3.50.4", "3.51.2", "2.8.17", "", "nonsense"] {
            assert_eq!(
                check_version(text).unwrap_err().kind,
                Kind::Conflict,
                "{text}"
            );
        }
        for text in ["3.51.3", "3.52.0", "3.100.1", "4.0.0"] {
            assert!(check_version(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn result_codes_say_what_a_caller_can_do() {
        assert_eq!(kind_of_code(13), Kind::Full);
        assert_eq!(kind_of_code(5), Kind::Unavailable);
        assert_eq!(
            kind_of_code(517),
            Kind::Unavailable,
            "a stale snapshot is busy too"
        );
        assert_eq!(
            kind_of_code(778),
            Kind::Unavailable,
            "a failed write may work later"
        );
        assert_eq!(
            kind_of_code(11),
            Kind::Internal,
            "corruption is not to be retried"
        );
    }

    #[test]
    fn network_file_systems_are_known() {
        assert!(is_network(0x6969));
        assert!(is_network(0xff53_4d42));
        assert!(!is_network(0xef53), "ext4 is local");
        assert!(!is_network(0x0102_1994), "tmpfs is local");
    }

    #[test]
    fn the_file_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        make_private_file(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

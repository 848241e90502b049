//! Which server to talk to: flag, variable, or the note that a server on this machine left for its user.
//! Does not talk to it.

use crate::environment::Environment;
use onstage_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const RECORD_NAME: &str = "client.json";
/// The data folder that `onstage dev` keeps inside the model's folder.
pub(crate) const DEV_FOLDER: &str = ".onstage";

/// A server's address and the token for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    /// Whether somebody named the server, or a note was found, or neither.
    named: bool,
    /// What of it came out of a note.
    noted: Option<Noted>,
}

/// A note that a target was read from; the server writes a new one whenever it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Noted {
    path: PathBuf,
    /// The address came from it too, not only the token.
    address: bool,
    token: bool,
}

impl Target {
    pub(crate) fn new(url: &str, token: Option<String>) -> Self {
        Self {
            url: trimmed(url),
            token,
            named: true,
            noted: None,
        }
    }

    /// Whether a note said anything of it, which a restart of the server changes.
    pub(super) fn is_noted(&self) -> bool {
        self.noted.is_some()
    }

    /// Takes over what the note says by now. True when that is something new.
    pub(super) fn renew(&mut self) -> bool {
        let Some(noted) = &self.noted else {
            return false;
        };
        let Some(record) = read(&noted.path).filter(|record| runs(record.pid)) else {
            return false;
        };
        if !noted.address && record.url != self.url {
            return false;
        }
        let token = if noted.token {
            Some(record.token)
        } else {
            self.token.clone()
        };
        let changed = self.url != record.url || self.token != token;
        (self.url, self.token) = (record.url, token);
        changed
    }

    pub(super) fn start_hint(&self) -> &'static str {
        if self.named {
            "is the address right, and the server running?"
        } else {
            "start one with `onstage serve`, go to the folder of a running `onstage dev`, or name one with `--server URL`"
        }
    }
}

/// The note that a running server leaves in its data folder, readable by its user only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) pid: u32,
}

/// What the command line and the environment say about the server.
#[derive(Debug, Default)]
pub(crate) struct Named<'a> {
    pub(crate) server: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
    pub(crate) data: Option<&'a Path>,
}

impl Target {
    /// Flag, then variable, then the notes: `.onstage` here or in a parent folder, then the data folder.
    pub(crate) fn find(named: &Named<'_>, environment: &Environment, here: &Path) -> Result<Self> {
        let notes = notes(named, environment, here);
        let token = named
            .token
            .or_else(|| environment.get("ONSTAGE_TOKEN"))
            .map(str::to_owned);
        if let Some(url) = named.server.or_else(|| environment.get("ONSTAGE_URL")) {
            let url = checked(url)?;
            let found = notes.into_iter().find(|(_, note)| note.url == url);
            let (noted, token) = match (token, found) {
                (None, Some((path, note))) => {
                    let noted = Noted {
                        path,
                        address: false,
                        token: true,
                    };
                    (Some(noted), Some(note.token))
                }
                (token, _) => (None, token),
            };
            return Ok(Self {
                token,
                url,
                named: true,
                noted,
            });
        }
        match notes.into_iter().next() {
            Some((path, note)) => Ok(Self {
                noted: Some(Noted {
                    path,
                    address: true,
                    token: token.is_none(),
                }),
                token: token.or(Some(note.token)),
                url: note.url,
                named: false,
            }),
            None => Err(Error::unavailable("no server runs on this machine for you")
                .hint("start one with `onstage serve`, go to the folder of a running `onstage dev`, or name one with `--server URL` or ONSTAGE_URL")),
        }
    }
}

fn checked(url: &str) -> Result<String> {
    let full = if url.contains("://") {
        url.to_owned()
    } else {
        format!("http://{url}")
    };
    match reqwest::Url::parse(&full) {
        Ok(parsed) if parsed.has_host() => Ok(trimmed(&full)),
        _ => Err(Error::invalid(format!("`{url}` is not a server's address"))
            .hint("write it like `http://127.0.0.1:8484`")),
    }
}

fn trimmed(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// Notes whose server still runs with where they lie, nearest first.
fn notes(named: &Named<'_>, environment: &Environment, here: &Path) -> Vec<(PathBuf, Record)> {
    let data = named
        .data
        .map(Path::to_owned)
        .or_else(|| environment.get("ONSTAGE_DATA").map(PathBuf::from));
    let folders: Vec<PathBuf> = match data {
        Some(data) => vec![data],
        None => here
            .ancestors()
            .map(|folder| folder.join(DEV_FOLDER))
            .chain(environment.data_folder())
            .collect(),
    };
    folders
        .iter()
        .map(|folder| record_path(folder))
        .filter_map(|path| read(&path).map(|record| (path, record)))
        .filter(|(_, record)| runs(record.pid))
        .collect()
}

fn read(path: &Path) -> Option<Record> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Whether a process of this id exists; of whom does not matter here.
fn runs(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    else {
        return false;
    };
    !matches!(
        rustix::process::test_kill_process(pid),
        Err(rustix::io::Errno::SRCH)
    )
}

pub(crate) fn record_path(data: &Path) -> PathBuf {
    data.join(RECORD_NAME)
}

/// Leaves the note, so that the same user's other commands find the server.
pub(crate) fn write_record(data: &Path, record: &Record) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(data)?;
        serde_json::to_writer_pretty(&mut file, record)?;
        file.persist(record_path(data))
            .map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| {
        Error::unavailable(format!(
            "note `{}` cannot be written",
            record_path(data).display()
        ))
        .because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn note(data: &Path, url: &str, pid: u32) {
        std::fs::create_dir_all(data).unwrap();
        let record = Record {
            url: url.to_owned(),
            token: format!("os_{url}"),
            pid,
        };
        write_record(data, &record).unwrap();
    }

    #[test]
    fn the_nearest_named_server_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (home, here) = (folder.path().join("home"), folder.path().join("age/deeper"));
        std::fs::create_dir_all(&here).unwrap();
        note(&home.join("onstage"), "http://home", std::process::id());
        let quiet = Environment::of([("XDG_DATA_HOME", home.to_str().unwrap())]);
        let named = Named::default();
        let found = Target::find(&named, &quiet, &here).unwrap();
        assert_eq!(
            (found.url.as_str(), found.token.as_deref()),
            ("http://home", Some("os_http://home"))
        );
        note(
            &folder.path().join("age/.onstage"),
            "http://dev",
            std::process::id(),
        );
        assert_eq!(
            Target::find(&named, &quiet, &here).unwrap().url,
            "http://dev"
        );
        let set = Environment::of([
            ("XDG_DATA_HOME", home.to_str().unwrap()),
            ("ONSTAGE_URL", "http://env/"),
        ]);
        let found = Target::find(&named, &set, &here).unwrap();
        assert_eq!((found.url.as_str(), found.token), ("http://env", None));
        let flagged = Named {
            server: Some("home"),
            ..Named::default()
        };
        let found = Target::find(&flagged, &set, &here).unwrap();
        assert_eq!(
            (found.url.as_str(), found.token.as_deref()),
            ("http://home", Some("os_http://home"))
        );
    }

    #[test]
    fn a_dead_servers_note_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        note(
            &folder.path().join("onstage"),
            "http://dead",
            i32::MAX as u32,
        );
        let environment = Environment::of([("XDG_DATA_HOME", folder.path().to_str().unwrap())]);
        let error = Target::find(&Named::default(), &environment, folder.path()).unwrap_err();
        assert_eq!(error.kind, onstage_core::Kind::Unavailable);
    }

    #[test]
    fn a_restarted_server_is_found_again_by_its_new_note() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("onstage");
        note(&data, "http://before", std::process::id());
        let environment = Environment::of([("XDG_DATA_HOME", folder.path().to_str().unwrap())]);
        let mut found = Target::find(&Named::default(), &environment, folder.path()).unwrap();
        let with_token = Named {
            token: Some("os_mine"),
            ..Named::default()
        };
        let mut mine = Target::find(&with_token, &environment, folder.path()).unwrap();
        let mut told = Target::new("http://before", Some("os_mine".to_owned()));
        assert!(!found.renew(), "nothing is new");
        std::fs::remove_file(record_path(&data)).unwrap();
        assert!(!found.renew(), "the server is away");
        note(&data, "http://after", std::process::id());
        assert!(found.renew() && mine.renew() && !told.renew());
        assert_eq!(
            (found.url.as_str(), found.token.as_deref()),
            ("http://after", Some("os_http://after"))
        );
        assert_eq!(
            (mine.url.as_str(), mine.token.as_deref()),
            ("http://after", Some("os_mine"))
        );
        assert_eq!(told.url, "http://before");
    }

    #[test]
    fn the_note_is_for_its_user_only() {
        let folder = tempfile::tempdir().unwrap();
        note(folder.path(), "http://x", 1);
        let mode = std::fs::metadata(record_path(folder.path()))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

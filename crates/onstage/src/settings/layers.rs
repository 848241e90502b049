//! The layers of settings, laid over each other: default, `server.toml`, environment, flag.
//! Reads one small file; does not know what the values mean.

use super::table::{ENTRIES, Entry, OTHER_VARIABLES};
use crate::environment::Environment;
use onstage_core::{Error, Result};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

const FILE_NAME: &str = "server.toml";
/// A variable within so many edits of a known one is taken for a typing mistake.
const TYPO_EDITS_MAX: usize = 2;

/// What was given on the command line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    pub(crate) data: Option<PathBuf>,
    pub(crate) listen: Option<String>,
    pub(crate) config: Option<PathBuf>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Variable(&'static str),
    Flag(&'static str),
}

impl Origin {
    /// One word, for programs.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File(_) => "file",
            Self::Variable(_) => "environment",
            Self::Flag(_) => "flag",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "`{}`", path.display()),
            Self::Variable(name) => write!(f, "the variable `{name}`"),
            Self::Flag(name) => write!(f, "the flag `{name}`"),
        }
    }
}

/// A value and its origin.
#[derive(Debug, Clone)]
pub(crate) struct Sourced {
    pub(crate) entry: &'static Entry,
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// Every setting's value.
#[derive(Debug)]
pub(crate) struct Layers {
    values: Vec<Sourced>,
    named_file: Option<PathBuf>,
}

impl Layers {
    pub(crate) fn load(environment: &Environment, flags: &Flags) -> Result<Self> {
        let data = data_folder(environment, flags)?;
        let path = flags
            .config
            .clone()
            .or_else(|| environment.get("ONSTAGE_CONFIG").map(PathBuf::from));
        let file = read(path.as_ref(), &data)?;
        let rest = ENTRIES
            .iter()
            .filter(|entry| entry.key != "data")
            .map(|entry| {
                let (value, origin) = lay(entry, environment, flags, &file);
                Sourced {
                    entry,
                    value,
                    origin,
                }
            });
        let values = std::iter::once(data).chain(rest).collect();
        Ok(Self {
            values,
            named_file: path.and_then(|path| std::path::absolute(path).ok()),
        })
    }

    /// The settings file, when a flag or variable names one.
    pub(crate) fn named_file(&self) -> Option<&Path> {
        self.named_file.as_deref()
    }

    pub(crate) fn all(&self) -> &[Sourced] {
        &self.values
    }

    /// # Panics
    /// When `key` is not in the table, which a test would show.
    pub(crate) fn get(&self, key: &str) -> &Sourced {
        self.values
            .iter()
            .find(|sourced| sourced.entry.key == key)
            .expect("every setting asked for is in the table")
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        &self.get(key).value
    }
}

/// The data folder decides where `server.toml` lies, so it cannot be set there.
fn data_folder(environment: &Environment, flags: &Flags) -> Result<Sourced> {
    let entry = ENTRIES
        .iter()
        .find(|entry| entry.key == "data")
        .expect("the table has `data`");
    let (path, origin) = if let Some(path) = &flags.data {
        (path.clone(), Origin::Flag("--data"))
    } else if let Some(path) = environment.get(entry.variable) {
        (PathBuf::from(path), Origin::Variable(entry.variable))
    } else {
        let path = environment.data_folder().ok_or_else(|| {
            Error::invalid("no data folder: neither `HOME` nor `XDG_DATA_HOME` is set")
                .hint("name one with `--data DIR`")
        })?;
        (path, Origin::Default)
    };
    let path = std::path::absolute(&path).map_err(|error| {
        Error::invalid(format!("data folder `{}`", path.display())).because(error)
    })?;
    Ok(Sourced {
        entry,
        value: path.display().to_string(),
        origin,
    })
}

struct File {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

fn read(named: Option<&PathBuf>, data: &Sourced) -> Result<File> {
    let path = named
        .cloned()
        .unwrap_or_else(|| PathBuf::from(&data.value).join(FILE_NAME));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            String::new()
        }
        Err(error) => {
            return Err(
                Error::invalid(format!("settings file `{}`", path.display())).because(error),
            );
        }
    };
    let values = parse(&text).map_err(|mut error| {
        error.message = format!("settings file `{}`: {}", path.display(), error.message);
        error
    })?;
    Ok(File { path, values })
}

fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        Error::invalid(error.to_string().trim_end().to_owned())
    })?;
    table
        .into_iter()
        .map(|(key, value)| {
            let entry = ENTRIES
                .iter()
                .find(|entry| entry.key == key)
                .ok_or_else(|| unknown(&key))?;
            if entry.secret || entry.key == "data" {
                return Err(Error::invalid(format!("`{key}` cannot be set in a file"))
                    .hint(format!("set the variable `{}`", entry.variable)));
            }
            Ok((key, plain(value)))
        })
        .collect()
}

fn unknown(key: &str) -> Error {
    let error = Error::invalid(format!("there is no setting `{key}`"));
    match crate::cli::nearest(key, ENTRIES.iter().map(|entry| entry.key)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("`onstage config` lists all settings"),
    }
}

fn plain(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        toml::Value::Array(items) => items.into_iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn lay(
    entry: &'static Entry,
    environment: &Environment,
    flags: &Flags,
    file: &File,
) -> (String, Origin) {
    if entry.key == "listen"
        && let Some(listen) = &flags.listen
    {
        return (listen.clone(), Origin::Flag("--listen"));
    }
    if let Some(value) = environment.get(entry.variable) {
        return (value.to_owned(), Origin::Variable(entry.variable));
    }
    if let Some(value) = file.values.get(entry.key) {
        return (value.clone(), Origin::File(file.path.clone()));
    }
    (entry.default.to_owned(), Origin::Default)
}

/// Variables that look like ours but are not: `(as set, as meant)`.
pub(crate) fn mistyped(environment: &Environment) -> Vec<(String, &'static str)> {
    let known = || {
        ENTRIES
            .iter()
            .map(|entry| entry.variable)
            .chain(OTHER_VARIABLES.iter().copied())
    };
    environment
        .own_names()
        .filter(|name| !known().any(|known| known == *name))
        .filter_map(|name| {
            known()
                .find(|known| crate::cli::edits(name, known) <= TYPO_EDITS_MAX)
                .map(|known| (name.to_owned(), known))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(toml: &str, environment: &Environment, listen: Option<&str>) -> Result<Layers> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), toml).unwrap();
        let flags = Flags {
            data: Some(folder.path().to_owned()),
            listen: listen.map(str::to_owned),
            config: None,
        };
        Layers::load(environment, &flags)
    }

    #[test]
    fn each_layer_covers_the_one_below() {
        let none = Environment::default();
        let set = Environment::of([("ONSTAGE_LISTEN", "127.0.0.1:3")]);
        let toml = "listen = \"127.0.0.1:2\"\nhosts = [\"a.org\", \"b.org\"]\nqueue_items_max = 7";
        for (toml, environment, flag, value, origin) in [
            ("", &none, None, "127.0.0.1:8484", "default"),
            (toml, &none, None, "127.0.0.1:2", "file"),
            (toml, &set, None, "127.0.0.1:3", "environment"),
            (toml, &set, Some("127.0.0.1:4"), "127.0.0.1:4", "flag"),
        ] {
            let layers = layers(toml, environment, flag).unwrap();
            assert_eq!(layers.text("listen"), value);
            assert_eq!(layers.get("listen").origin.word(), origin);
        }
        let layers = layers(toml, &none, None).unwrap();
        assert_eq!(layers.text("hosts"), "a.org,b.org");
        assert_eq!(layers.text("queue_items_max"), "7");
    }

    #[test]
    fn a_file_may_not_hold_what_it_should_not() {
        let none = Environment::default();
        let error = layers("listn = \"x\"", &none, None).unwrap_err();
        assert!(
            error.message.ends_with("there is no setting `listn`"),
            "{error}"
        );
        assert_eq!(error.hint.as_deref(), Some("did you mean `listen`?"));
        let error = layers("password = \"x\"", &none, None).unwrap_err();
        assert!(
            error.message.contains("`password` cannot be set in a file"),
            "{error}"
        );
        assert!(layers("listen = ", &none, None).is_err());
    }

    #[test]
    fn a_mistyped_variable_is_told() {
        let environment = Environment::of([("ONSTAGE_PASWORD", "x"), ("ONSTAGE_LISTEN", "y")]);
        assert_eq!(
            mistyped(&environment),
            [("ONSTAGE_PASWORD".to_owned(), "ONSTAGE_PASSWORD")]
        );
    }
}

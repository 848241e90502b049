//! Reads a model folder's `onstage.toml`, or makes the config of a folder that has none.
//! Does not pack the folder or run its code.

use super::{check, suggest};
use onstage_core::{
    Error, Result,
    config::{ModelConfig, ModelSection},
};
use std::{fs, io, path::Path};

const FILE_NAME: &str = "onstage.toml";
const FILE_BYTES_MAX: u64 = 1 << 20;
const DEFAULT_ENTRY: &str = "model.py";

/// The config of a model folder, checked. Without an `onstage.toml`, a folder with a `model.py` is a model of the folder's name.
/// Errors: invalid, with the line and a hint; not found when the folder is not there.
pub fn read_config(folder: &Path) -> Result<ModelConfig> {
    if !folder.is_dir() {
        return Err(Error::not_found(format!(
            "folder `{}` does not exist",
            folder.display()
        )));
    }
    let path = folder.join(FILE_NAME);
    let config = match read_text(&path) {
        Ok(text) => parse(&text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => from_folder(folder)?,
        Err(error) => {
            return Err(Error::invalid(format!("`{FILE_NAME}` cannot be read")).because(error));
        }
    };
    check::config(folder, &config)?;
    Ok(config)
}

fn read_text(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    fs::read_to_string(path)
}

fn from_folder(folder: &Path) -> Result<ModelConfig> {
    if !folder.join(DEFAULT_ENTRY).is_file() {
        return Err(check::no_predictor(DEFAULT_ENTRY));
    }
    let full = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = full
        .file_name()
        .map(|name| as_name(&name.to_string_lossy()))
        .unwrap_or_default();
    Ok(ModelConfig {
        model: ModelSection {
            name,
            title: None,
            owner: None,
            about: None,
            entry: DEFAULT_ENTRY.to_owned(),
            command: None,
        },
        environment: Default::default(),
        realtime: Default::default(),
        jobs: Default::default(),
        training: Default::default(),
        access: Default::default(),
        feedback: Default::default(),
        keep: Default::default(),
        money: Default::default(),
        secrets: Default::default(),
        schedules: Default::default(),
        page: Default::default(),
    })
}

/// `My Fish_Age` becomes `my-fish-age`.
fn as_name(folder: &str) -> String {
    let mut name = String::new();
    for c in folder.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(63);
    let name = name.trim_end_matches('-');
    if name.is_empty() { "model" } else { name }.to_owned()
}

fn parse(text: &str) -> Result<ModelConfig> {
    toml::from_str(text).map_err(|error| explain(text, &error))
}

fn explain(text: &str, error: &toml::de::Error) -> Error {
    let place = match error.span() {
        Some(span) => {
            let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
            format!("`{FILE_NAME}` line {line}")
        }
        None => format!("`{FILE_NAME}`"),
    };
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    if let Some((unknown, known)) = unknown_field(&message) {
        let shown = Error::invalid(format!("{place}: unknown key `{unknown}`"));
        return match suggest::nearest(unknown, known.iter().copied()) {
            Some(nearest) => shown.hint(format!("did you mean `{nearest}`?")),
            None => shown.hint(format!("keys here are {}", quoted(&known))),
        };
    }
    let shown = Error::invalid(format!("{place}: {}", lower_first(&message)));
    if message.contains("missing field `name`") || message.contains("missing field `model`") {
        return shown.hint("the file starts with `[model]` and `name = \"my-model\"`");
    }
    shown
}

/// Takes "unknown field `a`, expected one of `b`, `c`" apart.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut words = rest.split('`').skip(1).step_by(2);
    let unknown = words.next()?;
    Some((unknown, words.collect()))
}

fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), text.chars().nth(1)) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn refusal(toml: &str) -> (String, String) {
        let folder = folder(&[("model.py", ""), (FILE_NAME, toml)]);
        let error = read_config(folder.path()).unwrap_err();
        (error.to_string(), error.hint.unwrap_or_default())
    }

    #[test]
    fn an_unknown_key_is_told_with_its_line_and_the_likely_one() {
        let (message, hint) =
            refusal("[model]\nname = \"age\"\n\n[realtime]\nworker = { min = 1 }\n");
        assert_eq!(message, "`onstage.toml` line 5: unknown key `worker`");
        assert_eq!(hint, "did you mean `workers`?");
        let (message, hint) = refusal("[model]\nname = \"age\"\n[realtme]\n");
        assert_eq!(message, "`onstage.toml` line 3: unknown key `realtme`");
        assert_eq!(hint, "did you mean `realtime`?");
        let (message, hint) = refusal("[model]\nname = \"age\"\n[training]\nkeep = 2\n");
        assert_eq!(message, "`onstage.toml` line 4: unknown key `keep`");
        assert!(hint.contains("keep_checkpoints"), "{hint}");
        let (message, hint) =
            refusal("[model]\nname = \"age\"\n[schedules.nightly]\ncorn = \"@daily\"\n");
        assert_eq!(message, "`onstage.toml` line 4: unknown key `corn`");
        assert_eq!(hint, "did you mean `cron`?");
        let (_, hint) = refusal("[model]\nname = \"age\"\nzebra = 1\n");
        assert!(hint.starts_with("keys here are `name`"), "{hint}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (toml, expected) in [
            ("[model]\nname = age\n", "line 2"),
            ("[model]\n", "missing field `name`"),
            ("name = \"age\"\n", "unknown key `name`"),
            ("[model]\nname = \"Big Age\"\n", "`Big Age` is not a name"),
            (
                "[model]\nname = \"age\"\n[realtime]\ntimeout = \"soon\"\n",
                "line 4",
            ),
            (
                "[model]\nname = \"age\"\nentry = \"../x.py\"\n",
                "leaves its folder",
            ),
            (
                "[model]\nname = \"age\"\nentry = \"main.py\"\n",
                "no predictor",
            ),
            (
                "[model]\nname = \"age\"\n[realtime]\nworkers = { min = 3, max = 2 }\n",
                "workers",
            ),
            (
                "[model]\nname = \"age\"\n[realtime]\non = \"there\"\n",
                "there",
            ),
            (
                "[model]\nname = \"age\"\n[training]\ngates = [\"good\"]\n",
                "`good` is not a gate",
            ),
            (
                "[model]\nname = \"age\"\n[training]\nkeep_checkpoints = 0\n",
                "keep_checkpoints",
            ),
            (
                "[model]\nname = \"age\"\n[training]\nretry_on = [\"rain\"]\n",
                "rain",
            ),
            (
                "[model]\nname = \"age\"\n[schedules.nightly]\ninput = { x = 1 }\n",
                "[schedules.nightly]: when is missing",
            ),
            (
                "[model]\nname = \"age\"\n[schedules.nightly]\ncron = \"at night\"\n",
                "line 4",
            ),
            (
                "[model]\nname = \"age\"\n[secrets]\nnames = [\"PATH\"]\n",
                "PATH",
            ),
            (
                "[model]\nname = \"age\"\n[environment]\npython = \"3.7\"\n",
                "3.9",
            ),
            (
                "[model]\nname = \"age\"\n[environment]\nrequirements = \"need.txt\"\n",
                "need.txt",
            ),
        ] {
            let (message, _) = refusal(toml);
            assert!(message.contains(expected), "{toml}\n→ {message}");
        }
    }

    #[test]
    fn a_folder_without_a_file_is_named_after_itself() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("My Fish_Age");
        fs::create_dir(&folder).unwrap();
        let error = read_config(&folder).unwrap_err();
        assert!(error.to_string().contains("no predictor"), "{error}");
        fs::write(folder.join("model.py"), "").unwrap();
        assert_eq!(read_config(&folder).unwrap().model.name, "my-fish-age");
    }

    #[test]
    fn a_full_file_is_read() {
        let folder = folder(&[
            ("main.py", ""),
            (
                FILE_NAME,
                r#"
                [model]
                name = "age"
                entry = "main.py"
                [environment]
                python = "3.11"
                requirements = ["numpy==1.26.4"]
                [realtime]
                cpu = 2
                memory = "2GiB"
                workers = { min = 1, max = 4 }
                [training]
                keep_checkpoints = 3
                "#,
            ),
        ]);
        let config = read_config(folder.path()).unwrap();
        assert_eq!(config.realtime.cpu, Some(2.0));
        assert_eq!(config.realtime.memory.unwrap().0, 2 << 30);
        assert_eq!(config.training.keep_checkpoints, 3);
    }
}

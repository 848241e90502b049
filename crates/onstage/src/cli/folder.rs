//! A model's folder on this disk: finding it, reading its `onstage.toml`, packing it.
//! The one place where verbs use the bundle code of `onstage-backends`; knows no server.

use super::print;
use onstage_backends::bundle::{self, Packed};
use onstage_core::{
    Error, ModelName, Result,
    config::{ModelConfig, Requirements},
};
use std::path::{Path, PathBuf};

pub(super) const CONFIG_NAME: &str = "onstage.toml";

/// A folder that holds a model.
#[derive(Debug)]
pub(super) struct ModelFolder {
    pub(super) path: PathBuf,
    pub(super) config: ModelConfig,
}

impl ModelFolder {
    /// Errors: invalid (no such folder, no model in it, or a mistake in `onstage.toml`).
    pub(super) fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return Err(
                Error::invalid(format!("there is no folder `{}`", path.display()))
                    .hint("`onstage new NAME` makes one with a model that works"),
            );
        }
        if !path.join(CONFIG_NAME).is_file() && !path.join("model.py").is_file() {
            return Err(Error::invalid(format!(
                "folder `{}` holds no model: neither `{CONFIG_NAME}` nor `model.py` is there",
                path.display()
            ))
            .hint("make a folder that works with `onstage new NAME`"));
        }
        let config = bundle::read_config(path)?;
        config.refuse_unkept_promises()?;
        one_list_of_requirements(path, &config)?;
        Ok(Self {
            config,
            path: path.to_owned(),
        })
    }

    /// Says what the config asks for and does not get.
    pub(super) fn tell_warnings(&self) {
        for warning in self.config.without_effect() {
            print::say(&format!("warning: {warning}"));
        }
    }

    /// The model's full name: what was asked for, else what the config says, else the folder's own name.
    pub(super) fn model(&self, asked: Option<&str>, owner: &str) -> Result<ModelName> {
        let owner = self.config.model.owner.as_deref().unwrap_or(owner);
        match asked {
            Some(full) if full.contains('/') => full.parse(),
            Some(name) => ModelName::new(owner, name),
            None => ModelName::new(owner, &self.config.model.name),
        }
    }

    /// Blocks.
    pub(super) fn pack(&self) -> Result<Packed> {
        let environment = &self.config.environment;
        bundle::pack(&self.path, &environment.include, &environment.exclude)
    }
}

/// Two lists would leave it open which one counts.
fn one_list_of_requirements(folder: &Path, config: &ModelConfig) -> Result<()> {
    let file = "requirements.txt";
    let lines = matches!(
        config.environment.requirements,
        Some(Requirements::Lines(_))
    );
    if lines && folder.join(file).is_file() {
        return Err(Error::invalid(format!(
            "`{file}` and `[environment] requirements` in `{CONFIG_NAME}` both say what to install"
        ))
        .hint(format!(
            "keep one of them; `requirements = \"{file}\"` names the file"
        )));
    }
    Ok(())
}

/// A model's name out of a folder's: what is not allowed becomes a hyphen.
pub(super) fn name_of(folder: &Path) -> Option<String> {
    let name = folder.file_name()?.to_str()?.to_lowercase();
    let mapped: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                c
            } else {
                '-'
            }
        })
        .collect();
    let parts: Vec<&str> = mapped.split('-').filter(|part| !part.is_empty()).collect();
    let name: String = parts.join("-").chars().take(63).collect();
    let name = name.trim_end_matches('-').to_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_become_model_names() {
        for (folder, name) in [
            ("/x/Fish Age_2", Some("fish-age-2")),
            ("/x/--a--", Some("a")),
            ("/x/été", Some("t")),
            ("/", None),
        ] {
            assert_eq!(name_of(Path::new(folder)).as_deref(), name, "{folder}");
        }
    }

    #[test]
    fn two_lists_of_requirements_are_refused_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("model.py", "");
        write("requirements.txt", "numpy");
        let config =
            |list: &str| format!("[model]\nname = \"x\"\n[environment]\nrequirements = {list}\n");
        write(CONFIG_NAME, &config("\"requirements.txt\""));
        ModelFolder::open(folder.path()).unwrap();
        write(CONFIG_NAME, &config("[\"numpy\"]"));
        let error = ModelFolder::open(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("`requirements.txt`") && error.contains("`[environment] requirements`"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_without_a_model_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = ModelFolder::open(folder.path()).unwrap_err();
        assert_eq!(
            error.hint.as_deref(),
            Some("make a folder that works with `onstage new NAME`")
        );
    }
}

//! The one file that reads environment variables, and the whole environment at once.
//! Does not know what a setting means; `settings.rs` and the verbs ask for variables by name.

use std::{collections::BTreeMap, path::PathBuf};

/// What is set for Onstage itself starts so, and never reaches a model's code by itself.
const OWN_PREFIX: &str = "ONSTAGE_";

/// The environment as it was when the program started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads it; a variable that is not text is left out, because nothing of ours can be.
    pub(crate) fn read() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        )
    }

    #[cfg(test)]
    pub(crate) fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// A variable's value; an empty one counts as not set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// What a model's worker and its environment's installer get: everything but our own settings and secrets.
    pub(crate) fn pass_through(&self) -> BTreeMap<String, String> {
        self.0
            .iter()
            .filter(|(name, _)| !name.starts_with(OWN_PREFIX))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Our own variables that are set, for telling a mistyped one from none.
    pub(crate) fn own_names(&self) -> impl Iterator<Item = &str> {
        self.0
            .keys()
            .map(String::as_str)
            .filter(|name| name.starts_with(OWN_PREFIX))
    }

    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }

    /// The data folder when nobody names one.
    pub(crate) fn data_folder(&self) -> Option<PathBuf> {
        self.get("XDG_DATA_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(self.home()?.join(".local/share")))
            .map(|folder| folder.join("onstage"))
    }

    /// Whether colours are unwanted everywhere (no-color.org).
    pub(crate) fn no_color(&self) -> bool {
        self.get("NO_COLOR").is_some() || self.get("TERM") == Some("dumb")
    }

    /// Finds a program on the search path.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(self.get("PATH")?)
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_variables_do_not_pass_through() {
        let environment = Environment::of([
            ("ONSTAGE_PASSWORD", "secret"),
            ("CUDA_VISIBLE_DEVICES", "0"),
        ]);
        let passed = environment.pass_through();
        assert_eq!(passed.keys().collect::<Vec<_>>(), ["CUDA_VISIBLE_DEVICES"]);
    }

    #[test]
    fn the_data_folder_follows_xdg() {
        let set = Environment::of([("XDG_DATA_HOME", "/data"), ("HOME", "/home/ada")]);
        assert_eq!(set.data_folder(), Some(PathBuf::from("/data/onstage")));
        let home = Environment::of([("XDG_DATA_HOME", ""), ("HOME", "/home/ada")]);
        assert_eq!(
            home.data_folder(),
            Some(PathBuf::from("/home/ada/.local/share/onstage"))
        );
        assert_eq!(Environment::of([]).data_folder(), None);
    }
}

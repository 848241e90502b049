//! Aliases: names for versions of a model that people give and move, such as `staging`.
//! Does not know which versions there are.

use crate::{Error, Result, model::VersionId, name};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Aliases of one model.
pub const ALIASES_MAX: usize = 100;
/// Words that mean a version by themselves.
const RESERVED: [&str; 3] = ["latest", "live", "newest"];
/// From so many digits on, the start of a version's id names the version.
pub const ID_DIGITS_MIN: usize = 8;

/// A name that points at one version of a model: lower-case letters, digits and inner hyphens, at most 63 characters,
/// and nothing that can be read as a number or as the start of an id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Alias(String);

/// The version that an alias points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aliased {
    pub version: VersionId,
    pub number: u32,
}

/// All of a model.
pub type Aliases = BTreeMap<Alias, Aliased>;

impl Alias {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Those that point at a version.
pub fn pointing_at<'a>(
    aliases: &'a Aliases,
    version: &'a VersionId,
) -> impl Iterator<Item = &'a Alias> {
    let here = move |(_, to): &(&Alias, &Aliased)| to.version == *version;
    aliases.iter().filter(here).map(|(alias, _)| alias)
}

impl FromStr for Alias {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        name::check("alias", text)?;
        let means_a_version = RESERVED.contains(&text)
            || is_number(text)
            || (text.len() >= ID_DIGITS_MIN && text.bytes().all(|b| b.is_ascii_hexdigit()));
        if means_a_version {
            return Err(Error::invalid(format!(
                "`{text}` cannot be an alias: it means a version by itself"
            ))
            .hint("choose a word, like `staging` or `champion`"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// `3` or `v3`, whether or not there can be such a version.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('v').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

impl TryFrom<String> for Alias {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Alias> for String {
    fn from(alias: Alias) -> Self {
        alias.0
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_aliases_and_what_names_a_version_is_not() {
        for text in [
            "staging",
            "champion",
            "v",
            "v2-beta",
            "a1",
            "cafe",
            "2-up",
            "dead-beef",
        ] {
            assert_eq!(text.parse::<Alias>().unwrap().as_str(), text);
        }
        for text in [
            "", "3", "v3", "007", "v0", "latest", "live", "newest", "deadbeef", "12345678",
            "Staging", "a_b", "-a", "a/b", "a@b",
        ] {
            assert!(text.parse::<Alias>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_alias_can_be_taken_for_a_number_or_an_id(text in "[a-f0-9v-]{1,70}") {
            if let Ok(alias) = text.parse::<Alias>() {
                let bare = alias.as_str().strip_prefix('v').unwrap_or(alias.as_str());
                prop_assert!(bare.parse::<u64>().is_err());
                let digits = alias.as_str().bytes().all(|b| b.is_ascii_hexdigit());
                prop_assert!(!digits || alias.as_str().len() < ID_DIGITS_MIN);
            }
        }
    }
}

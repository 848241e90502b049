//! Names of models, `owner/name`, and the rule for what may be a name.
//! Does not know which models exist.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A model's name: the owner and the model, each lower-case letters, digits and inner hyphens, at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName {
    owner: String,
    name: String,
}

impl ModelName {
    pub fn new(owner: &str, name: &str) -> Result<Self> {
        check("owner", owner)?;
        check("name", name)?;
        Ok(Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
        })
    }

    pub fn owner(&self) -> &str {
        &self.owner
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

/// One segment of a name.
pub(crate) fn check(what: &str, text: &str) -> Result<()> {
    let fits = (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if fits {
        return Ok(());
    }
    let shown: String = text.chars().take(80).collect();
    Err(Error::invalid(format!("{what} `{shown}` is not a name"))
        .hint("use lower-case letters, digits and hyphens, at most 63 characters, like `fish-age`"))
}

impl FromStr for ModelName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('/') {
            Some((owner, name)) => Self::new(owner, name),
            None => Err(Error::invalid(format!("model `{text}` has no owner"))
                .hint("write it as `owner/name`, like `lab/age`")),
        }
    }
}

impl TryFrom<String> for ModelName {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(
            "lab/fish-age".parse::<ModelName>().unwrap().to_string(),
            "lab/fish-age"
        );
        for text in [
            "age", "lab/", "/age", "lab/-age", "lab/Age", "lab/a/b", "lab/..", "lab/a b",
        ] {
            assert!(text.parse::<ModelName>().is_err(), "{text}");
        }
    }
}

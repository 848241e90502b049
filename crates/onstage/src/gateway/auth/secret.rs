//! How secrets are made and what is kept of them. The secret itself is shown once and never stored.
//! Does not know where credentials lie.

use crate::gateway::hex;
use onstage_core::people::CredentialKind;
use sha2::{Digest, Sha256};

const SECRET_HEX_DIGITS: usize = 64;
const CHECKSUM_HEX_DIGITS: usize = 8;

/// The prefix by which people and scanners know what a secret is for.
pub(crate) fn prefix(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Token => "os_",
        CredentialKind::Session => "oss_",
        CredentialKind::LoginLink => "osl_",
    }
}

/// A new secret of 256 bits with a checksum.
pub(crate) fn make(kind: CredentialKind, entropy: &dyn Fn() -> u128) -> String {
    let body = format!("{:032x}{:032x}", entropy(), entropy());
    format!("{}{body}{}", prefix(kind), checksum(&body))
}

/// Whether `text` has the form of such a secret: what does not is refused without asking the store.
pub(crate) fn is_well_formed(kind: CredentialKind, text: &str) -> bool {
    let Some(rest) = text.strip_prefix(prefix(kind)) else {
        return false;
    };
    rest.len() == SECRET_HEX_DIGITS + CHECKSUM_HEX_DIGITS
        && rest
            .bytes()
            .all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
        && rest[SECRET_HEX_DIGITS..] == checksum(&rest[..SECRET_HEX_DIGITS])
}

/// What is looked up and stored. A fast hash is right for secrets of full entropy.
pub(crate) fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn checksum(body: &str) -> String {
    hex(&Sha256::digest(body.as_bytes())[..CHECKSUM_HEX_DIGITS / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_form_and_a_typo_is_not() {
        let secret = make(CredentialKind::Token, &|| 0xfeed);
        assert!(secret.starts_with("os_"));
        assert!(is_well_formed(CredentialKind::Token, &secret));
        assert!(!is_well_formed(CredentialKind::Session, &secret));
        let typo = secret.replacen("feed", "feee", 1);
        assert!(!is_well_formed(CredentialKind::Token, &typo));
        for text in ["", "os_", "os_ü", &secret[..20], &secret.to_uppercase()] {
            assert!(!is_well_formed(CredentialKind::Token, text), "{text}");
        }
    }
}

//! Bytes as text of hexadecimal digits, as digests are written.
//! Does not know what they are of.

use std::fmt::Write as _;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

/// The bytes of such a text; none when it is no such text.
pub(crate) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes_of(&hex(&bytes)), Some(bytes));
        assert_eq!(bytes_of("0F"), Some(vec![15]));
        for text in ["0", "0g", "é"] {
            assert_eq!(bytes_of(text), None, "{text}");
        }
    }
}

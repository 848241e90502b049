//! Printing: data to standard output, everything else to standard error, neither able to harm a terminal.
//! Does not know what is printed.

use super::exit::Failure;
use comfy_table::{ContentArrangement, Table, presets};
use onstage_core::Error;
use serde_json::Value;
use std::io::{ErrorKind, IsTerminal, Write};

/// A line of data.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    let mut text = if std::io::stdout().is_terminal() {
        harmless(text)
    } else {
        text.to_owned()
    };
    text.push('\n');
    bytes(text.as_bytes())
}

/// Data as it is.
pub(super) fn bytes(data: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(data).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::PipeClosed),
        Err(error) => Err(Error::unavailable("standard output cannot be written")
            .because(error)
            .into()),
    }
}

/// Data as JSON.
pub(super) fn json(value: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).expect("a JSON value is always JSON");
    bytes(text.as_bytes())?;
    bytes(b"\n")
}

/// A list in the shape of the API's pages.
pub(super) fn json_list(rows: &[Value]) -> Result<(), Failure> {
    json(&serde_json::json!({"results": rows}))
}

/// A line for the person, not for programs.
pub(super) fn say(text: &str) {
    let text = if std::io::stderr().is_terminal() {
        harmless(text)
    } else {
        text.to_owned()
    };
    // When standard error is closed there is nobody to say it to.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// An error with what to do about it.
pub(super) fn error(error: &Error) {
    say(&format!("error: {error}"));
    if let Some(hint) = &error.hint {
        say(&format!("hint: {hint}"));
    }
}

/// Rows under a header, as wide as they need.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>) -> Result<(), Failure> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| one_line(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for row in table.lines() {
        line(row.trim_end())?;
    }
    Ok(())
}

/// The first line, without what a cell cannot hold.
fn one_line(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().replace('\t', " ");
    if lines.next().is_some() {
        format!("{first} …")
    } else {
        first
    }
}

/// Text that came from elsewhere without control characters, which could rewrite what the terminal shows.
pub(super) fn harmless(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

/// At most `chars` characters, with a mark when cut.
pub(super) fn short(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars()
        .take(chars.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// A word as a shell takes it.
pub(super) fn word(text: &str) -> String {
    let plain = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || "_-.,:=/@%+".contains(c));
    if plain {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// `1.5 MiB`, for people.
pub(super) fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_move_the_cursor_is_left_out() {
        assert_eq!(harmless("a\u{1b}[2Jb\r\u{7}c\nd\te"), "a[2Jbc\nd\te");
    }

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(word("n:=3"), "n:=3");
        assert_eq!(word("Bad Name"), "'Bad Name'");
        assert_eq!(word("it's"), r"'it'\''s'");
        assert_eq!(word(""), "''");
    }

    #[test]
    fn cut_text_says_so() {
        assert_eq!(short("abcdef", 4), "abc…");
        assert_eq!(short("abcd", 4), "abcd");
        assert_eq!(one_line("a\tb\nc"), "a b …");
    }
}

//! The `Range` header: one range of bytes, nothing more.
//! Pure.

use std::ops::Range;

/// What part of a file is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Whole,
    Part(Range<u64>),
    /// Outside of the file: 416.
    Nothing,
}

/// Several ranges, other units and what cannot be read are answered with the whole: the standard allows it, and many ranges are an attack.
pub(crate) fn parse(header: Option<&str>, size: u64) -> Wanted {
    let Some(spec) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    if spec.len() > 64 || spec.contains(',') {
        return Wanted::Whole;
    }
    let Some((from, to)) = spec.trim().split_once('-') else {
        return Wanted::Whole;
    };
    match (number(from), number(to)) {
        (Ok(Some(from)), Ok(to)) => {
            let end = to.map_or(size, |to| to.saturating_add(1).min(size));
            match to {
                Some(to) if to < from => Wanted::Whole,
                _ if from >= size => Wanted::Nothing,
                _ => Wanted::Part(from..end),
            }
        }
        (Ok(None), Ok(Some(0))) => Wanted::Nothing,
        (Ok(None), Ok(Some(_))) if size == 0 => Wanted::Nothing,
        (Ok(None), Ok(Some(last))) => Wanted::Part(size.saturating_sub(last)..size),
        _ => Wanted::Whole,
    }
}

fn number(text: &str) -> Result<Option<u64>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(());
    }
    text.parse().map(Some).map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_served_and_strange_ones_are_not() {
        let cases = [
            ("bytes=0-3", Wanted::Part(0..4)),
            ("bytes=5-", Wanted::Part(5..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=3-99", Wanted::Part(3..10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=4-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=99999999999999999999-", Wanted::Whole),
        ];
        for (header, wanted) in cases {
            assert_eq!(parse(Some(header), 10), wanted, "{header}");
        }
        assert_eq!(parse(None, 10), Wanted::Whole);
        assert_eq!(parse(Some("bytes=0-0"), 0), Wanted::Nothing);
    }
}

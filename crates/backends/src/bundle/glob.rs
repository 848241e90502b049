//! Patterns of `include` and `exclude`: `*` and `?` within a name, `**` across folders.
//! Does not read folders; matches path text only.

/// Whether `pattern` names `path` or a folder above it. A pattern without `/` is about a name at any depth.
pub(super) fn covers(pattern: &str, path: &str) -> bool {
    let anywhere = !pattern.trim_end_matches('/').contains('/');
    let pattern: Vec<&str> = pattern
        .trim_start_matches("./")
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let path: Vec<&str> = path.split('/').collect();
    if pattern.is_empty() {
        return false;
    }
    if anywhere {
        return path.iter().any(|name| name_matches(pattern[0], name));
    }
    (1..=path.len()).any(|end| parts_match(&pattern, &path[..end]))
}

fn parts_match(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => {
            parts_match(rest, path) || (!path.is_empty() && parts_match(pattern, &path[1..]))
        }
        (Some((first, rest)), Some((name, below))) => {
            name_matches(first, name) && parts_match(rest, below)
        }
        _ => false,
    }
}

/// Matches one name; runs in at most `pattern × name` steps.
fn name_matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, n));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == name[n]) {
            p += 1;
            n += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            p = at + 1;
            n = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_people_expect() {
        for (pattern, path, expected) in [
            ("*.csv", "data/a.csv", true),
            ("*.csv", "a.csv.gz", false),
            ("data", "data/deep/a.csv", true),
            ("data/", "data/a.csv", true),
            ("data/*.csv", "data/a.csv", true),
            ("data/*.csv", "data/deep/a.csv", false),
            ("data/**/*.csv", "data/deep/er/a.csv", true),
            ("data/**/*.csv", "data/a.csv", true),
            ("./notes/x?.md", "notes/x1.md", true),
            ("notes/x?.md", "notes/x12.md", false),
            ("a*b*c", "aXXbYYc", true),
            ("a*b*c", "aXXbYY", false),
            ("", "a", false),
            ("ata", "data", false),
        ] {
            assert_eq!(covers(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_hostile_pattern_does_not_take_for_ever() {
        assert!(!name_matches(&"*a".repeat(40), &"b".repeat(4_000)));
    }
}

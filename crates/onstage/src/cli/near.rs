//! The nearest of the known words to one that was mistyped.
//! Knows no words itself.

/// The number of letters to insert, remove or replace, two swapped ones counting as one.
pub(crate) fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// The known word that was probably meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|known| (edits(word, known), known))
        .min_by_key(|(edits, _)| *edits)
        .filter(|(edits, _)| *edits <= far)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_mistakes_are_understood_and_large_ones_are_not() {
        let known = ["draws", "photo", "zone"];
        assert_eq!(nearest("darws", known), Some("draws"));
        assert_eq!(nearest("draw", known), Some("draws"));
        assert_eq!(nearest("temperature", known), None);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}

//! The nearest known word, for a word that is not known.

/// What other tools call a key of ours.
const ALIASES: [(&str, &str); 14] = [
    ("keep-last", "last"),
    ("keep-first", "first"),
    ("keep-best", "best"),
    ("save-top-k", "best"),
    ("top-k", "best"),
    ("keep-within", "within"),
    ("keep-daily", "daily"),
    ("keep-weekly", "weekly"),
    ("keep-monthly", "monthly"),
    ("older-than", "max-age"),
    ("max-size", "max-bytes"),
    ("tz", "timezone"),
    ("exclude", "not"),
    ("description", "why"),
];

/// Our name for what another tool calls `word`.
pub fn alias(word: &str) -> Option<&'static str> {
    let wanted = normal(word);
    ALIASES.iter().find(|(theirs, _)| *theirs == wanted).map(|(_, ours)| *ours)
}

/// The candidate that `word` most probably stands for, if one is near enough.
///
/// Case and the difference of `_` and `-` are ignored; of equally near ones the first wins.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = normal(word);
    let alias = alias(word);
    let allowed = match wanted.chars().count() {
        0 => return None,
        1..=5 => 1,
        n => n / 3,
    };
    candidates
        .into_iter()
        .map(|c| {
            let distance = if alias == Some(c) { 0 } else { distance(&wanted, &normal(c)) };
            (distance, c)
        })
        .filter(|(d, c)| *d <= allowed && *d < c.chars().count())
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

fn normal(word: &str) -> String {
    // A longer word is near nothing that is known, and its distance would cost its square.
    word.chars().take(80).map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_words() {
        let keys = ["last", "first", "best", "min-keep", "max-bytes", "within", "id"];
        let cases = [
            ("lst", Some("last")),
            ("alst", Some("last")),
            ("min_keep", Some("min-keep")),
            ("Min-Keep", Some("min-keep")),
            ("keep_last", Some("last")),
            ("maxbytes", Some("max-bytes")),
            ("max_size", Some("max-bytes")),
            ("ids", Some("id")),
            ("zzzzzz", None),
            ("", None),
        ];
        for (word, expected) in cases {
            assert_eq!(nearest(word, keys), expected, "{word}");
        }
    }

    #[test]
    fn distances() {
        for (a, b, d) in
            [("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), d, "{a} {b}");
        }
    }
}

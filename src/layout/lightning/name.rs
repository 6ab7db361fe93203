//! What the name of a Lightning checkpoint says.
//!
//! Names come from templates such as `{epoch:02d}-{val_loss:.2f}`: `key=value` pairs joined by
//! `-`, often after free text. A key may hold `-` itself, and so may the free text; the columns of
//! the run's log decide, and without them the shorter key is taken.

use crate::layout::metric::rounded;
use crate::layout::words::tells_runs;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParsedName {
    pub epoch: Option<u64>,
    pub step: Option<u64>,
    /// Name, value, and half of the value's last digit.
    pub metrics: Vec<(String, f64, f64)>,
}

impl ParsedName {
    /// `columns`: the metrics that the run's log has.
    pub fn parse(name: &str, columns: &[String]) -> ParsedName {
        let mut parsed = ParsedName::default();
        let mut rest = without_version(name.strip_suffix(".ckpt").unwrap_or(name));
        let mut first = true;
        while let Some((before, after)) = rest.split_once('=') {
            let Some(len) = value_len(after) else {
                // Not a number: the text up to the next dash belongs to no pair.
                rest = after.split_once('-').map_or("", |(_, tail)| tail);
                first = true;
                continue;
            };
            let key = key(before, columns, first);
            parsed.add(key, &after[..len]);
            rest = after[len..].strip_prefix('-').unwrap_or("");
            first = false;
        }
        parsed
    }

    fn add(&mut self, key: &str, value: &str) {
        match key {
            "" => {}
            "epoch" => self.epoch = value.parse().ok(),
            "step" => self.step = value.parse().ok(),
            _ => {
                if let Some((number, half_unit)) = rounded(value) {
                    self.metrics.push((key.to_owned(), number, half_unit));
                }
            }
        }
    }
}

/// What is left of a name without its numbers.
pub fn template(name: &str) -> String {
    let stem = without_version(name.strip_suffix(".ckpt").unwrap_or(name));
    stem.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// Whether an epoch or a step is in the name.
pub fn is_numbered(name: &str) -> bool {
    let parsed = ParsedName::parse(name, &[]);
    parsed.epoch.is_some() || parsed.step.is_some()
}

/// What stands in a name besides its pairs: free text, and the pairs that tell runs apart.
///
/// Of a key in several parts only the last is taken for one, so that no text is missed.
pub fn outside_pairs(name: &str) -> String {
    let mut rest = without_version(name.strip_suffix(".ckpt").unwrap_or(name));
    let mut out = String::new();
    while let Some((before, after)) = rest.split_once('=') {
        if let Some(len) = value_len(after) {
            let (text, key) = before.rsplit_once('-').unwrap_or(("", before));
            let (start, word) = key.rsplit_once('_').unwrap_or(("", key));
            out.extend([text, "-"]);
            match word {
                "epoch" | "step" => out.push_str(start),
                _ if tells_runs(key) => out.extend([key, "-", &after[..len]]),
                _ => {}
            }
            rest = after[len..].strip_prefix('-').unwrap_or("");
        } else {
            let (text, tail) = after.split_once('-').unwrap_or((after, ""));
            out.extend([before, "=", text]);
            rest = tail;
        }
        out.push('-');
    }
    out + rest
}

/// Strips the `-v1` that Lightning adds when a name is taken.
fn without_version(stem: &str) -> &str {
    match stem.rsplit_once("-v") {
        Some((head, n)) if !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) => head,
        _ => stem,
    }
}

/// The length of the longest number at the start of `text` that a `-` or the end follows.
fn value_len(text: &str) -> Option<usize> {
    let ends = text.match_indices('-').map(|(i, _)| i).chain([text.len()]);
    // `-0.5` and `5e-05` hold dashes: at most two belong to a number.
    ends.take(3).filter(|&end| rounded(&text[..end]).is_some()).last()
}

/// The key at the end of what stands before a `=`.
fn key<'n>(before: &'n str, columns: &[String], first: bool) -> &'n str {
    let before = before.trim_start_matches('-');
    let last = before.rsplit('-').next().unwrap_or(before);
    if matches!(last, "epoch" | "step") {
        return last;
    }
    let starts = std::iter::once(0).chain(before.match_indices('-').map(|(i, _)| i + 1));
    let known = starts.map(|i| &before[i..]).find(|k| columns.iter().any(|c| c == k));
    known.unwrap_or(if first { last } else { before })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(name: &str, columns: &[&str]) -> String {
        let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
        let p = ParsedName::parse(name, &columns);
        let mut out = Vec::new();
        out.extend(p.epoch.map(|e| format!("epoch {e}")));
        out.extend(p.step.map(|s| format!("step {s}")));
        out.extend(p.metrics.iter().map(|(k, v, h)| format!("{k} {v} ±{h}")));
        out.join(", ")
    }

    #[test]
    fn names() {
        let table = [
            ("epoch=4-step=20-val_loss=2.50.ckpt", "epoch 4, step 20, val_loss 2.5 ±0.005"),
            ("epoch=02-val_loss=0.32.ckpt", "epoch 2, val_loss 0.32 ±0.005"),
            ("epoch=0-val_loss=nan.ckpt", "epoch 0, val_loss NaN ±0"),
            ("epoch=0-val_loss=-0.5-v3.ckpt", "epoch 0, val_loss -0.5 ±0.05"),
            ("epoch=1-lr=5e-05-acc=0.9.ckpt", "epoch 1, lr 0.00005 ±0.000005, acc 0.9 ±0.05"),
            ("sample-mnist-epoch=02-val_loss=0.32.ckpt", "epoch 2, val_loss 0.32 ±0.005"),
            ("sample-mnist-val_loss=0.3.ckpt", "val_loss 0.3 ±0.05"),
            ("epoch=1-val-loss=0.3.ckpt", "epoch 1, val-loss 0.3 ±0.05"),
            ("val_loss=0.30-epoch=7-step=3.ckpt", "epoch 7, step 3, val_loss 0.3 ±0.005"),
            ("run=a-epoch=3.ckpt", "epoch 3"),
            ("last.ckpt", ""),
            ("last-v1.ckpt", ""),
            ("last-v.ckpt", ""),
            ("02-0.32.ckpt", ""),
            ("epoch=99999999999999999999.ckpt", ""),
            ("epoch=1.5.ckpt", ""),
            ("epoch=-1-step=5.ckpt", "step 5"),
            ("=5.ckpt", ""),
            (".ckpt", ""),
        ];
        for (name, want) in table {
            assert_eq!(check(name, &[]), want, "{name}");
        }
    }

    #[test]
    fn columns_decide_about_dashes() {
        let name = "my-val-loss=0.3-a-b=1.ckpt";
        assert_eq!(check(name, &[]), "loss 0.3 ±0.05, a-b 1 ±0.5");
        assert_eq!(check(name, &["val-loss", "b"]), "val-loss 0.3 ±0.05, b 1 ±0.5");
    }

    proptest! {
        #[test]
        fn never_panics(name in "[a=\\-0-9.évn]{0,20}") {
            let _ = ParsedName::parse(&name, &["a".to_owned()]);
        }
    }
}

//! Names from a disk as text, without losing a byte, and their natural order.
//!
//! File names are bytes; JSON, TOML and a terminal want text. A name that is valid UTF-8 stands
//! for itself. Any other name, and any name that would look like an escaped one, has `\` written
//! as `\\` and each invalid byte as `\xNN`. The mapping is one to one.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write as _;

/// Text for raw bytes; [`decode`] gives the bytes back.
pub fn encode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&b'\\') || !text.contains("\\x") => Cow::Borrowed(text),
        _ => {
            let mut out = String::with_capacity(bytes.len() + 8);
            for chunk in bytes.utf8_chunks() {
                out.push_str(&chunk.valid().replace('\\', "\\\\"));
                for byte in chunk.invalid() {
                    let _ = write!(out, "\\x{byte:02x}");
                }
            }
            Cow::Owned(out)
        }
    }
}

/// As [`encode`], in the memory of `bytes` where it can be.
pub fn encode_owned(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) if !text.as_bytes().contains(&b'\\') => text,
        Ok(text) => encode(text.as_bytes()).into_owned(),
        Err(e) => encode(e.as_bytes()).into_owned(),
    }
}

/// The bytes that [`encode`] turned into `text`.
pub fn decode(text: &str) -> Cow<'_, [u8]> {
    if !text.contains("\\x") {
        return Cow::Borrowed(text.as_bytes());
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        match &bytes[i..] {
            [b'\\', b'\\', ..] => {
                out.push(b'\\');
                i += 2;
            }
            [b'\\', b'x', hi, lo, ..] if hi.is_ascii_hexdigit() && lo.is_ascii_hexdigit() => {
                out.push(hex_digit(*hi) * 16 + hex_digit(*lo));
                i += 4;
            }
            [byte, ..] => {
                out.push(*byte);
                i += 1;
            }
            [] => break,
        }
    }
    Cow::Owned(out)
}

/// The value of an ASCII hexadecimal digit.
fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

/// Natural order: digit runs compare as numbers of any length, all else by bytes. Total.
pub fn natural_cmp(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    // What both begin with decides nothing, but for the digits of a number that goes on.
    let Some(same) = x.iter().zip(y).position(|(p, q)| p != q) else { return a.cmp(b) };
    let back = x[..same].iter().rev().take_while(|b| b.is_ascii_digit()).count();
    (x, y) = (&x[same - back..], &y[same - back..]);
    loop {
        match (x.first(), y.first()) {
            (None, None) => return a.cmp(b),
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(p), Some(q)) if p.is_ascii_digit() && q.is_ascii_digit() => {
                let (m, rest_x) = digits(x);
                let (n, rest_y) = digits(y);
                let order = m.len().cmp(&n.len()).then_with(|| m.cmp(n));
                if order != Ordering::Equal {
                    return order;
                }
                (x, y) = (rest_x, rest_y);
            }
            (Some(p), Some(q)) if p != q => return p.cmp(q),
            _ => (x, y) = (&x[1..], &y[1..]),
        }
    }
}

/// The leading digit run without its leading zeros, and what follows it.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let zeros = text[..end].iter().take_while(|b| **b == b'0').count();
    (&text[zeros.min(end)..end], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn natural_order() {
        let mut ids = vec!["41", "1", "11", "2", "checkpoint-100", "checkpoint-9", "007", "7", "a"];
        ids.sort_by(|a, b| natural_cmp(a, b));
        assert_eq!(ids, ["1", "2", "007", "7", "11", "41", "a", "checkpoint-9", "checkpoint-100"]);
    }

    #[test]
    fn a_number_that_ends_comes_before_one_that_goes_on() {
        for (less, more) in [("1", "01a"), ("01", "1a"), ("a2", "a02b"), ("7", "07")] {
            let wanted = if less == "7" { Ordering::Greater } else { Ordering::Less };
            assert_eq!(natural_cmp(less, more), wanted, "{less} {more}");
            assert_eq!(natural_cmp(more, less), wanted.reverse(), "{more} {less}");
        }
    }

    #[test]
    fn what_only_looks_like_an_escape_is_none() {
        for (text, bytes) in [
            (r"\x41", &b"A"[..]),
            (r"\xg1", br"\xg1"),
            (r"\x4g", br"\x4g"),
            (r"\x4", br"\x4"),
            (r"\x", br"\x"),
            (r"\\x41", br"\x41"),
        ] {
            // After an escape, so that all of it is looked at.
            let wanted = [&[0xff], bytes].concat();
            assert_eq!(decode(&format!(r"\xff{text}")), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn names_survive(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(encode_owned(bytes.clone()), encode(&bytes));
            prop_assert_eq!(decode(&encode(&bytes)).into_owned(), bytes);
        }

        #[test]
        fn names_with_escapes_survive(text in r"[\\x0-9a-f\xff]{0,12}") {
            prop_assert_eq!(encode_owned(text.clone().into_bytes()), encode(text.as_bytes()));
            prop_assert_eq!(decode(&encode(text.as_bytes())).into_owned(), text.into_bytes());
        }

        #[test]
        fn a_common_beginning_decides_nothing(
            a in "[a01]{0,5}[a0-2]{0,3}", b in "[a01]{0,5}[a0-2]{0,3}", start in "[a0-2]{0,3}",
        ) {
            // With numbers told apart from all else, and these from each other by their values.
            let parts = |text: &str| -> Vec<(bool, String)> {
                let parts = text.as_bytes().chunk_by(|p, q| p.is_ascii_digit() && q.is_ascii_digit());
                let text = |p: &[u8]| String::from_utf8(p.to_vec()).unwrap();
                parts.map(|p| (p[0].is_ascii_digit(), text(p))).collect()
            };
            let key = |text: &str| -> Vec<(u8, u64)> {
                let of = |(number, text): (bool, String)| {
                    if number { (b'0', text.parse().unwrap()) } else { (text.as_bytes()[0], 0) }
                };
                parts(text).into_iter().map(of).collect()
            };
            let (a, b) = (format!("{start}{a}"), format!("{start}{b}"));
            let want = key(&a).cmp(&key(&b)).then_with(|| a.cmp(&b));
            prop_assert_eq!(natural_cmp(&a, &b), want, "{} {}", a, b);
        }

        #[test]
        fn natural_order_is_total(a in "[a0-9]{0,6}", b in "[a0-9]{0,6}", c in "[a0-9]{0,6}") {
            prop_assert_eq!(natural_cmp(&a, &b), natural_cmp(&b, &a).reverse());
            prop_assert_eq!(natural_cmp(&a, &b) == std::cmp::Ordering::Equal, a == b);
            if natural_cmp(&a, &b).is_le() && natural_cmp(&b, &c).is_le() {
                prop_assert!(natural_cmp(&a, &c).is_le());
            }
        }
    }
}

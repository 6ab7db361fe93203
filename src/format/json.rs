//! JSON as Python writes it.
//!
//! `json.dump` writes `NaN`, `Infinity` and `-Infinity` bare, which JSON has not; one such value
//! must not make a whole training state unreadable. Depth and number of values are bounded, so
//! that a hostile file costs little.

use super::lines::Lines;
use crate::store::Blob;

mod number;
mod reader;

pub use number::Number;
pub use reader::{Digits, Failed, Reader, Scalar, Shape, Text, read};

/// Deeper nesting is refused.
pub const MAX_DEPTH: usize = 64;
/// A document with more values is refused.
const MAX_VALUES: usize = 2_000_000;

/// A parsed value. Objects keep their order; of equal keys the last counts, as in Python.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// A whole number that fits; exact.
    Whole(u64),
    /// Any other number, NaN and the infinities included.
    Float(f64),
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

/// Why a text is not JSON, and where (a byte offset).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct JsonError {
    pub what: &'static str,
    pub at: usize,
}

impl Value {
    /// The member of an object; `None` for other values too.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => members.iter().rev().find(|m| m.0 == key).map(|m| &m.1),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    fn number(&self) -> Option<Number> {
        match self {
            Value::Whole(n) => Some(Number::Whole(*n)),
            Value::Float(x) => Some(Number::Float(*x)),
            _ => None,
        }
    }

    /// As [`Number::as_f64`].
    pub fn as_f64(&self) -> Option<f64> {
        self.number().map(Number::as_f64)
    }

    /// As [`Number::as_u64`].
    pub fn as_u64(&self) -> Option<u64> {
        self.number().and_then(Number::as_u64)
    }

    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&[(String, Value)]> {
        match self {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        *self == Value::Null
    }
}

/// Parses one document.
///
/// # Errors
/// The first fault.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    read(bytes, value)
}

fn value(reader: &mut Reader<'_>) -> Result<Value, Failed> {
    Ok(match reader.shape() {
        Some(Shape::List) => {
            let mut items = Vec::new();
            reader.list(|reader| {
                items.push(value(reader)?);
                Ok(())
            })?;
            Value::List(items)
        }
        Some(Shape::Object) => {
            let mut members = Vec::new();
            reader.object(|reader, key| {
                members.push((key.into_string(), value(reader)?));
                Ok(())
            })?;
            Value::Object(members)
        }
        _ => match reader.scalar()? {
            Some(Scalar::Bool(b)) => Value::Bool(b),
            Some(Scalar::Number(digits)) => match digits.number() {
                Number::Whole(n) => Value::Whole(n),
                Number::Float(x) => Value::Float(x),
            },
            Some(Scalar::Text(text)) => Value::Text(text.into_string()),
            Some(Scalar::Null) | None => Value::Null,
        },
    })
}

/// Parses JSON Lines: (line number from 1, document). Empty lines are skipped, and a last line
/// without its newline that does not parse was being written: it is dropped.
///
/// # Errors
/// The first line that does not parse, with its number.
pub fn parse_lines(bytes: &[u8]) -> Result<Vec<(usize, Value)>, (usize, JsonError)> {
    let mut out = Vec::new();
    let mut lines = bytes.split(|b| *b == b'\n').enumerate().peekable();
    while let Some((i, line)) = lines.next() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match parse(line) {
            Ok(value) => out.push((i + 1, value)),
            Err(_) if lines.peek().is_none() => break,
            Err(e) => return Err((i + 1, e)),
        }
    }
    Ok(out)
}

/// Reads a log of JSON Lines of any length, one document at a time; otherwise as [`parse_lines`].
///
/// # Errors
/// The first line that does not parse, and whatever keeps the log from being read.
pub fn for_each_line(file: &dyn Blob, mut f: impl FnMut(usize, Value)) -> Result<(), String> {
    let mut lines = Lines::new(file);
    while let Some(line) = lines.next_line().map_err(|e| e.to_string())? {
        if line.bytes.trim_ascii().is_empty() {
            continue;
        }
        match parse(line.bytes) {
            Ok(value) => f(line.number, value),
            Err(_) if !line.ended => break,
            Err(e) => return Err(format!("line {} is damaged: {e}", line.number)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(json: &str) -> String {
        match parse(json.as_bytes()) {
            Ok(value) => format!("{value:?}"),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn what_frameworks_write() {
        let value =
            parse(b"\xef\xbb\xbf{\"a\": NaN, \"b\": [Infinity, -Infinity, 1, -2, 0.5e1]}\n");
        let value = value.unwrap();
        assert!(value.get("a").unwrap().as_f64().unwrap().is_nan());
        assert_eq!(
            format!("{:?}", value.get("b").unwrap()),
            "List([Float(inf), Float(-inf), Whole(1), Float(-2.0), Float(5.0)])"
        );
        assert_eq!(text(r#""\u00e9\ud83d\ude00\ud800\n""#), "Text(\"é😀\u{fffd}\\n\")");
        assert_eq!(text("18446744073709551615"), "Whole(18446744073709551615)");
        assert_eq!(text("18446744073709551616"), "Float(1.8446744073709552e19)");
        assert_eq!(parse(b"{\"a\":1,\"a\":2}").unwrap().get("a"), Some(&Value::Whole(2)));
    }

    #[test]
    fn what_is_refused() {
        let table: &[(&[u8], &str)] = &[
            (b"", "nothing but space at byte 0"),
            (b"  \n", "nothing but space at byte 0"),
            (b"\xff\xfe{\0}\0", "UTF-16 instead of UTF-8 at byte 0"),
            (b"{\"a\": 1", "`,` or `}` is missing at byte 7"),
            (b"{\"a\"", "`:` is missing at byte 4"),
            (b"[1 2]", "`,` or `]` is missing at byte 3"),
            (b"{} {}", "more after the end at byte 3"),
            (b"\0\0\0", "not a JSON value at byte 0"),
            (b"\"\xff\"", "not UTF-8 at byte 1"),
            (b"\"a\0\"", "a control character in a text at byte 2"),
            (b"1.2.3", "not a number at byte 0"),
            (b"-", "not a number at byte 0"),
            (b"nul", "not a JSON value at byte 0"),
            (b"\"\\x\"", "an unknown escape at byte 2"),
            (b"\"\\u12", "four hexadecimal digits are missing at byte 3"),
            (b"\"ab", "a text without its end at byte 3"),
        ];
        for (json, want) in table {
            assert_eq!(parse(json).unwrap_err().to_string(), *want, "{json:?}");
        }
        let deep = "[".repeat(1_000_000);
        assert_eq!(text(&deep), "nested more than 64 deep at byte 65");
        assert!(text(&format!("{}1{}", "[".repeat(64), "]".repeat(64))).starts_with("List"));
        assert!(text(&format!("[{}0]", "0,".repeat(2_000_000))).starts_with("more than two"));
    }

    #[test]
    fn a_torn_last_line_is_dropped() {
        let lines = |bytes: &[u8]| parse_lines(bytes).map(|l| l.len());
        assert_eq!(lines(b"{}\n\n{}\n{\"a"), Ok(2));
        assert_eq!(lines(b"{}\n{}"), Ok(2));
        assert_eq!(lines(b"{}\n{\"a\n{}\n").unwrap_err().0, 2);
        assert_eq!(lines(b"{}\n{\"a\n").unwrap_err().0, 2);
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(bytes in "[\\[\\]{}\",:0-9eE.+-]{0,12}") {
            let strict: Result<serde_json::Value, _> = serde_json::from_str(&bytes);
            if strict.is_ok() {
                prop_assert!(parse(bytes.as_bytes()).is_ok(), "{}", bytes);
            }
        }

        #[test]
        fn what_is_passed_over_is_checked_as_closely(
            text in "(\\[|\\{\"k\": ?)?[\\[\\]{}\",:0-9eE.+\\\\ultrNI -]{0,14}[\\]}]?", odd: Vec<u8>,
        ) {
            for bytes in [text.as_bytes(), &odd] {
                let scalar = read(bytes, |r| r.scalar().map(drop));
                prop_assert_eq!(read(bytes, Reader::skip), parse(bytes).map(drop), "{:?}", bytes);
                prop_assert_eq!(scalar, parse(bytes).map(drop), "{:?}", bytes);
            }
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&bytes);
            let _ = parse_lines(&bytes);
        }

        #[test]
        fn numbers_survive(x in any::<f64>()) {
            prop_assume!(x.is_finite());
            let parsed = parse(serde_json::to_string(&x).unwrap().as_bytes()).unwrap();
            prop_assert_eq!(parsed.as_f64().map(f64::to_bits), Some(x.to_bits()));
        }
    }
}

//! JSON as Python writes it.
//!
//! `json.dump` writes `NaN`, `Infinity` and `-Infinity` bare, which JSON has not; one such value
//! must not make a whole training state unreadable. Depth and number of values are bounded, so
//! that a hostile file costs little.

use super::lines::Lines;
use crate::store::Blob;
use std::borrow::Cow;

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

    /// A number; whole ones above 2^53 are rounded.
    #[expect(clippy::cast_precision_loss, reason = "as documented")]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Whole(n) => Some(*n as f64),
            Value::Float(x) => Some(*x),
            _ => None,
        }
    }

    /// A non-negative whole number; `5.0` is one.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Whole(n) => Some(*n),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
            Value::Float(x) if x.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(x) => {
                Some(*x as u64)
            }
            _ => None,
        }
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
    let bytes = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => rest,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(error("UTF-16 instead of UTF-8", 0)),
        all => all,
    };
    let mut parser = Parser { bytes, at: 0, values: 0 };
    parser.space();
    if parser.at == bytes.len() {
        return Err(error("nothing but space", 0));
    }
    let value = parser.value(0)?;
    parser.space();
    if parser.at < bytes.len() {
        return Err(error("more after the end", parser.at));
    }
    Ok(value)
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

fn error(what: &'static str, at: usize) -> JsonError {
    JsonError { what, at }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    values: usize,
}

impl Parser<'_> {
    fn fail<T>(&self, what: &'static str) -> Result<T, JsonError> {
        Err(error(what, self.at))
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take_byte(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(text.as_bytes());
        if found {
            self.at += text.len();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        if depth > MAX_DEPTH {
            return self.fail("nested more than 64 deep");
        }
        self.values += 1;
        if self.values > MAX_VALUES {
            return self.fail("more than two million values");
        }
        match self.peek() {
            None => self.fail("ends too early"),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => Ok(Value::Text(self.text()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) if self.take("null") => Ok(Value::Null),
            Some(_) if self.take("true") => Ok(Value::Bool(true)),
            Some(_) if self.take("false") => Ok(Value::Bool(false)),
            Some(_) if self.take("NaN") => Ok(Value::Float(f64::NAN)),
            Some(_) if self.take("Infinity") => Ok(Value::Float(f64::INFINITY)),
            Some(_) => self.fail("not a JSON value"),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        let mut members = Vec::new();
        self.at += 1;
        self.space();
        if self.take_byte(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return self.fail("a key is missing");
            }
            let key = self.text()?;
            self.space();
            if !self.take_byte(b':') {
                return self.fail("`:` is missing");
            }
            self.space();
            members.push((key, self.value(depth + 1)?));
            self.space();
            if self.take_byte(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.take_byte(b',') {
                return self.fail("`,` or `}` is missing");
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, JsonError> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        if self.take_byte(b']') {
            return Ok(Value::List(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take_byte(b']') {
                return Ok(Value::List(items));
            }
            if !self.take_byte(b',') {
                return self.fail("`,` or `]` is missing");
            }
        }
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        let negative = self.take_byte(b'-');
        if negative && self.take("Infinity") {
            return Ok(Value::Float(f64::NEG_INFINITY));
        }
        while let Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') = self.peek() {
            self.at += 1;
        }
        // ASCII only, as matched above.
        let text = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
        if !negative && let Ok(whole) = text.parse() {
            return Ok(Value::Whole(whole));
        }
        match text.parse() {
            Ok(x) => Ok(Value::Float(x)),
            Err(_) => Err(error("not a number", start)),
        }
    }

    fn text(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            let rest = &self.bytes[start..];
            let ends = |b: &u8| matches!(b, b'"' | b'\\' | 0..=0x1f);
            let plain = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
            self.at += plain.len();
            match std::str::from_utf8(plain) {
                Ok(plain) => out.push_str(plain),
                Err(e) => return Err(error("not UTF-8", start + e.valid_up_to())),
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push_str(&self.escape()?),
                Some(_) => return self.fail("a control character in a text"),
                None => return self.fail("a text without its end"),
            }
        }
    }

    fn escape(&mut self) -> Result<Cow<'static, str>, JsonError> {
        self.at += 1;
        let plain = match self.peek() {
            Some(b'"') => "\"",
            Some(b'\\') => "\\",
            Some(b'/') => "/",
            Some(b'b') => "\u{8}",
            Some(b'f') => "\u{c}",
            Some(b'n') => "\n",
            Some(b'r') => "\r",
            Some(b't') => "\t",
            Some(b'u') => {
                self.at += 1;
                return Ok(self.unicode()?.to_string().into());
            }
            _ => return self.fail("an unknown escape"),
        };
        self.at += 1;
        Ok(plain.into())
    }

    /// Half a surrogate pair, which Python writes for odd file names, becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hex()?;
        if (0xd800..0xdc00).contains(&first) {
            let rest = self.at;
            if self.take("\\u") {
                let second = self.hex()?;
                if (0xdc00..0xe000).contains(&second) {
                    let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                self.at = rest;
            }
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at..self.at + 4);
        let code = digits
            .filter(|d| d.iter().all(u8::is_ascii_hexdigit))
            .and_then(|d| std::str::from_utf8(d).ok())
            .and_then(|d| u32::from_str_radix(d, 16).ok());
        match code {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.fail("four hexadecimal digits are missing"),
        }
    }
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

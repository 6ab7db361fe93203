//! The grammar of JSON, read in one pass: a caller takes what it wants and passes over the rest.
//!
//! What is passed over is checked as closely as what is taken, so that a damaged document is noticed
//! wherever the damage is. Nothing is copied, and a number is made of its digits only for who asks.

use super::{JsonError, MAX_DEPTH, MAX_VALUES, Number};
use std::borrow::Cow;

/// A document, and how far it was read.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    values: usize,
    fault: Option<JsonError>,
}

/// The document is not JSON; what the fault is, its [`Reader`] says at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// A value that holds no others.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(Digits<'a>),
    Text(Text<'a>),
}

/// A text; UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Text<'a>(Cow<'a, [u8]>);

impl Text<'_> {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        // It was checked when it was read.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub fn into_string(self) -> String {
        String::from_utf8(self.0.into_owned()).unwrap_or_default()
    }
}

/// A number as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    pub fn number(self) -> Number {
        Number::parse(self.0)
    }
}

/// ASCII that stands for itself in a text.
const IS_PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x80 {
        plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

/// What a value is, going by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Null,
    Bool,
    Number,
    Text,
    List,
    Object,
}

/// Reads one document; `take` takes its only value, by one call of a method of [`Reader`].
///
/// # Errors
/// The first fault.
pub fn read<'a, T>(
    bytes: &'a [u8],
    take: impl FnOnce(&mut Reader<'a>) -> Result<T, Failed>,
) -> Result<T, JsonError> {
    let bytes = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => rest,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(error("UTF-16 instead of UTF-8", 0)),
        all => all,
    };
    let mut reader = Reader { bytes, at: 0, depth: 0, values: 0, fault: None };
    reader.space();
    if reader.at == bytes.len() {
        return Err(error("nothing but space", 0));
    }
    let taken = take(&mut reader);
    reader.space();
    match (taken, reader.fault) {
        (Ok(taken), None) if reader.at == bytes.len() => Ok(taken),
        (_, Some(fault)) => Err(fault),
        _ => Err(error("more after the end", reader.at)),
    }
}

fn error(what: &'static str, at: usize) -> JsonError {
    JsonError { what, at }
}

impl<'a> Reader<'a> {
    /// What the next value is, if it is one at all.
    pub fn shape(&self) -> Option<Shape> {
        Some(match self.peek() {
            b'{' => Shape::Object,
            b'[' => Shape::List,
            b'"' => Shape::Text,
            b'-' | b'0'..=b'9' | b'N' | b'I' => Shape::Number,
            b't' | b'f' => Shape::Bool,
            b'n' => Shape::Null,
            _ => return None,
        })
    }

    /// Takes a value that holds no others; of one that does, `None`, and it is passed over.
    ///
    /// # Errors
    /// The document is not JSON.
    pub fn scalar(&mut self) -> Result<Option<Scalar<'a>>, Failed> {
        self.begin()?;
        Ok(Some(match self.peek() {
            b'{' => return self.members(|reader, _| reader.skip()).map(|()| None),
            b'[' => return self.items(Reader::skip).map(|()| None),
            b'"' => Scalar::Text(self.text()?),
            b'-' | b'0'..=b'9' => Scalar::Number(self.digits()?),
            _ => self.word()?,
        }))
    }

    /// Takes an object: each member's value is to be taken by one call. Whether it was one; anything
    /// else is passed over.
    ///
    /// # Errors
    /// The document is not JSON.
    pub fn object(
        &mut self,
        each: impl FnMut(&mut Reader<'a>, Text<'a>) -> Result<(), Failed>,
    ) -> Result<bool, Failed> {
        if self.peek() != b'{' {
            return self.skip().map(|()| false);
        }
        self.begin()?;
        self.members(each).map(|()| true)
    }

    /// Takes a list: each item is to be taken by one call. Whether it was one; anything else is
    /// passed over.
    ///
    /// # Errors
    /// The document is not JSON.
    pub fn list(
        &mut self,
        each: impl FnMut(&mut Reader<'a>) -> Result<(), Failed>,
    ) -> Result<bool, Failed> {
        if self.peek() != b'[' {
            return self.skip().map(|()| false);
        }
        self.begin()?;
        self.items(each).map(|()| true)
    }

    /// Passes over a value.
    ///
    /// # Errors
    /// The document is not JSON.
    pub fn skip(&mut self) -> Result<(), Failed> {
        self.begin()?;
        match self.peek() {
            b'{' => self.members(|reader, _| reader.skip()),
            b'[' => self.items(Reader::skip),
            b'"' => self.text().map(drop),
            b'-' | b'0'..=b'9' => self.digits().map(drop),
            _ => self.word().map(drop),
        }
    }

    /// Counts a value.
    fn begin(&mut self) -> Result<(), Failed> {
        if self.depth > MAX_DEPTH {
            return self.fail("nested more than 64 deep");
        }
        self.values += 1;
        if self.values > MAX_VALUES {
            return self.fail("more than two million values");
        }
        Ok(())
    }

    #[inline]
    fn members(
        &mut self,
        mut each: impl FnMut(&mut Reader<'a>, Text<'a>) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        self.depth += 1;
        self.at += 1;
        self.space();
        let mut ends = self.take_byte(b'}');
        while !ends {
            self.space();
            if self.peek() != b'"' {
                return self.fail("a key is missing");
            }
            let key = self.text()?;
            self.space();
            if !self.take_byte(b':') {
                return self.fail("`:` is missing");
            }
            self.space();
            each(self, key)?;
            self.space();
            ends = self.take_byte(b'}');
            if !ends && !self.take_byte(b',') {
                return self.fail("`,` or `}` is missing");
            }
        }
        self.depth -= 1;
        Ok(())
    }

    #[inline]
    fn items(
        &mut self,
        mut each: impl FnMut(&mut Reader<'a>) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        self.depth += 1;
        self.at += 1;
        self.space();
        let mut ends = self.take_byte(b']');
        while !ends {
            self.space();
            each(self)?;
            self.space();
            ends = self.take_byte(b']');
            if !ends && !self.take_byte(b',') {
                return self.fail("`,` or `]` is missing");
            }
        }
        self.depth -= 1;
        Ok(())
    }

    #[cold]
    fn fail<T>(&mut self, what: &'static str) -> Result<T, Failed> {
        self.fail_at(what, self.at)
    }

    #[cold]
    fn fail_at<T>(&mut self, what: &'static str, at: usize) -> Result<T, Failed> {
        self.fault.get_or_insert(error(what, at));
        Err(Failed)
    }

    #[inline]
    fn space(&mut self) {
        while let b' ' | b'\t' | b'\n' | b'\r' = self.peek() {
            self.at += 1;
        }
    }

    /// The next byte; NUL, which no grammar knows, at the end.
    #[inline]
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn take_byte(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
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

    fn word(&mut self) -> Result<Scalar<'a>, Failed> {
        let start = self.at;
        if self.take("null") {
            return Ok(Scalar::Null);
        }
        if self.take("true") {
            return Ok(Scalar::Bool(true));
        }
        if self.take("false") {
            return Ok(Scalar::Bool(false));
        }
        if self.take("NaN") || self.take("Infinity") {
            return Ok(Scalar::Number(Digits(&self.bytes[start..self.at])));
        }
        let ends = self.at == self.bytes.len();
        self.fail(if ends { "ends too early" } else { "not a JSON value" })
    }

    /// All that may be part of a number; it must be one.
    fn digits(&mut self) -> Result<Digits<'a>, Failed> {
        let (start, bytes) = (self.at, self.bytes);
        let text = bytes.get(start..).unwrap_or_default();
        if text.starts_with(b"-Infinity") {
            self.at += b"-Infinity".len();
            return Ok(Digits(&bytes[start..self.at]));
        }
        let byte = |at: usize| text.get(at).copied().unwrap_or(0);
        let run = |mut at: usize| {
            while byte(at).is_ascii_digit() {
                at += 1;
            }
            at
        };
        let whole = usize::from(byte(0) == b'-');
        let mut end = run(whole);
        let mut is_one = end > whole;
        if byte(end) == b'.' {
            let fraction = end + 1;
            end = run(fraction);
            is_one |= end > fraction;
        }
        if let b'e' | b'E' = byte(end) {
            let exponent = end + 1 + usize::from(matches!(byte(end + 1), b'+' | b'-'));
            end = run(exponent);
            is_one &= end > exponent;
        }
        if !is_one || matches!(byte(end), b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') {
            return self.fail("not a number");
        }
        self.at += end;
        Ok(Digits(&text[..end]))
    }

    /// A text's end is mostly the first thing in it that does not stand for itself.
    fn text(&mut self) -> Result<Text<'a>, Failed> {
        self.at += 1;
        let bytes = self.bytes;
        let rest = bytes.get(self.at..).unwrap_or_default();
        let plain = rest.iter().position(|b| !IS_PLAIN[usize::from(*b)]).unwrap_or(rest.len());
        if rest.get(plain) == Some(&b'"') {
            self.at += plain + 1;
            return Ok(Text(Cow::Borrowed(&rest[..plain])));
        }
        self.text_with_escapes()
    }

    #[cold]
    fn text_with_escapes(&mut self) -> Result<Text<'a>, Failed> {
        let plain = self.plain()?;
        if self.take_byte(b'"') {
            return Ok(Text(Cow::Borrowed(plain)));
        }
        let mut out = plain.to_vec();
        loop {
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(Text(Cow::Owned(out)));
                }
                b'\\' => out.extend_from_slice(self.escape()?.as_bytes()),
                _ if self.at == self.bytes.len() => return self.fail("a text without its end"),
                _ => return self.fail("a control character in a text"),
            }
            out.extend_from_slice(self.plain()?);
        }
    }

    /// What stands for itself, up to something that does not.
    fn plain(&mut self) -> Result<&'a [u8], Failed> {
        let (start, bytes) = (self.at, self.bytes);
        let rest = bytes.get(start..).unwrap_or_default();
        let ends = |b: &u8| *b < 0x80 && !IS_PLAIN[usize::from(*b)];
        let plain = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
        self.at += plain.len();
        match std::str::from_utf8(plain) {
            Ok(_) => Ok(plain),
            Err(e) => self.fail_at("not UTF-8", start + e.valid_up_to()),
        }
    }

    fn escape(&mut self) -> Result<Cow<'static, str>, Failed> {
        self.at += 1;
        let plain = match self.peek() {
            b'"' => "\"",
            b'\\' => "\\",
            b'/' => "/",
            b'b' => "\u{8}",
            b'f' => "\u{c}",
            b'n' => "\n",
            b'r' => "\r",
            b't' => "\t",
            b'u' => {
                self.at += 1;
                return Ok(self.unicode()?.to_string().into());
            }
            _ => return self.fail("an unknown escape"),
        };
        self.at += 1;
        Ok(plain.into())
    }

    /// Half a surrogate pair, which Python writes for odd file names, becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, Failed> {
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

    fn hex(&mut self) -> Result<u32, Failed> {
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

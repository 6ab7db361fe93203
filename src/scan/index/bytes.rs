//! Numbers and texts as bytes: what the index is made of.

/// Appends.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl From<Writer> for Vec<u8> {
    fn from(writer: Writer) -> Vec<u8> {
        writer.0
    }
}

impl Writer {
    /// Seven bits in each byte, the lowest first; the highest bit says that more follow.
    pub fn u64(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n.to_le_bytes()[0] | 0x80);
            n >>= 7;
        }
        self.0.push(n.to_le_bytes()[0]);
    }

    pub fn i64(&mut self, n: i64) {
        self.0.extend_from_slice(&n.to_le_bytes());
    }

    pub fn f64(&mut self, x: f64) {
        self.0.extend_from_slice(&x.to_bits().to_le_bytes());
    }

    pub fn bool(&mut self, b: bool) {
        self.0.push(u8::from(b));
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub fn fixed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub fn option<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Writer, T)) {
        self.bool(value.is_some());
        if let Some(value) = value {
            put(self, value);
        }
    }

    pub fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut put: impl FnMut(&mut Writer, T),
    ) {
        self.u64(items.len() as u64);
        for item in items {
            put(self, item);
        }
    }
}

/// Takes from the front. `None` means that the bytes are not what was written.
pub struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub fn new(bytes: &'b [u8]) -> Reader<'b> {
        Reader(bytes)
    }

    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, n: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn u64(&mut self) -> Option<u64> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.fixed()?;
            let bits = u64::from(byte & 0x7f);
            n |= bits.checked_shl(shift).filter(|b| b >> shift == bits)?;
            if byte < 0x80 {
                return Some(n);
            }
        }
        None
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.u64()?.try_into().ok()
    }

    pub fn usize(&mut self) -> Option<usize> {
        self.u64()?.try_into().ok()
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.fixed().map(i64::from_le_bytes)
    }

    pub fn f64(&mut self) -> Option<f64> {
        self.fixed().map(|b| f64::from_bits(u64::from_le_bytes(b)))
    }

    pub fn bool(&mut self) -> Option<bool> {
        match self.fixed()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    pub fn bytes(&mut self) -> Option<&'b [u8]> {
        let n = self.usize()?;
        self.take(n)
    }

    pub fn text(&mut self) -> Option<&'b str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    #[expect(clippy::option_option, reason = "damaged, absent, there")]
    pub fn option<T>(
        &mut self,
        get: impl FnOnce(&mut Reader<'b>) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.bool()? { get(self).map(Some) } else { Some(None) }
    }

    pub fn list<T>(&mut self, mut get: impl FnMut(&mut Reader<'b>) -> Option<T>) -> Option<Vec<T>> {
        let n = self.usize()?;
        // Every item has at least one byte: more items than bytes are no list.
        if n > self.0.len() {
            return None;
        }
        let mut items = Vec::with_capacity(n);
        for _ in 0..n {
            items.push(get(self)?);
        }
        Some(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            numbers: Vec<u64>, signed: i64, x: f64, texts: Vec<String>, there: Option<bool>,
        ) {
            let mut out = Writer::default();
            out.list(numbers.iter(), |out, n| out.u64(*n));
            out.i64(signed);
            out.f64(x);
            out.list(texts.iter(), |out, t| out.bytes(t.as_bytes()));
            out.option(there, Writer::bool);
            let bytes = Vec::from(out);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.list(Reader::u64), Some(numbers));
            prop_assert_eq!(reader.i64(), Some(signed));
            prop_assert_eq!(reader.f64().map(f64::to_bits), Some(x.to_bits()));
            prop_assert_eq!(reader.list(|r| r.text().map(str::to_owned)), Some(texts));
            prop_assert_eq!(reader.option(Reader::bool), Some(there));
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn other_bytes_are_no_panic(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            let _ = reader.list(|r| r.text().map(str::to_owned));
            let _ = (reader.u64(), reader.option(Reader::f64), reader.bytes());
        }
    }
}

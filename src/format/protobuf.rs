//! Protocol buffers, as far as reading a few fields of a message takes: the wire format.
//!
//! A message is a row of fields, each a tag (its number and wire type) and a value. What a reader
//! does not know it skips; the schema is in the head of who reads.

/// The value of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    /// A string, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// It is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// The fields of a message, in the order they stand.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u64, Value<'a>), Damaged> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| Damaged)?;
                let (bytes, rest) = self.0.split_at_checked(len).ok_or(Damaged)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            // Groups went out of use before event files came into it.
            _ => return Err(Damaged),
        };
        Ok((tag >> 3, value))
    }

    fn varint(&mut self) -> Result<u64, Damaged> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damaged)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*first)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Damaged>;

    /// Ends after the first damage.
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_wire_type() {
        let message = b"\x08\x96\x01\x12\x02hi\x1d\x01\0\0\0\x21\x02\0\0\0\0\0\0\0\xf8\x07\x00";
        let fields: Vec<_> = Fields(message).collect::<Result<_, _>>().unwrap();
        assert_eq!(
            fields,
            [
                (1, Value::Varint(150)),
                (2, Value::Bytes(b"hi")),
                (3, Value::Fixed32(1)),
                (4, Value::Fixed64(2)),
                (127, Value::Varint(0)),
            ]
        );
        let most = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(Fields(most).next(), Some(Ok((1, Value::Varint(u64::MAX)))));
    }

    #[test]
    fn damage_ends_the_message() {
        let table: [&[u8]; 7] = [
            b"\x08",
            b"\x12\x05hi",
            b"\x1d\x01\0",
            b"\x0b",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x80",
        ];
        for message in table {
            let fields: Vec<_> = Fields(message).collect();
            assert_eq!(fields, [Err(Damaged)], "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in any::<Vec<u8>>()) {
            prop_assert!(Fields(&bytes).count() <= bytes.len());
        }
    }
}

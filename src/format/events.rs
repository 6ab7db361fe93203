//! Scalars in `TensorBoard`'s event files.
//!
//! An event file is a `TFRecord` file of `tensorflow.Event` messages (`event.proto`,
//! `summary.proto` and `tensor.proto` of TensorFlow). Writers of before TensorFlow 2 put a scalar
//! into `simple_value`, later ones into a tensor without dimensions. Everything else that a
//! summary can be (histograms, images, text) is skipped.

use super::protobuf::{Damaged, Fields, Value};
use super::tfrecord::{RecordError, Records};
use crate::store::Blob;

/// One value that was logged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scalar<'a> {
    /// Seconds since the epoch, by the writer's clock.
    pub wall_time: f64,
    /// Whatever the program that logged it counts.
    pub step: i64,
    pub tag: &'a str,
    pub value: f64,
}

/// Whether a file is called as `TensorBoard` looks for event files.
pub fn is_event_file(name: &[u8]) -> bool {
    const MARK: &[u8] = b".tfevents.";
    name.windows(MARK.len()).any(|w| w == MARK)
}

/// Calls `each` with every scalar of a file, in the order they were written.
///
/// # Errors
/// The file cannot be read, breaks a bound, or is damaged.
pub fn for_each_scalar(
    file: &dyn Blob,
    mut each: impl FnMut(&Scalar<'_>),
) -> Result<(), RecordError> {
    let mut records = Records::new(file);
    while let Some((number, data)) = records.next_record()? {
        event(data, &mut each).map_err(|Damaged| RecordError::NoEvent(number))?;
    }
    Ok(())
}

fn event(data: &[u8], each: &mut impl FnMut(&Scalar<'_>)) -> Result<(), Damaged> {
    let (mut wall_time, mut step, mut summary) = (0.0, 0, None);
    for field in Fields(data) {
        match field? {
            (1, Value::Fixed64(bits)) => wall_time = f64::from_bits(bits),
            (2, Value::Varint(n)) => step = n.cast_signed(),
            (5, Value::Bytes(message)) => summary = Some(message),
            _ => {}
        }
    }
    for field in Fields(summary.unwrap_or_default()) {
        let (1, Value::Bytes(message)) = field? else { continue };
        let (mut tag, mut value) = (None, None);
        for field in Fields(message) {
            match field? {
                (1, Value::Bytes(name)) => tag = std::str::from_utf8(name).ok(),
                (2, Value::Fixed32(bits)) => value = Some(f32::from_bits(bits).into()),
                (8, Value::Bytes(message)) => value = tensor(message)?,
                _ => {}
            }
        }
        if let Some((tag, value)) = tag.zip(value) {
            each(&Scalar { wall_time, step, tag, value });
        }
    }
    Ok(())
}

/// The value of a tensor without dimensions; `None` for any other.
fn tensor(message: &[u8]) -> Result<Option<f64>, Damaged> {
    const FLOAT: u64 = 1;
    const DOUBLE: u64 = 2;
    let (mut kind, mut is_scalar, mut content) = (0, true, None);
    for field in Fields(message) {
        match field? {
            (1, Value::Varint(n)) => kind = n,
            // A shape of no dimensions is an empty message.
            (2, Value::Bytes(shape)) => is_scalar &= shape.is_empty(),
            // As raw content; as a list, which for one number is the same; or as that number.
            (4, Value::Bytes([])) => {}
            (4, value @ Value::Bytes(_)) => content = Some(value),
            (5, value) if kind == FLOAT => content = Some(value),
            (6, value) if kind == DOUBLE => content = Some(value),
            _ => {}
        }
    }
    let value = match (kind, content) {
        (FLOAT, Some(Value::Bytes(bytes))) => {
            bytes.try_into().ok().map(|b| f32::from_le_bytes(b).into())
        }
        (DOUBLE, Some(Value::Bytes(bytes))) => bytes.try_into().ok().map(f64::from_le_bytes),
        (FLOAT, Some(Value::Fixed32(bits))) => Some(f32::from_bits(bits).into()),
        (DOUBLE, Some(Value::Fixed64(bits))) => Some(f64::from_bits(bits)),
        // Zeros need not be written.
        (FLOAT | DOUBLE, None) => Some(0.0),
        _ => None,
    };
    Ok(value.filter(|_| is_scalar))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::format::lines::tests::Memory;
    use crate::format::tfrecord::tests::record;
    use proptest::prelude::*;

    /// A field of bytes, short ones only.
    fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
        [&[field << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn event_of(step: u8, value: &[u8]) -> Vec<u8> {
        let summary = bytes(1, &[&bytes(1, b"loss")[..], value].concat());
        record(&[&b"\x09\0\0\0\0\0\0\xf0\x3f\x10"[..], &[step], &bytes(5, &summary)].concat())
    }

    fn shown(file: &[u8]) -> Result<String, String> {
        let mut out = Vec::new();
        for_each_scalar(&Memory(file.to_vec()), |s| {
            out.push(format!("{} {} {}={}", s.wall_time, s.step, s.tag, s.value));
        })
        .map_err(|e| e.to_string())?;
        Ok(out.join(" "))
    }

    #[test]
    fn ways_to_write_a_scalar() {
        let single = 0.5_f32.to_le_bytes();
        let double = 0.5_f64.to_le_bytes();
        let tensor = |content: &[u8]| bytes(8, content);
        let table: [(&str, Vec<u8>, &str); 9] = [
            ("simple_value", [&[0x15][..], &single].concat(), "loss=0.5"),
            (
                "float_val",
                tensor(&[&b"\x08\x01\x12\0"[..], &bytes(5, &single)].concat()),
                "loss=0.5",
            ),
            ("one float_val", tensor(&[&b"\x08\x01\x12\0\x2d"[..], &single].concat()), "loss=0.5"),
            ("double_val", tensor(&[&b"\x08\x02"[..], &bytes(6, &double)].concat()), "loss=0.5"),
            ("content", tensor(&[&b"\x08\x01\x12\0"[..], &bytes(4, &single)].concat()), "loss=0.5"),
            ("zero", tensor(b"\x08\x01\x12\0"), "loss=0"),
            ("text", tensor(b"\x08\x07\x12\0\x42\x02hi"), ""),
            (
                "two numbers",
                tensor(&[&b"\x08\x01\x12\x04\x12\x02\x08\x02"[..], &bytes(4, &double)].concat()),
                "",
            ),
            ("image", bytes(4, b"\x08\x01"), ""),
        ];
        for (what, value, want) in table {
            let want = if want.is_empty() { String::new() } else { format!("1 7 {want}") };
            assert_eq!(shown(&event_of(7, &value)).unwrap(), want, "{what}");
        }
    }

    #[test]
    fn what_is_no_event_is_said() {
        let good = event_of(1, &[0x15, 0, 0, 0, 0]);
        let file = [&good[..], &record(b"not a message")].concat();
        assert_eq!(shown(&file).unwrap_err(), "record 2 is no event");
        assert_eq!(shown(&[&good[..], &good[..9]].concat()).unwrap(), "1 1 loss=0", "torn");
    }

    #[test]
    fn names() {
        assert!(is_event_file(b"events.out.tfevents.1795365196.host"));
        assert!(is_event_file(b"events.out.tfevents.1795365196.host.12.0.v2"));
        assert!(!is_event_file(b"tfevents"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(data in any::<Vec<u8>>()) {
            let _ = shown(&record(&data));
        }
    }
}

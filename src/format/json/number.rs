//! Numbers as JSON texts have them.

/// A number of a document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number that fits; exact.
    Whole(u64),
    /// Any other number, NaN and the infinities included.
    Float(f64),
}

impl Number {
    /// `text` is a number of a document.
    pub(super) fn parse(text: &[u8]) -> Number {
        // All digits of a number that surely fits.
        if text.len() < 20 && text.iter().all(u8::is_ascii_digit) {
            return Number::Whole(text.iter().fold(0, |n, b| 10 * n + u64::from(b - b'0')));
        }
        let text = std::str::from_utf8(text).unwrap_or_default();
        match text.parse() {
            Ok(whole) if !text.starts_with('-') => Number::Whole(whole),
            _ => Number::Float(text.parse().unwrap_or(f64::NAN)),
        }
    }

    /// Whole ones above 2^53 are rounded.
    #[expect(clippy::cast_precision_loss, reason = "as documented")]
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Whole(n) => n as f64,
            Number::Float(x) => x,
        }
    }

    /// A non-negative whole number; `5.0` is one.
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Number::Whole(n) => Some(n),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
            Number::Float(x) if x.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&x) => {
                Some(x as u64)
            }
            Number::Float(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_the_edge_of_what_fits() {
        let table = [
            ("0", Number::Whole(0)),
            ("007", Number::Whole(7)),
            ("9999999999999999999", Number::Whole(9_999_999_999_999_999_999)),
            ("18446744073709551615", Number::Whole(u64::MAX)),
            ("18446744073709551616", Number::Float(18_446_744_073_709_551_616.0)),
            ("-0", Number::Float(-0.0)),
            ("1.", Number::Float(1.0)),
            ("-Infinity", Number::Float(f64::NEG_INFINITY)),
        ];
        for (text, want) in table {
            assert_eq!(Number::parse(text.as_bytes()), want, "{text}");
        }
        assert!(Number::parse(b"NaN").as_f64().is_nan());
    }
}

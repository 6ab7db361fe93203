//! Sizes and shares as people write them, exact and range checked.
//!
//! Parsers elsewhere saturate `17EiB` silently and read a bare `10G` as they like; here a unit is
//! demanded, GB and GiB differ, and what does not fit is an error.

/// Why a text is not a size or a share; the `Display` of each says what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    #[error("a size has no unit")]
    NoUnit { number: String },
    #[error("`{unit}` is not a unit of size")]
    UnknownUnit { number: String, unit: String },
    #[error("`{0}` is not a size")]
    NotANumber(String),
    #[error("`{0}` is more than 64 bits can count")]
    TooLarge(String),
    #[error("`{0}` is less than one byte")]
    TooSmall(String),
    #[error("`{0}` is not a percentage")]
    NotAPercentage(String),
}

impl SizeError {
    /// What to write instead.
    pub fn help(&self) -> String {
        match self {
            SizeError::NoUnit { number } => {
                format!(
                    "write \"{number}GiB\" (2^30 bytes), \"{number}GB\" (10^9 bytes) or \"{number}B\""
                )
            }
            SizeError::UnknownUnit { number, unit } => {
                let letter = unit.chars().next().unwrap_or('G').to_ascii_uppercase();
                if let Some(power) = "KMGTPE".find(letter) {
                    let power = power + 1;
                    format!(
                        "write \"{number}{letter}iB\" (2^{} bytes) or \"{number}{letter}B\" (10^{} bytes)",
                        power * 10,
                        power * 3
                    )
                } else {
                    "the units are B, KB, MB, GB, TB, PB, EB (powers of 1000) \
                     and KiB, MiB, GiB, TiB, PiB, EiB (powers of 1024)"
                        .to_owned()
                }
            }
            SizeError::NotANumber(_) => {
                "write a number and a unit such as \"5GiB\" or \"1.5TB\"".to_owned()
            }
            SizeError::TooLarge(_) => "the largest size is \"15.9EiB\"".to_owned(),
            SizeError::TooSmall(_) => "the smallest size is \"1B\"".to_owned(),
            SizeError::NotAPercentage(_) => {
                "write a number and a percent sign such as \"90%\"".to_owned()
            }
        }
    }
}

const UNITS: [(&str, u64); 14] = [
    ("EiB", 1 << 60),
    ("EB", 1_000_000_000_000_000_000),
    ("PiB", 1 << 50),
    ("PB", 1_000_000_000_000_000),
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Bytes of `5GiB`, `1.5TB`, `100 MB`; a fraction of a byte is dropped.
///
/// # Errors
/// No unit, an unknown one, not a number, less than a byte, or more than 64 bits hold.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    let text = text.trim();
    let (number, unit) = split(text).ok_or_else(|| SizeError::NotANumber(text.to_owned()))?;
    if unit.is_empty() {
        return Err(SizeError::NoUnit { number: number.to_owned() });
    }
    let factor = UNITS.iter().find(|(u, _)| *u == unit).map(|(_, f)| *f);
    let Some(factor) = factor else {
        return Err(SizeError::UnknownUnit { number: number.to_owned(), unit: unit.to_owned() });
    };
    let too_large = || SizeError::TooLarge(text.to_owned());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u128 = whole.parse().map_err(|_| too_large())?;
    // Digits beyond these are less than a byte of the largest unit.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().unwrap_or(0) };
    let bytes = whole
        .checked_mul(u128::from(factor))
        .map(|w| w + fraction * u128::from(factor) / scale)
        .and_then(|b| u64::try_from(b).ok())
        .ok_or_else(too_large)?;
    if bytes == 0 {
        return Err(SizeError::TooSmall(text.to_owned()));
    }
    Ok(bytes)
}

/// `0B`, with whatever unit: a size that [`parse`] refuses, where none at all makes sense.
pub fn is_nothing(text: &str) -> bool {
    let digits = |c: char| c.is_ascii_digit() && c != '0';
    matches!(parse(text), Err(SizeError::TooSmall(_))) && !text.contains(digits)
}

/// The number of `90%`; the caller checks its range.
///
/// # Errors
/// Not a decimal number followed by a percent sign.
pub fn parse_percent(text: &str) -> Result<f64, SizeError> {
    let fault = || SizeError::NotAPercentage(text.trim().to_owned());
    let number = text.trim().strip_suffix('%').ok_or_else(fault)?.trim_end();
    match split(number) {
        Some((n, "")) => n.parse().map_err(|_| fault()),
        _ => Err(fault()),
    }
}

/// A size that [`parse`] reads back exactly, in the largest unit that divides it.
pub fn format(bytes: u64) -> String {
    let (unit, factor) = UNITS
        .into_iter()
        .find(|(_, f)| bytes >= *f && bytes.is_multiple_of(*f))
        .unwrap_or(("B", 1));
    format!("{}{unit}", bytes / factor)
}

/// The decimal number at the start, and the unit after it.
fn split(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    (digits(whole) && digits(fraction)).then_some((number, unit.strip_prefix(' ').unwrap_or(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        let cases = [
            ("1B", 1),
            ("1KB", 1000),
            ("1kB", 1000),
            ("1KiB", 1024),
            ("5GB", 5_000_000_000),
            ("5GiB", 5_368_709_120),
            ("1.5TiB", 1_649_267_441_664),
            ("0.5 MB", 500_000),
            ("1.0000000000000000000000001KB", 1000),
            ("15.5EiB", 17_870_283_321_406_128_128),
            (" 2TB ", 2_000_000_000_000),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        assert_eq!(parse("18446744073709551615B"), Ok(u64::MAX));
    }

    #[test]
    fn nothing_at_all_is_no_digit_but_zeros() {
        for (text, want) in [
            ("0B", true),
            ("0GiB", true),
            ("0.0 KB", true),
            ("0.4B", false),
            ("0.0001KB", false),
            ("5GB", false),
            ("0", false),
            ("", false),
            ("none", false),
        ] {
            assert_eq!(is_nothing(text), want, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_says_why() {
        let cases = [
            ("5", "a size has no unit", "\"5GiB\""),
            ("10G", "`G` is not a unit of size", "\"10GiB\" (2^30 bytes) or \"10GB\" (10^9 bytes)"),
            ("10gb", "`gb` is not a unit of size", "\"10GiB\""),
            ("10Mb", "`Mb` is not a unit of size", "\"10MiB\" (2^20 bytes) or \"10MB\""),
            ("5 apples", "`apples` is not a unit of size", "the units are"),
            ("", "`` is not a size", "\"5GiB\""),
            ("-5GB", "`-5GB` is not a size", "\"5GiB\""),
            ("1.GB", "`1.GB` is not a size", "\"5GiB\""),
            ("1e3GB", "`e3GB` is not a unit of size", "\"1EiB\""),
            ("16EiB", "`16EiB` is more than 64 bits can count", "15.9EiB"),
            ("17EiB", "`17EiB` is more", "15.9EiB"),
            ("99999999999999999999999999999999999999999999B", "is more", "15.9EiB"),
            ("0GB", "`0GB` is less than one byte", "1B"),
            ("0.1B", "`0.1B` is less than one byte", "1B"),
            ("五GB", "`五GB` is not a size", "5GiB"),
        ];
        for (text, message, help) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.to_string().contains(message), "{text}: {error}");
            assert!(error.help().contains(help), "{text}: {}", error.help());
        }
    }

    #[test]
    fn percentages() {
        assert_eq!(parse_percent("90%"), Ok(90.0));
        assert_eq!(parse_percent(" 12.5 % "), Ok(12.5));
        for text in ["90", "%", "-1%", "1e2%", "nan%", "9O%", ""] {
            assert!(parse_percent(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_formatted_size_reads_back(bytes in 1u64..) {
            prop_assert_eq!(parse(&format(bytes)), Ok(bytes));
        }

        #[test]
        fn never_panics(text in ".{0,20}") {
            let _ = parse(&text);
            let _ = parse_percent(&text);
        }
    }
}

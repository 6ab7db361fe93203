//! Numbers as people read them, without losing what they are compared by.

use crate::core::policy::RuleKind;

/// A metric value with four significant digits.
pub fn value(x: f64) -> String {
    if !x.is_finite() {
        return x.to_string();
    }
    if x == 0.0 {
        return "0".to_owned();
    }
    let magnitude = x.abs().log10().floor();
    if !(-4.0..15.0).contains(&magnitude) {
        return trim(&format!("{x:.3e}"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 7")]
    let decimals = (3.0 - magnitude).max(0.0) as usize;
    trim(&format!("{x:.decimals$}"))
}

/// Two values that are compared: if four digits make different ones look alike, all digits.
pub fn pair(a: f64, b: f64) -> (String, String) {
    let (short_a, short_b) = (value(a), value(b));
    #[expect(clippy::float_cmp, reason = "the comparison that is being shown")]
    let differ = a != b;
    if differ && short_a == short_b { (a.to_string(), b.to_string()) } else { (short_a, short_b) }
}

fn trim(text: &str) -> String {
    let (number, exponent) = text.split_at(text.find('e').unwrap_or(text.len()));
    if !number.contains('.') {
        return text.to_owned();
    }
    let number = number.trim_end_matches('0').trim_end_matches('.');
    format!("{number}{exponent}")
}

/// Nanoseconds as the two largest units: `9d 2h`, `3min 5s`, `12s`, `0s`.
pub fn age(nanos: i64) -> String {
    age_with(nanos, ["y", "d", "h", "min", "s"])
}

/// The same with other names for years, days, hours, minutes and seconds.
pub fn age_with(nanos: i64, names: [&str; 5]) -> String {
    const SIZES: [i64; 5] = [31_536_000, 86_400, 3_600, 60, 1];
    let mut rest = nanos / 1_000_000_000;
    let mut parts = Vec::new();
    for (size, name) in SIZES.into_iter().zip(names) {
        if rest >= size && parts.len() < 2 {
            parts.push(format!("{}{name}", rest / size));
        } else if !parts.is_empty() {
            // Only neighbouring units: `1y 3s` would pretend to a precision nobody asked for.
            break;
        }
        rest %= size;
    }
    if parts.is_empty() { format!("0{}", names[4]) } else { parts.join(" ") }
}

/// Bytes in binary units with up to two decimals: `366.74 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
    let mut x = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 1023.995 would be shown as 1024.00 of the smaller unit.
    while x >= 1023.995 && unit + 1 < UNITS.len() {
        x /= 1024.0;
        unit += 1;
    }
    format!("{x:.2} {}", UNITS[unit])
}

/// The N of a `best` rule.
pub fn count_of(kind: &RuleKind) -> u32 {
    match kind {
        RuleKind::Best(best) => best.n,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(value(4.847_646_936_640_009), "4.848");
        assert_eq!(value(0.412), "0.412");
        assert_eq!(value(2.8), "2.8");
        assert_eq!(value(0.000_123_46), "0.0001235");
        assert_eq!(value(123_456.7), "123457");
        assert_eq!(value(-1.5), "-1.5");
        assert_eq!(value(1e-9), "1e-9");
        assert_eq!(value(0.0), "0");
        assert_eq!(pair(0.441_21, 0.441_22), ("0.44121".into(), "0.44122".into()));
        assert_eq!(pair(0.123_456, 0.7), ("0.1235".into(), "0.7".into()));
        assert_eq!(pair(0.123_456, 0.123_456), ("0.1235".into(), "0.1235".into()));
    }

    #[test]
    fn ages() {
        let s = 1_000_000_000;
        assert_eq!(age(9 * 86_400 * s + 2 * 3600 * s), "9d 2h");
        assert_eq!(age(86_400 * s + 5 * s), "1d");
        assert_eq!(age(185 * s), "3min 5s");
        assert_eq!(age(86_400 * s + 2 * 3600 * s + 180 * s + s), "1d 2h");
        assert_eq!(age(5), "0s");
    }

    #[test]
    fn sizes() {
        assert_eq!(size(384_554_762), "366.74 MiB");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1024), "1.00 KiB");
        assert_eq!(size(1024 * 1024 - 1), "1.00 MiB");
        assert_eq!(size(u64::MAX), "16.00 EiB");
    }
}

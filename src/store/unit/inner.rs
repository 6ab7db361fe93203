//! Notices that something of its own lies inside a unit: a training that was told to save into a
//! checkpoint of another, or what somebody marked there.
//!
//! It is seen by names while the unit is measured anyway.

/// Something of its own inside a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inner {
    /// A `.retain`; the path begins with the name of the unit's entry.
    Marked(Vec<u8>),
    /// A checkpoint of Hugging Face's Trainer, which a framework may have put there itself.
    Run(Vec<u8>),
}

/// A directory below a unit's entry; its path begins with the name of that.
pub fn in_dir(path: &[u8]) -> Option<Inner> {
    (split(path).1 == b".retain").then(|| Inner::Marked(path.to_vec()))
}

/// Anything else.
pub fn in_other(path: &[u8]) -> Option<Inner> {
    let dir = path.strip_suffix(b"/trainer_state.json")?;
    let (above, called) = split(dir);
    let step = called.strip_prefix(b"checkpoint-")?;
    let is_step = !step.is_empty() && step.iter().all(u8::is_ascii_digit);
    // Nothing is above the unit's own state.
    (is_step && !above.is_empty()).then(|| Inner::Run(dir.to_vec()))
}

/// What a path lies in, and its last component.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside() {
        let run = |path: &str| match in_other(path.as_bytes()) {
            Some(Inner::Run(dir)) => String::from_utf8(dir).unwrap(),
            _ => String::new(),
        };
        let table = [
            ("checkpoint-1/trainer_state.json", ""),
            ("checkpoint-1/checkpoint-2/trainer_state.json", "checkpoint-1/checkpoint-2"),
            ("a/dpo/checkpoint-10/trainer_state.json", "a/dpo/checkpoint-10"),
            ("a/dpo/checkpoint-10/checkpoint-5/notes.txt", ""),
            ("a/checkpoint-/trainer_state.json", ""),
            ("a/checkpoint-1x/trainer_state.json", ""),
            ("a/trainer_state.json", ""),
            ("trainer_state.json", ""),
        ];
        for (path, want) in table {
            assert_eq!(run(path), want, "{path}");
        }
        assert!(in_dir(b"a/b/.retain").is_some());
        assert!(in_dir(b"a/retain").is_none());
    }
}

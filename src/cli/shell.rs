//! Commands that a person is told to run can be pasted into a shell.

/// A word as a shell needs it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+,:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn commands_can_be_pasted() {
        assert_eq!(quoted("nsmlteam/mnist/4"), "nsmlteam/mnist/4");
        assert_eq!(quoted("epoch=1-v 2"), "'epoch=1-v 2'");
        assert_eq!(quoted("a'b;$(x)"), r"'a'\''b;$(x)'");
        assert_eq!(quoted("-rf"), "'-rf'");
        assert_eq!(quoted(""), "''");
    }
}

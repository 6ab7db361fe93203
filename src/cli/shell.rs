//! Commands that a person is told to run can be pasted into a shell.

/// A word as a shell needs it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+,:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Words of a command that are no options, last in it, whatever they begin with.
pub fn words(words: &[&str]) -> String {
    let dashed = words.iter().any(|word| word.starts_with('-'));
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("{}{}", if dashed { "-- " } else { "" }, quoted.join(" "))
}

#[cfg(test)]
mod tests {
    use super::{quoted, words};

    #[test]
    fn commands_can_be_pasted() {
        assert_eq!(quoted("nsmlteam/mnist/4"), "nsmlteam/mnist/4");
        assert_eq!(quoted("epoch=1-v 2"), "'epoch=1-v 2'");
        assert_eq!(quoted("a'b;$(x)"), r"'a'\''b;$(x)'");
        assert_eq!(quoted("-rf"), "'-rf'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_name_is_no_option() {
        assert_eq!(words(&["t/mnist/4", "3"]), "t/mnist/4 3");
        assert_eq!(words(&["t/mnist/4", "-rf"]), "-- t/mnist/4 '-rf'");
    }
}

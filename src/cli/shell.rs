//! Commands that a person is told to run can be pasted into a shell.

use crate::report::sanitize;
use std::borrow::Cow;
use std::fmt::Write as _;

/// A word as a shell needs it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+,:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    if matches!(sanitize::terminal(word), Cow::Owned(_)) {
        return written_out(word);
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What a terminal must not get stands as the shell reads it: `$'a\nb'`, as bash, zsh and POSIX have it.
fn written_out(word: &str) -> String {
    let mut out = String::from("$'");
    for c in word.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\\' | '\'' => out.extend(['\\', c]),
            c if matches!(sanitize::terminal(c.encode_utf8(&mut [0; 4])), Cow::Owned(_)) => {
                // In bytes and octal: what follows is no digit of it, and no locale is asked.
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "\\{byte:03o}");
                }
            }
            c => out.push(c),
        }
    }
    out + "'"
}

/// Words of a command that are no options, last in it, whatever they begin with.
pub fn words(words: &[&str]) -> String {
    let dashed = words.iter().any(|word| word.starts_with('-'));
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("{}{}", if dashed { "-- " } else { "" }, quoted.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted() {
        assert_eq!(quoted("nsmlteam/mnist/4"), "nsmlteam/mnist/4");
        assert_eq!(quoted("epoch=1-v 2"), "'epoch=1-v 2'");
        assert_eq!(quoted("a'b;$(x)"), r"'a'\''b;$(x)'");
        assert_eq!(quoted("-rf"), "'-rf'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("größe"), "'größe'");
    }

    /// As printed, it is the name again, and nothing of it forges or hides a line.
    #[test]
    fn what_a_terminal_must_not_get_is_written_out() {
        assert_eq!(quoted("a\nhelp: b's \\"), r"$'a\nhelp: b\'s \\'");
        for word in ["a\nb", "\u{1b}[2J1", "x\u{202e}7\u{200b}", "\t'\\n\r\u{a0}\u{7f}%s"] {
            let shown = quoted(word);
            assert!(matches!(sanitize::terminal(&shown), Cow::Borrowed(_)), "{shown}");
            let mut bash = std::process::Command::new("bash");
            let said = bash.args(["-c", &format!("printf %s {shown}")]).output().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), word, "{shown}");
        }
    }

    #[test]
    fn a_name_is_no_option() {
        assert_eq!(words(&["t/mnist/4", "3"]), "t/mnist/4 3");
        assert_eq!(words(&["t/mnist/4", "-rf"]), "-- t/mnist/4 '-rf'");
    }
}

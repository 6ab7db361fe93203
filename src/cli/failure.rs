//! What a person is told when a command cannot be carried out.
//!
//! Errors below the command line say what went wrong; only here is it known which command asked,
//! so only here are an exit code and a remedy added.

use super::exit::Exit;
use crate::inventory::ReadErrors;
use crate::report::sanitize;
use crate::steps::pick::PickError;
use std::fmt::Write as _;

/// A command's error: its cause chain, the code it ends with, and what to do about it.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: anyhow::Error,
    pub help: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit, error: error.into(), help: None }
    }

    pub fn msg(exit: Exit, text: impl Into<String>) -> Failure {
        Failure::new(exit, anyhow::Error::msg(text.into()))
    }

    pub fn usage(text: impl Into<String>) -> Failure {
        Failure::msg(Exit::Usage, text)
    }

    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Failure {
        self.help = Some(text.into());
        self
    }

    /// The error and its causes in one line, as they are.
    pub fn chain(&self) -> String {
        let mut chain = String::new();
        for cause in self.error.chain() {
            let text = cause.to_string();
            // An error that repeats its source in its own text is printed once.
            if chain.ends_with(&text) {
                continue;
            }
            if !chain.is_empty() {
                chain.push_str(": ");
            }
            chain.push_str(&text);
        }
        chain
    }

    /// `error: ...` with the causes in one line, below it what a cause says in lines of its own, then
    /// `help: ...`; no control characters, and no line that a name made.
    pub fn render(&self) -> String {
        let (mut text, mut below) = (self.chain(), Vec::new());
        for cause in self.error.chain() {
            if let Some(lines) = lines(cause)
                && let Some(before) = text.strip_suffix(&cause.to_string())
            {
                let before = before.trim_end_matches([':', ' ', '\n']).len();
                text.truncate(before);
                below = lines;
            }
        }
        let colon = if below.is_empty() { "" } else { ":" };
        let mut out = format!("error: {}{colon}\n", sanitize::terminal(&text));
        for line in below {
            let _ = writeln!(out, "{}", sanitize::terminal(&line));
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "help: {}", sanitize::terminal(help));
        }
        out
    }
}

/// The lines of a cause that needs several: those of its own making, and none that a text out of the
/// file it is about would make.
fn lines(cause: &(dyn std::error::Error + 'static)) -> Option<Vec<String>> {
    if let Some(faults) = cause.downcast_ref::<ReadErrors>() {
        return Some(faults.lines());
    }
    let syntax = cause.downcast_ref::<toml::de::Error>()?;
    let (shown, message) = (syntax.to_string(), syntax.message());
    // Place and line of the file stand before what is wrong, which may repeat a key.
    let at = shown.rfind(message)?;
    let mut lines: Vec<String> = shown[..at].lines().map(str::to_owned).collect();
    lines.push(message.to_owned());
    Some(lines)
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::new(Exit::Error, error)
    }
}

impl From<PickError> for Failure {
    fn from(error: PickError) -> Failure {
        let help = error.help.clone();
        Failure { help, ..Failure::new(Exit::Usage, error) }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::new(Exit::Error, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_one_line_and_escaped() {
        let error = anyhow::anyhow!("not \u{1b}[2Jfound").context("cannot read policy.toml");
        let failure = Failure::new(Exit::Usage, error).help("write one");
        assert_eq!(
            failure.render(),
            "error: cannot read policy.toml: not \\u{1b}[2Jfound\nhelp: write one\n"
        );
        let forged = Failure::usage("no session x\nhelp: run y").help("z\nerror: w");
        assert_eq!(forged.render(), "error: no session x\\nhelp: run y\nhelp: z\\nerror: w\n");
    }

    #[test]
    fn what_needs_several_lines_makes_them_itself() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Empty {}
        let of = |text: &str| toml::from_str::<Empty>(text).unwrap_err();
        let error = |text| anyhow::Error::new(of(text)).context("retain.toml is not valid");
        let shown = Failure::new(Exit::Usage, error("a = \n")).render();
        assert!(shown.starts_with("error: retain.toml is not valid:\nTOML parse error at line 1"));
        assert!(shown.contains("\n1 | a = \n"), "{shown}");
        // A key is a text of whoever wrote the file.
        let shown = Failure::new(Exit::Usage, error("\"a\\nhelp: b\" = 1\n")).render();
        assert!(shown.ends_with("unknown field `a\\nhelp: b`, there are no fields\n"), "{shown}");
    }
}

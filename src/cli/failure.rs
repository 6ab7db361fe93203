//! What a person is told when a command cannot be carried out.
//!
//! Errors below the command line say what went wrong; only here is it known which command asked,
//! so only here are an exit code and a remedy added.

use super::exit::Exit;
use crate::report::sanitize;
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

    /// `error: ...` with the causes in one line, then `help: ...`; no control characters.
    pub fn render(&self) -> String {
        let mut out = format!("error: {}\n", sanitize::terminal_lines(&self.chain()));
        if let Some(help) = &self.help {
            let _ = writeln!(out, "help: {}", sanitize::terminal_lines(help));
        }
        out
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::new(Exit::Error, error)
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
    }
}

//! `docs/cli.md`, generated from the same definition as the parser.

use super::args::Cli;
use clap::{Command, CommandFactory as _};
use std::fmt::Write as _;

/// The whole reference as Markdown; a test fails when the committed page differs.
pub fn reference() -> String {
    let mut out = String::from(
        "# Command line reference\n\n\
         Generated from the program's own definition by `tests/cli` (`UPDATE_DOCS=1`); do not edit.\n",
    );
    let mut root = Cli::command().term_width(100);
    root.build();
    section(&mut out, &root, "retain");
    out
}

fn section(out: &mut String, command: &Command, name: &str) {
    let _ = write!(out, "\n## {name}\n\n```text\n");
    // Global options are the same everywhere: they are shown once, at the top.
    let mut shown = command.clone();
    if name != "retain" {
        shown = shown.mut_args(|a| if a.is_global_set() { a.hide(true) } else { a });
    }
    for line in shown.render_long_help().to_string().trim_end().lines() {
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out.push_str("```\n");
    for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
        section(out, sub, &format!("{name} {}", sub.get_name()));
    }
}

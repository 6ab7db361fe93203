//! The two streams: stdout is data, stderr is everything else.
//!
//! All output passes here, so that styles are stripped where they do not belong, a reader that
//! went away is not an error, and any other failure to write is one.

use super::args::{Color, Global, LogFormat};
use super::failure::Failure;
use crate::report::sanitize;
use anstream::{AutoStream, ColorChoice};
use serde::Serialize;
use std::cell::Cell;
use std::io::{self, IsTerminal as _, Write as _};

#[derive(Debug)]
pub struct Ui {
    pub quiet: bool,
    pub verbose: u8,
    pub json: bool,
    /// What is said goes to the log, as one JSON object a line.
    logs: bool,
    choice: ColorChoice,
    /// Whoever read stdout has gone.
    closed: Cell<bool>,
}

impl Ui {
    pub fn new(global: &Global) -> Ui {
        Ui {
            quiet: global.quiet,
            verbose: global.verbose,
            json: global.json,
            logs: global.log_format == LogFormat::Json,
            choice: match global.color {
                Color::Auto => ColorChoice::Auto,
                Color::Always => ColorChoice::Always,
                Color::Never => ColorChoice::Never,
            },
            closed: Cell::new(false),
        }
    }

    /// Writes data, styles included, to stdout.
    ///
    /// # Errors
    /// Any failure but a reader that went away, which is the reader's right.
    pub fn out(&self, text: &str) -> Result<(), Failure> {
        if self.closed.get() {
            return Ok(());
        }
        let mut stream = AutoStream::new(io::stdout().lock(), self.choice);
        self.settle(stream.write_all(text.as_bytes()).and_then(|()| stream.flush()))
    }

    /// Writes one JSON value, indented, and a line end.
    ///
    /// # Errors
    /// As [`Ui::out`].
    pub fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        if self.closed.get() {
            return Ok(());
        }
        let mut out = io::BufWriter::new(io::stdout().lock());
        let written = serde_json::to_writer_pretty(&mut out, value)
            .map_err(io::Error::from)
            .and_then(|()| out.write_all(b"\n"))
            .and_then(|()| out.flush());
        self.settle(written)
    }

    /// Hands stdout to a writer of its own.
    ///
    /// # Errors
    /// As [`Ui::out`].
    pub fn raw(
        &self,
        write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let written = write(&mut out).and_then(|()| out.flush());
        self.settle(written)
    }

    fn settle(&self, written: io::Result<()>) -> Result<(), Failure> {
        match written {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.set(true);
                Ok(())
            }
            Err(e) => Err(anyhow::Error::new(e).context("cannot write to stdout").into()),
            Ok(()) => Ok(()),
        }
    }

    /// Whether nobody reads stdout any more.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// One line on stderr, unless `--quiet`.
    pub fn note(&self, text: impl AsRef<str>) {
        match (self.quiet, self.logs) {
            (true, _) => {}
            (false, true) => tracing::info!("{}", text.as_ref()),
            (false, false) => self.err_line("", text.as_ref()),
        }
    }

    /// As [`Ui::note`], in these lines; in a log they are one event.
    pub fn notes<T: AsRef<str>>(&self, lines: &[T]) {
        if self.logs {
            let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
            self.note(lines.join("\n"));
        } else {
            for line in lines {
                self.note(line);
            }
        }
    }

    /// One line on stderr with `--verbose`.
    pub fn detail(&self, text: impl AsRef<str>) {
        match (self.verbose, self.logs) {
            (0, _) => {}
            (_, true) => tracing::info!("{}", text.as_ref()),
            (_, false) => self.err_line("", text.as_ref()),
        }
    }

    /// One line on stderr that starts with `warning:`, in any case.
    pub fn warn(&self, text: impl AsRef<str>) {
        if self.logs {
            tracing::warn!("{}", text.as_ref());
        } else {
            self.err_line("warning: ", text.as_ref());
        }
    }

    /// One line on stderr that starts with `help:`, in any case.
    pub fn help(&self, text: impl AsRef<str>) {
        if self.logs {
            tracing::info!("help: {}", text.as_ref());
        } else {
            self.err_line("help: ", text.as_ref());
        }
    }

    /// A command's end that is none.
    pub fn failure(&self, failure: &Failure) {
        if self.logs {
            let help = failure.help.as_deref();
            tracing::error!(exit_code = failure.exit.code(), help, "{}", failure.chain());
        } else {
            self.err(&failure.render());
        }
    }

    fn err_line(&self, label: &str, text: &str) {
        self.err(&format!("{label}{}\n", sanitize::terminal(text)));
    }

    /// Text that is safe already, styles included, to stderr. A stderr that cannot be written to
    /// leaves nobody to tell.
    pub fn err(&self, text: &str) {
        let mut stream = AutoStream::new(io::stderr().lock(), self.choice);
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
    }

    /// Whether progress may be drawn.
    pub fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Asks on stderr; anything but `y` or `yes` means no, and so does the end of the input.
    ///
    /// # Errors
    /// The terminal cannot be read.
    pub fn confirm(&self, question: &str) -> Result<bool, Failure> {
        self.err(&format!("{} [y/N] ", sanitize::terminal(question)));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        let answer = answer.trim();
        Ok(answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"))
    }
}

/// Whether a question can be asked and its answer read.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Log lines go to stderr like everything that is said, and are escaped like it: a field may hold
/// a name from a disk. A line of JSON is escaped already, and would be spoilt by it.
#[derive(Clone, Copy, Debug)]
pub struct LogSink(pub LogFormat);

impl io::Write for LogSink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr().lock();
        match self.0 {
            LogFormat::Json => stderr.write_all(line)?,
            LogFormat::Text => {
                let text = String::from_utf8_lossy(line);
                // One event is one line, whatever its fields hold.
                let line = sanitize::log(text.trim_end_matches('\n'));
                stderr.write_all(format!("{line}\n").as_bytes())?;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

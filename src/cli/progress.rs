//! Progress on stderr, only on a terminal, at most ten times a second.

use super::ui::Ui;
use crate::apply::Event;
use crate::report::human;
use crate::scan::ScanEvent;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::atomic::{AtomicU64, Ordering};

const HERTZ: u8 = 10;

fn bar(ui: &Ui, template: &str) -> ProgressBar {
    if !ui.shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(HERTZ));
    // A template that is wrong costs the style, not the run.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// A scan: how many sessions were found so far.
pub struct Scan {
    bar: ProgressBar,
    sessions: AtomicU64,
    checkpoints: AtomicU64,
}

impl Scan {
    pub fn new(ui: &Ui) -> Scan {
        Scan {
            bar: bar(ui, "{spinner} scanning: {msg}"),
            sessions: AtomicU64::new(0),
            checkpoints: AtomicU64::new(0),
        }
    }

    pub fn event(&self, event: ScanEvent) {
        if let ScanEvent::Session { checkpoints, .. } = event {
            let sessions = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
            let more = checkpoints as u64;
            let checkpoints = self.checkpoints.fetch_add(more, Ordering::Relaxed) + more;
            self.bar.set_message(format!(
                "{}, {}",
                human::count(sessions, "session"),
                human::count(checkpoints, "checkpoint")
            ));
        }
        self.bar.tick();
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A deletion, a restoration or a purge.
pub struct Deletion {
    bar: ProgressBar,
}

impl Deletion {
    pub fn new(ui: &Ui) -> Deletion {
        Deletion { bar: bar(ui, "{bar:30} {pos}/{len} checkpoints") }
    }

    /// Called from several threads.
    pub fn event(&self, event: &Event<'_>) {
        match event {
            Event::Begin { checkpoints, .. } => self.bar.set_length(*checkpoints),
            Event::Moved { .. } | Event::Purged { .. } | Event::Restored { .. } => self.bar.inc(1),
            Event::Skipped { .. } | Event::Recovered(_) => {}
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

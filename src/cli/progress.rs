//! Progress on stderr, only on a terminal, at most ten times a second.

use super::ui::Ui;
use crate::apply::Event;
use crate::report::human;
use crate::scan::ScanEvent;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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

/// A scan: how many sessions were found so far. Its threads only count; the bar looks at the counts
/// when it is drawn.
pub struct Scan {
    bar: ProgressBar,
    found: Arc<Found>,
}

#[derive(Default)]
struct Found {
    sessions: AtomicU64,
    checkpoints: AtomicU64,
}

impl Scan {
    pub fn new(ui: &Ui) -> Scan {
        let found = Arc::new(Found::default());
        let bar = bar(ui, "");
        let shown = Arc::clone(&found);
        let told = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let count = |n: &AtomicU64, what| human::count(n.load(Ordering::Relaxed), what);
            // What cannot be drawn is not drawn.
            let _ = out.write_str(&count(&shown.sessions, "session"));
            let _ = write!(out, ", {}", count(&shown.checkpoints, "checkpoint"));
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} scanning: {found}") {
            bar.set_style(style.with_key("found", told));
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(1000 / u64::from(HERTZ)));
        }
        Scan { bar, found }
    }

    /// Called from several threads, for every directory.
    pub fn event(&self, event: ScanEvent) {
        if let ScanEvent::Session { checkpoints, .. } = event {
            self.found.sessions.fetch_add(1, Ordering::Relaxed);
            self.found.checkpoints.fetch_add(checkpoints as u64, Ordering::Relaxed);
        }
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

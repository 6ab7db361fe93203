//! Ctrl-C ends a command at once, except while it changes something: then it ends after the item
//! in hand, and more signals change nothing.

use super::failure::Failure;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The handlers of this process.
pub struct Signals {
    /// The default action holds.
    idle: Arc<AtomicBool>,
    /// A signal came, or the time is up.
    stop: Arc<AtomicBool>,
    /// It was the time.
    late: Arc<AtomicBool>,
}

impl Signals {
    /// Takes over SIGINT, SIGTERM and SIGHUP; nothing changes until [`Signals::critical`].
    ///
    /// # Errors
    /// The system refuses.
    pub fn install() -> Result<Signals, Failure> {
        let signals = Signals {
            idle: Arc::new(AtomicBool::new(true)),
            stop: Arc::new(AtomicBool::new(false)),
            late: Arc::new(AtomicBool::new(false)),
        };
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register_conditional_default(signal, Arc::clone(&signals.idle))?;
            flag::register(signal, Arc::clone(&signals.stop))?;
        }
        Ok(signals)
    }

    /// As if a signal came after so long.
    pub fn stop_after(&self, deadline: Duration) {
        let (stop, late) = (Arc::clone(&self.stop), Arc::clone(&self.late));
        // Nobody waits for it: it ends with the process.
        std::thread::spawn(move || {
            std::thread::sleep(deadline);
            late.store(true, Ordering::SeqCst);
            stop.store(true, Ordering::SeqCst);
        });
    }

    /// Whether the deadline has passed.
    pub fn late(&self) -> bool {
        self.late.load(Ordering::SeqCst)
    }

    /// From here on, and until the guard is dropped, a signal only sets the flag.
    pub fn critical(&self) -> Critical<'_> {
        self.idle.store(false, Ordering::SeqCst);
        Critical { signals: self }
    }
}

/// While it lives, signals wait.
pub struct Critical<'a> {
    signals: &'a Signals,
}

impl Critical<'_> {
    /// Set by the first signal.
    pub fn stop(&self) -> &AtomicBool {
        &self.signals.stop
    }
}

impl Drop for Critical<'_> {
    fn drop(&mut self) {
        self.signals.idle.store(true, Ordering::SeqCst);
    }
}

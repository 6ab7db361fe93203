//! Carries messages out of the machine: files, webhooks, mail.
//!
//! A notification is a courtesy. Each sink has a limit of time that holds whatever the other side
//! does, a failure is a sentence and never stops anything, and what could not be delivered is
//! tried again at the next run. Secrets are read from files or the environment just before they are
//! used, and have no way into a message or a log.

mod file;
mod mail;
mod secret;
pub mod settings;
pub mod tls;
mod webhook;

pub use file::{owner_file, replace};
pub use mail::{Mail, send as send_mail};
pub use secret::Secret;
pub use webhook::post;

use std::sync::mpsc;
use std::time::Duration;

/// Why something was not delivered: a sentence without secrets.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotDelivered(pub String);

/// Runs a delivery for at most `limit`.
///
/// One that takes longer is given up, and counts as not delivered, whatever becomes of it.
///
/// # Errors
/// It failed, or took too long.
pub fn within(
    limit: Duration,
    deliver: impl FnOnce() -> Result<(), NotDelivered> + Send + 'static,
) -> Result<(), NotDelivered> {
    let (done, wait) = mpsc::channel();
    std::thread::Builder::new()
        .name("notify".to_owned())
        // Nobody listens any more if it took too long.
        .spawn(move || drop(done.send(deliver())))
        .map_err(|e| NotDelivered(format!("cannot start a thread: {e}")))?;
    match wait.recv_timeout(limit) {
        Ok(delivered) => delivered,
        Err(mpsc::RecvTimeoutError::Timeout) => {
            Err(NotDelivered(format!("no answer within {} s", limit.as_secs())))
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(NotDelivered("the delivery ended without an answer".to_owned()))
        }
    }
}

//! What a running server knows.

use super::audit::Audit;
use super::auth::{Keys, Principal};
use super::jobs::Jobs;
use super::site::Site;
use crate::core::model::Time;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::Semaphore;

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

pub struct App {
    pub sites: Vec<Arc<Site>>,
    pub keys: Keys,
    pub jobs: Jobs,
    pub audit: Audit,
    /// Places for those who watch events.
    pub watchers: Arc<Semaphore>,
    /// Held by whoever makes something as large as the inventory: one at a time.
    pub large: Semaphore,
    pub clock: Clock,
    /// Set when the server is to end: what is at work finishes the item in hand (I29).
    pub stop: Arc<AtomicBool>,
    /// What every path begins with: nothing, or `/` and a name.
    pub prefix: String,
    /// `Host` headers that are answered, in lower case.
    pub hosts: Vec<String>,
    pub allow_delete: bool,
    /// A proxy in front speaks TLS.
    pub secure: bool,
}

impl App {
    pub fn now(&self) -> Time {
        (self.clock)()
    }

    /// A root by its name in paths.
    pub fn site(&self, slug: &str) -> Option<&Arc<Site>> {
        self.sites.iter().find(|s| s.slug == slug)
    }

    /// What somebody may do: see, or also change.
    pub fn may_change(&self, _who: &Principal) -> bool {
        self.allow_delete
    }
}

//! One root of a running server: its newest view, and the one place where it is changed.

use super::auth::Scope;
use super::shared::Shared;
use super::state::Clock;
use super::view::{Law, View};
use crate::apply::{KnownRuns, Root, RootError};
use crate::config::Config;
use crate::core::name;
use crate::core::policy::Diagnostic;
use crate::layout;
use crate::scan::ScanEvent;
use crate::steps::see::{self, DeclaredError, Remember, SeeError};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;

/// Progress is told after so many sessions.
const EVERY: u64 = 50;

/// How a scan is getting on.
#[derive(Clone, Debug, Default)]
pub struct Scanning {
    pub running: bool,
    pub sessions: u64,
    pub checkpoints: u64,
    /// Views made so far; changes when a page is out of date.
    pub generation: u64,
    /// Why the last scan made no view.
    pub fault: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error(transparent)]
    Root(#[from] RootError),
    #[error(transparent)]
    See(#[from] SeeError),
    #[error("{0} declares layouts that are not valid; `retain policy check` says what is wrong")]
    Layouts(String),
    #[error("the settings and the policy both declare a layout `{0}`")]
    Twice(String),
    #[error(transparent)]
    Layout(#[from] regex::Error),
}

pub struct Site {
    /// Its name in paths.
    pub slug: String,
    pub config: Config,
    policy: Option<PathBuf>,
    home: Option<PathBuf>,
    threads: Option<NonZeroUsize>,
    pub shown: String,
    view: RwLock<Option<Arc<View>>>,
    /// What the journals of this root say.
    pub runs: Shared<KnownRuns>,
    pub scanning: watch::Sender<Scanning>,
    wake: Mutex<Sender<()>>,
    /// Held by whatever scans or changes this root.
    work: Mutex<()>,
}

/// What makes a site.
pub struct SiteOptions {
    pub config: Config,
    /// Instead of the settings' own.
    pub policy: Option<PathBuf>,
    pub home: Option<PathBuf>,
    pub threads: Option<NonZeroUsize>,
}

impl Site {
    /// The receiver is what [`Site::keep_looking`] listens to.
    pub fn new(slug: String, options: SiteOptions) -> (Arc<Site>, Receiver<()>) {
        let (wake, woken) = mpsc::channel();
        let shown = name::encode(options.config.root.as_os_str().as_encoded_bytes()).into_owned();
        let site = Site {
            slug,
            policy: options.policy.or_else(|| options.config.policy.clone()),
            config: options.config,
            home: options.home,
            threads: options.threads,
            shown,
            view: RwLock::new(None),
            runs: Shared::default(),
            scanning: watch::channel(Scanning::default()).0,
            wake: Mutex::new(wake),
            work: Mutex::new(()),
        };
        (Arc::new(site), woken)
    }

    /// The newest view; `None` until the first scan is done.
    pub fn view(&self) -> Option<Arc<View>> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for a scan soon; many requests at once are one scan.
    pub fn refresh(&self) {
        let wake = self.wake.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody listens any more when the server ends.
        let _ = wake.send(());
    }

    /// Waits until nothing else scans or changes this root.
    pub fn claim(&self) -> MutexGuard<'_, ()> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To search with; 0 for as many as the file system bears.
    pub fn threads(&self) -> usize {
        self.threads.map_or(0, NonZeroUsize::get)
    }

    /// # Errors
    /// Everything that I1 refuses.
    pub fn open(&self) -> Result<Root, RootError> {
        Root::open(&self.config.root, self.home.as_deref())
    }

    /// Scans and decides; the caller holds the claim.
    ///
    /// # Errors
    /// The root is refused or cannot be opened. The old view stays, and pages say why.
    pub fn look(&self, clock: &Clock) -> Result<Arc<View>, LookError> {
        self.scanning.send_modify(|s| {
            *s = Scanning { running: true, generation: s.generation, ..Scanning::default() };
        });
        let made = self.see(clock);
        match &made {
            Ok(view) => {
                *self.view.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(view));
                self.scanning.send_modify(|s| {
                    s.running = false;
                    s.generation += 1;
                });
            }
            Err(e) => {
                let fault = e.to_string();
                tracing::warn!("{} cannot be read: {fault}", self.shown);
                self.scanning.send_modify(|s| {
                    s.running = false;
                    s.fault = Some(fault);
                });
            }
        }
        made
    }

    fn see(&self, clock: &Clock) -> Result<Arc<View>, LookError> {
        let root = self.open()?;
        let now = clock();
        let law = Law::read(self.policy.as_deref(), now);
        // What a policy declares is recognised by it: both come from one text.
        let declared = match see::declared(&self.config, &law.text) {
            Ok(declared) => declared,
            // Not the fault of a layout, and nothing is deleted while it lasts.
            Err(DeclaredError::Faults(faults))
                if law.fault.is_some() && faults.iter().any(Diagnostic::is_of_syntax) =>
            {
                self.config.layouts.clone()
            }
            Err(DeclaredError::Faults(_)) => return Err(LookError::Layouts(law.source.clone())),
            Err(DeclaredError::Twice(name)) => return Err(LookError::Twice(name)),
        };
        let layouts = layout::with(&declared)?;
        let (sessions, checkpoints) = (AtomicU64::new(0), AtomicU64::new(0));
        let event = |event| {
            if let ScanEvent::Session { checkpoints: more, .. } = event {
                let all = checkpoints.fetch_add(more as u64, Ordering::Relaxed) + more as u64;
                let n = sessions.fetch_add(1, Ordering::Relaxed) + 1;
                if n.is_multiple_of(EVERY) {
                    self.scanning.send_modify(|s| (s.sessions, s.checkpoints) = (n, all));
                }
            }
        };
        let seen = see::scan(
            &root,
            &self.config,
            layouts,
            self.threads,
            now,
            Remember::nothing(),
            &event,
        )?;
        // The time of the plan is not before that of anything the scan saw.
        let view = View::new(seen, law, clock());
        // While nobody waits for it: journals that others keep beside their checkpoints are found by
        // a walk over all directories.
        let known = KnownRuns::find(&root, self.threads()).map(Arc::new);
        let runs = known.as_ref().map(|k| &*k.runs).unwrap_or_default();
        view.past(&root, runs, &Scope::Administrator);
        match known {
            Ok(known) => self.runs.put(known),
            Err(_) => self.runs.forget(),
        }
        Ok(Arc::new(view))
    }

    /// Scans now, whenever asked to, and at least every `pause`; until the site is dropped.
    pub fn keep_looking(&self, woken: &Receiver<()>, pause: Duration, clock: &Clock) {
        loop {
            {
                let _claim = self.claim();
                // One scan answers all who asked before it began.
                while woken.try_recv().is_ok() {}
                let _ = self.look(clock);
            }
            match woken.recv_timeout(pause) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

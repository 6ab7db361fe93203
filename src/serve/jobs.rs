//! What changes a root, one thing at a time, with its progress for whoever watches.
//!
//! A job looks at the root again before it does anything: only if the plan of the fresh look does
//! what the person was shown does it go on. Everything that moves or removes is `apply`'s work,
//! on a thread that the kernel confines to the root.

mod work;

pub use work::Task;

use super::audit::Act;
use super::auth::{Principal, Scope};
use super::site::Site;
use super::state::App;
use crate::apply;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// So many are remembered; the oldest finished ones are forgotten first.
const REMEMBERED: usize = 256;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Behind another job or a scan.
    #[default]
    Waiting,
    /// Scanning again, to see whether what was shown still holds.
    Looking,
    Working,
    Done,
    /// What was shown no longer holds; nothing was changed.
    Stale,
    Failed,
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Looking => "looking",
            Phase::Working => "working",
            Phase::Done => "done",
            Phase::Stale => "stale",
            Phase::Failed => "failed",
        }
    }

    pub fn is_over(self) -> bool {
        matches!(self, Phase::Done | Phase::Stale | Phase::Failed)
    }
}

/// How a job is getting on.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub phase: Phase,
    /// Checkpoints, of `total`.
    pub done: u64,
    pub total: u64,
    /// Why it failed.
    pub fault: Option<String>,
    /// The JSON of the command that does the same.
    pub report: Value,
    /// The run it made or worked on.
    pub run: Option<String>,
}

pub struct Job {
    pub id: String,
    pub root: String,
    /// `apply`, `undo` or `purge`.
    pub action: &'static str,
    /// The session of a choice, for the way back.
    pub session: Option<String>,
    /// It is a choice in several sessions.
    pub several: bool,
    pub who: Arc<Principal>,
    pub progress: watch::Sender<Progress>,
}

impl Job {
    /// `retain-job/1`.
    pub fn json(&self) -> Value {
        self.json_of(&self.progress.borrow())
    }

    pub fn json_of(&self, progress: &Progress) -> Value {
        json!({
            "format": "retain-job/1",
            "job": self.id,
            "root": self.root,
            "action": self.action,
            "phase": progress.phase.as_str(),
            "done": progress.done,
            "total": progress.total,
            "run": progress.run,
            "fault": progress.fault,
            "report": progress.report,
        })
    }

    /// Theirs, or an administrator's to see.
    pub fn is_for(&self, who: &Principal) -> bool {
        match &who.scope {
            Scope::Administrator => true,
            Scope::Owner(_) => *self.who == *who,
        }
    }
}

#[derive(Default)]
pub struct Jobs {
    list: Mutex<VecDeque<Arc<Job>>>,
}

impl Jobs {
    pub fn get(&self, who: &Principal, id: &str) -> Option<Arc<Job>> {
        self.list().iter().find(|j| j.id == id && j.is_for(who)).map(Arc::clone)
    }

    /// Waits until nothing is at work; with the stop flag set that is soon.
    pub async fn settle(&self) {
        let all: Vec<_> = self.list().iter().map(|j| j.progress.subscribe()).collect();
        for mut job in all {
            let _ = job.wait_for(|p| p.phase.is_over()).await;
        }
    }

    fn list(&self) -> MutexGuard<'_, VecDeque<Arc<Job>>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a job on a thread of its own. The audit has its line before anything is touched.
    ///
    /// # Errors
    /// The audit cannot be written (I29), or there is no thread to be had: nothing was begun.
    pub fn start(
        app: &Arc<App>,
        site: &Arc<Site>,
        who: &Arc<Principal>,
        task: Task,
    ) -> io::Result<Arc<Job>> {
        let job = Arc::new(Job {
            id: apply::random_hex(8)?,
            root: site.slug.clone(),
            action: task.action(),
            session: task.session(),
            several: task.is_several(),
            who: Arc::clone(who),
            progress: watch::channel(Progress::default()).0,
        });
        let subject = task.subject();
        let audit = move |app: &App, job: &Job, result: &Value| {
            let act =
                Act { who: &job.who.name, root: &job.root, action: job.action, subject: &subject };
            app.audit.write(app.now(), &act, result)
        };
        audit(app, &job, &json!("asked for"))?;
        {
            let mut list = app.jobs.list();
            if list.len() >= REMEMBERED
                && let Some(old) = list.iter().position(|j| j.progress.borrow().phase.is_over())
            {
                list.remove(old);
            }
            list.push_back(Arc::clone(&job));
        }
        let (app, site, mine) = (Arc::clone(app), Arc::clone(site), Arc::clone(&job));
        std::thread::Builder::new().name("job".to_owned()).spawn(move || {
            work::run(&app, &site, &mine, &task);
            let end = mine.progress.borrow().clone();
            let result = json!({ "phase": end.phase.as_str(), "run": end.run, "fault": end.fault });
            if let Err(e) = audit(&app, &mine, &result) {
                tracing::error!("the audit cannot be written: {e}");
            }
            site.refresh();
        })?;
        Ok(job)
    }
}

//! A storage to work on, plans of it, and pictures of it before and after.

use crate::trees::{Kind, Snapshot};
use retain::apply::calls::{Calls, Os};
use retain::apply::journal::Journal;
use retain::apply::journal::record::{Begin, Record};
use retain::apply::{ApplyError, ApplyOptions, Event, Report, Root, Settings, What, apply, init};
use retain::core::model::Time;
use retain::core::name;
use retain::core::plan::{
    FORMAT, PlanDecision, PlanFile, PlanPolicy, PlanRoot, PlanSession, Witness,
};
use retain::store::unit;
use rustix::fd::AsFd as _;
use std::ffi::{CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub const HOUR: u64 = 3600;

pub fn time(text: &str) -> Time {
    Time::parse(text).expect("a time")
}

/// When the plans of these tests are made and carried out.
pub fn now() -> Time {
    time("2026-02-10T12:00:00Z")
}

pub fn later(seconds: u64) -> Time {
    Time::from_nanos(now().nanos() + i64::try_from(seconds).unwrap() * Time::NANOS_PER_SEC)
}

pub static GO: AtomicBool = AtomicBool::new(false);

/// A root in a directory that goes when the test ends.
pub struct Store {
    pub dir: tempfile::TempDir,
    pub top: PathBuf,
}

impl Store {
    pub fn new() -> Store {
        Store::within(&std::env::temp_dir())
    }

    /// In memory if there is such a place: for sweeps of thousands of runs, each full of fsyncs.
    pub fn quick() -> Store {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Store::within(memory) } else { Store::new() }
    }

    pub fn within(place: &Path) -> Store {
        let dir = tempfile::Builder::new().prefix("retain-apply-").tempdir_in(place).unwrap();
        let top = dir.path().join("runs");
        fs::create_dir(&top).unwrap();
        let store = Store { dir, top };
        store.init();
        store
    }

    pub fn init(&self) -> Root {
        init(&self.top, None, now(), &Os).unwrap()
    }

    pub fn root(&self) -> Root {
        Root::open(&self.top, None).unwrap()
    }

    pub fn path(&self, rel: impl AsRef<[u8]>) -> PathBuf {
        self.top.join(OsStr::from_bytes(rel.as_ref()))
    }

    /// Writes a file, with the folders it needs.
    pub fn file(&self, rel: impl AsRef<[u8]>, content: &str) {
        let path = self.path(rel);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A checkpoint directory with two files and a folder.
    pub fn ckpt(&self, rel: impl AsRef<[u8]>) {
        let rel = rel.as_ref();
        for (name, content) in
            [("model.bin", "weights"), ("state.json", "{}"), ("opt/a/rank0", "moments")]
        {
            self.file([rel, b"/", name.as_bytes()].concat(), content);
        }
    }

    /// Two sessions of four checkpoints each, of which the last is to stay.
    pub fn sample() -> Store {
        let store = Store::new();
        for session in ["a/mnist/1", "b/mnist/2"] {
            for id in ["10", "20", "30", "40"] {
                store.ckpt(format!("{session}/checkpoint-{id}"));
            }
            store.file(format!("{session}/train.log"), "log");
        }
        store
    }

    /// The plan that goes with [`Store::sample`].
    pub fn sample_plan(&self) -> PlanFile {
        let mut plan = Plan::of(self);
        for session in ["a/mnist/1", "b/mnist/2"] {
            for id in ["10", "20", "30"] {
                plan.delete(session, id, &[&format!("{session}/checkpoint-{id}")]);
            }
            plan.keep(session, "40", &[&format!("{session}/checkpoint-40")]);
        }
        plan.seal()
    }

    pub fn picture(&self) -> Picture {
        Picture::of(&self.top)
    }

    pub fn apply(&self, plan: &PlanFile) -> Result<Report, ApplyError> {
        self.apply_with(plan, &options())
    }

    pub fn apply_with(
        &self,
        plan: &PlanFile,
        options: &ApplyOptions<'_>,
    ) -> Result<Report, ApplyError> {
        apply(&self.root(), plan, options, &silent)
    }
}

pub fn silent(_: Event<'_>) {}

pub fn settings(at: Time) -> Settings<'static> {
    let lock_wait = Duration::from_secs(20);
    Settings { threads: 1, lock_wait, ..Settings::new(at, &GO) }
}

pub fn options() -> ApplyOptions<'static> {
    ApplyOptions { settings: settings(now()), grace: None, purge_now: false }
}

pub fn with_calls(calls: &dyn Calls) -> ApplyOptions<'_> {
    ApplyOptions { settings: Settings { calls, ..settings(now()) }, grace: None, purge_now: false }
}

/// Makes plans by measuring what is there, as a scan does.
pub struct Plan<'s> {
    store: &'s Store,
    pub plan: PlanFile,
}

impl<'s> Plan<'s> {
    pub fn of(store: &'s Store) -> Plan<'s> {
        let root = store.root();
        let plan = PlanFile {
            format: FORMAT.to_owned(),
            tool: "retain test".to_owned(),
            now: now().to_string(),
            root: Some(PlanRoot {
                id: root.id.clone(),
                path: store.top.display().to_string(),
                inode: root.inode,
            }),
            policy: PlanPolicy {
                source: "test".to_owned(),
                grace_seconds: 20 * HOUR,
                ..PlanPolicy::default()
            },
            ..PlanFile::default()
        };
        Plan { store, plan }
    }

    fn measure(&self, paths: &[&str]) -> (Vec<String>, String) {
        let mut opened = Vec::new();
        for path in paths {
            let raw = name::decode(path).into_owned();
            let cut = raw.iter().rposition(|b| *b == b'/').map_or(0, |i| i + 1);
            let (parent, last) = raw.split_at(cut);
            let dir = fs::File::open(self.store.path(parent)).unwrap();
            opened.push((dir, CString::new(last).unwrap()));
        }
        let parts: Vec<_> =
            opened.iter().map(|(d, n)| unit::Part { parent: d.as_fd(), name: n }).collect();
        let unit = unit::measure_parts(&parts).unwrap();
        (paths.iter().map(|p| (*p).to_owned()).collect(), unit::hex(&unit.fingerprint))
    }

    fn session(&mut self, session: &str) -> &mut PlanSession {
        let known = self.plan.sessions.iter().position(|s| s.session == session);
        let at = known.unwrap_or_else(|| {
            self.plan
                .sessions
                .push(PlanSession { session: session.to_owned(), ..PlanSession::default() });
            self.plan.sessions.len() - 1
        });
        &mut self.plan.sessions[at]
    }

    pub fn delete(&mut self, session: &str, id: &str, paths: &[&str]) -> &mut Self {
        let (paths, fingerprint) = self.measure(paths);
        self.session(session);
        self.plan.decisions.push(PlanDecision {
            session: session.to_owned(),
            id: id.to_owned(),
            verdict: "delete".to_owned(),
            bytes: 1000,
            paths,
            fingerprint: Some(fingerprint),
            ..PlanDecision::default()
        });
        self
    }

    pub fn keep(&mut self, session: &str, id: &str, paths: &[&str]) -> &mut Self {
        let (paths, fingerprint) = self.measure(paths);
        let witness =
            Witness { session: session.to_owned(), id: id.to_owned(), paths, fingerprint };
        self.session(session).witnesses.push(witness);
        self.plan.decisions.push(PlanDecision {
            session: session.to_owned(),
            id: id.to_owned(),
            verdict: "keep".to_owned(),
            ..PlanDecision::default()
        });
        self
    }

    /// A file that is not there and must not appear.
    pub fn absent(&mut self, session: &str, id: &str, path: &str) -> &mut Self {
        let paths = vec![path.to_owned()];
        let witness =
            Witness { session: session.to_owned(), id: id.to_owned(), paths, ..Witness::default() };
        self.session(session).witnesses.push(witness);
        self
    }

    pub fn seal(&self) -> PlanFile {
        self.plan.clone().seal()
    }
}

/// Everything about a tree that an undo must bring back, `.retain` left out. A folder's own mtime
/// counts only inside a checkpoint: a rename in it changes it, and no tool can keep it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Picture(pub Snapshot);

impl Picture {
    pub fn of(top: &Path) -> Picture {
        let mut all = Snapshot::of(top).without(".retain");
        for (path, entry) in &mut all.entries {
            let inside = path.iter().any(|c| c.as_bytes().starts_with(b"checkpoint"));
            if entry.kind == Kind::Dir && !inside {
                entry.mtime = 0;
            }
        }
        Picture(all)
    }

    /// Without what lies at or below any of these paths.
    pub fn without(&self, paths: &[&str]) -> Picture {
        let mut left = self.clone();
        left.0.entries.retain(|p, _| !paths.iter().any(|gone| p.starts_with(raw(gone))));
        left
    }

    /// With what another picture has at and below `path`.
    pub fn with(mut self, other: &Picture, path: &str) -> Picture {
        let found = other.0.entries.iter().filter(|(p, _)| p.starts_with(raw(path)));
        self.0.entries.extend(found.map(|(p, e)| (p.clone(), e.clone())));
        self
    }

    pub fn has(&self, path: &str) -> bool {
        self.0.entries.contains_key(&raw(path))
    }

    /// Panics with the differences.
    #[track_caller]
    pub fn assert_same(&self, now: &Picture) {
        self.0.assert_same(&now.0);
    }
}

fn raw(path: &str) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&name::decode(path)))
}

/// All of `.retain` below a root but the journals and the marker: what is left of trashes.
pub fn trash(store: &Store) -> Vec<String> {
    let mut out = Vec::new();
    let mut todo = vec![store.top.clone()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let rel = name::encode(path.strip_prefix(&store.top).unwrap().as_os_str().as_bytes())
                .into_owned();
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                todo.push(path);
            }
            if rel.contains(".retain/trash") {
                out.push(rel);
            }
        }
    }
    out.sort();
    out
}

/// Where a run put checkpoints of a session whose folder this is.
pub fn slot(store: &Store, folder: &str, run: &str) -> PathBuf {
    let mut slots = fs::read_dir(store.path(format!("{folder}/.retain/trash/{run}"))).unwrap();
    slots.next().expect("a slot").unwrap().path()
}

/// A journal file that somebody wrote, in an open journal directory.
pub fn write(dir: &fs::File, begin: Begin, records: &[Record]) -> Journal {
    let mut journal = Journal::create(&Os, dir.as_fd(), &begin).unwrap();
    for record in records {
        journal.add(record);
    }
    journal.commit(&Os).unwrap();
    journal
}

/// All that a run moved.
pub fn all_of(run: &str) -> What<'_> {
    What { run, session: None, checkpoint: None }
}

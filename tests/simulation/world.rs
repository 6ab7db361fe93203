//! A storage, and what may be true of it.

use crate::check::Seen;
use crate::tree::{self, Tree};
use retain::apply::calls::{Calls, Os};
use retain::apply::journal::history::Run;
use retain::apply::{ApplyOptions, Event, Root, Settings, init};
use retain::core::model::Time;
use retain::core::plan::{
    FORMAT, PlanDecision, PlanFile, PlanPolicy, PlanRoot, PlanSession, Witness,
};
use retain::store::unit;
use rustix::fd::{AsFd as _, OwnedFd};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How long what a run moved can be restored.
pub const GRACE: i64 = 20 * 3600;
static GO: AtomicBool = AtomicBool::new(false);

/// A checkpoint of the world as it begins.
pub struct Unit {
    pub session: &'static str,
    pub id: &'static str,
    /// What makes it loadable first.
    pub paths: &'static [&'static str],
    pub keeper: bool,
}

const fn unit(
    session: &'static str,
    id: &'static str,
    paths: &'static [&'static str],
    keeper: bool,
) -> Unit {
    Unit { session, id, paths, keeper }
}

/// A session of directories, one of two files each, one of two folders each, one of single files.
pub const UNITS: [Unit; 9] = [
    unit("d", "1", &["d/checkpoint-1"], false),
    unit("d", "2", &["d/checkpoint-2"], false),
    unit("d", "3", &["d/checkpoint-3"], true),
    unit("g", "1", &["g/checkpoint-1.index", "g/checkpoint-1.data"], false),
    unit("g", "2", &["g/checkpoint-2.index", "g/checkpoint-2.data"], true),
    unit("n", "1", &["n/z/checkpoint-1.ckpt", "n/a/checkpoint-1.ckpt"], false),
    unit("n", "2", &["n/z/checkpoint-2.ckpt", "n/a/checkpoint-2.ckpt"], true),
    unit("f", "1", &["f/checkpoint-1.ckpt"], false),
    unit("f", "2", &["f/checkpoint-2.ckpt"], true),
];
/// Where a trash may stand.
pub const FOLDERS: [&str; 5] = ["d", "g", "n/a", "n/z", "f"];
/// What is nobody's checkpoint.
const OTHERS: [&str; 3] = ["d/train.log", "d/events", "notes.txt"];

/// One part of a checkpoint that exists somewhere.
#[derive(Clone, Debug)]
pub struct Part {
    pub path: PathBuf,
    pub tree: Tree,
}

/// A checkpoint that exists somewhere; several may have the same name, one after the other.
#[derive(Clone, Debug)]
pub struct Thing {
    pub unit: usize,
    pub parts: Vec<Part>,
    /// The plan that is, or was, to be carried out names it as it is.
    pub planned: bool,
    /// When the last run that names it began.
    pub run_at: Option<Time>,
    /// A command was told to purge it while it was, or came, in the trash.
    pub purgeable: bool,
}

impl Thing {
    /// Nobody removed a part of it. What is left of one that was in the trash, or half way out of
    /// it, has no way to become whole; it stays there, and each recovery says so.
    pub fn is_all(&self) -> bool {
        self.parts.len() == UNITS[self.unit].paths.len()
    }
}

pub struct World {
    _dir: tempfile::TempDir,
    graveyard: PathBuf,
    root: Arc<Root>,
    pub top: PathBuf,
    pub now: Time,
    /// The latest time before the clock was set back.
    pub latest: Time,
    pub things: Vec<Thing>,
    /// Everything else at its own path.
    pub others: Tree,
    /// Pinned checkpoints of session `d`.
    pub pins: Vec<&'static str>,
    pub plan: Option<PlanFile>,
    /// Counts what somebody else wrote, so that nothing is written twice.
    pub deeds: usize,
    /// What was there after the last step, if nothing happened since.
    pub seen: Option<Seen>,
    /// What somebody else does happens in the middle of a command.
    pub in_command: bool,
    /// What the journal says, by what is written in it.
    pub journal: RefCell<Option<Journal>>,
}

/// The files of the journal, and the runs in them.
type Journal = (BTreeMap<PathBuf, Vec<u8>>, Arc<[Run]>);

pub fn silent(_: Event<'_>) {}

pub fn options(now: Time, calls: &dyn Calls, purge_now: bool) -> ApplyOptions<'_> {
    let lock_wait = Duration::ZERO;
    let settings = Settings { now, threads: 1, lock_wait, stop: &GO, calls };
    ApplyOptions { settings, grace: None, purge_now }
}

impl World {
    pub fn new() -> World {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let dir = tempfile::Builder::new().prefix("retain-sim-").tempdir_in(place).unwrap();
        let (top, graveyard) = (dir.path().join("runs"), dir.path().join("graveyard"));
        fs::create_dir(&top).unwrap();
        fs::create_dir(&graveyard).unwrap();
        let now = Time::parse("2026-02-10T12:00:00Z").unwrap();
        tree::forget();
        let root = Arc::new(init(&top, None, now, &Os).unwrap());
        let mut world = World {
            _dir: dir,
            graveyard,
            root,
            top,
            now,
            latest: now,
            things: Vec::new(),
            others: Tree::new(),
            pins: Vec::new(),
            plan: None,
            deeds: 0,
            seen: None,
            in_command: false,
            journal: RefCell::default(),
        };
        for path in OTHERS {
            world.write(path, path);
        }
        world.others = tree::without_ours(&world.top);
        for n in 0..UNITS.len() {
            world.make(n);
        }
        let folders = FOLDERS.iter().flat_map(|f| Path::new(f).ancestors());
        let all = tree::without_ours(&world.top);
        for folder in folders {
            world.others.insert(folder.to_path_buf(), all[folder].clone());
        }
        world
    }

    pub fn write(&self, path: impl AsRef<Path>, content: &str) {
        let path = self.top.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Makes a checkpoint at its own path.
    pub fn make(&mut self, n: usize) {
        self.deeds += 1;
        let content = format!("{} {}", UNITS[n].paths[0], self.deeds);
        for path in UNITS[n].paths {
            if UNITS[n].session == "d" {
                self.write(format!("{path}/model.bin"), &content);
                self.write(format!("{path}/opt/rank0"), &content);
            } else {
                self.write(path, &content);
            }
        }
        let part = |p: &&str| Part { path: p.into(), tree: tree::tree(&self.top.join(p)) };
        let parts = UNITS[n].paths.iter().map(part).collect();
        self.things.push(Thing { unit: n, parts, planned: false, run_at: None, purgeable: false });
    }

    /// Opened once: what a root may be has its own tests.
    pub fn root(&self) -> Arc<Root> {
        Arc::clone(&self.root)
    }

    pub fn graveyard(&self) -> OwnedFd {
        fs::File::open(&self.graveyard).unwrap().into()
    }

    /// A checkpoint all of which is at its own path, if there is one of this name.
    pub fn at_home(&self, n: usize) -> Option<usize> {
        self.things.iter().position(|t| {
            t.unit == n
                && t.is_all()
                && t.parts.iter().all(|p| tree::tree(&self.top.join(&p.path)) == p.tree)
        })
    }

    /// Plans to delete what is there and no keeper, in sessions whose keeper is there.
    pub fn make_plan(&mut self) {
        self.now = Time::from_nanos(self.now.nanos() + Time::NANOS_PER_SEC);
        let root = self.root();
        let mut plan = PlanFile {
            format: FORMAT.to_owned(),
            tool: "retain simulation".to_owned(),
            now: self.now.to_string(),
            root: Some(PlanRoot {
                id: root.id.clone(),
                path: self.top.display().to_string(),
                inode: root.inode,
            }),
            policy: PlanPolicy { grace_seconds: GRACE.unsigned_abs(), ..PlanPolicy::default() },
            ..PlanFile::default()
        };
        let here: Vec<Option<usize>> = (0..UNITS.len()).map(|n| self.at_home(n)).collect();
        for (n, thing) in here.iter().enumerate() {
            let Some(thing) = *thing else { continue };
            let unit = &UNITS[n];
            let keeper = UNITS.iter().position(|u| u.keeper && u.session == unit.session).unwrap();
            let pinned = unit.session == "d" && self.pins.contains(&unit.id);
            self.things[thing].planned = !unit.keeper && !pinned && here[keeper].is_some();
            if !self.things[thing].planned {
                continue;
            }
            let (paths, fingerprint) = self.measure(unit.paths);
            plan.decisions.push(PlanDecision {
                session: unit.session.to_owned(),
                id: unit.id.to_owned(),
                verdict: "delete".to_owned(),
                bytes: 1000,
                paths,
                fingerprint: Some(fingerprint),
                ..PlanDecision::default()
            });
            if plan.sessions.iter().any(|s| s.session == unit.session) {
                continue;
            }
            let mut witnesses = vec![self.witness(unit.session, UNITS[keeper].paths)];
            if unit.session == "d" {
                witnesses.push(self.witness("d", &["d/.retain/marks.toml"]));
            }
            let session = unit.session.to_owned();
            plan.sessions.push(PlanSession { session, witnesses, ..PlanSession::default() });
        }
        self.plan = Some(plan.seal());
    }

    fn witness(&self, session: &str, paths: &[&str]) -> Witness {
        let there = self.top.join(paths[0]).exists();
        let (paths, fingerprint) = if there {
            self.measure(paths)
        } else {
            (paths.iter().map(|p| (*p).to_owned()).collect(), String::new())
        };
        Witness { session: session.to_owned(), id: "kept".to_owned(), paths, fingerprint }
    }

    fn measure(&self, paths: &[&str]) -> (Vec<String>, String) {
        let open = |path: &&str| {
            let (parent, name) = path.rsplit_once('/').unwrap();
            (fs::File::open(self.top.join(parent)).unwrap(), CString::new(name).unwrap())
        };
        let opened: Vec<(fs::File, CString)> = paths.iter().map(open).collect();
        let parts: Vec<unit::Part<'_>> =
            opened.iter().map(|(d, n)| unit::Part { parent: d.as_fd(), name: n }).collect();
        let measured = unit::measure_parts(&parts).unwrap();
        (paths.iter().map(|p| (*p).to_owned()).collect(), unit::hex(&measured.fingerprint))
    }
}

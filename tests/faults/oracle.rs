//! A small storage with every shape of a checkpoint, and what must hold of it at any time.

use crate::arena::Arena;
use crate::strace::{self, Fault, Traced};
use crate::support::{Picture, Plan, Store, settings, silent, trash};
use crate::trees::World;
use retain::apply::{What, Which, purge, recover, runs, undo};
use retain::core::plan::PlanFile;

/// The parts of each checkpoint that is to go; what makes it loadable first.
pub const PLANNED: [&[&str]; 3] = [
    &["s/checkpoint-1"],
    &["s/checkpoint-2.ckpt"],
    &["tf/checkpoint-1.index", "tf/checkpoint-1.data"],
];

/// A storage, how it looked at first, and the program's surroundings.
pub struct Case {
    pub store: Store,
    pub world: World,
    pub before: Picture,
    plan: PlanFile,
    file: String,
}

impl Case {
    /// Two sessions: a directory, a single file, a group of files, and a keeper of each kind.
    pub fn new(arena: &Arena) -> Case {
        Case::with(arena.store())
    }

    pub fn with(store: Store) -> Case {
        store.ckpt("s/checkpoint-1");
        store.file("s/checkpoint-2.ckpt", "pickled");
        store.ckpt("s/checkpoint-9");
        store.file("s/train.log", "epoch 1\n");
        for n in ["1", "2"] {
            store.file(format!("tf/checkpoint-{n}.index"), "index");
            store.file(format!("tf/checkpoint-{n}.data"), "data");
        }
        let mut plan = Plan::of(&store);
        plan.delete("s", "1", PLANNED[0]).delete("s", "2", PLANNED[1]);
        plan.keep("s", "9", &["s/checkpoint-9"]);
        plan.delete("tf", "1", PLANNED[2]);
        plan.keep("tf", "2", &["tf/checkpoint-2.index", "tf/checkpoint-2.data"]);
        plan.plan.totals.delete = PLANNED.len() as u64;
        let plan = plan.seal();
        let file = store.dir.path().join("plan-0.json").to_str().unwrap().to_owned();
        std::fs::write(&file, serde_json::to_vec(&plan).unwrap()).unwrap();
        let world = World::within(store.dir.path()).at_time("2026-02-10T12:00:00Z");
        let before = store.picture();
        Case { store, world, before, plan, file }
    }

    /// The same, with the plan carried out in order.
    pub fn applied(self) -> (Case, String) {
        self.world.run(self.apply()).ok();
        let root = self.store.root();
        let run = runs(&root, 0).unwrap().0[0].id.clone();
        (self, run)
    }

    fn on_root(&self, args: &[&str]) -> Vec<String> {
        let root = ["--threads", "1", "-C", self.store.top.to_str().unwrap()];
        args.iter().chain(&root).map(|a| (*a).to_owned()).collect()
    }

    pub fn apply(&self) -> Vec<String> {
        self.on_root(&["apply", &self.file, "--yes"])
    }

    /// As [`Case::apply`], with a plan that asks for the same and is another one.
    pub fn apply_as(&self, nth: usize) -> Vec<String> {
        let mut plan = self.plan.clone();
        plan.policy.source = format!("test {nth}");
        let file = self.file.replace("plan-0", &format!("plan-{nth}-of-others"));
        std::fs::write(&file, serde_json::to_vec(&plan.seal()).unwrap()).unwrap();
        self.on_root(&["apply", &file, "--yes"])
    }

    pub fn undo(&self, run: &str) -> Vec<String> {
        self.on_root(&["undo", run])
    }

    pub fn purge(&self, run: &str) -> Vec<String> {
        self.on_root(&["purge", run, "--yes"])
    }

    /// What cron calls: the trash whose grace has passed.
    pub fn purge_due(&self) -> Vec<String> {
        self.on_root(&["purge", "--yes"])
    }

    pub fn run_with(&self, arena: &Arena, fault: Fault, args: &[String]) -> Traced {
        strace::with_fault(&self.world, fault, arena.is_old_kernel(), args)
    }

    /// Checkpoints of the plan of which nothing is at its path.
    pub fn gone(&self) -> usize {
        let now = self.store.picture();
        PLANNED.iter().filter(|parts| parts.iter().all(|p| !now.has(p))).count()
    }

    /// Promise P, as it shows from outside: nothing but planned checkpoints has changed; each of
    /// those is what it was, or not loadable.
    #[track_caller]
    pub fn promise(&self, about: &str) {
        let now = self.store.picture();
        let planned = PLANNED.concat();
        let others = (self.before.without(&planned), now.without(&planned));
        assert_eq!(others.0.0.diff(&others.1.0), "", "{about}: something else changed");
        for parts in PLANNED {
            let there: Vec<&str> = parts.iter().copied().filter(|p| now.has(p)).collect();
            let whole = there.len() == parts.len();
            assert!(whole || !there.contains(&parts[0]), "{about}: {parts:?} is half there");
            for part in there {
                let (was, is) = (only(&self.before, part), only(&now, part));
                assert_eq!(was.0.diff(&is.0), "", "{about}: {part} is not what it was");
            }
        }
    }

    /// As [`Case::promise`], and nothing is half way.
    #[track_caller]
    pub fn settled(&self, about: &str) {
        self.promise(about);
        let now = self.store.picture();
        for parts in PLANNED {
            let there = parts.iter().filter(|p| now.has(p)).count();
            assert!(there == 0 || there == parts.len(), "{about}: {parts:?} is still half there");
        }
    }

    /// Recovery, which must find nothing to do the second time.
    #[track_caller]
    pub fn recovers(&self, about: &str) {
        self.promise(about);
        let root = self.store.root();
        recover(&root, &settings(crate::support::now()), &silent)
            .unwrap_or_else(|e| panic!("{about}: {e}"));
        self.settled(about);
        let again = recover(&root, &settings(crate::support::now()), &silent).unwrap();
        assert_eq!(again, None, "{about}: recovered twice");
    }

    /// After recovery: undo brings back what was not purged, and says truly what was.
    #[track_caller]
    pub fn undo_all(&self, about: &str) -> usize {
        let root = self.store.root();
        let mut lost = 0;
        for run in runs(&root, 0).unwrap().0 {
            assert!(!run.unfinished && !run.damaged, "{about}: {run:?}");
            let what = What { run: &run.id, session: None, checkpoint: None };
            let done = undo(&root, &what, &settings(crate::support::now()), &silent).unwrap();
            lost += done.skipped.len();
        }
        self.settled(about);
        lost
    }

    /// What is left of trashes; empty folders do not count if `faithful` is not asked for.
    fn trash(&self, faithful: bool) -> Vec<String> {
        let mut left = trash(&self.store);
        left.retain(|path| faithful || !self.store.path(path).is_dir());
        left
    }

    /// Recovers and undoes everything: the tree is what it was, and no trash is left. Not
    /// `faithful`: the system said of an empty folder that it was gone, is not empty, or cannot be
    /// opened; then empty ones may stay.
    #[track_caller]
    pub fn heals(&self, faithful: bool, about: &str) {
        self.recovers(about);
        assert_eq!(self.undo_all(about), 0, "{about}: not everything came back");
        assert_eq!(self.before.0.diff(&self.store.picture().0), "", "{about}");
        assert_eq!(self.trash(faithful), Vec::<String>::new(), "{about}");
    }

    /// Recovers and undoes what a purge that was cut off has left, then purges the rest.
    #[track_caller]
    pub fn ends_purged(&self, faithful: bool, about: &str) {
        self.recovers(about);
        let lost = self.undo_all(about);
        assert_eq!(self.gone(), lost, "{about}: undo says what it could not restore");
        let root = self.store.root();
        let done = purge(&root, Which::All, &settings(crate::support::now()), &silent).unwrap();
        assert_eq!(done.faults, Vec::<String>::new(), "{about}");
        assert_eq!(self.trash(faithful), Vec::<String>::new(), "{about}");
        self.settled(about);
    }
}

/// What a picture has at and below `part`.
fn only(picture: &Picture, part: &str) -> Picture {
    Picture::default().with(picture, part)
}

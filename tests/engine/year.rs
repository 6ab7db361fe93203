//! A year of a shared storage, night after night: owners train, finish, submit, pin and fill their
//! quotas, and every morning what must hold is looked up in a ledger that the engine never sees.

use crate::support::DAY;
use retain::core::decide::decide;
use retain::core::decision::{Notice, Verdict};
use retain::core::model::{Checkpoint, Inventory, Marks, Pin, Session, Status, Step, Time};
use retain::core::policy::{Policy, load};
use retain::history::{History, HistoryError, Measured, OwnerPoint};
use rustix::fd::AsFd as _;
use std::collections::{BTreeMap, BTreeSet};

const MAX: u64 = 3000;
const POLICY: &str = r#"
version = 1

[[protect]]
name  = "submitted"
match = { submitted = true }

[[policy]]
name  = "runs"
keep  = [{ best = 1, min = ["loss"], hard = true }, { best = 3, min = ["loss"] }, { last = 2 }, { daily = 3 }]

[[quota]]
name      = "team"
per       = "owner"
max-bytes = "3000B"
low       = "2700B"
"#;

/// 2026-01-01T02:00:00Z, the first night.
const FIRST: i64 = 1_767_232_800;

/// A seeded generator: the same year every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

type Key = (String, String);

/// What was ever saved, and what somebody relies on.
#[derive(Default)]
struct Ledger {
    /// By session: (loss, step), in order.
    losses: BTreeMap<String, Vec<(u64, u64)>>,
    pinned: BTreeMap<Key, Option<Time>>,
    submitted: BTreeSet<Key>,
}

impl Ledger {
    /// Who must be there at this time.
    fn relied_on(&self, now: Time) -> BTreeSet<Key> {
        let best = self.losses.iter().filter_map(|(session, losses)| {
            let best =
                losses.iter().min_by_key(|(loss, step)| (*loss, std::cmp::Reverse(*step)))?;
            Some((session.clone(), best.1.to_string()))
        });
        let pinned = self.pinned.iter().filter(|(_, until)| until.is_none_or(|u| now < u));
        let pinned = pinned.map(|(key, _)| key.clone());
        best.chain(pinned).chain(self.submitted.iter().cloned()).collect()
    }
}

struct Storage {
    dice: Dice,
    inventory: Inventory,
    ledger: Ledger,
    /// Saves that are still to come, by session.
    to_come: BTreeMap<String, u64>,
    started: u64,
}

impl Storage {
    fn new() -> Storage {
        let mut inventory = Inventory::default();
        inventory.names.intern("loss");
        let (to_come, started) = (BTreeMap::new(), 0);
        Storage { dice: Dice(42), inventory, ledger: Ledger::default(), to_come, started }
    }

    /// What people do in the day before this night.
    fn day(&mut self, night: Time) {
        for owner in ["ann", "bob", "eve"] {
            if self.dice.below(3) == 0 {
                self.started += 1;
                let name = format!("{owner}/set{}/{:04}", self.dice.below(2), self.started);
                self.to_come.insert(name.clone(), 2 + self.dice.below(30));
                self.inventory.sessions.push(Session {
                    name: name.into(),
                    owner: owner.into(),
                    status: Status::Running,
                    ..Session::default()
                });
            }
        }
        self.inventory.sessions.sort_by(|a, b| a.name.cmp(&b.name));
        for s in 0..self.inventory.sessions.len() {
            self.train(s, night);
        }
        for _ in 0..2 {
            self.rely(night);
        }
    }

    fn train(&mut self, s: usize, night: Time) {
        let session = &mut self.inventory.sessions[s];
        let Some(left) = self.to_come.get_mut(&*session.name) else { return };
        let saves = (1 + self.dice.below(4)).min(*left);
        *left -= saves;
        let losses = self.ledger.losses.entry(session.name.to_string()).or_default();
        for i in 0..saves {
            let step = losses.len() as u64 + 1;
            let loss = self.dice.below(1000);
            losses.push((loss, step));
            let before = (saves - i).cast_signed() * 3600 * 3 * Time::NANOS_PER_SEC;
            session.checkpoints.push(Checkpoint {
                id: step.to_string().into(),
                step: Some(Step::Whole(step)),
                saved_at: Some(Time::from_nanos(night.nanos() - before)),
                bytes: 20 + self.dice.below(60),
                complete: true,
                metrics: [(0, loss as f64)].into(),
                ..Checkpoint::default()
            });
        }
        if *left == 0 {
            session.status = Status::Exited;
            self.to_come.remove(&*session.name);
        }
    }

    /// Somebody submits or pins what is there; some pins end.
    fn rely(&mut self, night: Time) {
        let there = self.inventory.sessions.iter().enumerate();
        let all: Vec<(usize, usize)> = there
            .flat_map(|(s, session)| (0..session.checkpoints.len()).map(move |c| (s, c)))
            .collect();
        let pick = usize::try_from(self.dice.below(all.len() as u64)).unwrap();
        let (s, c) = all[pick];
        let session = &mut self.inventory.sessions[s];
        let key = (session.name.to_string(), session.checkpoints[c].id.to_string());
        let checkpoint = &mut session.checkpoints[c];
        match self.dice.below(8) {
            0 => {
                checkpoint.marks.set(Marks::SUBMITTED);
                self.ledger.submitted.insert(key);
            }
            1 if !self.ledger.pinned.contains_key(&key) => {
                let days = 5 + self.dice.below(90).cast_signed();
                // One owner never lets go, and so comes to be over.
                let ends = *session.owner != *"eve";
                let until = Time::from_nanos(night.nanos() + days * DAY * Time::NANOS_PER_SEC);
                let until = ends.then_some(until);
                checkpoint.marks.set(Marks::PINNED);
                checkpoint.extra_mut().pin = Some(Pin { until, why: None });
                self.ledger.pinned.insert(key, until);
            }
            _ => {}
        }
    }

    /// The nightly run; gives what it had to say.
    fn night(&mut self, policy: &Policy, now: Time) -> (Vec<Notice>, usize) {
        let outcome = decide(&self.inventory, policy, now);
        let mut deleted = 0;
        for (session, decision) in self.inventory.sessions.iter_mut().zip(&outcome.sessions) {
            let mut index = 0..;
            session.checkpoints.retain(|_| {
                let stays = decision.verdict(index.next().unwrap()) != Verdict::Delete;
                deleted += usize::from(!stays);
                stays
            });
        }
        (outcome.notices, deleted)
    }

    fn there(&self) -> BTreeSet<Key> {
        let sessions = self.inventory.sessions.iter();
        let ids = sessions.flat_map(|s| s.checkpoints.iter().map(move |c| (&s.name, &c.id)));
        ids.map(|(s, id)| (s.to_string(), id.to_string())).collect()
    }

    fn used(&self) -> BTreeMap<String, u64> {
        let mut used = BTreeMap::new();
        for session in &self.inventory.sessions {
            let bytes: u64 = session.checkpoints.iter().map(|c| c.bytes).sum();
            *used.entry(session.owner.to_string()).or_default() += bytes;
        }
        used
    }
}

fn night_of(day: i64) -> Time {
    Time::from_nanos((FIRST + day * DAY) * Time::NANOS_PER_SEC)
}

fn measured(storage: &Storage) -> Measured {
    let point = |bytes| OwnerPoint { bytes, ..OwnerPoint::default() };
    let used = storage.used();
    let total = point(used.values().sum());
    let owners = used.into_iter().map(|(owner, bytes)| (owner, point(bytes))).collect();
    Measured { source: "apply", total, owners, ..Measured::default() }
}

#[test]
fn a_year_of_nights_loses_nothing_that_matters() {
    let policy = load(POLICY).policy.unwrap();
    let ours = tempfile::tempdir().unwrap();
    let ours = std::fs::File::open(ours.path()).unwrap();
    let mut storage = Storage::new();
    let (mut deleted, mut over, mut under, mut largest) = (0, 0, 0, 0);
    for day in 0..366 {
        let now = night_of(day);
        storage.day(now);
        let before = storage.used();
        let (notices, gone) = storage.night(&policy, now);
        deleted += gone;

        let there = storage.there();
        let relied_on = storage.ledger.relied_on(now);
        let lost: Vec<_> = relied_on.difference(&there).collect();
        assert!(lost.is_empty(), "night {day}: {lost:?}");

        for (owner, used) in storage.used() {
            let said = notices.iter().find_map(|n| match n {
                Notice::QuotaUnreachable { group, excess, blockers, .. } if **group == *owner => {
                    Some((*excess, blockers.protected + blockers.min_keep + blockers.hard))
                }
                _ => None,
            });
            let excess = used.saturating_sub(MAX);
            assert_eq!(said.map_or(0, |s| s.0), excess, "night {day}, {owner}: {used}");
            if let Some((_, blocked)) = said {
                assert_eq!(blocked, used, "the report says what is in the way");
                over += 1;
            } else if before[&owner] > MAX {
                under += 1;
            }
        }

        let record = |h: &mut History| h.record(now, &measured(&storage));
        History::update(ours.as_fd(), now, record).unwrap();
        let file = rustix::fs::statat(&ours, retain::history::FILE, rustix::fs::AtFlags::empty());
        largest = largest.max(file.unwrap().st_size);
    }
    // The year had in it what it is about.
    assert!(deleted > 1500 && over > 20 && under > 20, "{deleted} {over} {under}");
    assert!(storage.ledger.submitted.len() > 30 && storage.ledger.pinned.len() > 30);
    assert!(largest < 1 << 20, "{largest} bytes of history");

    // A clock that went back a day adds nothing and breaks nothing.
    let record = |h: &mut History| h.record(night_of(364), &measured(&storage));
    let refused = History::update(ours.as_fd(), night_of(364), record);
    assert!(matches!(refused, Err(HistoryError::Clock { .. })), "{refused:?}");
    History::read(ours.as_fd()).unwrap().expect("a history");
}

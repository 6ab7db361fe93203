//! Who uses how much, and what a policy would make of it.
//!
//! Sums of an inventory and the decisions about it, by owner, dataset, session, layout, age and
//! outcome. A file with several hard links counts once in every sum. The trash stands apart: it is
//! in no sum, because nothing in it is in the inventory.

mod outcome;
mod quota;
mod tally;

pub use outcome::{Class, Fate, KeptBy, fate};
pub use quota::{QuotaUse, quotas};

use super::decision::{Outcome, Verdict};
use super::model::{Checkpoint, Inventory, Session, Space, Time};
use super::name::natural_cmp;
use super::policy::Policy;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use tally::{Links, Tally};

/// What sums are made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum By {
    Owner,
    /// The folder that a session lies in: `TEAM/DATASET` on NSML.
    Dataset,
    Session,
    Layout,
    /// Time since the last write of a checkpoint.
    Age,
    /// What the policy makes of a checkpoint, and why.
    Outcome,
}

impl By {
    pub const ALL: [By; 6] =
        [By::Owner, By::Dataset, By::Session, By::Layout, By::Age, By::Outcome];

    pub fn as_str(self) -> &'static str {
        match self {
            By::Owner => "owner",
            By::Dataset => "dataset",
            By::Session => "session",
            By::Layout => "layout",
            By::Age => "age",
            By::Outcome => "outcome",
        }
    }
}

/// What a set of checkpoints occupies. Bytes are allocated bytes unless they say otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub sessions: u64,
    pub checkpoints: u64,
    pub files: u64,
    /// The sum of the five classes below; of what is not recognised, which is in none of them, all.
    pub bytes: u64,
    /// Lengths of the files, of the checkpoints for which they are known.
    pub apparent: u64,
    /// Checkpoints whose lengths nobody measured.
    pub unmeasured: u64,
    /// Checkpoints that the policy would delete now.
    pub deletes: u64,
    /// What deleting them would free.
    pub reclaimable: u64,
    /// Of checkpoints that would go, but hard-linked to files that stay.
    pub linked: u64,
    /// In sessions that no policy matches.
    pub unmatched: u64,
    /// Kept by a rule.
    pub kept: u64,
    pub protected: u64,
}

/// One line of a sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    pub amount: Amount,
    /// In the trash; `None` where it is not known, or has no such part.
    pub trash: Option<u64>,
}

/// All rows of one dimension: the heaviest first, ages from new to old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub by: By,
    pub rows: Vec<Row>,
    /// The rows beyond the number that was asked for, as one, and how many they are.
    pub rest: Option<(u64, Amount)>,
}

/// Who uses what.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub now: Time,
    pub total: Amount,
    /// In the order asked for.
    pub groups: Vec<Group>,
    pub trash: Option<Trash>,
    /// What no layout recognises; `None` for an inventory file.
    pub unrecognised: Option<Unrecognised>,
    pub space: Option<Space>,
    /// Every quota of the policy with what is used of it.
    pub quotas: Vec<QuotaUse>,
    /// Sessions that could not be read whole.
    pub tainted: u64,
    /// Owner and dataset together, the heaviest first, for a map of it all.
    pub cells: Vec<Cell>,
}

/// What one owner has in one dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    pub owner: String,
    pub dataset: String,
    pub amount: Amount,
}

/// Files that no layout recognises. They are in no sum: no policy and no quota is about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unrecognised {
    pub files: u64,
    /// `None`: they were counted only.
    pub weight: Option<Weight>,
}

/// What files occupy, each of several links once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Allocated.
    pub bytes: u64,
    /// Lengths.
    pub apparent: u64,
    /// Files that could not be measured, and are in neither sum.
    pub unmeasured: u64,
}

/// The row of what no layout recognises, among the outcomes.
pub const UNRECOGNISED: &str = "not recognised";

/// What is still in the trash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trash {
    pub checkpoints: u64,
    pub bytes: u64,
}

/// Checkpoints of one session in the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trashed {
    pub session: String,
    /// `None`: nobody knows any more; it is in the total only.
    pub owner: Option<String>,
    pub trash: Trash,
}

/// What a report is made of.
pub struct Input<'a> {
    pub inventory: &'a Inventory,
    pub policy: &'a Policy,
    pub outcome: &'a Outcome,
    pub now: Time,
    /// `None`: not known.
    pub trash: Option<&'a [Trashed]>,
    pub unrecognised: Option<Unrecognised>,
    pub by: &'a [By],
    /// So many rows in each group; the rest is summed up.
    pub top: usize,
}

/// Sums it all up.
pub fn report(input: &Input<'_>) -> Report {
    let Input { inventory, policy, outcome, now, .. } = *input;
    let links = Links::new(inventory, outcome);
    let mut sums = Sums::default();
    let each = inventory.sessions.iter().zip(&outcome.sessions);
    for (number, (session, decision)) in (1..).zip(each) {
        let mut whole = Tally::default();
        let mut ages = BTreeSet::new();
        for (i, c) in session.checkpoints.iter().enumerate() {
            let fate = fate(decision, i);
            let goes = decision.verdict(i) == Verdict::Delete;
            let one = Tally::of(c, fate.class(), goes, &links);
            ages.insert(age_of(c, now));
            sums.ages[age_of(c, now)].add(one.clone());
            let of_fate = sums.fates.entry(fate).or_default();
            // A session counts in each fate that one of its checkpoints has.
            of_fate.0.sessions += u64::from(of_fate.1 != number);
            of_fate.1 = number;
            of_fate.0.add(one.clone());
            whole.add(one);
        }
        for age in ages {
            sums.ages[age].sessions += 1;
        }
        whole.sessions = 1;
        sums.add_session(session, &whole, input.by.contains(&By::Session));
    }
    Report {
        now,
        total: sums.total.amount(),
        groups: input.by.iter().map(|by| group(*by, &sums, input)).collect(),
        trash: input.trash.map(|all| {
            all.iter().fold(Trash::default(), |sum, t| Trash {
                checkpoints: sum.checkpoints + t.trash.checkpoints,
                bytes: sum.bytes.saturating_add(t.trash.bytes),
            })
        }),
        unrecognised: input.unrecognised,
        space: inventory.space,
        quotas: quotas(inventory, policy, outcome),
        tainted: inventory.sessions.iter().filter(|s| !s.tainted.is_empty()).count() as u64,
        cells: cells(&sums),
    }
}

fn cells(sums: &Sums<'_>) -> Vec<Cell> {
    let cell = |((owner, dataset), tally): (&(&str, &str), &Tally)| Cell {
        owner: (*owner).to_owned(),
        dataset: (*dataset).to_owned(),
        amount: tally.amount(),
    };
    let mut cells: Vec<Cell> = sums.datasets.iter().map(cell).collect();
    cells.sort_by(|a, b| {
        let names = || natural_cmp(&a.owner, &b.owner).then(natural_cmp(&a.dataset, &b.dataset));
        Reverse(a.amount.bytes).cmp(&Reverse(b.amount.bytes)).then_with(names)
    });
    cells
}

/// The folder of a session: the dataset of `TEAM/DATASET/N`; `.` at the top.
pub fn dataset(session: &str) -> &str {
    session.rsplit_once('/').map_or(".", |(folder, _)| folder)
}

/// Upper bounds of ages, exclusive, and what the span is called; the last two are for the rest.
const AGES: [(i64, &str); 6] = [
    (1, "under 1 day"),
    (7, "1 to 7 days"),
    (30, "7 to 30 days"),
    (90, "30 to 90 days"),
    (365, "90 to 365 days"),
    (i64::MAX, "over 365 days"),
];
const UNKNOWN_AGE: &str = "unknown";

fn age_of(c: &Checkpoint, now: Time) -> usize {
    let Some(written) = c.written() else { return AGES.len() };
    let days = now.since(written).div_euclid(86_400 * Time::NANOS_PER_SEC);
    AGES.iter().position(|(end, _)| days < *end).unwrap_or(AGES.len() - 1)
}

#[derive(Default)]
struct Sums<'a> {
    total: Tally,
    owners: HashMap<&'a str, Tally>,
    /// By owner and dataset.
    datasets: HashMap<(&'a str, &'a str), Tally>,
    layouts: HashMap<&'a str, Tally>,
    sessions: Vec<(&'a str, Tally)>,
    ages: [Tally; AGES.len() + 1],
    /// With the number of the session that was counted last, from 1.
    fates: BTreeMap<Fate, (Tally, u64)>,
}

impl<'a> Sums<'a> {
    fn add_session(&mut self, session: &'a Session, whole: &Tally, each: bool) {
        self.total.add(whole.clone());
        self.owners.entry(&session.owner).or_default().add(whole.clone());
        self.datasets
            .entry((&session.owner, dataset(&session.name)))
            .or_default()
            .add(whole.clone());
        let layout = session.layout.as_deref().unwrap_or("unknown");
        self.layouts.entry(layout).or_default().add(whole.clone());
        if each {
            self.sessions.push((&session.name, whole.clone()));
        }
    }
}

fn group(by: By, sums: &Sums<'_>, input: &Input<'_>) -> Group {
    let of = |map: &HashMap<&str, Tally>| {
        map.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect::<Vec<_>>()
    };
    let mut rows: Vec<(String, Tally)> = match by {
        By::Owner => of(&sums.owners),
        By::Dataset => {
            let mut datasets: HashMap<&str, Tally> = HashMap::new();
            for ((_, dataset), tally) in &sums.datasets {
                datasets.entry(dataset).or_default().add(tally.clone());
            }
            of(&datasets)
        }
        By::Layout => of(&sums.layouts),
        By::Session => sums.sessions.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect(),
        By::Age => {
            let names = AGES.iter().map(|a| a.1).chain([UNKNOWN_AGE]);
            let some = names.zip(&sums.ages).filter(|(_, t)| t.checkpoints > 0);
            some.map(|(n, t)| (n.to_owned(), t.clone())).collect()
        }
        By::Outcome => {
            let label = |fate: &Fate| fate.label(input.policy);
            sums.fates.iter().map(|(f, (t, _))| (label(f), t.clone())).collect()
        }
    };
    let mut trash = trash_of(by, input.trash);
    // Who has nothing left but trash still uses space.
    if let Some(trash) = &trash {
        let known: HashSet<String> = rows.iter().map(|r| r.0.clone()).collect();
        let gone: Vec<_> = trash.keys().filter(|n| !known.contains(**n)).copied().collect();
        rows.extend(gone.into_iter().map(|n| (n.to_owned(), Tally::default())));
    }
    let mut rows: Vec<(String, Amount, Tally)> =
        rows.into_iter().map(|(n, t)| (n, t.amount(), t)).collect();
    if by != By::Age {
        rows.sort_by(|a, b| {
            Reverse(a.1.bytes).cmp(&Reverse(b.1.bytes)).then_with(|| natural_cmp(&a.0, &b.0))
        });
    }
    let beyond = rows.split_off(rows.len().min(input.top));
    let rest = (!beyond.is_empty()).then(|| {
        let mut sum = Tally::default();
        let count = beyond.len() as u64;
        for (_, _, tally) in beyond {
            sum.add(tally);
        }
        (count, sum.amount())
    });
    let row = |(name, amount, _): (String, Amount, Tally)| {
        let trash = trash.as_mut().map(|t| t.remove(&*name).unwrap_or(0));
        Row { name, amount, trash }
    };
    let mut rows: Vec<Row> = rows.into_iter().map(row).collect();
    // Beyond those that were asked for: it is no part of what is summed up.
    if let (By::Outcome, Some(Unrecognised { files: files @ 1.., weight: Some(w) })) =
        (by, input.unrecognised)
    {
        let (bytes, apparent) = (w.bytes, w.apparent);
        let amount = Amount { files, bytes, apparent, ..Amount::default() };
        rows.push(Row { name: UNRECOGNISED.to_owned(), amount, trash: None });
    }
    Group { by, rows, rest }
}

fn trash_of(by: By, trash: Option<&[Trashed]>) -> Option<HashMap<&str, u64>> {
    let key: fn(&Trashed) -> Option<&str> = match by {
        By::Owner => |t| t.owner.as_deref(),
        By::Dataset => |t| Some(dataset(&t.session)),
        By::Session => |t| Some(&t.session),
        By::Layout | By::Age | By::Outcome => return None,
    };
    let mut sums: HashMap<&str, u64> = HashMap::new();
    for t in trash? {
        let Some(key) = key(t) else { continue };
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add(t.trash.bytes);
    }
    Some(sums)
}

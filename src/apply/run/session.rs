//! One session's checkpoints, one after the other: look, rename, look again.

use crate::apply::calls::Calls;
use crate::apply::cause::{Cause, Why};
use crate::apply::dir::Rel;
use crate::apply::journal::record::{Intent, Part, Pointer};
use crate::apply::outcome::{Event, Progress};
use crate::apply::parallel;
use crate::apply::random_hex;
use crate::apply::revalidate::{self, Seen};
use crate::apply::root::Root;
use crate::apply::site::Site;
use crate::apply::trash::{self, Slot};
use crate::apply::wanted;
use crate::apply::work::{Deletion, Place, SessionWork};
use crate::core::model::Time;
use crate::core::name;
use crate::store::unit::{self, Part as UnitPart, Past, Stamp, Top, Unit};
use rustix::fs::FileType;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A session that is as planned, and the slots its checkpoints will go to.
pub(super) struct Ready<'w> {
    pub seen: Seen<'w>,
    /// A fresh slot name for each folder.
    slots: BTreeMap<Rel, String>,
    /// Pointers that the plan knows, with the numbers of what they name.
    named: Vec<(u32, Pointer)>,
}

/// By the folder that each stands in.
type Slots = BTreeMap<Rel, Slot>;

/// What became of a session.
#[derive(Default)]
pub(super) struct Done {
    pub moved: Vec<u32>,
    pub gone: Vec<u32>,
    pub kept: Vec<u32>,
    /// Why some were kept.
    pub why: Option<Why>,
    /// They were kept because the run was told to stop.
    pub stopped: bool,
    /// Something is not as it must be: the run ends here.
    pub halt: Option<String>,
    /// Something was renamed, perhaps back: the folders must be synced.
    pub touched: bool,
    pub slots: Slots,
    /// Inodes with other links, and their ctimes before the move and after it.
    pub linked: Vec<(u64, Stamp, Stamp)>,
}

/// How the move of one checkpoint ended.
enum Moved {
    /// With inodes that have other links, and their ctimes now.
    Yes(Vec<(u64, Stamp)>),
    Gone,
    /// Whole at its path, or back there.
    No(Why),
    /// Not what it was. `whole`: back at its path; else half way, and left to recovery.
    Broken {
        why: String,
        whole: bool,
    },
}

/// What became of one checkpoint.
enum Ended {
    Tried(Moved),
    /// The run was told to stop before.
    Stopped,
    /// Another one of the session was not as it was.
    NotBegun,
}

impl Done {
    fn take(&mut self, (d, was): &(&Deletion, Unit), ended: Ended) {
        match ended {
            Ended::Tried(Moved::Yes(is)) => {
                self.moved.push(d.item);
                let both = was.linked_tops.iter().zip(is);
                self.linked.extend(both.filter(|(a, b)| a.0 == b.0).map(|(a, b)| (a.0, a.1, b.1)));
            }
            Ended::Tried(Moved::Gone) => self.gone.push(d.item),
            Ended::Tried(Moved::No(why)) => {
                self.kept.push(d.item);
                self.why.get_or_insert(why);
            }
            Ended::Tried(Moved::Broken { why, whole }) => {
                if whole {
                    self.kept.push(d.item);
                }
                self.halt.get_or_insert(why.clone());
                self.why.get_or_insert(Cause::Changed.because(why));
            }
            Ended::Stopped => {
                self.kept.push(d.item);
                if self.why.is_none() {
                    self.stopped = true;
                    self.why = Some(Cause::Refused.because("the run was told to stop"));
                }
            }
            Ended::NotBegun => self.kept.push(d.item),
        }
    }
}

impl<'w> Ready<'w> {
    /// A session that is as it was when its plan was `made`, but for the `past` of the run; else what is
    /// not.
    pub fn look(
        root: &Root,
        work: &'w SessionWork,
        (made, past): (Time, &Arc<Past>),
        threads: usize,
    ) -> Result<Ready<'w>, Why> {
        let seen = revalidate::look(root, work, threads, past)?;
        // I6: a pointer beside the checkpoints that was not there.
        let named = wanted::named(&seen.dirs, work, made).map_err(|e| {
            Cause::of_reading(&e).because(format!("its folder cannot be looked at: {e}"))
        })?;
        if let Some(why) = named.new {
            return Err(Cause::Wanted.because(why));
        }
        let mut slots = BTreeMap::new();
        for place in seen.deletions.iter().flat_map(|(d, _)| &d.parts) {
            if !slots.contains_key(&place.dir) {
                let name = random_hex(8).map_err(|e| Cause::Refused.because(e.to_string()))?;
                slots.insert(place.dir.clone(), name);
            }
        }
        Ok(Ready { seen, slots, named: named.known })
    }

    /// What the journal is told before anything moves.
    pub fn intents(&self) -> impl Iterator<Item = Intent> {
        self.seen.deletions.iter().map(|(d, unit)| {
            let part = |(place, top): (&Place, &Top)| Part {
                dir: place.dir.to_string(),
                name: name::encode(place.name.to_bytes()).into_owned(),
                slot: self.slots.get(&place.dir).cloned().unwrap_or_default(),
                inode: top.inode,
                kind: if top.kind == FileType::Directory { 'd' } else { 'f' },
            };
            let named = self.named.iter().filter(|(item, _)| *item == d.item);
            Intent {
                item: d.item,
                session: self.seen.work.session.clone(),
                id: d.id.clone(),
                bytes: d.bytes,
                files: unit.files,
                identity: unit::hex(&unit.identity),
                lasting: if unit.shared.is_empty() {
                    String::new()
                } else {
                    unit::hex(&unit.lasting)
                },
                why: d.why.clone(),
                parts: d.parts.iter().zip(&unit.tops).map(part).collect(),
                named: named.map(|(_, pointer)| pointer.clone()).collect(),
            }
        })
    }

    /// The folders that checkpoints are moved out of, those of what makes them loadable first (P).
    pub fn folders(&self) -> impl Iterator<Item = &Rel> {
        let mut seen = HashSet::new();
        let parts = self.seen.deletions.iter().flat_map(|(d, _)| &d.parts);
        parts.map(|p| &p.dir).filter(move |dir| seen.insert(*dir))
    }

    /// Bytes of the deletions with these numbers, one by one.
    pub fn bytes_of(&self, items: &[u32]) -> impl Iterator<Item = u64> {
        let items: HashSet<u32> = items.iter().copied().collect();
        self.seen
            .deletions
            .iter()
            .filter(move |(d, _)| items.contains(&d.item))
            .map(|(d, _)| d.bytes)
    }

    /// Moves the session's checkpoints, until something is not as it was; several at once only if
    /// there are more `threads` than sessions.
    pub fn carry_out(
        &self,
        site: &Site<'_>,
        run: &str,
        (halt, threads): (&AtomicBool, usize),
        progress: Progress<'_>,
    ) -> Done {
        let calls = site.settings.calls;
        let mut done = Done::default();
        done.why = self.prepare(site, run, threads, &mut done.slots).err();
        let (given_up, touched) = (AtomicBool::new(done.why.is_some()), AtomicBool::new(false));
        let ended = parallel::map(threads, &self.seen.deletions, |(d, unit)| {
            if given_up.load(Ordering::Relaxed) {
                return Ended::NotBegun;
            }
            // I29: what was begun is finished, what was not is kept.
            if site.stopped() || halt.load(Ordering::Relaxed) {
                given_up.store(true, Ordering::Relaxed);
                return Ended::Stopped;
            }
            let moved = self.shift(calls, d, unit, &done.slots, &touched);
            match moved {
                Moved::Yes(_) => progress(Event::Moved {
                    session: &self.seen.work.session,
                    id: &d.id,
                    bytes: d.bytes,
                }),
                Moved::Gone => {}
                Moved::No(_) => given_up.store(true, Ordering::Relaxed),
                Moved::Broken { .. } => {
                    given_up.store(true, Ordering::Relaxed);
                    halt.store(true, Ordering::Relaxed);
                }
            }
            Ended::Tried(moved)
        });
        done.touched = touched.into_inner();
        for (deletion, ended) in self.seen.deletions.iter().zip(ended) {
            done.take(deletion, ended);
        }
        if done.moved.is_empty() {
            for (rel, name) in &self.slots {
                let tidied = self.seen.dirs.get(rel).and_then(|p| trash::tidy(calls, p, run, name));
                if let Err(e) = tidied {
                    tracing::warn!(error = %e, folder = %rel, "an empty trash folder stays");
                }
            }
        }
        done
    }

    /// The last look at the witnesses, and the slots.
    fn prepare(
        &self,
        site: &Site<'_>,
        run: &str,
        threads: usize,
        slots: &mut Slots,
    ) -> Result<(), Why> {
        revalidate::witnesses_hold(site.root, &self.seen, threads)?;
        let calls = site.settings.calls;
        for (rel, name) in &self.slots {
            let slot =
                self.seen.dirs.get(rel).and_then(|parent| Slot::create(calls, parent, run, name));
            slots.insert(
                rel.clone(),
                slot.map_err(|e| {
                    Cause::Refused.because(format!("no trash can be made in {rel}: {e}"))
                })?,
            );
        }
        Ok(())
    }

    /// Renames one checkpoint into its slots.
    fn shift(
        &self,
        calls: &dyn Calls,
        d: &Deletion,
        unit: &Unit,
        slots: &Slots,
        touched: &AtomicBool,
    ) -> Moved {
        let dirs = &self.seen.dirs;
        // I9, held until the move is over.
        let _claims = match revalidate::claim(calls, dirs, d, unit) {
            Ok(claims) => claims,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                let text = format!("{} is in use: a process holds a lock on it", d.id);
                return Moved::No(Cause::InUse.because(text));
            }
            Err(e) if revalidate::is_gone(dirs, d, &e) => return Moved::Gone,
            Err(e) => {
                let text = format!("{} cannot be claimed: {e}", d.id);
                return Moved::No(Cause::of_reading(&e).because(text));
            }
        };
        // I14: nothing happened to it while the journal was written.
        match dirs.measure(&d.parts) {
            Ok(now) if now.identity == unit.identity => {}
            Ok(_) => {
                return Moved::No(Cause::Changed.because(format!("{} has changed just now", d.id)));
            }
            Err(e) if revalidate::is_gone(dirs, d, &e) => return Moved::Gone,
            Err(e) => {
                let text = format!("{} cannot be read: {e}", d.id);
                return Moved::No(Cause::of_reading(&e).because(text));
            }
        }
        // P: the part that makes it loadable goes first, and comes back last.
        for (n, (place, top)) in d.parts.iter().zip(&unit.tops).enumerate() {
            touched.store(true, Ordering::Relaxed);
            let put = self.put(calls, place, *top, slots);
            let why = match put {
                Ok(true) => continue,
                // Two runs may carry out the same plan: the rename is the claim.
                Ok(false) if n == 0 => return Moved::Gone,
                Ok(false) => Cause::Changed.because(format!("a part of {} vanished", d.id)),
                Err(e) => Cause::Refused.because(format!("{} cannot be moved: {e}", d.id)),
            };
            return match self.put_back(calls, d, slots) {
                Ok(()) => Moved::No(why),
                Err(e) => Moved::Broken {
                    why: format!("{}, nor moved back: {e}", why.text),
                    whole: false,
                },
            };
        }
        // I22: what lies in the trash is what was planned, file by file.
        let why = match Self::measure_in(slots, d) {
            Ok(now) if now.identity == unit.identity => return Moved::Yes(now.linked_tops),
            Ok(_) => format!("{} {} changed while it was moved", self.seen.work.session, d.id),
            Err(e) => {
                format!("{} {} cannot be read after its move: {e}", self.seen.work.session, d.id)
            }
        };
        match self.put_back(calls, d, slots) {
            Ok(()) => Moved::Broken { why: format!("{why}; it is back at its path"), whole: true },
            Err(e) => {
                Moved::Broken { why: format!("{why}, and cannot be moved back: {e}"), whole: false }
            }
        }
    }

    fn put(&self, calls: &dyn Calls, place: &Place, top: Top, slots: &Slots) -> io::Result<bool> {
        let slot = slots.get(&place.dir).ok_or(io::ErrorKind::NotFound)?;
        trash::put(calls, self.seen.dirs.get(&place.dir)?, &place.name, top, slot.fd())
    }

    fn measure_in(slots: &Slots, d: &Deletion) -> io::Result<Unit> {
        let found = d.parts.iter().map(|p| {
            let slot = slots.get(&p.dir).ok_or(io::ErrorKind::NotFound)?;
            Ok(UnitPart { parent: slot.fd(), name: &p.name })
        });
        unit::measure_parts(&found.collect::<io::Result<Vec<_>>>()?)
    }

    /// Moves back whatever bears its names in its slots, in reverse order.
    fn put_back(&self, calls: &dyn Calls, d: &Deletion, slots: &Slots) -> io::Result<()> {
        for place in d.parts.iter().rev() {
            let slot = slots.get(&place.dir).ok_or(io::ErrorKind::NotFound)?.fd();
            trash::take_back(calls, slot, &place.name, self.seen.dirs.get(&place.dir)?)?;
        }
        Ok(())
    }
}

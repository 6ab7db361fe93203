//! The operations of a world, and what must hold after each of them and at the end.

use crate::check::{At, Rest, Seen};
use crate::disk::{Broken, Disk, Fault};
use crate::outside::Deed;
use crate::world::{GRACE, Thing, UNITS, World, options, silent};
use retain::apply::calls::Os;
use retain::apply::journal::history::Run;
use retain::apply::{Root, What, Which, apply, purge, recover, undo};
use retain::core::model::Time;
use retain::core::plan::PlanFile;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Makes a plan of what is there; the next apply carries out the last one made.
    Plan,
    Apply {
        purge: bool,
    },
    /// Of the newest run with something in the trash.
    UndoRun,
    UndoSession,
    UndoCheckpoint,
    PurgeExpired,
    PurgeRun,
    PurgeAll,
    Recover,
    Outside(Deed),
    /// Seconds.
    Clock(i64),
}

/// What goes wrong during an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    None,
    Fault(usize, Fault),
    /// Somebody else, right before that call.
    Meanwhile(usize, Deed),
}

impl World {
    /// Does one operation and checks the world. `Ok(true)`: the mishap took place.
    pub fn step(&mut self, op: Op, mishap: Mishap, broken: Option<Broken>) -> Result<bool, String> {
        match op {
            Op::Plan => self.make_plan(),
            Op::Outside(deed) => self.outside(deed),
            Op::Clock(seconds) => {
                self.latest = self.latest.max(self.now);
                self.now = Time::from_nanos(self.now.nanos() + seconds * Time::NANOS_PER_SEC);
            }
            _ => return self.command(op, mishap, broken),
        }
        self.seen = Some(self.check(Rest::No)?);
        Ok(false)
    }

    fn command(&mut self, op: Op, mishap: Mishap, broken: Option<Broken>) -> Result<bool, String> {
        if matches!(op, Op::Apply { .. }) && self.plan.is_none() {
            self.make_plan();
        }
        let run = match op {
            Op::UndoRun | Op::UndoSession | Op::UndoCheckpoint | Op::PurgeRun => self.newest_run(),
            _ => None,
        };
        let was = match self.seen.take() {
            Some(seen) => seen,
            None => self.check(Rest::No)?,
        };
        self.expect(op, run.as_deref(), &was);
        let (root, plan, now) = (self.root(), self.plan.clone(), self.now);
        let fault = match mishap {
            Mishap::Fault(at, fault) => Some((at, fault)),
            _ => None,
        };
        let disk = Disk::new(fault, broken, self.graveyard());
        self.in_command = true;
        if let Mishap::Meanwhile(at, deed) = mishap {
            let world = &mut *self;
            let disk = disk.meanwhile(at, move || world.outside(deed));
            command(op, &root, plan.as_ref(), run.as_deref(), now, &disk);
            let hit = disk.was_hit();
            drop(disk);
            self.in_command = false;
            let seen = self.check(Rest::No)?;
            self.settle(seen);
            return Ok(hit);
        }
        let said = command(op, &root, plan.as_ref(), run.as_deref(), now, &disk);
        self.in_command = false;
        let rest = match (op, mishap) {
            (Op::Recover, Mishap::None) => Rest::Recovered,
            _ => Rest::No,
        };
        let seen = self.check(rest)?;
        // I33: what is said to have moved has moved.
        let both = was.places.iter().zip(&seen.places);
        let left = both.filter(|(w, p)| **w == At::Home && **p != At::Home).count() as u64;
        match said {
            Said::Moved(said) if said != left => {
                return Err(format!("{left} were moved, and {said} is said"));
            }
            Said::Purged if seen.places.contains(&At::Trash) => {
                return Err("a purge of everything left something, and does not say so".to_owned());
            }
            _ => {}
        }
        self.settle(seen);
        Ok(disk.was_hit())
    }

    fn newest_run(&self) -> Option<String> {
        let in_trash = |run: &&Run| run.items.values().any(|i| !i.state.is_final());
        Some(self.runs().ok()?.iter().rfind(in_trash)?.id.clone())
    }

    /// What the operation may do to each thing.
    fn expect(&mut self, op: Op, newest: Option<&str>, was: &Seen) {
        let purges = matches!(op, Op::PurgeExpired | Op::PurgeRun | Op::PurgeAll);
        if !purges && !matches!(op, Op::Apply { .. }) {
            return;
        }
        let now = self.now;
        for thing in &mut self.things {
            let here = World::is_whole(thing, &was.home);
            match op {
                Op::Apply { purge } if here && thing.planned => {
                    thing.run_at = Some(now);
                    thing.purgeable = purge;
                }
                Op::PurgeExpired if !here => {
                    let expires = thing.run_at.map(|at| at.nanos() + GRACE * Time::NANOS_PER_SEC);
                    thing.purgeable |= expires.is_some_and(|at| now.nanos() >= at);
                }
                Op::PurgeRun if !here => {
                    let mut runs = was.trash.iter().filter(|b| Some(b.run.as_str()) == newest);
                    thing.purgeable |= runs.any(|b| thing.parts.iter().any(|p| p.tree == b.tree));
                }
                Op::PurgeAll if !here => thing.purgeable = true,
                _ => {}
            }
        }
    }

    /// What is restorable after a command is not being purged.
    fn settle(&mut self, seen: Seen) {
        for (thing, at) in self.things.iter_mut().zip(&seen.places) {
            thing.purgeable &= matches!(at, At::Half | At::Purge);
        }
        self.seen = Some(seen);
    }

    /// Brings the world to rest: recover twice, undo everything, free the places that are taken,
    /// undo again; what no purge had taken is back as it was. Then purge: nothing is left over.
    pub fn finish(&mut self) -> Result<(), String> {
        // Whoever set the clock back sets it right.
        self.now = self.now.max(self.latest);
        let options = options(self.now, &Os, false);
        let settings = options.settings;
        let root = self.root();
        let said = |e: retain::apply::ApplyError| e.to_string();
        recover(&root, &settings, &silent).map_err(said)?;
        self.check(Rest::Recovered)?;
        if let Some(again) = recover(&root, &settings, &silent).map_err(said)?
            && again.faults.is_empty()
        {
            return Err(format!("recovered twice: {again}"));
        }
        self.undo_all()?;
        let mut places = self.check(Rest::Recovered)?.places;
        let stays = |(t, at): (&Thing, &At)| matches!(at, At::Trash | At::Half).then_some(t.unit);
        let taken: Vec<usize> = self.things.iter().zip(&places).filter_map(stays).collect();
        if !taken.is_empty() {
            for n in taken {
                self.outside(Deed::Remove(n));
            }
            self.undo_all()?;
            places = self.check(Rest::Recovered)?.places;
        }
        for (thing, at) in self.things.iter().zip(&places) {
            let unit = &UNITS[thing.unit];
            // Of several of one name the last one restored has the place.
            let rival = |(t, at): (&Thing, &At)| {
                t.unit == thing.unit && *at == At::Home && !std::ptr::eq(t, thing)
            };
            let rivals = self.things.iter().zip(&places).any(rival);
            if *at != At::Home && !thing.purgeable && thing.is_all() && !rivals {
                return Err(format!("{} {} is not restored: {at:?}", unit.session, unit.id));
            }
        }
        for thing in &mut self.things {
            thing.purgeable = true;
        }
        purge(&root, Which::All, &settings, &silent).map_err(said)?;
        let places = self.check(Rest::Recovered)?.places;
        if places.contains(&At::Half) || places.contains(&At::Trash) {
            return Err("a purge of everything left something restorable".to_owned());
        }
        Ok(())
    }

    fn undo_all(&self) -> Result<(), String> {
        let options = options(self.now, &Os, false);
        let root = self.root();
        for run in &*self.runs()? {
            let what = What { run: &run.id, session: None, checkpoint: None };
            undo(&root, &what, &options.settings, &silent).map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}

/// What a command says it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// So many checkpoints.
    Moved(u64),
    /// All that was in the trash, without a fault.
    Purged,
    Nothing,
}

/// Carries out a command.
fn command(
    op: Op,
    root: &Root,
    plan: Option<&PlanFile>,
    run: Option<&str>,
    now: Time,
    disk: &Disk<'_>,
) -> Said {
    let options = options(now, disk, op == Op::Apply { purge: true });
    let settings = &options.settings;
    match op {
        Op::Apply { .. } => {
            if let Some(Ok(report)) = plan.map(|plan| apply(root, plan, &options, &silent)) {
                return Said::Moved(report.moved.checkpoints);
            }
        }
        Op::UndoRun | Op::UndoSession | Op::UndoCheckpoint => {
            let session = (op != Op::UndoRun).then_some("d");
            let checkpoint = (op == Op::UndoCheckpoint).then_some("1");
            let what = run.map(|run| What { run, session, checkpoint });
            drop(what.map(|what| undo(root, &what, settings, &silent)));
        }
        Op::PurgeExpired => drop(purge(root, Which::Expired, settings, &silent)),
        Op::PurgeAll => match purge(root, Which::All, settings, &silent) {
            Ok(done) if done.faults.is_empty() => return Said::Purged,
            _ => {}
        },
        Op::PurgeRun => drop(run.map(|run| purge(root, Which::Run(run), settings, &silent))),
        Op::Recover => drop(recover(root, settings, &silent)),
        Op::Plan | Op::Outside(_) | Op::Clock(_) => unreachable!("no command"),
    }
    Said::Nothing
}

/// A world, some operations in it, and its end; the error says which of them broke what. `Ok(true)`:
/// the last mishap took place.
pub fn play(steps: &[(Op, Mishap)], broken: Option<Broken>) -> Result<bool, String> {
    let mut world = World::new();
    world.make_plan();
    let mut hit = false;
    for (n, (op, mishap)) in steps.iter().enumerate() {
        let done = world.step(*op, *mishap, broken);
        hit = done.map_err(|why| format!("after step {} of {steps:?}: {why}", n + 1))?;
    }
    world.finish().map_err(|why| format!("at the end of {steps:?}: {why}"))?;
    Ok(hit)
}

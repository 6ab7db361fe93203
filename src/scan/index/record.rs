//! A session and what it rests on, as bytes.
//!
//! What is put is taken apart field by field: whoever adds a field to the model is told here.

use super::bytes::{Reader, Writer};
use crate::core::model::{
    Checkpoint, Extra, Guard, Marks, Names, Pin, Pointer, Session, SharedFile, Status, Step, Time,
};
use crate::layout::pointer::Lead;
use crate::layout::{Never, Parent};
use crate::scan::draft::{Draft, Top};
use crate::scan::link::Link;
use crate::scan::needs::Wish;
use crate::scan::walk::Tree;
use crate::store::{Entry, Fact, Identity, Kind, Observation};

const KINDS: [Kind; 4] = [Kind::Dir, Kind::File, Kind::Symlink, Kind::Other];
const MARKS: [Marks; 5] =
    [Marks::PINNED, Marks::SUBMITTED, Marks::LATEST, Marks::BEST, Marks::AMBIGUOUS];
const STATUSES: [Status; 3] = [Status::Running, Status::Exited, Status::Unknown];

/// `above`: so much of its path is left out.
pub fn put_observation(out: &mut Writer, observation: &Observation, above: usize) {
    out.bytes(observation.path.get(above..).unwrap_or_default());
    let device = |out: &mut Writer, (major, minor): (u32, u32)| {
        out.u64(major.into());
        out.u64(minor.into());
    };
    let at = |out: &mut Writer, (secs, nanos): (i64, u32)| {
        out.i64(secs);
        out.u64(nanos.into());
    };
    match observation.fact {
        Fact::Is(identity) => {
            let Identity { kind, inode, device: dev, len, modified, changed } = identity;
            out.u64(position(&KINDS, &kind));
            out.u64(inode);
            device(out, dev);
            out.u64(len);
            at(out, modified);
            at(out, changed);
        }
        Fact::LeadsTo(to) => {
            out.u64(KINDS.len() as u64);
            out.option(to, |out, (inode, dev)| {
                out.u64(inode);
                device(out, dev);
            });
        }
    }
}

pub fn observation(reader: &mut Reader<'_>) -> Option<Observation> {
    let path = reader.bytes()?.to_vec();
    let device = |reader: &mut Reader<'_>| Some((reader.u32()?, reader.u32()?));
    let at = |reader: &mut Reader<'_>| Some((reader.i64()?, reader.u32()?));
    let fact = match KINDS.get(reader.usize()?) {
        Some(&kind) => Fact::Is(Identity {
            kind,
            inode: reader.u64()?,
            device: device(reader)?,
            len: reader.u64()?,
            modified: at(reader)?,
            changed: at(reader)?,
        }),
        None => Fact::LeadsTo(reader.option(|r| Some((r.u64()?, device(r)?)))?),
    };
    Some(Observation { path, fact })
}

pub fn put_entry(out: &mut Writer, entry: &Entry) {
    let Entry { name, kind, inode } = entry;
    out.bytes(name);
    out.u64(position(&KINDS, kind));
    out.u64(*inode);
}

pub fn entry(reader: &mut Reader<'_>) -> Option<Entry> {
    Some(Entry {
        name: reader.bytes()?.into(),
        kind: *KINDS.get(reader.usize()?)?,
        inode: reader.u64()?,
    })
}

fn position<T: PartialEq>(all: &[T], one: &T) -> u64 {
    all.iter().position(|x| x == one).unwrap_or(all.len()) as u64
}

/// A tree that has no faults, and nothing on other file systems.
pub fn put_tree(out: &mut Writer, tree: &Tree) {
    out.list(tree.drafts.iter(), put_draft);
    out.list(tree.links.iter(), |out, link| link.put(out));
    out.list(tree.leads.iter(), put_lead);
    out.list(tree.never.iter(), |out, Never { path, what }| {
        out.bytes(path);
        out.bytes(what.as_bytes());
    });
    out.list(tree.homes.iter(), |out, path| out.bytes(path));
    out.u64(tree.unclaimed);
    out.list(tree.examples.iter(), |out, path| out.bytes(path));
}

pub fn tree(reader: &mut Reader<'_>) -> Option<Tree> {
    let never =
        |r: &mut Reader<'_>| Some(Never { path: r.bytes()?.to_vec(), what: r.text()?.to_owned() });
    Some(Tree {
        drafts: reader.list(draft)?,
        links: reader.list(Link::get)?,
        leads: reader.list(lead)?,
        never: reader.list(never)?,
        homes: reader.list(|r| Some(r.bytes()?.to_vec()))?,
        unclaimed: reader.u64()?,
        examples: reader.list(|r| Some(r.bytes()?.to_vec()))?,
        seen: None,
        ..Tree::default()
    })
}

fn put_draft(out: &mut Writer, draft: &Draft) {
    let Draft {
        session,
        names,
        folder,
        own_components,
        prefix,
        layout,
        parent,
        uid,
        tops,
        wishes,
        leads,
        faults: _,
    } = draft;
    put_session(out, session);
    out.list(names.iter().collect::<Vec<_>>().into_iter(), |out, (_, n)| out.bytes(n.as_bytes()));
    out.bytes(folder);
    out.u64(*own_components as u64);
    out.bytes(prefix.as_bytes());
    out.u64(*layout as u64);
    out.option(parent.as_ref(), |out, Parent { session, checkpoint }| {
        out.bytes(session.as_bytes());
        out.bytes(checkpoint.as_bytes());
    });
    out.option(*uid, |out, uid| out.u64(uid.into()));
    out.list(tops.iter(), |out, Top { name, inode, checkpoint }| {
        out.bytes(name);
        out.u64(*inode);
        out.u64((*checkpoint).into());
    });
    out.list(wishes.iter(), |out, wish| wish.put(out));
    out.list(leads.iter(), put_lead);
}

fn put_lead(out: &mut Writer, Lead { name, path, target, is_here }: &Lead) {
    out.bytes(name.as_bytes());
    out.bytes(path);
    out.bytes(target);
    out.bool(*is_here);
}

fn lead(reader: &mut Reader<'_>) -> Option<Lead> {
    Some(Lead {
        name: reader.text()?.to_owned(),
        path: reader.bytes()?.to_vec(),
        target: reader.bytes()?.to_vec(),
        is_here: reader.bool()?,
    })
}

fn draft(reader: &mut Reader<'_>) -> Option<Draft> {
    let session = session(reader)?;
    let mut names = Names::default();
    for name in reader.list(Reader::text)? {
        names.intern(name);
    }
    let parent = |r: &mut Reader<'_>| {
        Some(Parent { session: r.text()?.to_owned(), checkpoint: r.text()?.to_owned() })
    };
    let top = |r: &mut Reader<'_>| {
        Some(Top { name: r.bytes()?.into(), inode: r.u64()?, checkpoint: r.u32()? })
    };
    Some(Draft {
        session,
        names,
        folder: reader.bytes()?.to_vec(),
        own_components: reader.usize()?,
        prefix: reader.text()?.to_owned(),
        layout: reader.usize()?,
        parent: reader.option(parent)?,
        uid: reader.option(Reader::u32)?,
        tops: reader.list(top)?,
        wishes: reader.list(Wish::get)?,
        leads: reader.list(lead)?,
        faults: Vec::new(),
    })
}

fn put_texts(out: &mut Writer, texts: &[Box<str>]) {
    out.list(texts.iter(), |out, t| out.bytes(t.as_bytes()));
}

fn texts(reader: &mut Reader<'_>) -> Option<Vec<Box<str>>> {
    reader.list(|r| r.text().map(Into::into))
}

/// One that has no name, no owner and no faults yet.
fn put_session(out: &mut Writer, session: &Session) {
    let Session {
        name: _,
        owner: _,
        layout,
        status,
        last_write,
        tainted: _,
        tags,
        series,
        guards,
        checkpoints,
    } = session;
    out.option(layout.as_ref(), |out, l| out.bytes(l.as_bytes()));
    out.u64(position(&STATUSES, status));
    out.option(*last_write, |out, t| out.i64(t.nanos()));
    put_texts(out, tags);
    out.bytes(series.as_bytes());
    out.list(guards.iter(), |out, Guard { path, fingerprint }| {
        out.bytes(path.as_bytes());
        out.option(fingerprint.as_ref(), |out, f| out.fixed(f));
    });
    out.list(checkpoints.iter(), put_checkpoint);
}

fn session(reader: &mut Reader<'_>) -> Option<Session> {
    let guard = |r: &mut Reader<'_>| {
        Some(Guard { path: r.text()?.into(), fingerprint: r.option(Reader::fixed)? })
    };
    Some(Session {
        layout: reader.option(|r| r.text().map(Into::into))?,
        status: *STATUSES.get(reader.usize()?)?,
        last_write: reader.option(time)?,
        tags: texts(reader)?,
        series: reader.text()?.into(),
        guards: reader.list(guard)?,
        checkpoints: reader.list(checkpoint)?,
        ..Session::default()
    })
}

fn time(reader: &mut Reader<'_>) -> Option<Time> {
    reader.i64().map(Time::from_nanos)
}

fn put_step(out: &mut Writer, step: Step) {
    out.bool(matches!(step, Step::Whole(_)));
    match step {
        Step::Whole(n) => out.u64(n),
        Step::Fraction(x) => out.f64(x),
    }
}

fn step(reader: &mut Reader<'_>) -> Option<Step> {
    if reader.bool()? { reader.u64().map(Step::Whole) } else { reader.f64().map(Step::Fraction) }
}

fn put_checkpoint(out: &mut Writer, checkpoint: &Checkpoint) {
    let Checkpoint {
        id,
        step,
        epoch,
        saved_at,
        last_write,
        bytes,
        files,
        metrics,
        marks,
        complete,
        fingerprint,
        extra,
    } = checkpoint;
    out.bytes(id.as_bytes());
    out.option(*step, put_step);
    out.option(*epoch, put_step);
    out.option(*saved_at, |out, t| out.i64(t.nanos()));
    out.option(*last_write, |out, t| out.i64(t.nanos()));
    out.u64(*bytes);
    out.u64((*files).into());
    out.u64(metrics.len() as u64);
    for (metric, value) in metrics.iter() {
        out.u64(metric.into());
        out.f64(value);
    }
    for mark in MARKS {
        out.bool(marks.has(mark));
    }
    out.bool(*complete);
    out.option(fingerprint.as_ref(), |out, f| out.fixed(f));
    out.option(extra.as_ref(), |out, extra| put_extra(out, extra));
}

fn checkpoint(reader: &mut Reader<'_>) -> Option<Checkpoint> {
    Some(Checkpoint {
        id: reader.text()?.into(),
        step: reader.option(step)?,
        epoch: reader.option(step)?,
        saved_at: reader.option(time)?,
        last_write: reader.option(time)?,
        bytes: reader.u64()?,
        files: reader.u32()?,
        metrics: reader.list(|r| Some((r.u32()?, r.f64()?)))?.into_iter().collect(),
        marks: marks(reader)?,
        complete: reader.bool()?,
        fingerprint: reader.option(Reader::fixed)?,
        extra: reader.option(|r| extra(r).map(Box::new))?,
    })
}

fn marks(reader: &mut Reader<'_>) -> Option<Marks> {
    let mut marks = Marks::default();
    for mark in MARKS {
        if reader.bool()? {
            marks.set(mark);
        }
    }
    Some(marks)
}

fn put_extra(out: &mut Writer, extra: &Extra) {
    let Extra {
        summary,
        elapsed,
        tags,
        needs,
        pointers,
        pin,
        conflicts,
        shared,
        paths,
        apparent,
        sources,
    } = extra;
    out.option(summary.as_ref(), |out, s| out.bytes(s.as_bytes()));
    out.option(*elapsed, Writer::f64);
    put_texts(out, tags);
    put_texts(out, needs);
    out.list(pointers.iter(), |out, Pointer { name, external }| {
        out.bytes(name.as_bytes());
        out.bool(*external);
    });
    out.option(pin.as_ref(), |out, Pin { until, why }| {
        out.option(*until, |out, t| out.i64(t.nanos()));
        out.option(why.as_ref(), |out, w| out.bytes(w.as_bytes()));
    });
    put_texts(out, conflicts);
    out.list(shared.iter(), |out, SharedFile { inode, bytes, apparent, links }| {
        out.u64(*inode);
        out.u64(*bytes);
        out.u64(*apparent);
        out.u64((*links).into());
    });
    put_texts(out, paths);
    out.u64(*apparent);
    out.list(sources.iter(), |out, (metric, source)| {
        out.u64((*metric).into());
        out.bytes(source.as_bytes());
    });
}

fn extra(reader: &mut Reader<'_>) -> Option<Extra> {
    let pointer =
        |r: &mut Reader<'_>| Some(Pointer { name: r.text()?.into(), external: r.bool()? });
    let pin = |r: &mut Reader<'_>| {
        Some(Pin { until: r.option(time)?, why: r.option(|r| r.text().map(Into::into))? })
    };
    let shared = |r: &mut Reader<'_>| {
        let (inode, bytes, apparent) = (r.u64()?, r.u64()?, r.u64()?);
        Some(SharedFile { inode, bytes, apparent, links: r.u32()? })
    };
    Some(Extra {
        summary: reader.option(|r| r.text().map(Into::into))?,
        elapsed: reader.option(Reader::f64)?,
        tags: texts(reader)?,
        needs: texts(reader)?,
        pointers: reader.list(pointer)?,
        pin: reader.option(pin)?,
        conflicts: texts(reader)?,
        shared: reader.list(shared)?,
        paths: texts(reader)?,
        apparent: reader.u64()?,
        sources: reader.list(|r| Some((r.u32()?, r.text()?.into())))?,
    })
}

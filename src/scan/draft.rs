//! A session as it is built: measured, marked, not yet named.

use super::arbitrate::Found;
use super::needs::{self, Wish};
use crate::core::model::{Checkpoint, Extra, Guard, Marks, Metrics, Names, Pin, Session};
use crate::core::name::{encode, encode_owned};
use crate::layout::folder::{cannot_read, join};
use crate::layout::pointer::Lead;
use crate::layout::{Claim, Folder, Layout, Note, Notes, Parent, Series};
use crate::marks::{self, MarksFile};
use crate::store::unit::{Inner, InnerLink};
use crate::store::{Kind, Unit};
use std::collections::HashSet;
use std::io;

/// A session whose name depends on what else the scan finds.
pub struct Draft {
    /// Names in [`Draft::names`], checkpoints in the order of `tops`.
    pub session: Session,
    pub names: Names,
    /// The directory that holds the checkpoints.
    pub folder: Vec<u8>,
    pub own_components: usize,
    pub prefix: String,
    /// Index of its layout.
    pub layout: usize,
    pub parent: Option<Parent>,
    pub uid: Option<u32>,
    /// Inode and name, or path below the folder, of everything that is claimed.
    pub tops: Vec<Top>,
    pub wishes: Vec<Wish>,
    pub leads: Vec<Lead>,
    pub faults: Vec<Note>,
}

/// One entry of a checkpoint.
pub struct Top {
    pub name: Box<[u8]>,
    pub inode: u64,
    pub checkpoint: u32,
}

impl Draft {
    /// The directory it is called after.
    pub fn home(&self) -> &[u8] {
        let mut home = &self.folder[..];
        for _ in 0..self.own_components {
            home = home.iter().rposition(|b| *b == b'/').map_or(b"", |i| &home[..i]);
        }
        home
    }
}

/// Measures every claim of a directory and applies the marks people set.
pub fn drafts(
    folder: &Folder<'_>,
    found: Vec<Found>,
    layouts: &[Box<dyn Layout>],
    notes: &mut Notes,
) -> Vec<Draft> {
    if found.is_empty() {
        return Vec::new();
    }
    let marks = match read_marks(folder) {
        Ok(marks) => Some(marks),
        Err(text) => {
            notes.fault(folder.join(b".retain/marks.toml"), text);
            None
        }
    };
    // What could not be read is said already, and keeps the session whole.
    let guards = match marks.as_ref().map_or(Ok(Vec::new()), |_| guards(folder, &found)) {
        Ok(guards) => guards,
        Err(e) => {
            notes.fault(folder.path.clone(), cannot_read("a pointer or `.retain`", &e));
            Vec::new()
        }
    };
    let uid = match folder.dir.stat() {
        Ok(stat) => Some(stat.uid),
        Err(e) => {
            notes.fault(folder.path.clone(), cannot_read("the directory", &e));
            None
        }
    };
    found
        .into_iter()
        .map(|Found { layout, series }| {
            let mut draft = draft(folder, &*layouts[layout], series, marks.as_ref(), notes);
            draft.session.guards.clone_from(&guards);
            Draft { layout, uid, ..draft }
        })
        .collect()
}

/// The marks of a directory, there or not, and everything in it that points at a checkpoint.
fn guards(folder: &Folder<'_>, found: &[Found]) -> io::Result<Vec<Guard>> {
    let path = |name: &[u8]| encode(&folder.join(name)).into();
    let marks = match folder.entry(b".retain") {
        None => None,
        Some(_) => match folder.dir.open(b".retain").and_then(|d| d.measure(&[b"marks.toml"])) {
            Ok(unit) => Some(unit.fingerprint),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        },
    };
    let mut guards = vec![Guard { path: path(b".retain/marks.toml"), fingerprint: marks }];
    let claims = || found.iter().flat_map(|f| &f.series.claims);
    let pointers: HashSet<&[u8]> =
        claims().flat_map(|c| &c.pointers).map(|p| p.name.as_bytes()).collect();
    for entry in folder.entries() {
        let is_claimed = || claims().any(|c| c.entries.iter().any(|e| **e == *entry.name));
        let points = entry.kind == Kind::Symlink || pointers.contains(&*entry.name);
        if points && !is_claimed() {
            let fingerprint = Some(folder.dir.measure(&[&entry.name])?.fingerprint);
            guards.push(Guard { path: path(&entry.name), fingerprint });
        }
    }
    Ok(guards)
}

fn read_marks(folder: &Folder<'_>) -> Result<MarksFile, String> {
    match folder.entry(b".retain") {
        None => Ok(MarksFile::default()),
        Some(_) => marks::read(&*folder.dir).map_err(|e| e.to_string()),
    }
}

/// `marks`: `None` if they could not be read, which pins everything (I10).
fn draft(
    folder: &Folder<'_>,
    layout: &dyn Layout,
    series: Series,
    marks: Option<&MarksFile>,
    notes: &mut Notes,
) -> Draft {
    let mut names = Names::default();
    let mut session = Session {
        layout: Some(layout.name().into()),
        status: series.status,
        tags: series.tags.into_iter().map(Into::into).collect(),
        series: series.prefix.as_str().into(),
        ..Session::default()
    };
    if let Some(marks) = marks {
        for tag in marks.session_tags(&series.prefix) {
            if session.tags.iter().all(|t| **t != *tag) {
                session.tags.push(tag.into());
            }
        }
    }
    let (mut tops, mut wishes) = (Vec::new(), Vec::new());
    for (i, mut claim) in (0..).zip(series.claims) {
        needs::read_adapters(folder, &claim.entries, i, &mut wishes, notes);
        let unit = measure(folder, &claim, notes);
        if let Some(inner) = unit.as_ref().and_then(|u| u.inner.as_ref()) {
            keep_inner(&mut claim, layout, inner);
        }
        let mut paths = Vec::with_capacity(claim.entries.len());
        let (inodes, links, modified) = match &unit {
            Some(unit) => (&unit.tops[..], &unit.links[..], unit.modified),
            None => (&[][..], &[][..], None),
        };
        let wish = |link: &InnerLink| Wish::of_link(folder, &claim.entries, i, link.clone());
        wishes.extend(links.iter().filter_map(wish));
        for (k, name) in std::mem::take(&mut claim.entries).into_iter().enumerate() {
            let inode = inodes.get(k).map_or(0, |top| top.inode);
            paths.push(encode_owned(join(&folder.path, &name)).into());
            tops.push(Top { name, inode, checkpoint: i });
        }
        let mut checkpoint = checkpoint(claim, paths, unit, &mut names);
        session.last_write = session.last_write.max(modified);
        if let Some(marks) = marks {
            marks.apply(&series.prefix, &mut checkpoint);
        } else {
            checkpoint.marks.set(Marks::PINNED);
            let why = Some("its marks file cannot be read".into());
            checkpoint.extra_mut().pin = Some(Pin { until: None, why });
        }
        session.checkpoints.push(checkpoint);
    }
    Draft {
        session,
        names,
        folder: folder.path.clone(),
        own_components: series.own_components,
        prefix: series.prefix,
        layout: 0,
        parent: series.parent,
        uid: None,
        tops,
        wishes,
        leads: series.leads,
        faults: Vec::new(),
    }
}

/// I6: nobody who says that a checkpoint may go means what was put into it.
fn keep_inner(claim: &mut Claim, layout: &dyn Layout, inner: &Inner) {
    let what = match inner {
        Inner::Marked(path) => format!("`{}` lies in it: something there was marked", encode(path)),
        Inner::Run(_) if layout.holds_anything() => return,
        Inner::Run(path) => format!("`{}` in it is of a run of its own", encode(path)),
    };
    claim.marks.set(Marks::AMBIGUOUS);
    claim.metrics.conflicts.push(what);
}

/// `None`, and a fault: it could not be measured whole.
fn measure(folder: &Folder<'_>, claim: &Claim, notes: &mut Notes) -> Option<Unit> {
    let measured = match &claim.entries[..] {
        [entry] => folder.dir.measure(&[entry]),
        entries => folder.dir.measure(&entries.iter().map(|e| &**e).collect::<Vec<_>>()),
    };
    let text = match measured {
        Ok(unit) if unit.crosses_mount => "a mount lies inside this checkpoint".to_owned(),
        Ok(unit) => return Some(unit),
        Err(e) => cannot_read("the checkpoint", &e),
    };
    notes.fault(folder.join(claim.name()), text);
    None
}

fn checkpoint(
    claim: Claim,
    paths: Vec<Box<str>>,
    unit: Option<Unit>,
    names: &mut Names,
) -> Checkpoint {
    let fingerprint = unit.as_ref().map(|u| u.fingerprint);
    let unit = unit.unwrap_or_default();
    let readings = claim.metrics.readings();
    let mut sources = Vec::with_capacity(readings.len());
    let values = readings.iter().map(|r| {
        let id = names.intern(&r.name);
        sources.push((id, r.source.label().into()));
        (id, r.value)
    });
    let metrics: Metrics = values.collect();
    sources.sort_by_key(|s: &(_, Box<str>)| s.0);
    let boxed = |list: Vec<String>| list.into_iter().map(Into::into).collect();
    let extra = Extra {
        summary: claim.summary.map(Into::into),
        elapsed: claim.elapsed,
        tags: boxed(claim.tags),
        needs: boxed(claim.needs),
        pointers: claim.pointers,
        pin: claim.pin,
        conflicts: boxed(claim.metrics.conflicts),
        shared: unit.shared,
        paths,
        apparent: unit.apparent,
        sources,
    };
    Checkpoint {
        id: claim.id.into(),
        step: claim.step,
        epoch: claim.epoch,
        saved_at: claim.saved_at.or(unit.modified),
        last_write: unit.last_write,
        bytes: unit.bytes,
        files: unit.files,
        metrics,
        marks: claim.marks,
        complete: claim.complete,
        fingerprint,
        extra: Some(Box::new(extra)),
    }
}

//! Writes an inventory.

use super::VERSION;
use super::wire::{
    CheckpointLine, Guard, Header, Hex, Number, Pin, Pointer, SessionLine, Shared, Space, Step,
    Trailer, Values, When,
};
use crate::core::model::{Checkpoint, Inventory, Session, Time, hex};
use serde::Serialize;
use std::io::{self, Write};

/// Writes an inventory as JSON Lines, header and trailer included.
///
/// # Errors
/// The sink refuses.
pub fn write(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(1 << 18, out);
    let space = inventory.space.map(|s| {
        let trash = (s.trash > 0).then_some(s.trash);
        Space { total: s.total, free: s.free, trash }
    });
    let now = text(inventory.now);
    line(&mut out, &Header { version: VERSION, root: inventory.root.as_deref(), now, space })?;
    for session in &inventory.sessions {
        line(&mut out, &session_line(session))?;
        for checkpoint in &session.checkpoints {
            line(&mut out, &checkpoint_line(inventory, session, checkpoint))?;
        }
    }
    let checkpoints = inventory.sessions.iter().map(|s| s.checkpoints.len()).sum();
    line(&mut out, &Trailer { end: true, sessions: inventory.sessions.len(), checkpoints })?;
    out.flush()
}

fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

fn text(time: Option<Time>) -> Option<When> {
    time.map(When)
}

fn session_line(session: &Session) -> SessionLine<'_> {
    SessionLine {
        session: &session.name,
        owner: &session.owner,
        layout: session.layout.as_deref(),
        status: session.status.as_str(),
        last_write: text(session.last_write),
        tainted: &session.tainted,
        tags: &session.tags,
        guards: session
            .guards
            .iter()
            .map(|g| Guard { path: &g.path, fingerprint: g.fingerprint.as_ref().map(hex) })
            .collect(),
    }
}

fn checkpoint_line<'a>(
    inventory: &'a Inventory,
    session: &'a Session,
    c: &'a Checkpoint,
) -> CheckpointLine<'a> {
    let name = |id| inventory.names.name(id);
    CheckpointLine {
        v: VERSION,
        session: &session.name,
        id: &c.id,
        step: c.step.map(Step),
        epoch: c.epoch.map(Step),
        saved_at: text(c.saved_at),
        last_write: text(c.last_write),
        elapsed: c.elapsed().map(Number),
        bytes: c.bytes,
        apparent: c.extra.as_ref().map(|e| e.apparent).filter(|a| *a != 0),
        files: c.files,
        metrics: Values { metrics: &c.metrics, names: &inventory.names },
        sources: c.sources().iter().map(|(id, source)| (name(*id), &**source)).collect(),
        conflicts: c.conflicts(),
        summary: c.summary(),
        marks: c.marks.names().collect(),
        pin: c.pin().map(|p| Pin { until: text(p.until), why: p.why.as_deref() }),
        tags: c.tags(),
        pointers: c
            .pointers()
            .iter()
            .map(|p| Pointer { name: &p.name, external: p.external })
            .collect(),
        complete: c.complete,
        needs: c.needs(),
        shared: c
            .shared()
            .iter()
            .map(|s| Shared {
                inode: s.inode,
                bytes: s.bytes,
                apparent: s.apparent,
                links: s.links,
            })
            .collect(),
        paths: c.paths(),
        fingerprint: c.fingerprint.map(Hex),
    }
}

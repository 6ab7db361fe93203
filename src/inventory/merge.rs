//! Puts inventories of parts of one storage together.
//!
//! Shards of a scan may overlap and may have run at different times. What both saw the same way
//! counts once; where they differ, nobody knows which is right, and the session is kept whole.

use crate::core::model::{Checkpoint, Inventory, Renumbered, Session, SmolStr};
use crate::core::name::natural_cmp;
use std::collections::HashMap;

/// The union of two inventories, and a sentence for each thing they disagree about.
///
/// Files are told apart by their inodes: only inventories of one storage can be merged. Those of
/// two roots are merged all the same, and said to be of two roots; `root` is empty then, so that
/// nothing of it can be applied.
pub fn merge(mut a: Inventory, b: Inventory) -> (Inventory, Vec<String>) {
    let mut conflicts = Vec::new();
    if a.root != b.root {
        let show = |r: &Option<Box<str>>| r.as_deref().unwrap_or("none").to_owned();
        conflicts.push(format!("the roots differ: {} and {}", show(&a.root), show(&b.root)));
        a.root = None;
    }
    // The earlier time makes everything look younger, which keeps more.
    a.now = a.now.min(b.now).or(a.now).or(b.now);
    a.space = match (a.space, b.space) {
        (Some(x), Some(y)) => Some(if x.free >= y.free { x } else { y }),
        (x, y) => x.or(y),
    };
    let mut index: HashMap<Box<str>, usize> =
        a.sessions.iter().enumerate().map(|(i, s)| (s.name.clone(), i)).collect();
    let mut ids = Renumbered::new(&b.names, &mut a.names);
    for mut session in b.sessions {
        for checkpoint in &mut session.checkpoints {
            checkpoint.renumber(&mut ids);
        }
        if let Some(&i) = index.get(&session.name) {
            join(&mut a.sessions[i], session, &mut conflicts);
        } else {
            index.insert(session.name.clone(), a.sessions.len());
            a.sessions.push(session);
        }
    }
    a.sessions.sort_by(|x, y| natural_cmp(&x.name, &y.name));
    (a, conflicts)
}

fn join(known: &mut Session, other: Session, conflicts: &mut Vec<String>) {
    let mut differences = Vec::new();
    if (&known.owner, &known.layout, known.status) != (&other.owner, &other.layout, other.status) {
        differences.push("owner, layout or status".to_owned());
    }
    known.last_write = known.last_write.max(other.last_write);
    for (mine, theirs) in [(&mut known.tainted, other.tainted), (&mut known.tags, other.tags)] {
        for text in theirs {
            if !mine.contains(&text) {
                mine.push(text);
            }
        }
    }
    let at: HashMap<SmolStr, usize> =
        known.checkpoints.iter().enumerate().map(|(i, c)| (c.id.clone(), i)).collect();
    for checkpoint in other.checkpoints {
        match at.get(&checkpoint.id) {
            Some(&i) if is_same(&known.checkpoints[i], &checkpoint) => {}
            Some(_) => differences.push(format!("checkpoint {}", checkpoint.id)),
            None => known.checkpoints.push(checkpoint),
        }
    }
    known.checkpoints.sort_by(|x, y| natural_cmp(&x.id, &y.id));
    for what in differences {
        let text = format!("two inventories differ in {what}");
        conflicts.push(format!("session {}: {text}", known.name));
        known.tainted.push(text.into());
    }
}

/// NaN is the same as NaN here, as its text is.
fn is_same(a: &Checkpoint, b: &Checkpoint) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

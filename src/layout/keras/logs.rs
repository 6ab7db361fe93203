//! What Keras's `TensorBoard` callback wrote: folders `train` and `validation` with event files.
//!
//! They lie where its user said, by default in `logs`, often one for each start below it. Only if
//! exactly one run has them is it the run of the checkpoints; among several nobody knows which.

use crate::core::name::encode;
use crate::layout::events::{self, Naming, Place, Scalars};
use crate::layout::folder::join;
use crate::layout::join::Join;
use crate::layout::{Folder, Notes, Series};
use crate::store::{Dir, Entry, Kind};

const JOIN: Join = Join {
    column: "step",
    offset: 1,
    why: "the callback counts epochs from zero, the templates of names from one",
};
const PARTS: [(&[u8], Naming); 2] = [(b"train", train), (b"validation", validation)];
/// What the folder of logs is called in Keras's and TensorFlow's own guides.
const LOGS: [&[u8]; 5] = [b"logs", b"log", b"tb_logs", b"tensorboard", b"tensorboard_logs"];
/// `logs/fit/20260131-101500/train`.
const MAX_DEPTH: usize = 2;
/// Among more folders than this nobody's logs are looked for.
const MAX_FOLDERS: usize = 64;

/// Offers the checkpoints of a series what was logged for their epochs.
pub fn offer(folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
    let here = Place::of(folder, "");
    // The callback may log among the checkpoints themselves.
    if has_parts(&here) {
        return read(&here, series, notes);
    }
    let mut found = Vec::new();
    let mut left = MAX_FOLDERS;
    for logs in here.entries.iter().filter(|e| LOGS.contains(&&*e.name)) {
        if let Some(logs) = Opened::in_place(&here, logs) {
            logs.collect(0, &mut left, &mut found);
        }
    }
    if let ([run], true) = (&found[..], left > 0) {
        read(&run.place(), series, notes);
    }
}

fn read(run: &Place<'_>, series: &mut Series, notes: &mut Notes) {
    let epochs = events::whole(series.claims.iter().map(|c| c.epoch));
    let mut scalars = Scalars::default();
    for (part, naming) in PARTS {
        let entry = run.entries.iter().find(|e| *e.name == *part);
        if let Some(part) = entry.and_then(|e| Opened::in_place(run, e)) {
            scalars.read(&part.place(), &JOIN, &epochs, naming, notes);
        }
    }
    series.claims.iter_mut().for_each(|c| scalars.offer(c, c.epoch));
}

fn has_parts(place: &Place<'_>) -> bool {
    let parts = place.entries.iter().filter(|e| PARTS.iter().any(|p| *p.0 == *e.name));
    parts.filter_map(|e| Opened::in_place(place, e)).any(|part| part.place().has_events())
}

/// A directory below a [`Place`], opened and listed.
struct Opened {
    dir: Box<dyn Dir>,
    entries: std::sync::Arc<[Entry]>,
    path: Vec<u8>,
    shown: String,
}

impl Opened {
    fn in_place(place: &Place<'_>, entry: &Entry) -> Option<Opened> {
        if entry.kind != Kind::Dir {
            return None;
        }
        // What cannot be opened is said when the directory is visited.
        let dir = place.dir.open(&entry.name).ok()?;
        let entries = dir.list().ok()?;
        let shown = format!("{}{}/", place.shown, encode(&entry.name));
        Some(Opened { dir, entries, path: join(&place.path, &entry.name), shown })
    }

    fn place(&self) -> Place<'_> {
        let (path, shown) = (self.path.clone(), self.shown.clone());
        Place { dir: &*self.dir, entries: &self.entries, path, shown }
    }

    fn collect(self, depth: usize, left: &mut usize, found: &mut Vec<Opened>) {
        if has_parts(&self.place()) {
            return found.push(self);
        }
        for child in self.entries.iter().filter(|e| depth < MAX_DEPTH && e.kind == Kind::Dir) {
            *left = left.saturating_sub(1);
            if *left > 0
                && let Some(child) = Opened::in_place(&self.place(), child)
            {
                child.collect(depth + 1, left, found);
            }
        }
    }
}

/// A training's `epoch_loss` is what `CSVLogger` calls `loss`.
fn train(tag: &str) -> Option<String> {
    let name = tag.strip_prefix("epoch_")?;
    (!matches!(name, "lr" | "learning_rate")).then(|| name.to_owned())
}

/// And a validation's is `val_loss`.
fn validation(tag: &str) -> Option<String> {
    tag.strip_prefix("epoch_").map(|name| format!("val_{name}"))
}

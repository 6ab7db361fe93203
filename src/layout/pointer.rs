//! What names a checkpoint from outside: text files such as `latest`, and paths in metadata.
//!
//! Such a path was often written on another machine, or before the folder was moved. What it means
//! is found by its last component among the checkpoints of the same folder. A pointer that leads
//! nowhere is not ignored: nobody knows what it was meant to protect, so its session is kept.

use super::folder::{Folder, cannot_read, last_component};
use super::{Claim, Notes, Series};
use crate::core::model::{Marks, Pointer};
use crate::core::name::encode;
use crate::store::Kind;

/// Files that hold the name or path of one checkpoint, whatever framework wrote them.
const TEXT_POINTERS: [&str; 7] = [
    "best_checkpoint",
    "last_checkpoint",
    "latest",
    "latest.txt",
    "latest_checkpoint",
    "latest_checkpoint.txt",
    "latest_universal",
];
/// Longer files are no pointers.
const MAX_TEXT: usize = 4096;

/// Whether `target`, a name or a path from wherever, means this checkpoint or something in it.
pub fn means(target: &[u8], claim: &Claim) -> bool {
    components(target).any(|c| claim.entries.iter().any(|e| last_component(e) == c))
}

/// The components of a path, last first; either slash separates.
pub fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.rsplit(|b| matches!(b, b'/' | b'\\')).filter(|c| !c.is_empty() && *c != b".")
}

/// The mark that goes with what a pointer is called.
pub fn mark(name: &str) -> Option<Marks> {
    let name = name.to_ascii_lowercase();
    if name.starts_with("last") || name.starts_with("latest") {
        Some(Marks::LATEST)
    } else if name.starts_with("best") {
        Some(Marks::BEST)
    } else {
        None
    }
}

/// Notes on a claim that the pointer called `name`, in its own session, leads to it.
pub fn attach(claim: &mut Claim, name: &str) {
    if let Some(mark) = mark(name) {
        claim.marks.set(mark);
    }
    let pointer = Pointer { name: name.into(), external: false };
    if !claim.pointers.contains(&pointer) {
        claim.pointers.push(pointer);
    }
}

/// Whether a file of this name is followed in every session.
pub fn is_text_pointer(name: &[u8]) -> bool {
    TEXT_POINTERS.iter().any(|p| p.as_bytes() == name)
}

/// Follows the text pointers of a folder to the checkpoints in it.
pub fn follow_texts(folder: &Folder<'_>, series: &mut [Series], notes: &mut Notes) {
    for name in TEXT_POINTERS {
        let Some(entry) = folder.entry(name.as_bytes()) else { continue };
        if entry.kind != Kind::File {
            continue;
        }
        let path = folder.join(name.as_bytes());
        let text = match folder.dir.file(name.as_bytes()).and_then(|f| f.read_at(0, MAX_TEXT + 1)) {
            Ok(text) => text,
            Err(e) => {
                notes.fault(path, cannot_read(name, &e));
                continue;
            }
        };
        let target = text.trim_ascii();
        let mut found = false;
        if text.len() <= MAX_TEXT && !target.contains(&b'\n') {
            for claim in series.iter_mut().flat_map(|s| &mut s.claims) {
                if means(target, claim) {
                    attach(claim, name);
                    found = true;
                }
            }
        }
        if !found {
            let shown = encode(&target[..target.len().min(80)]).into_owned();
            notes.fault(path, format!("{name} names `{shown}`, which is not here"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_from_another_machine() {
        let claim = Claim::of_entry(b"checkpoint-5");
        let table = [
            ("checkpoint-5", true),
            ("./checkpoint-5/", true),
            ("/gone/run/checkpoint-5", true),
            ("C:\\runs\\checkpoint-5", true),
            ("checkpoint-5/model.safetensors", true),
            ("checkpoint-50", false),
            ("/gone/checkpoint-", false),
            ("", false),
        ];
        for (target, want) in table {
            assert_eq!(means(target.as_bytes(), &claim), want, "{target}");
        }
    }
}

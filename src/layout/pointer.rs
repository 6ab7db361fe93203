//! What names a checkpoint from outside: text files such as `latest`, and paths in metadata.
//!
//! Such a path was often written on another machine, or before the folder was moved. What it means
//! is found by its last component among the checkpoints of the same folder, and, where the rest of it
//! leads elsewhere, among those of the whole root ([`Lead`]). A pointer that leads nowhere is not
//! ignored: nobody knows what it was meant to protect, so its session is kept.

use super::folder::{Folder, cannot_read, join, last_component};
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
/// So much is shown of one that leads nowhere.
const MAX_SHOWN: usize = 80;

/// How many of a path's last components are looked at: a checkpoint, or what lies in one.
pub const REACH: usize = 2;

/// A path that may lead to a checkpoint of another folder, to be followed when all are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// What says so: `best_model_checkpoint`.
    pub name: String,
    /// The file that says so, below the root.
    pub path: Vec<u8>,
    pub target: Vec<u8>,
    /// Something in the own folder is called so. If nothing is anywhere, the session is kept.
    pub is_here: bool,
}

/// Whether `target`, a name or a path from wherever, means this checkpoint or something in it.
pub fn means(target: &[u8], claim: &Claim) -> bool {
    inside(target, |name| is_called(claim, name)).is_some()
}

/// How far inside of a checkpoint `target` leads, of those whose names `is_here` tells; `None`: to none.
///
/// A component further up is the name of a directory in which the run lay. So is one before the last
/// if that is called like a checkpoint itself: one that is not here.
pub fn inside(target: &[u8], is_here: impl Fn(&[u8]) -> bool) -> Option<usize> {
    let mut last = None;
    for (i, component) in components(target).take(REACH).enumerate() {
        if is_here(component) {
            return last.is_none_or(|last| !is_alike(last, component)).then_some(i);
        }
        last = Some(component);
    }
    None
}

fn is_called(claim: &Claim, name: &[u8]) -> bool {
    claim.entries.iter().any(|e| last_component(e) == name)
}

/// Whether two names differ in their digits only.
pub fn is_alike(a: &[u8], b: &[u8]) -> bool {
    let shape =
        |name: &[u8]| -> Vec<u8> { name.iter().copied().filter(|b| !b.is_ascii_digit()).collect() };
    shape(a) == shape(b)
}

/// Attaches the pointer called `name` to every one of `claims` that `target` means, and returns
/// where else it may lead. `path` is the file that holds it.
pub fn follow<'c>(
    folder: &Folder<'_>,
    claims: impl Iterator<Item = &'c mut Claim>,
    name: &str,
    path: Vec<u8>,
    target: &[u8],
) -> Option<Lead> {
    let mut claims: Vec<&mut Claim> = claims.collect();
    let found = inside(target, |name| claims.iter().any(|c| is_called(c, name)));
    let mut is_own = false;
    if let Some(meant) = found.and_then(|i| components(target).nth(i)) {
        for claim in claims.iter_mut().filter(|c| is_called(c, meant)) {
            attach(claim, name);
        }
        // One of the two paths is the end of the other.
        let own = join(&folder.path, meant);
        let rest = components(target).skip(found.unwrap_or_default());
        is_own = components(&own).zip(rest).all(|(a, b)| a == b);
    }
    let is_here = found.is_some();
    (!is_own).then(|| Lead { name: name.to_owned(), path, target: target.to_vec(), is_here })
}

/// What is said of a pointer that leads nowhere.
pub fn lost(name: &str, target: &[u8]) -> String {
    let shown = encode(&target[..target.len().min(MAX_SHOWN)]).into_owned();
    format!("{name} names `{shown}`, which is not here")
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
        if text.len() > MAX_TEXT || target.is_empty() || target.contains(&b'\n') {
            notes.fault(path, lost(name, target));
            continue;
        }
        let claims = series.iter_mut().flat_map(|s| &mut s.claims);
        if let Some(lead) = follow(folder, claims, name, path, target) {
            // Whose pointer it is nobody knows: if it leads nowhere, all are kept.
            for series in series.iter_mut() {
                series.leads.push(lead.clone());
            }
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
            // A directory above is called like one that is here.
            ("/old/checkpoint-5/dpo/checkpoint-7", false),
            ("/old/checkpoint-5/x/y", false),
            ("checkpoint-5/checkpoint-7", false),
            ("checkpoint-50", false),
            ("/gone/checkpoint-", false),
            ("", false),
        ];
        for (target, want) in table {
            assert_eq!(means(target.as_bytes(), &claim), want, "{target}");
        }
    }
    #[test]
    fn of_two_that_are_named_the_last_is_meant() {
        let inside =
            |target: &[u8]| inside(target, |n| matches!(n, b"checkpoint-2000" | b"checkpoint-500"));
        assert_eq!(inside(b"/old/checkpoint-2000/dpo/checkpoint-500"), Some(0));
        assert_eq!(inside(b"/old/checkpoint-2000/checkpoint-500"), Some(0));
        assert_eq!(inside(b"/old/checkpoint-500/checkpoint-2000/x"), Some(1));
        assert_eq!(inside(b"/old/checkpoint-2000/checkpoint-50"), None);
    }
}

//! What names a checkpoint from outside: text files such as `latest`, and paths in metadata.
//!
//! Such a path was often written on another machine, or before the folder was moved. What it means
//! is found by the innermost component that is a checkpoint of the same folder, and, where the rest of
//! it leads elsewhere, among those of the whole root ([`Lead`]). A pointer that leads nowhere is not
//! ignored: nobody knows what it was meant to protect, so its session is kept.

use super::folder::{Folder, cannot_read, join, last_component};
use super::{Claim, Notes, Series};
use crate::core::called;
use crate::core::model::Pointer;
use crate::core::name::encode;
use crate::core::named::{components, inside, is_sure};
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

/// A path that may lead to a checkpoint of another folder, to be followed when all are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// What says so: `best_model_checkpoint`.
    pub name: String,
    /// The file that says so, below the root.
    pub path: Vec<u8>,
    pub target: Vec<u8>,
    /// Something in the own folder is called so, and surely meant. If nothing is anywhere, the session is kept.
    pub is_here: bool,
}

/// Whether `target`, a name or a path from wherever, means this checkpoint or something in it.
pub fn means(target: &[u8], claim: &Claim) -> bool {
    inside(target, |name| is_called(claim, name)).is_some()
}

/// Which of some checkpoints a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meant<'t> {
    pub name: &'t [u8],
    /// How many components further inside the path leads.
    at: usize,
    /// If not, it may as well be a directory in which the run lay.
    pub is_sure: bool,
}

/// Which of `claims`, which lie in the directory `folder`, `target` means or leads into.
pub fn meant<'t>(folder: &[u8], claims: &[&mut Claim], target: &'t [u8]) -> Option<Meant<'t>> {
    let at = inside(target, |name| claims.iter().any(|c| is_called(c, name)))?;
    let name = components(target).nth(at)?;
    Some(Meant { name, at, is_sure: is_sure(target, at, folder) })
}

pub fn is_called(claim: &Claim, name: &[u8]) -> bool {
    claim.entries.iter().any(|e| last_component(e) == name)
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
    let found = meant(&folder.path, &claims, target);
    let is_here = found.is_some_and(|m| m.is_sure);
    let mut is_own = false;
    if let Some(meant) = found {
        for claim in claims.iter_mut().filter(|c| is_called(c, meant.name)) {
            attach(claim, name);
        }
        // One of the two paths is the end of the other.
        let own = join(&folder.path, meant.name);
        let rest = components(target).skip(meant.at);
        is_own = is_here && components(&own).zip(rest).all(|(a, b)| a == b);
    }
    (!is_own).then(|| Lead { name: name.to_owned(), path, target: target.to_vec(), is_here })
}

/// What is said of a pointer that leads nowhere.
pub fn lost(name: &str, target: &[u8]) -> String {
    let shown = encode(&target[..target.len().min(MAX_SHOWN)]).into_owned();
    format!("{name} names `{shown}`, which is not here")
}

/// Notes on a claim that the pointer called `name`, in its own session, leads to it.
pub fn attach(claim: &mut Claim, name: &str) {
    if let Some(mark) = called::mark(name.as_bytes()) {
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
            ("/gone/run/checkpoint-5/global_step5/x.pt", true),
            // A directory above is called like one that is here.
            ("/old/checkpoint-5/dpo/checkpoint-7", false),
            ("checkpoint-5/checkpoint-7", false),
            ("checkpoint-50", false),
            ("/gone/checkpoint-", false),
            ("", false),
        ];
        for (target, want) in table {
            assert_eq!(means(target.as_bytes(), &claim), want, "{target}");
        }
    }
}

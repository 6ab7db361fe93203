//! What a path names of which only the end means anything here: one from another machine, or from
//! before the folder was moved.
//!
//! Whoever plans and whoever deletes must read such a path alike, or one moves what the other keeps.

/// A checkpoint, or what lies in one: so far inside a path is believed whatever is above it.
const NEAR: usize = 2;

/// The components of a path, last first; either slash separates.
pub fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.rsplit(|b| matches!(b, b'/' | b'\\')).filter(|c| !c.is_empty() && *c != b".")
}

/// Whether two names differ in their digits only.
pub fn is_alike(a: &[u8], b: &[u8]) -> bool {
    let shape =
        |name: &[u8]| -> Vec<u8> { name.iter().copied().filter(|b| !b.is_ascii_digit()).collect() };
    shape(a) == shape(b)
}

/// How far inside of a checkpoint `target` leads, of those whose names `is_here` tells; `None`: to none.
///
/// The innermost is meant. If something in it is called like a checkpoint itself, then that is, and it
/// is not here: the one above is a directory in which the run lay.
pub fn inside(target: &[u8], is_here: impl Fn(&[u8]) -> bool) -> Option<usize> {
    let at = components(target).position(is_here)?;
    let found = components(target).nth(at)?;
    components(target).take(at).all(|inner| !is_alike(inner, found)).then_some(at)
}

/// Whether what [`inside`] found in `folder` is surely what `target` means. Far above its end a name
/// may also be that of a directory in which the run lay: unless the folder's own stands before it, or
/// nothing at all.
pub fn is_sure(target: &[u8], at: usize, folder: &[u8]) -> bool {
    let above = components(target).nth(at + 1);
    at < NEAR || above.is_none_or(|above| components(folder).next() == Some(above))
}

/// Whether `target`, which stands in the directory `folder`, an absolute path, means what is called
/// `name` there, or leads into it. Followed as it is, it leads there whatever it names inside.
pub fn leads_into(target: &[u8], folder: &[u8], name: &[u8]) -> bool {
    let as_it_is = |at: usize| {
        let above = components(target).skip(at + 1).take_while(|c| *c != b"..");
        above.zip(components(folder)).all(|(a, b)| a == b)
    };
    let mut named = components(target).enumerate().filter(|(_, c)| *c == name);
    inside(target, |c| c == name).is_some() || named.any(|(at, _)| as_it_is(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_that_are_named_the_inner_is_meant() {
        let table: [(&str, Option<usize>, bool); 11] = [
            ("/old/checkpoint-2000/dpo/checkpoint-500", Some(0), true),
            ("/old/checkpoint-2000/checkpoint-500", Some(0), true),
            ("/old/checkpoint-500/checkpoint-2000/x", Some(1), true),
            ("/old/checkpoint-2000/checkpoint-50", None, false),
            ("/old/checkpoint-2000/dpo/x/checkpoint-50", None, false),
            ("/old/checkpoint-2000/dpo/checkpoint-50/x", None, false),
            // Into it, or to something else that was once saved there.
            ("/old/checkpoint-2000/x/y", Some(2), false),
            ("/old/run/checkpoint-2000/x/y", Some(2), true),
            ("checkpoint-2000/x/y/z", Some(3), true),
            ("C:\\run\\checkpoint-2000\\x\\y\\.\\z\\", Some(3), true),
            ("", None, false),
        ];
        for (target, at, sure) in table {
            let target = target.as_bytes();
            let found = inside(target, |n| matches!(n, b"checkpoint-2000" | b"checkpoint-500"));
            let is_sure = found.is_some_and(|at| is_sure(target, at, b"team/run"));
            assert_eq!((found, is_sure), (at, sure), "{}", String::from_utf8_lossy(target));
        }
    }

    #[test]
    fn what_a_path_leads_into_as_it_is() {
        let table = [
            ("checkpoint-10/checkpoint-70", true),
            ("./checkpoint-10/dpo/checkpoint-70/x", true),
            ("../s/checkpoint-10/checkpoint-70", true),
            ("../t/checkpoint-10/checkpoint-70", false),
            ("/data/s/checkpoint-10/dpo/checkpoint-70", true),
            ("/old/s/checkpoint-10/dpo/checkpoint-70", false),
            ("/old/s/checkpoint-10/dpo/x", true),
            ("/old/s/checkpoint-1/dpo/x", false),
        ];
        for (target, want) in table {
            let found = leads_into(target.as_bytes(), b"/data/s", b"checkpoint-10");
            assert_eq!(found, want, "{target}");
        }
    }
}

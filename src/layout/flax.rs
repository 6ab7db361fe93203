//! Flax's own `save_checkpoint`: files `checkpoint_40`, or directories of that name.
//!
//! A file is the state as `MessagePack`; its step may be a fraction. Newer versions let Orbax write
//! a directory instead, which differs from Orbax's own by having no items. Arrays of several
//! processes lie beside it in `checkpoint_40_gda`: they are part of the checkpoint.

use super::folder::{Folder, Peek, cannot_read};
use super::orbax::{METADATA, is_single_item, unfinished_at};
use super::{About, Claim, Layout, Notes, Series, by_prefix, words};
use crate::core::model::{Marks, Step};
use crate::core::name::encode;
use crate::format::msgpack::MsgPack;
use crate::store::{Entry, Kind};

pub struct Flax;

const DEFAULT: &str = "checkpoint";
const ARRAYS: &[u8] = b"_gda";

const ABOUT: About = About {
    unit: "file, or directory; with `NAME_gda`",
    name: "`PREFIX_<step>`; directories `checkpoint_<step>`",
    signature: "a `MessagePack` map of arrays; `_METADATA` in the directory itself",
    order: "name; the step may be a fraction",
    metrics: "sidecar",
    pointers: "-",
    unfinished: "the value breaks off",
    traps: "`overwrite=True` deletes all newer steps itself. A seed in `params_seed_0`: ambiguous",
};

impl Layout for Flax {
    fn name(&self) -> &'static str {
        "flax"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let mut claims = Vec::new();
        let mut cut_short = Vec::new();
        for entry in folder.entries() {
            let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
            let unfinished = unfinished_at(name);
            let Some((prefix, step)) = parse(&name[..unfinished.unwrap_or(name.len())]) else {
                continue;
            };
            let mut marks = Marks::default();
            if words::orders_nothing(prefix) {
                marks.set(Marks::AMBIGUOUS);
            }
            let claim = |complete| Claim {
                step: Some(step),
                complete,
                marks,
                ..Claim::of_entry(&entry.name)
            };
            match entry.kind {
                // What cannot be opened is said when the directory is visited.
                Kind::Dir
                    if prefix == DEFAULT
                        && folder.peek(&entry.name).is_ok_and(|p| is_orbax_made(&p)) =>
                {
                    claims.push((prefix.to_owned(), claim(unfinished.is_none())));
                }
                Kind::File if unfinished.is_none() => {
                    let look = folder.dir.file(&entry.name).and_then(|f| MsgPack::look(&*f));
                    match look {
                        Ok(Some(seen)) if seen.is_map && (seen.has_arrays || prefix == DEFAULT) => {
                            claims.push((prefix.to_owned(), claim(seen.whole)));
                        }
                        Ok(Some(seen)) if !seen.whole => {
                            cut_short.push((prefix.to_owned(), claim(false)));
                        }
                        Ok(_) => {}
                        Err(e) => notes
                            .fault(folder.join(&entry.name), cannot_read(&encode(&entry.name), &e)),
                    }
                }
                _ => {}
            }
        }
        // A file cut off before its first key: the neighbours prove what it was.
        let known: Vec<String> = claims.iter().map(|(prefix, _)| prefix.clone()).collect();
        claims.extend(cut_short.into_iter().filter(|(prefix, _)| known.contains(prefix)));
        for (_, claim) in &mut claims {
            let arrays = [claim.name(), ARRAYS].concat();
            if folder.entry(&arrays).is_some_and(|e| e.kind == Kind::Dir) {
                claim.entries.push(arrays.into());
            }
        }
        by_prefix(claims)
    }

    fn explain(&self, folder: &Folder<'_>, entry: &Entry) -> Option<String> {
        let (prefix, _) = parse(std::str::from_utf8(&entry.name).ok()?)?;
        match entry.kind {
            Kind::File => Some("it is no MessagePack map of arrays".to_owned()),
            Kind::Dir if prefix == DEFAULT => {
                let ours = is_orbax_made(&folder.peek(&entry.name).ok()?);
                (!ours).then(|| "no _METADATA in it".to_owned())
            }
            _ => None,
        }
    }

    fn enrich(&self, _: &Folder<'_>, _: &mut Series, _: &mut Notes) {}
}

fn is_orbax_made(peek: &Peek<'_>) -> bool {
    is_single_item(peek) && (peek.has_file(METADATA) || peek.has_file(b"_METADATA"))
}

/// `checkpoint_40`, `model_0.25`: the prefix and the step.
fn parse(name: &str) -> Option<(&str, Step)> {
    let (prefix, number) = name.rsplit_once('_')?;
    let starts = number.starts_with(|c: char| c.is_ascii_digit());
    let plain =
        number.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-'));
    if prefix.is_empty() || !starts || !plain {
        return None;
    }
    let step = match number.parse() {
        Ok(whole) => Step::Whole(whole),
        Err(_) => Step::from_f64(number.parse().ok()?)?,
    };
    Some((prefix, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let step = |name| parse(name).map(|(p, s)| (p, s.to_string()));
        let some = |p, s: &str| Some((p, s.to_owned()));
        assert_eq!(step("checkpoint_17"), some("checkpoint", "17"));
        assert_eq!(step("checkpoint_0.25"), some("checkpoint", "0.25"));
        assert_eq!(step("my_model_1e-05"), some("my_model", "0.00001"));
        for name in
            ["checkpoint_", "checkpoint_5_gda", "checkpoint_-5", "_5", "5", "a_1.2.3", "a_inf"]
        {
            assert_eq!(step(name), None, "{name}");
        }
    }
}

//! Whether a checkpoint has the weights that it should have.
//!
//! The Trainer writes its state last, but a download brings small files first, and a full disk or a
//! person leaves less than there was. What has no weights can be loaded by nobody: it must not take
//! the place of one that can.

use super::super::Peek;
use crate::core::name::encode;
use crate::format::json::{self, Scalar};
use crate::store::{Entry, Kind, read_metadata};

const INDEX: &[u8] = b".index.json";
const ENDINGS: [&[u8]; 9] = [
    b".safetensors",
    b".bin",
    b".pt",
    b".pth",
    b".ckpt",
    b".h5",
    b".msgpack",
    b".distcp",
    b".gguf",
];
/// What a save holds besides weights, in files that end like them.
const OTHERS: [&[u8]; 5] = [b"optimizer", b"scheduler", b"rng_state", b"training_args", b"scaler"];

/// A file that the Trainer, Transformers or PEFT writes weights into.
pub fn is_known(name: &[u8]) -> bool {
    let stem = [&b"model"[..], b"pytorch_model", b"adapter_model"].iter().any(|s| {
        name.strip_prefix(*s).is_some_and(|rest| rest.starts_with(b".") || rest.starts_with(b"-"))
    });
    stem && (name.ends_with(b".safetensors") || name.ends_with(b".bin"))
}

/// Whether there is anything that may be weights, of whatever kind.
pub fn any(peek: &Peek<'_>) -> bool {
    peek.entries().iter().any(|e| match e.kind {
        // Shards of DeepSpeed and FSDP, adapters with names.
        Kind::Dir => !e.name.starts_with(b"."),
        Kind::File | Kind::Symlink => {
            ENDINGS.iter().any(|ending| e.name.ends_with(ending))
                && !OTHERS.iter().any(|other| e.name.starts_with(other))
        }
        Kind::Other => false,
    })
}

/// What of its weights is missing, for a person; `None` if nothing is known to be.
pub fn missing(peek: &Peek<'_>) -> Option<String> {
    let mut known = peek.entries().iter().filter(|e| e.kind == Kind::File && is_known(&e.name));
    if let Some(empty) = known.find(|e| is_empty(peek, e)) {
        return Some(format!("`{}` is empty", encode(&empty.name)));
    }
    let is_index = |e: &&Entry| e.kind == Kind::File && indexed(&e.name).is_some();
    peek.entries().iter().filter(is_index).find_map(|index| of_index(peek, index))
}

/// What the weights would be called in a single file, of which this is an index; what other
/// programs index (`faiss.index.json`) is nothing of a model.
fn indexed(name: &[u8]) -> Option<&[u8]> {
    name.strip_suffix(INDEX).filter(|whole| ENDINGS.iter().any(|ending| whole.ends_with(ending)))
}

/// Whether the same weights lie in a single file, which Transformers takes before the shards.
fn lies_whole(peek: &Peek<'_>, index: &Entry) -> bool {
    let own = indexed(&index.name).unwrap_or_default();
    let before: &[&[u8]] =
        if own == b"pytorch_model.bin" { &[b"model.safetensors", own] } else { &[own] };
    let is_whole = |name: &&[u8]| {
        is_known(name)
            && peek.entry(name).is_some_and(|e| e.kind == Kind::File && !is_empty(peek, e))
    };
    before.iter().any(is_whole)
}

fn is_empty(peek: &Peek<'_>, entry: &Entry) -> bool {
    // What cannot be looked at is said when it is measured.
    peek.dir().and_then(|dir| dir.len_of(&entry.name)).is_ok_and(|len| len == 0)
}

fn of_index(peek: &Peek<'_>, index: &Entry) -> Option<String> {
    let shown = encode(&index.name);
    let read = peek.dir().and_then(|dir| read_metadata(&*dir, &index.name));
    let shards = read.ok().and_then(|bytes| shards(&bytes));
    let Some(shards) = shards else {
        return Some(format!(
            "nobody knows which shards there should be: `{shown}` cannot be read"
        ));
    };
    let is_there = |shard: &String| match peek.entry(shard.as_bytes()) {
        Some(entry) => entry.kind != Kind::File || !is_empty(peek, entry),
        // A path elsewhere is not looked for.
        None => shard.contains('/'),
    };
    // Of all of them gone beside a single file nothing is missing: the index was left over.
    let is_gone = |shard: &String| peek.entry(shard.as_bytes()).is_none() && !shard.contains('/');
    if shards.iter().all(is_gone) && lies_whole(peek, index) {
        return None;
    }
    let gone = shards.into_iter().find(|shard| !is_there(shard))?;
    Some(format!("`{}`, which `{shown}` names, is missing or empty", encode(gone.as_bytes())))
}

/// The files that an index names; `None` if it is none.
fn shards(bytes: &[u8]) -> Option<Vec<String>> {
    let mut shards: Vec<String> = Vec::new();
    let mut is_map = true;
    let read = json::read(bytes, |reader| {
        reader.object(|reader, key| {
            if key.as_bytes() != b"weight_map" {
                return reader.skip();
            }
            is_map &= reader.object(|reader, _| {
                match reader.scalar()? {
                    // A shard's tensors stand together.
                    Some(Scalar::Text(shard))
                        if shards.last().is_some_and(|s| s == shard.as_str()) => {}
                    Some(Scalar::Text(shard)) => shards.push(shard.into_string()),
                    _ => is_map = false,
                }
                Ok(())
            })?;
            Ok(())
        })
    });
    shards.sort_unstable();
    shards.dedup();
    (read.is_ok_and(|is_object| is_object) && is_map).then_some(shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_index_names() {
        let table: [(&str, Option<&[&str]>); 7] = [
            (
                r#"{"metadata": {}, "weight_map": {"a": "1", "b": "2", "c": "1", "d": "1"}}"#,
                Some(&["1", "2"]),
            ),
            (r#"{"weight_map": {}}"#, Some(&[])),
            (r#"{"metadata": {}}"#, Some(&[])),
            (r#"{"weight_map": {"a": 1}}"#, None),
            (r#"{"weight_map": ["1"]}"#, None),
            (r#"{"weight_map": {"a": "1""#, None),
            ("", None),
        ];
        for (text, want) in table {
            let found = shards(text.as_bytes());
            let found = found.as_ref().map(|f| f.iter().map(|s| &**s).collect::<Vec<_>>());
            assert_eq!(found.as_deref(), want, "{text}");
        }
    }
}

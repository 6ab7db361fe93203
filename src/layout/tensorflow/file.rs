//! What the name of a file says about the checkpoint that it is a part of.

use crate::core::name::encode;

/// Which part a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Index,
    /// The graph, of `Saver` only.
    Meta,
    /// Shard number, and how many there are.
    Shard(u32, u32),
    /// The directory that a save writes to first.
    Temp,
}

/// A checkpoint's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    pub id: String,
    pub prefix: String,
    pub number: u64,
    /// Keras wrote it, whose templates count epochs.
    pub is_epoch: bool,
}

/// A checkpoint's name, raw and parsed.
pub struct Named<'n> {
    pub name: &'n [u8],
    pub parsed: Base,
}

/// `None` for any other file.
pub fn parse(name: &[u8]) -> Option<(Named<'_>, Part)> {
    let (base, part) = split(name)?;
    Some((Named { name: base, parsed: parse_base(base)? }, part))
}

fn split(name: &[u8]) -> Option<(&[u8], Part)> {
    if let Some(base) = name.strip_suffix(b"_temp") {
        return Some((base, Part::Temp));
    }
    let dot = name.iter().rposition(|b| *b == b'.')?;
    let (base, extension) = (&name[..dot], &name[dot + 1..]);
    let part = match extension {
        b"index" => Part::Index,
        b"meta" => Part::Meta,
        _ => {
            let numbers = extension.strip_prefix(b"data-")?;
            let (n, of) = (numbers.get(..5)?, numbers.get(9..)?);
            let fits = numbers.len() == 14 && &numbers[5..9] == b"-of-";
            let (n, of) = (number(n)?, number(of)?);
            if !fits || n >= of {
                return None;
            }
            Part::Shard(u32::try_from(n).ok()?, u32::try_from(of).ok()?)
        }
    };
    Some((base, part))
}

/// `ckpt-700`, or `cp-0005.ckpt` from a template of Keras.
fn parse_base(base: &[u8]) -> Option<Base> {
    let (stem, is_epoch) = match base.strip_suffix(b".ckpt") {
        Some(stem) => (stem, true),
        None => (base, false),
    };
    let digits = stem.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (head, digits) = stem.split_at(stem.len() - digits);
    let separator: &[u8] = if is_epoch { b"-_." } else { b"-" };
    let (last, prefix) = head.split_last()?;
    if !separator.contains(last) || prefix.is_empty() {
        return None;
    }
    let number = number(digits)?;
    Some(Base {
        id: encode(base).into_owned(),
        prefix: encode(prefix).into_owned(),
        number,
        is_epoch,
    })
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let all = text.bytes().all(|b| b.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let shown = |name: &str| {
            parse(name.as_bytes()).map(|(named, part)| {
                let Base { id, prefix, number, is_epoch } = named.parsed;
                format!("{id} = {prefix} {number}{} {part:?}", if is_epoch { " epoch" } else { "" })
            })
        };
        let table = [
            ("ckpt-700.index", Some("ckpt-700 = ckpt 700 Index")),
            ("ckpt-700.data-00001-of-00002", Some("ckpt-700 = ckpt 700 Shard(1, 2)")),
            ("model.ckpt-5.meta", Some("model.ckpt-5 = model.ckpt 5 Meta")),
            ("a-b-3.index", Some("a-b-3 = a-b 3 Index")),
            ("cp-0005.ckpt.index", Some("cp-0005.ckpt = cp 5 epoch Index")),
            ("w.05.ckpt.index", Some("w.05.ckpt = w 5 epoch Index")),
            ("ckpt-8_temp", Some("ckpt-8 = ckpt 8 Temp")),
            ("ckpt-700.data-00002-of-00002", None),
            ("ckpt-700.data-0-of-1", None),
            ("ckpt-700.data-00000-of-00001.tempstate123", None),
            ("ckpt-1e3.index", None),
            ("ckpt-18446744073709551616.index", None),
            ("ckpt_5.index", None),
            ("-5.index", None),
            ("5.index", None),
            ("ckpt.index", None),
            ("ckpt-5", None),
            ("checkpoint", None),
        ];
        for (name, want) in table {
            assert_eq!(shown(name).as_deref(), want, "{name}");
        }
    }
}

//! The name of a directory's entry.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// Longest name that takes no memory of its own: with it, a name takes 32 bytes.
const INLINE: usize = 30;

/// Any bytes but `/` and NUL. A short name, as nearly all are, lies where it is held.
#[derive(Clone)]
pub struct Name(Held);

#[derive(Clone)]
enum Held {
    Inline { len: u8, bytes: [u8; INLINE] },
    Apart(Box<[u8]>),
}

impl Deref for Name {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Inline { len, bytes } => &bytes[..usize::from(*len).min(INLINE)],
            Held::Apart(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Name {
    fn from(name: &[u8]) -> Name {
        match u8::try_from(name.len()) {
            Ok(len) if name.len() <= INLINE => {
                let mut bytes = [0; INLINE];
                bytes[..name.len()].copy_from_slice(name);
                Name(Held::Inline { len, bytes })
            }
            _ => Name(Held::Apart(name.into())),
        }
    }
}

impl From<&Name> for Box<[u8]> {
    fn from(name: &Name) -> Box<[u8]> {
        (**name).into()
    }
}

// As the bytes, of which a map with such keys can then be asked.
impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        **self == **other
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_length_are_what_they_were_made_of() {
        assert_eq!(std::mem::size_of::<Name>(), 32);
        let all: Vec<u8> = (0..=255).collect();
        for len in 0..all.len() {
            let name = Name::from(&all[..len]);
            assert_eq!((&*name, &*Box::from(&name)), (&all[..len], &all[..len]));
            assert_eq!(name, name.clone());
            assert!(len == 0 || name != Name::from(&all[1..len]));
        }
    }
}

//! The name of a directory's entry.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::ffi::{CStr, CString};
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

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Inline { len, bytes } => &bytes[..usize::from(*len).min(INLINE)],
            Held::Apart(bytes) => bytes,
        }
    }
}

impl Name {
    /// For the kernel; without taking memory where there is room for what ends it.
    pub fn to_c_str(&self) -> Option<Cow<'_, CStr>> {
        match &self.0 {
            Held::Inline { len, bytes } if usize::from(*len) < INLINE => {
                let text = CStr::from_bytes_until_nul(bytes).ok()?;
                (text.count_bytes() == usize::from(*len)).then_some(Cow::Borrowed(text))
            }
            _ => CString::new(&**self).ok().map(Cow::Owned),
        }
    }

    /// As [`head`] of its bytes.
    #[inline]
    fn head(&self) -> u64 {
        match &self.0 {
            Held::Inline { bytes, .. } => head(bytes),
            Held::Apart(bytes) => head(bytes),
        }
    }

    /// Where a name stands in a list that is in order.
    pub fn position<T>(sorted: &[T], name: &[u8], of: impl Fn(&T) -> &Name) -> Option<usize> {
        let first = head(name);
        let order = |item: &T| {
            let item = of(item);
            item.head().cmp(&first).then_with(|| (**item).cmp(name))
        };
        sorted.binary_search_by(order).ok()
    }
}

/// The first bytes as a number: names are ordered as these are, where they differ.
#[inline]
fn head(name: &[u8]) -> u64 {
    match name.first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        None => name.iter().fold(0, |n, b| n << 8 | u64::from(*b)) << (8 * (8 - name.len()) % 64),
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
        self.head().cmp(&other.head()).then_with(|| (**self).cmp(&**other))
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
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn names_are_ordered_as_their_bytes(a in "[\\x00ab]{0,40}", b in "[\\x00ab]{0,40}") {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            prop_assert_eq!(Name::from(a).cmp(&Name::from(b)), a.cmp(b));
        }

        #[test]
        fn a_name_for_the_kernel_is_the_name(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let name = Name::from(&*bytes);
            let text = name.to_c_str();
            prop_assert_eq!(text.as_deref().map(CStr::to_bytes), (!bytes.contains(&0)).then_some(&*bytes));
        }
    }
}

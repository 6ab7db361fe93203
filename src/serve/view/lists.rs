//! Lists that somebody asked for, remembered while a view lasts.
//!
//! To find the sessions of a filter all fifty thousand must be looked at; to turn a page, or to open
//! the same one as two hundred others, none. A list says for each session where its part begins, so
//! that any part is found by halving.

use super::index::{Sort, Standing};
use crate::core::model::Status;
use crate::serve::auth::Scope;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// So many lists are remembered: at most 400 kB each for 50,000 sessions.
const REMEMBERED: usize = 64;

/// Sessions, each with a number of items.
#[derive(Debug, Default)]
pub struct List {
    sessions: Vec<u32>,
    /// Where each one's items begin.
    starts: Vec<u32>,
    pub total: usize,
}

/// A part of a list, and how long the list is.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub total: usize,
}

impl List {
    /// Of sessions and how many items each has.
    pub fn new(counts: impl Iterator<Item = (u32, u32)>) -> List {
        let mut list = List::default();
        for (session, count) in counts {
            list.sessions.push(session);
            list.starts.push(u32::try_from(list.total).unwrap_or(u32::MAX));
            list.total += count as usize;
        }
        list
    }

    /// The items from `offset` on; `take` adds a session's, without the first so many, and at most
    /// so many.
    pub fn page<T>(
        &self,
        offset: usize,
        limit: usize,
        take: impl Fn(usize, &mut Vec<T>, usize, usize),
    ) -> Page<T> {
        let mut page = Page { items: Vec::new(), total: self.total };
        if offset >= self.total {
            return page;
        }
        let first = self.starts.partition_point(|start| *start as usize <= offset) - 1;
        for (session, start) in self.sessions.iter().zip(&self.starts).skip(first) {
            let room = limit - page.items.len();
            if room == 0 {
                break;
            }
            let skip = offset.saturating_sub(*start as usize);
            take(*session as usize, &mut page.items, skip, room);
        }
        page
    }

    /// The sessions themselves, of a list in which each counts once; `reverse`: from the end.
    pub fn sessions(&self, offset: usize, limit: usize, reverse: bool) -> Page<usize> {
        let all = self.sessions.iter().map(|s| *s as usize);
        let items = if reverse {
            all.rev().skip(offset).take(limit).collect()
        } else {
            all.skip(offset).take(limit).collect()
        };
        Page { items, total: self.total }
    }
}

/// What a list is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub scope: Scope,
    /// Part of the name, in small letters.
    pub text: String,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Sessions { owner: Option<String>, status: Option<Status>, sort: Sort },
    Standing(Standing),
    Cause(u16),
}

#[derive(Default)]
pub struct Lists(Mutex<VecDeque<(Key, Arc<List>)>>);

impl Lists {
    /// The list, made if nobody asked for it lately. Who asks for the same meanwhile waits for it.
    pub fn get(&self, key: Key, make: impl FnOnce() -> List) -> Arc<List> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().position(|(k, _)| *k == key).and_then(|at| known.remove(at));
        let entry = found.unwrap_or_else(|| (key, Arc::new(make())));
        let list = Arc::clone(&entry.1);
        known.push_front(entry);
        known.truncate(REMEMBERED);
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_the_whole() {
        let list = List::new([(3, 2), (7, 1), (9, 5)].into_iter());
        let of = |s: usize, out: &mut Vec<(usize, usize)>, skip: usize, room: usize| {
            let n = match s {
                3 => 2,
                7 => 1,
                _ => 5,
            };
            out.extend((0..n).map(|c| (s, c)).skip(skip).take(room));
        };
        let whole = list.page(0, 100, of).items;
        assert_eq!(whole.len(), 8);
        for offset in 0..10 {
            for limit in 0..10 {
                let part = list.page(offset, limit, of);
                let expected: Vec<_> = whole.iter().copied().skip(offset).take(limit).collect();
                assert_eq!((part.items, part.total), (expected, 8), "{offset} {limit}");
            }
        }
    }

    #[test]
    fn the_list_least_asked_for_is_forgotten() {
        let lists = Lists::default();
        let made = std::cell::Cell::new(0);
        let ask = |cause: u16| {
            let key =
                Key { scope: Scope::Administrator, text: String::new(), what: What::Cause(cause) };
            lists.get(key, || {
                made.set(made.get() + 1);
                List::new([(u32::from(cause), 1)].into_iter())
            })
        };
        let first = ask(0);
        for cause in 0..64 {
            assert_eq!(ask(cause).sessions(0, 9, false).items, [usize::from(cause)]);
            ask(0);
        }
        assert!(Arc::ptr_eq(&first, &ask(0)), "it was asked for all the time");
        assert_eq!(made.get(), 64);
        ask(64);
        ask(1);
        assert_eq!(made.get(), 66, "1 was forgotten");
    }
}

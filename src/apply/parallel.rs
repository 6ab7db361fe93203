//! The same work on many things at once.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

/// Does `f` for each item on up to `threads` threads; results in the order of the items. With one
/// thread everything happens on the caller's, so that system calls can be counted and failed. So it
/// does where no thread can be had.
pub fn map<T: Sync, R: Send>(threads: usize, items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if threads <= 1 || items.len() <= 1 {
        return items.iter().map(f).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut mine = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(i) else { return mine };
            mine.push((i, f(item)));
        }
    };
    let mut all: Vec<(usize, R)> = std::thread::scope(|scope| {
        let start = |_| Builder::new().spawn_scoped(scope, work).ok();
        let handles: Vec<_> = (0..threads.min(items.len())).map_while(start).collect();
        let mut all = if handles.is_empty() { work() } else { Vec::new() };
        for handle in handles {
            all.extend(handle.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        all
    });
    all.sort_unstable_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, r)| r).collect()
}

/// Two things at once; with one thread one after the other, on the caller's.
pub fn both<A, B: Send>(threads: usize, a: impl FnOnce() -> A, b: impl Fn() -> B + Sync) -> (A, B) {
    if threads <= 1 {
        return (a(), b());
    }
    std::thread::scope(|scope| {
        let started = Builder::new().spawn_scoped(scope, &b);
        let a = a();
        let b = match started {
            Ok(handle) => handle.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => b(),
        };
        (a, b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn results_come_in_the_order_of_the_items_and_one_thread_is_the_callers() {
        let items: Vec<usize> = (0..50).collect();
        let caller = thread::current().id();
        for (threads, some, at_home) in
            [(0, 50, true), (1, 50, true), (1, 1, true), (2, 50, false), (8, 1, true), (8, 0, true)]
        {
            let done = map(threads, &items[..some], |n| (n * 2, thread::current().id()));
            assert!(done.iter().enumerate().all(|(n, (twice, _))| *twice == n * 2));
            assert_eq!(done.len(), some);
            assert_eq!(done.iter().all(|(_, id)| *id == caller), at_home, "{threads} {some}");
        }
    }

    #[test]
    fn both_are_done_the_first_by_the_caller() {
        let (caller, id) = (thread::current().id(), || thread::current().id());
        for threads in 0..3 {
            let (a, b) = both(threads, id, id);
            assert_eq!((a == caller, b == caller), (true, threads < 2), "{threads}");
        }
    }
}

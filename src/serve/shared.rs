//! Something read from the disk for all who ask, by one of them at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Mutex;

/// What was read last. Whoever asks learns what held when they asked, or later: they look whether it
/// still does, or wait for somebody who began to look after they came.
pub struct Shared<T> {
    /// Looks begun so far.
    begun: AtomicU64,
    forgotten: AtomicBool,
    /// Held while one looks, without holding up the thread of those who wait.
    last: Mutex<Option<Arc<T>>>,
}

impl<T> Default for Shared<T> {
    fn default() -> Shared<T> {
        Shared {
            begun: AtomicU64::new(0),
            forgotten: AtomicBool::new(false),
            last: Mutex::new(None),
        }
    }
}

impl<T> Shared<T> {
    /// What was read before, if it `holds`; else it is read anew, with what is known as a help.
    ///
    /// # Errors
    /// It cannot be read. The next who asks tries again.
    pub async fn get<E>(
        &self,
        holds: impl FnOnce(&T) -> bool,
        read: impl FnOnce(Option<&T>) -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let before = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        // Nobody looks while this is locked: a look that began after we came has ended.
        if self.begun.load(Ordering::SeqCst) > before
            && let Some(known) = &*last
        {
            return Ok(Arc::clone(known));
        }
        self.begun.fetch_add(1, Ordering::SeqCst);
        if self.forgotten.swap(false, Ordering::SeqCst) {
            *last = None;
        }
        if let Some(known) = &*last
            && holds(known)
        {
            return Ok(Arc::clone(known));
        }
        // If it cannot be read, what was known is not kept either.
        let known = Arc::new(read(last.take().as_deref())?);
        *last = Some(Arc::clone(&known));
        Ok(known)
    }

    /// Puts in what somebody else read. Not to be called where requests are answered: it waits.
    pub fn put(&self, known: Arc<T>) {
        *self.last.blocking_lock() = Some(known);
    }

    /// The next who asks reads it anew, without the help of what was known.
    pub fn forget(&self) {
        self.forgotten.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::future::Future;
    use tokio::task::yield_now;

    /// Something on a disk, and how often it was looked at and read.
    #[derive(Default)]
    struct Disk {
        value: AtomicU64,
        looks: AtomicU64,
        reads: AtomicU64,
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
    }

    async fn ask(disk: &Disk, shared: &Shared<u64>) -> u64 {
        let holds = |known: &u64| {
            disk.looks.fetch_add(1, Ordering::SeqCst);
            *known == disk.value.load(Ordering::SeqCst)
        };
        let read = |_: Option<&u64>| -> Result<u64, Infallible> {
            disk.reads.fetch_add(1, Ordering::SeqCst);
            Ok(disk.value.load(Ordering::SeqCst))
        };
        *shared.get(holds, read).await.unwrap()
    }

    #[test]
    fn many_who_wait_share_one_look() {
        run(async {
            let (disk, shared) = (Arc::new(Disk::default()), Arc::new(Shared::default()));
            assert_eq!(ask(&disk, &shared).await, 0);
            for round in 1..=3 {
                disk.value.store(round, Ordering::SeqCst);
                // All have come before the first of them may look.
                let locked = shared.last.lock().await;
                let readers: Vec<_> = (0..200)
                    .map(|_| {
                        let (disk, shared) = (Arc::clone(&disk), Arc::clone(&shared));
                        tokio::spawn(async move { ask(&disk, &shared).await })
                    })
                    .collect();
                yield_now().await;
                drop(locked);
                for reader in readers {
                    assert_eq!(reader.await.unwrap(), round);
                }
                assert_eq!(disk.looks.load(Ordering::SeqCst), round);
                assert_eq!(disk.reads.load(Ordering::SeqCst), round + 1);
            }
        });
    }

    #[test]
    fn a_change_shows_to_the_next_who_asks() {
        run(async {
            let (disk, shared) = (Disk::default(), Shared::default());
            for value in [0, 1, 1, 2] {
                disk.value.store(value, Ordering::SeqCst);
                assert_eq!(ask(&disk, &shared).await, value);
            }
            assert_eq!(disk.reads.load(Ordering::SeqCst), 3);
            shared.forget();
            assert_eq!(ask(&disk, &shared).await, 2);
            assert_eq!(ask(&disk, &shared).await, 2);
            assert_eq!(disk.reads.load(Ordering::SeqCst), 4);
        });
    }

    #[test]
    fn what_cannot_be_read_is_not_kept() {
        run(async {
            let shared = Shared::default();
            let known = shared.get(|_| true, |_| Ok::<_, ()>(7)).await;
            assert_eq!(known.as_deref(), Ok(&7));
            assert!(
                shared
                    .get(
                        |_| false,
                        |old| {
                            assert_eq!(old, Some(&7));
                            Err(())
                        }
                    )
                    .await
                    .is_err()
            );
            let again = shared.get(|_| true, |old| Ok::<_, ()>(old.map_or(8, |_| 9))).await;
            assert_eq!(again.as_deref(), Ok(&8));
        });
    }
}

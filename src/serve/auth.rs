//! Who is asking: tokens, one-time links, logins and what bad tokens cost (I35).
//!
//! Loopback is not private: everybody on a login node can connect to it. So every route needs a
//! secret of 256 bits. The long-lived one stays in a file that only its owner can read, and goes in
//! a header; a browser gets a login of its own in a cookie, by a link that works once. In memory
//! there are only digests, and comparing those takes the same time whatever they are.

pub mod file;

use crate::apply;
use blake3::Hash;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A login that nobody used for that long is over.
const IDLE: Duration = Duration::from_secs(12 * 3600);
/// A link that nobody opened for that long is void.
const LINK: Duration = Duration::from_secs(15 * 60);
/// So many logins at once; the one unused longest goes first.
const LOGINS: usize = 1024;
/// So many bad tokens at once, and one more every few seconds.
const BURST: u32 = 20;
const REFILL: Duration = Duration::from_secs(3);
/// Longer than anything that could be right.
const LONGEST: usize = 512;

/// What somebody may see and change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Administrator,
    /// Sessions of this owner only.
    Owner(String),
}

impl Scope {
    /// Whether sessions of this owner are theirs to see.
    pub fn sees(&self, owner: &str) -> bool {
        match self {
            Scope::Administrator => true,
            Scope::Owner(mine) => mine == owner,
        }
    }
}

/// Somebody who showed a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// For the audit, never a secret.
    pub name: String,
    pub scope: Scope,
}

impl Principal {
    pub fn is_administrator(&self) -> bool {
        self.scope == Scope::Administrator
    }

    /// As [`Scope::sees`].
    pub fn sees(&self, owner: &str) -> bool {
        self.scope.sees(owner)
    }
}

/// A request's proof, and what its mutations must carry as well.
#[derive(Clone, Debug)]
pub struct Login {
    pub who: Arc<Principal>,
    /// What a form or header must repeat; `None` where no browser added the proof by itself.
    pub csrf: Option<String>,
}

struct Seat {
    who: Arc<Principal>,
    csrf: String,
    used: Instant,
}

/// All secrets of a running server, as digests.
pub struct Keys {
    tokens: Vec<(Hash, Arc<Principal>)>,
    links: Mutex<HashMap<Hash, (Arc<Principal>, Instant)>>,
    seats: Mutex<HashMap<Hash, Seat>>,
    bad: Mutex<Bucket>,
    /// The cookie's name: cookies of one host reach all its ports (W14), so it must be ours alone.
    pub cookie: String,
}

/// What became of a wrong token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Unknown,
    /// Too many of them lately.
    TooMany,
}

struct Bucket {
    left: u32,
    since: Instant,
}

impl Keys {
    /// # Errors
    /// The kernel has no random bytes.
    pub fn new(tokens: Vec<(String, Principal)>) -> io::Result<Keys> {
        Ok(Keys {
            tokens: tokens.into_iter().map(|(t, who)| (digest(&t), Arc::new(who))).collect(),
            links: Mutex::default(),
            seats: Mutex::default(),
            bad: Mutex::new(Bucket { left: BURST, since: Instant::now() }),
            cookie: format!("retain-{}", apply::random_hex(4)?),
        })
    }

    /// Everybody who has a token.
    pub fn principals(&self) -> impl Iterator<Item = &Arc<Principal>> {
        self.tokens.iter().map(|(_, who)| who)
    }

    /// A secret that is good for one login.
    ///
    /// # Errors
    /// The kernel has no random bytes.
    pub fn link(&self, who: &Arc<Principal>) -> io::Result<String> {
        let secret = apply::random_hex(32)?;
        hold(&self.links).insert(digest(&secret), (Arc::clone(who), Instant::now()));
        Ok(secret)
    }

    /// Whose token it is. Every token is compared, so that the time says nothing.
    pub fn token(&self, given: &str) -> Option<Arc<Principal>> {
        let given = digest(given);
        let mut found = None;
        for (known, who) in &self.tokens {
            // `blake3::Hash` compares in constant time.
            if *known == given {
                found = Some(who);
            }
        }
        found.map(Arc::clone)
    }

    /// Opens a one-time link: the second time it is nobody's.
    pub fn open(&self, secret: &str) -> Option<Arc<Principal>> {
        let (who, made) = hold(&self.links).remove(&digest(secret))?;
        (made.elapsed() < LINK).then_some(who)
    }

    /// Seats somebody: gives the cookie's value.
    ///
    /// # Errors
    /// The kernel has no random bytes.
    pub fn seat(&self, who: Arc<Principal>) -> io::Result<String> {
        let (secret, csrf) = (apply::random_hex(32)?, apply::random_hex(32)?);
        let mut seats = hold(&self.seats);
        seats.retain(|_, s| s.used.elapsed() < IDLE);
        if seats.len() >= LOGINS
            && let Some(oldest) = seats.iter().min_by_key(|(_, s)| s.used).map(|(k, _)| *k)
        {
            seats.remove(&oldest);
        }
        seats.insert(digest(&secret), Seat { who, csrf, used: Instant::now() });
        Ok(secret)
    }

    /// Who sits there.
    pub fn seated(&self, secret: &str) -> Option<Login> {
        let mut seats = hold(&self.seats);
        let seat = seats.get_mut(&digest(secret)).filter(|s| s.used.elapsed() < IDLE)?;
        seat.used = Instant::now();
        Some(Login { who: Arc::clone(&seat.who), csrf: Some(seat.csrf.clone()) })
    }

    pub fn leave(&self, secret: &str) {
        hold(&self.seats).remove(&digest(secret));
    }

    /// Counts a wrong token. Right ones are not asked: nobody can lock another out.
    pub fn refuse(&self) -> Refusal {
        let mut bad = hold(&self.bad);
        let earned = bad.since.elapsed().as_secs() / REFILL.as_secs();
        if earned > 0 {
            bad.left = bad.left.saturating_add(u32::try_from(earned).unwrap_or(BURST)).min(BURST);
            bad.since = Instant::now();
        }
        match bad.left.checked_sub(1) {
            Some(left) => {
                bad.left = left;
                Refusal::Unknown
            }
            None => Refusal::TooMany,
        }
    }
}

/// Whether two secrets are the same, in a time that does not depend on where they differ.
pub fn same(a: &str, b: &str) -> bool {
    digest(a) == digest(b)
}

fn digest(secret: &str) -> Hash {
    // A megabyte is not worth hashing to say no.
    if secret.len() > LONGEST { blake3::hash(b"") } else { blake3::hash(secret.as_bytes()) }
}

/// A thread that panicked holding the lock left a map that is whole.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let who = |name: &str, scope| Principal { name: name.to_owned(), scope };
        Keys::new(vec![
            ("a".repeat(64), who("administrator", Scope::Administrator)),
            ("b".repeat(64), who("team", Scope::Owner("team".into()))),
        ])
        .unwrap()
    }

    #[test]
    fn a_token_is_whole_or_nobodys() {
        let keys = keys();
        let name = |t: &str| keys.token(t).map(|p| p.name.clone());
        assert_eq!(name(&"a".repeat(64)).as_deref(), Some("administrator"));
        assert_eq!(name(&"b".repeat(64)).as_deref(), Some("team"));
        for wrong in ["", "a", &"a".repeat(63), &"a".repeat(65), &"a".repeat(100_000), "é"] {
            assert_eq!(name(wrong), None, "{}", wrong.len());
        }
    }

    #[test]
    fn a_link_opens_once() {
        let keys = keys();
        let who = Arc::clone(keys.principals().next().unwrap());
        let link = keys.link(&who).unwrap();
        assert!(link.len() == 64 && keys.token(&link).is_none(), "a link is no token");
        assert_eq!(keys.open(&link).unwrap(), who);
        assert_eq!(keys.open(&link), None);
        assert_eq!(keys.open(&"a".repeat(64)), None, "and a token is no link");
    }

    #[test]
    fn a_seat_is_left_for_good() {
        let keys = keys();
        let who = Arc::clone(keys.principals().next().unwrap());
        let cookie = keys.seat(who).unwrap();
        let first = keys.seated(&cookie).unwrap().csrf.unwrap();
        assert_eq!(keys.seated(&cookie).unwrap().csrf.unwrap(), first, "stays the same");
        assert_ne!(first, cookie);
        keys.leave(&cookie);
        assert!(keys.seated(&cookie).is_none());
    }

    #[test]
    fn bad_tokens_run_out_and_good_ones_do_not() {
        let keys = keys();
        let refused = (0..2 * BURST).map(|_| keys.refuse()).collect::<Vec<_>>();
        assert_eq!(refused[0], Refusal::Unknown);
        assert!(refused.contains(&Refusal::TooMany));
        assert!(keys.token(&"a".repeat(64)).is_some());
    }
}

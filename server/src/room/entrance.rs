//! The way in: how often an address may try what is wrong, and the password, whose checking is slow on purpose.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use super::bucket::Bucket;

/// Wrong links and passwords that one address may try in a row, and how many come back in a second: 12 a minute.
const TRIES: f64 = 10.0;
const TRIES_PER_SECOND: f64 = 0.2;
/// Addresses that are remembered; those that tried least lately are forgotten.
const REMEMBERED: usize = 10_000;
/// Passwords that are checked at once: each takes 19 MiB and some ten milliseconds of a processor.
const AT_ONCE: usize = 2;

/// What has been tried, and what is being checked.
#[derive(Debug, Default)]
pub(super) struct Entrance {
    tries: Mutex<HashMap<Option<IpAddr>, Bucket>>,
    checking: Mutex<usize>,
    checked: Condvar,
}

impl Entrance {
    /// How long an address has to wait because it has tried too much that was wrong.
    pub(super) fn wait(&self, address: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = tries.get_mut(&address)?;
        bucket.spend(0.0, now);
        bucket.pause()
    }

    /// Something wrong was tried. Whoever has to wait already has not to wait longer for that.
    pub(super) fn tried(&self, address: Option<IpAddr>, now: Instant) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= REMEMBERED {
            tries.retain(|_, bucket| !bucket.is_full(now));
        }
        if tries.len() >= REMEMBERED {
            tries.clear();
        }
        let bucket = tries.entry(address).or_insert_with(|| Bucket::holding(TRIES, TRIES_PER_SECOND, now));
        bucket.spend(0.0, now);
        if bucket.pause().is_none() {
            bucket.spend(1.0, now);
        }
    }

    /// The hash of a password, with a salt of its own (argon2id with the crate's parameters, OWASP's). Slow.
    pub(super) fn hash(&self, password: &str) -> String {
        self.in_turn(|| {
            let hashed = Argon2::default().hash_password(password.as_bytes());
            hashed.expect("Bug: a password of this length can be hashed").to_string()
        })
    }

    /// Whether a password that came from an address is that of a hash; or how long that address has to wait, which is looked at
    /// when it is its turn: many tries at once are no more than as many after each other. Slow.
    pub(super) fn try_password(&self, address: Option<IpAddr>, password: &str, hash: &str) -> Result<bool, Duration> {
        self.in_turn(|| {
            if let Some(wait) = self.wait(address, Instant::now()) {
                return Err(wait);
            }
            let hash = argon2::PasswordHash::new(hash);
            let fits = hash.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
            if !fits {
                self.tried(address, Instant::now());
            }
            Ok(fits)
        })
    }

    fn in_turn<T>(&self, act: impl FnOnce() -> T) -> T {
        let lock = || self.checking.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.checked.wait_while(lock(), |checking| *checking >= AT_ONCE);
        *waited.unwrap_or_else(PoisonError::into_inner) += 1;
        let result = act();
        *lock() -= 1;
        self.checked.notify_one();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_hash_and_no_other_does() {
        let entrance = Entrance::default();
        let hash = entrance.hash("Geheimwort ✎");
        assert!(hash.starts_with("$argon2id$") && !hash.contains("Geheimwort"));
        let fits = |password, hash| entrance.try_password(None, password, hash) == Ok(true);
        assert!(fits("Geheimwort ✎", &hash));
        assert!(!fits("geheimwort ✎", &hash) && !fits("", &hash) && !fits("x", "no hash"));
        assert_ne!(hash, entrance.hash("Geheimwort ✎"), "each has a salt of its own");
    }

    #[test]
    fn an_address_that_tries_too_much_waits_and_others_do_not() {
        let (entrance, now) = (Entrance::default(), Instant::now());
        let address = Some([10, 0, 0, 1].into());
        (0..10).for_each(|_| entrance.tried(address, now));
        assert_eq!(entrance.wait(address, now), None, "ten are nobody's attack");
        entrance.tried(address, now);
        assert_eq!(entrance.wait(address, now), Some(Duration::from_secs(5)));
        entrance.tried(address, now);
        assert_eq!(entrance.wait(address, now), Some(Duration::from_secs(5)), "no longer, however often it is tried");
        assert!(entrance.try_password(address, "x", "no hash").is_err());
        assert_eq!(entrance.wait(Some([10, 0, 0, 2].into()), now), None);
        assert_eq!(entrance.wait(address, now + Duration::from_secs(6)), None);
    }

    #[test]
    fn addresses_are_not_remembered_for_ever() {
        let (entrance, now) = (Entrance::default(), Instant::now());
        for number in 0..2 * REMEMBERED as u32 {
            entrance.tried(Some(IpAddr::from(number.to_be_bytes())), now);
        }
        assert!(entrance.tries.lock().unwrap().len() <= REMEMBERED);
    }
}

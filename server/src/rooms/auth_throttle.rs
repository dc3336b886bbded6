//! The way in: how often an address may try what is wrong. Passwords are checked on threads of their own, see [`super::hashing`].

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::addresses::AddressBuckets;
use super::hashing::{HashError, Memory};

/// Wrong links and passwords that one address may try in a row, and how many come back in a second: 12 a minute.
const TRIES: f64 = 10.0;
const TRIES_PER_SECOND: f64 = 0.2;
/// Wait before a password is tried again that could not be checked.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// The tries of each address.
#[derive(Debug)]
pub(super) struct AuthThrottle {
    tries: AddressBuckets,
}

impl Default for AuthThrottle {
    fn default() -> Self {
        Self { tries: AddressBuckets::holding(TRIES, TRIES_PER_SECOND) }
    }
}

impl AuthThrottle {
    /// Returns the time that an address has to wait after too many wrong tries.
    pub(super) fn wait(&self, address: Option<IpAddr>, now: Instant) -> Option<Duration> {
        self.tries.wait(address, now)
    }

    /// Something wrong was tried. An address that waits already has not to wait longer for that.
    pub(super) fn tried(&self, address: Option<IpAddr>, now: Instant) {
        self.tries.take(address, now);
    }

    /// Returns whether a password that came from an address is that of a hash. The address is looked at when it is its turn: many
    /// tries at once are no more than as many after each other. Slow.
    ///
    /// # Errors
    /// The time that the address has to wait.
    pub(super) fn try_password(
        &self,
        memory: &mut Memory,
        address: Option<IpAddr>,
        password: &str,
        hash: &str,
    ) -> Result<bool, Duration> {
        if let Some(wait) = self.wait(address, Instant::now()) {
            return Err(wait);
        }
        match memory.verify(password, hash) {
            Ok(true) => Ok(true),
            Err(HashError::Memory | HashError::Busy) => Err(BUSY),
            Ok(false) | Err(HashError::Invalid(_)) => {
                self.tried(address, Instant::now());
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_tries_too_much_waits_and_others_do_not() {
        let (auth_throttle, now) = (AuthThrottle::default(), Instant::now());
        let address = Some([10, 0, 0, 1].into());
        (0..10).for_each(|_| auth_throttle.tried(address, now));
        assert_eq!(auth_throttle.wait(address, now), None, "ten are nobody's attack");
        auth_throttle.tried(address, now);
        assert_eq!(auth_throttle.wait(address, now), Some(Duration::from_secs(5)));
        auth_throttle.tried(address, now);
        assert_eq!(
            auth_throttle.wait(address, now),
            Some(Duration::from_secs(5)),
            "no longer, however often it is tried"
        );
        assert!(auth_throttle.try_password(&mut Memory::default(), address, "x", "no hash").is_err());
        assert_eq!(auth_throttle.wait(Some([10, 0, 0, 2].into()), now), None);
        assert_eq!(auth_throttle.wait(address, now + Duration::from_secs(6)), None);
    }
}

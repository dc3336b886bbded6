//! A limit on wrong tokens of an address, looked at before any token is compared.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::rooms::AddressBuckets;

/// The wrong tokens of each address. They have nothing to do with what is tried wrongly on boards, so that a class that mistypes a
/// password does not keep its operator out.
#[derive(Debug)]
pub(super) struct Guesses(AddressBuckets);

impl Guesses {
    /// So many wrong tokens a minute, and as many at once.
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        let per_minute = f64::from(per_minute.get());
        Self(AddressBuckets::holding(per_minute, per_minute / 60.0))
    }

    /// Takes one try of an address, before its token is looked at: many at once are no more than as many after each other. Returns
    /// how long it has to wait if it has none left.
    pub(super) fn begin(&self, address: Option<IpAddr>, now: Instant) -> Option<Duration> {
        self.0.take(address, now)
    }

    /// The token was right: that try is given back.
    pub(super) fn was_right(&self, address: Option<IpAddr>, now: Instant) {
        self.0.give_back(address, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_tokens_are_bounded_for_each_address_and_right_ones_are_not() {
        let (guesses, now) = (Guesses::new(NonZeroU32::new(10).unwrap()), Instant::now());
        let [guesser, operator] = [1, 2].map(|last| Some(IpAddr::from([10, 0, 0, last])));
        for _ in 0..100 {
            assert_eq!(guesses.begin(operator, now), None);
            guesses.was_right(operator, now);
        }
        let taken = (0..100).take_while(|_| guesses.begin(guesser, now).is_none()).count();
        assert_eq!(taken, 11);
        assert_eq!(guesses.begin(guesser, now), Some(Duration::from_secs(6)));
        assert_eq!(guesses.begin(operator, now), None, "others do not wait");
        assert_eq!(guesses.begin(guesser, now + Duration::from_secs(7)), None, "it comes back");
    }
}

//! A limit on the new boards of each address: one client must not use up the boards of all.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::addresses::AddressBuckets;
use crate::ws::host_of;

/// The new boards of each address: so many at once, and as many an hour.
#[derive(Debug)]
pub(super) struct Creations(AddressBuckets);

impl Creations {
    pub(super) fn new(per_hour: u32) -> Self {
        Self(AddressBuckets::holding(per_hour.into(), f64::from(per_hour) / 3600.0))
    }

    /// Counts a new board; or returns how long its address has to wait for one. A local client is the operator's own, and behind
    /// a proxy without --behind-proxy all are local: then there is nothing to go by.
    pub(super) fn begin(&self, address: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let address = address.map(host_of).filter(|address| !address.is_loopback())?;
        self.0.take(Some(address), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_makes_so_many_boards_at_once_and_as_many_an_hour() {
        let (creations, now) = (Creations::new(60), Instant::now());
        let [one, other] = [1, 2].map(|last| Some(IpAddr::from([10, 0, 0, last])));
        let made = (0..1_000).take_while(|_| creations.begin(one, now).is_none()).count();
        assert_eq!(made, 61);
        assert!(creations.begin(one, now).is_some_and(|wait| wait <= Duration::from_secs(60)));
        assert_eq!(creations.begin(other, now), None, "another address is not affected");
        assert_eq!(creations.begin(one, now + Duration::from_secs(120)), None);
        let local = Some(IpAddr::from([127, 0, 0, 1]));
        assert!((0..1_000).all(|_| creations.begin(local, now).is_none()));
    }
}

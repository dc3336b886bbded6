//! Counts of connections, of each host and in all, so that one host does not take the places of all others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use http_types::StatusCode;
use parking_lot::{Mutex, MutexGuard};

/// Bits of an IPv6 address that are the network's; the others a host chooses by itself (RFC 4291 section 2.5.4, RFC 8981).
const NETWORK: u32 = 64;

/// Returns the identity of a host: its IPv4 address, or the network of its IPv6 address, in which it can have any number.
pub fn host_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> (128 - NETWORK) << (128 - NETWORK)).into(),
        address => address,
    }
}

/// The addresses that have connections, and how many.
#[derive(Debug, Default)]
pub struct Addresses {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    of_address: HashMap<IpAddr, usize>,
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub struct AddressPlace<'a> {
    addresses: &'a Addresses,
    address: Option<IpAddr>,
}

/// The limit that refuses a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// That of its address.
    #[error("too many connections from this address")]
    Address,
    /// That of all connections together.
    #[error("too many connections")]
    InAll,
}

impl Full {
    /// Returns the status that answers the connection: 429 (RFC 6585 section 4) if others are accepted, 503 if none is.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Address => StatusCode::TooManyRequests,
            Self::InAll => StatusCode::ServiceUnavailable,
        }
    }
}

impl Addresses {
    /// A place for one more connection, of a [host](host_of). It is taken here and at once, so that no two take the last one. A
    /// connection without an address, over a unix socket, counts only among all.
    ///
    /// # Errors
    /// If all together are `most`, which is told first, or its address has `most_of_address`.
    pub fn enter(
        &self,
        address: Option<IpAddr>,
        most_of_address: usize,
        most: usize,
    ) -> Result<AddressPlace<'_>, Full> {
        let mut taken = self.lock();
        let address = address.map(host_of);
        let of_address = address.and_then(|address| taken.of_address.get(&address).copied()).unwrap_or(0);
        if taken.in_all >= most {
            return Err(Full::InAll);
        }
        if address.is_some() && of_address >= most_of_address {
            return Err(Full::Address);
        }
        taken.in_all += 1;
        if let Some(address) = address {
            taken.of_address.insert(address, of_address + 1);
        }
        Ok(AddressPlace { addresses: self, address })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock()
    }
}

impl Drop for AddressPlace<'_> {
    fn drop(&mut self) {
        let mut taken = self.addresses.lock();
        taken.in_all -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = taken.of_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                taken.of_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_for_each_address_and_in_all_and_come_back() {
        let addresses = Addresses::default();
        let [one, two, three] = [1, 2, 3].map(|last| Some(IpAddr::from([127, 0, 0, last])));
        let first = addresses.enter(one, 1, 3).unwrap();
        assert_eq!(addresses.enter(one, 1, 3).unwrap_err(), Full::Address);
        let _more = [addresses.enter(two, 1, 3).unwrap(), addresses.enter(None, 0, 3).unwrap()];
        assert_eq!(addresses.enter(three, 1, 3).unwrap_err(), Full::InAll);
        assert_eq!(addresses.enter(None, 1, 3).unwrap_err(), Full::InAll);
        drop(first);
        addresses.enter(one, 1, 3).unwrap();
        assert_eq!(addresses.lock().of_address.len(), 1, "nothing is kept of who is gone");
    }

    #[test]
    fn a_host_is_known_by_its_network_where_it_chooses_the_rest_by_itself() {
        for (address, host) in [
            ("10.0.0.7", "10.0.0.7"),
            ("::ffff:10.0.0.7", "10.0.0.7"),
            ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::"),
            ("2001:db8:1:3::", "2001:db8:1:3::"),
        ] {
            assert_eq!(host_of(address.parse().unwrap()), host.parse::<IpAddr>().unwrap());
        }
        let addresses = Addresses::default();
        let [one, other] = ["2001:db8::1", "2001:db8::2"].map(|address| address.parse().ok());
        let _first = addresses.enter(one, 1, 3).unwrap();
        assert_eq!(addresses.enter(other, 1, 3).unwrap_err(), Full::Address);
    }
}

//! How many connections each IP address has, so that one host does not take the places of all others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// The addresses that have connections, and how many.
#[derive(Debug, Default)]
pub struct Addresses {
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place among those of its address, given back when it is dropped.
#[derive(Debug)]
pub struct AddressPlace<'a> {
    addresses: &'a Addresses,
    address: Option<IpAddr>,
}

impl Addresses {
    /// A place for one more connection of an address; `None` where it has as many as it may. A connection without an
    /// address, over a unix socket, always has one.
    pub fn enter(&self, address: Option<IpAddr>, most: usize) -> Option<AddressPlace<'_>> {
        if let Some(address) = address {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(address).or_default();
            if *count >= most {
                return None;
            }
            *count += 1;
        }
        Some(AddressPlace { addresses: self, address })
    }
}

impl Drop for AddressPlace<'_> {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut counts = self.addresses.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

//! The members of a room, each at a seat.

use std::collections::HashMap;
use std::net::IpAddr;

use inkwire_board::Standing;
use inkwire_protocol::{ClientId, Reason, Role};

use crate::access::Caller;

/// A member who is here.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) client: ClientId,
    pub(crate) author: u32,
    /// Another connection of the same client has taken the place.
    pub(crate) replaced: bool,
    pub(crate) role: Role,
    pub(crate) caller: Caller,
    /// The reason for which this connection is to end.
    pub(crate) dismissed: Option<Reason>,
}

impl Seat {
    pub(crate) fn is_taken(&self) -> bool {
        !self.replaced && self.dismissed.is_none()
    }

    /// Why the member must go.
    pub(crate) fn dismissal(&self) -> Option<Reason> {
        if self.replaced { Some(Reason::Replaced) } else { self.dismissed }
    }
}

/// Seats by the numbers of members.
pub(crate) type Seats = HashMap<u64, Seat>;

/// Somebody who is here, as the operator sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRecord {
    /// The author number.
    pub author: u32,
    /// The name, cleaned.
    pub name: String,
    /// The address, if it is known.
    pub address: Option<IpAddr>,
    /// Their permissions.
    pub standing: Standing,
}

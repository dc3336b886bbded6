//! The members of a room, each in a slot.

use std::collections::HashMap;
use std::net::IpAddr;

use inkwire_board::Permissions;
use inkwire_protocol::{ClientId, Reason, Role};

use crate::access::JoinRequest;

/// A member who is here.
#[derive(Debug)]
pub(crate) struct MemberSlot {
    pub(crate) client: ClientId,
    pub(crate) author: u32,
    /// Another connection of the same client has taken the place.
    pub(crate) replaced: bool,
    pub(crate) role: Role,
    pub(crate) request: JoinRequest,
    /// The reason for which this connection is to end.
    pub(crate) dismissed: Option<Reason>,
}

impl MemberSlot {
    pub(crate) fn is_taken(&self) -> bool {
        !self.replaced && self.dismissed.is_none()
    }

    /// Why the member must go.
    pub(crate) fn dismissal(&self) -> Option<Reason> {
        if self.replaced { Some(Reason::Replaced) } else { self.dismissed }
    }
}

/// Seats by the numbers of members.
pub(crate) type MemberSlots = HashMap<u64, MemberSlot>;

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
    pub permissions: Permissions,
}

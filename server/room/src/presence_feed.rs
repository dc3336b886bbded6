//! Presence as members are told of it: at a tick of its own, and encoded once for all who have the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use inkwire_board::Presence;
use inkwire_protocol::ServerMessage;

use crate::flush::Packet;

/// Pointers are sent at most this often.
const TICK: Duration = Duration::from_millis(33);

/// The presence of a room and what was last flushed of it.
#[derive(Debug)]
pub(crate) struct PresenceFeed {
    pub(crate) presence: Presence,
    /// The version that members may be told of: it moves with the flushes, not with every pointer.
    flushed: u64,
    /// The last change, encoded once: from which version, to which.
    packet: Option<(u64, u64, Arc<Packet>)>,
    flushed_at: Instant,
}

/// A packet of presence for a member.
pub(crate) enum News {
    /// The change that most are sent.
    Shared(Arc<Packet>),
    /// The changes that this member has missed.
    Own(Packet),
}

impl PresenceFeed {
    pub(crate) fn new(now: Instant) -> Self {
        Self { presence: Presence::default(), flushed: 0, packet: None, flushed_at: now }
    }

    /// The moment of the next flush, if anything has changed.
    pub(crate) fn due(&self) -> Option<Instant> {
        (self.presence.version() > self.flushed).then(|| self.flushed_at + TICK)
    }

    /// Encodes what has changed, if that is due; returns whether it was.
    pub(crate) fn flush(&mut self, now: Instant) -> bool {
        if self.due().is_none_or(|due| due > now) {
            return false;
        }
        let (from, to) = (self.flushed, self.presence.version());
        let (all, changes) = self.presence.changes_since(from);
        let packet = Arc::new(Packet::of(&[ServerMessage::Presence { all, changes }]));
        (self.packet, self.flushed, self.flushed_at) = (Some((from, to, packet)), to, now);
        true
    }

    /// Returns the changes since the version of a member, which moves on.
    #[inline]
    pub(crate) fn next(&self, told: &mut u64) -> Option<News> {
        if *told >= self.flushed {
            return None;
        }
        let seen = std::mem::replace(told, self.flushed);
        if let Some((from, to, packet)) = &self.packet
            && *from == seen
            && *to == self.flushed
        {
            return Some(News::Shared(packet.clone()));
        }
        *told = self.presence.version();
        let (all, changes) = self.presence.changes_since(seen);
        Some(News::Own(Packet::of(&[ServerMessage::Presence { all, changes }])))
    }
}

//! The bound on the bytes of snapshots that are being sent: one for all rooms of a server.

use bytes::Bytes;

/// A bound that rooms share. It is asked once for each part of a snapshot, some 64 KiB.
pub trait Budget: std::fmt::Debug + Send + Sync {
    /// Whether so many more bytes may be held now. If not, there soon will be room, and the room asks again a little later.
    fn has_room(&self, bytes: usize) -> bool;

    /// Counts a buffer for as long as anybody holds a part of it, also above the bound.
    fn hold(&self, bytes: Bytes) -> Bytes;
}

/// No bound.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unbounded;

impl Budget for Unbounded {
    fn has_room(&self, _: usize) -> bool {
        true
    }

    fn hold(&self, bytes: Bytes) -> Bytes {
        bytes
    }
}

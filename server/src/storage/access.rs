//! The access of a board, as a storage keeps it: in the words of the room, with the little that must outlive damage. Pure.

/// Orders that are kept of one board; older ones are forgotten.
pub(super) const AUDIT: i64 = 500;

/// The access of a board, for the storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessRecord {
    /// All of it, in the words of the room.
    pub text: String,
    /// Whether somebody hosts the board.
    pub hosted: bool,
    /// The hash of the host's link.
    pub host_link: Option<[u8; 32]>,
}

/// The access of a board, as far as the storage still has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KeptAccess {
    /// Nobody hosts it: it is everybody's.
    #[default]
    Everybody,
    /// The record that was kept last.
    Record(AccessRecord),
    /// The text is damaged or gone; the hash of the host's link is not.
    HostLink([u8; 32]),
    /// Nothing of it can be read: nobody but the operator gets in.
    Unreadable,
}

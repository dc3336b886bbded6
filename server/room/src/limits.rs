//! The limits that an operator sets: numbers, and rates a second.

use inkwire_protocol::limits;

/// Limits of all rooms.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most boards; further ones are not made.
    pub boards: u64,
    /// Most members of one board.
    pub members: usize,
    /// Most elements of one board, at most [`limits::BOARD_ELEMENTS`].
    pub elements: usize,
    /// Points a second that one connection may draw for long; for a while fifty times as many.
    pub points: f64,
    /// Bytes a second that one connection may send for long; for a while fifty times as many.
    pub bytes: f64,
    /// The same for all of one board together.
    pub board_points: f64,
    /// The same for all of one board together.
    pub board_bytes: f64,
    /// New boards of one address, at once and in an hour.
    pub boards_per_address: u32,
    /// Bytes that the log and the snapshot of one board may take; what adds elements is rejected beyond that.
    pub board_size: u64,
    /// Bytes of images and snapshots that are being sent at once, each counted once for all its readers.
    pub in_flight: usize,
}

impl Limits {
    /// The limits of a server whose operator sets none.
    pub const DEFAULT: Self = Self {
        boards: 100_000,
        members: 1_000,
        elements: limits::BOARD_ELEMENTS,
        points: 20_000.0,
        bytes: 1024.0 * 1024.0,
        board_points: 400_000.0,
        board_bytes: 16.0 * 1024.0 * 1024.0,
        boards_per_address: 300,
        board_size: 1 << 30,
        in_flight: 256 << 20,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

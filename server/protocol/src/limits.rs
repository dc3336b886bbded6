//! Every bound of the protocol in one place; the vectors test each at the limit and one above it.

/// Largest packet a client may send, in bytes (WebSocket close code 1009 above it).
pub const CLIENT_PACKET: usize = 64 * 1024;
/// Most messages in one packet of a client.
pub const CLIENT_MESSAGES: usize = 8;
/// Largest client sequence number: a snapshot writes it with a bit beside it, and that must still be a number.
pub const CSEQ: u64 = (1 << 52) - 1;
/// Most operations in one `operations` message of a client.
pub const OPERATIONS: usize = 1024;
/// Most points in one `points` operation.
pub const POINTS: usize = 1024;
/// Most points of one stroke; a longer scribble goes on as a new stroke of the same gesture.
pub const STROKE_POINTS: usize = 20_000;
/// Most elements that one `delete` names.
pub const DELETIONS: usize = 1024;
/// Live strokes that one author may draw at once (fingers of both hands); slots are `0..LIVE_SLOTS`.
pub const LIVE_SLOTS: u8 = 8;
/// Absolute value of any coordinate, in the element's units.
pub const COORDINATE: i32 = (1 << 30) - 1;
/// Largest line width or text size, in the element's units.
pub const WIDTH: u16 = 16_383;
/// Smallest scale exponent: one unit is 2^8 board units.
pub const SCALE_MIN: i8 = -8;
/// Largest scale exponent: one unit is 2^-16 board units.
pub const SCALE_MAX: i8 = 16;
/// Absolute value of one entry of a `matrix`, in 1/65536: a thousandfold.
pub const MATRIX: i32 = 1 << 26;
/// One, as an entry of a `matrix`.
pub const MATRIX_ONE: i32 = 65_536;
/// Absolute value of a `rank`.
pub const RANK: i64 = (1 << 52) - 1;
/// Places in painting order between two elements that were made one after the other: the rank of an element, until it is
/// given one, is its sequence number times this.
pub const RANKS_BETWEEN: i64 = 1 << 14;
/// Largest picture that is kept, in bytes.
pub const IMAGE_BYTES: usize = 4 * 1024 * 1024;
/// Longest side of a picture, in pixels.
pub const IMAGE_SIDE: usize = 8192;
/// Most bytes of a picture in one `imagePart`.
pub const IMAGE_PART: usize = 32 * 1024;
/// Longest text of one text element, in bytes of UTF-8.
pub const TEXT: usize = 4096;
/// Longest name of a person, in bytes of UTF-8.
pub const NAME: usize = 128;
/// Largest author number: a log entry writes it with a bit beside it.
pub const AUTHOR: u32 = (1 << 31) - 1;
/// Most names of authors in one message.
pub const AUTHORS: usize = 500;
/// Longest password of a board, in bytes of UTF-8.
pub const PASSWORD: usize = 128;
/// Longest time that a link or a lent pen can be given, in seconds: ten years.
pub const SECONDS: u64 = 10 * 366 * 24 * 3600;
/// Longest reason text of a `bye`, in bytes of UTF-8.
pub const REASON_TEXT: usize = 200;
/// Largest number on the wire: JavaScript's largest exact integer, 2^53 - 1.
pub const NUMBER: u64 = (1 << 53) - 1;
/// Largest pressure.
pub const PRESSURE: u8 = 255;
/// Most elements of one board.
pub const BOARD_ELEMENTS: usize = 500_000;
/// Most bytes that the ink and texts of one board may take; beyond them nothing is added, and what is there can be deleted.
pub const BOARD_BYTES: usize = 256 * 1024 * 1024;
/// Gestures of one author that can still be undone or redone; older ones stand for good.
pub const UNDO_DEPTH: usize = 200;

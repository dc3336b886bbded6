//! Drawing together: rooms, their members, and how a stroke comes from one to all.
//!
//! A member owns nothing but its position in the room's ring of flushes, and pulls what it has not sent yet when its
//! socket takes more. So no member has a queue, nothing overflows, and a slow one only lags.

mod access;
mod bucket;
mod creations;
mod encoding;
mod entrance;
mod flush;
mod hashing;
mod hello;
mod images;
mod later;
mod limits;
mod member;
mod questions;
mod ring;
#[expect(clippy::module_inception, reason = "the room is what this folder is about")]
mod room;
mod rooms;
mod snapshots;
mod tick;

pub(crate) use bucket::AddressBuckets;
pub use encoding::Encoding;
pub use limits::Limits;
pub use member::Member;
pub use room::{MemberRecord, Room};
pub use rooms::{ImageFailure, Place, Rooms};

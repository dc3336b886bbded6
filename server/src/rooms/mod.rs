//! Drawing together: rooms, their members, and how a stroke comes from one to all.
//!
//! A member owns nothing but its position in the room's ring of flushes, and pulls what it has not sent yet when its
//! socket takes more. So no member has a queue, nothing overflows, and a slow one only lags. The room itself is
//! `inkwire-room`, which knows no socket, clock, lock or disk; `shared` owns its lock and hands on what follows.

mod addresses;
mod allowance;
mod arriving;
mod asking;
mod auth_throttle;
mod background;
mod creations;
mod entering;
mod hashing;
mod images;
mod member;
mod questions;
mod registry;
mod shared;

pub(crate) use addresses::AddressBuckets;
pub use inkwire_room::{Encoding, Limits, MemberRecord};
pub use member::Member;
pub use registry::{ImageFailure, RoomHandle, Rooms};
pub use shared::SharedRoom;

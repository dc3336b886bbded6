//! A room: people who draw on one board, as a state machine without input or output.
//!
//! A [`Room`] has no socket, thread, clock, lock or disk. What happens goes in by methods, each with the time if it needs it. What
//! follows comes out by polling, after each of them, in any order:
//!
//! - [`Room::poll_persist`]: what a storage is to keep. [`Room::persisted`] says when it has.
//! - [`Room::poll_wake`]: the members that have something to take by [`Room::next`].
//! - [`Room::poll_timeout`]: the moment at which [`Room::handle_timeout`] is due: a flush.
//!
//! ```
//! use std::time::Instant;
//! use inkwire_board::{Board, StateHash};
//! use inkwire_protocol::{ClientId, Colour, Epoch, Operation};
//! use inkwire_room::{Cost, Encoding, Hello, Identity, JoinRequest, Kept, Now, Persist, Room, Submission};
//!
//! let now = Now { at: Instant::now(), since_1970: 0 };
//! let mut room = Room::new(Kept::new(Epoch([1; 8])), Default::default(), now);
//! let client_id = ClientId([7; 16]);
//! let hello = Hello { client_id, epoch: Epoch::default(), seq: 0, hash: StateHash::default(), name: "Ada".into(), colour: Colour(0xff) };
//! let identity = Identity::new(client_id, None);
//! let request = JoinRequest { identity, token: None, begins: false, address: None };
//! let mut joined = room.join(1, &hello, request, None, now).unwrap();
//! let clear = Submission::encoded(1, Operation::Clear { gesture_back: 0 });
//! room.submit(1, &mut std::iter::once(clear), Cost::default(), false, now);
//! room.handle_timeout(room.poll_timeout().unwrap());
//! assert!(matches!(room.poll_persist(), Some(Persist::LogBatch(batch, _)) if batch.last_seq == 1));
//! assert!(room.next(&mut joined.position, Encoding::Binary, &|| now).is_some());
//! ```
//!
//! Modules, each importing only those before it: `clock`, `limits`, `encoding`, `hello`, `submission`, `budget`, `persist`, `output`, `bucket`,
//! `access`, `flush`, `ring`, `snapshots`, `tick`, `position`, `presence_feed`, `slots`, `moderation`,
//! `room`, `sending`, `joining`, `orders`.

mod access;
mod bucket;
mod budget;
mod clock;
mod encoding;
mod flush;
mod hello;
mod joining;
mod limits;
mod moderation;
mod orders;
mod output;
mod persist;
mod position;
mod presence_feed;
mod ring;
mod room;
mod sending;
mod slots;
mod snapshots;
mod submission;
#[cfg(test)]
mod tests;
mod tick;

pub use access::{Access, Digest, Identity, JoinRequest, OrderContext, OrderError, OrderOutcome, is_question};
pub use bucket::Bucket;
pub use budget::{Budget, Unbounded};
pub use clock::Now;
pub use encoding::Encoding;
pub use flush::Packet;
pub use hello::Hello;
pub use joining::{Joined, Refusal};
pub use limits::Limits;
pub use moderation::AuditEvent;
pub use output::{Counts, Wake};
pub use persist::{AccessRecord, KeptAccess, LogBatch, Persist, RESERVED};
pub use position::Position;
pub use room::{Cost, Kept, Room, Surroundings, Work};
pub use slots::MemberRecord;
pub use submission::Submission;

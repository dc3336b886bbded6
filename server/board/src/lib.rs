//! A drawing board and its changes.
//!
//! A [`Board`] takes operations in one order and is the same, bit for bit, wherever that order is replayed; its rolling
//! [`StateHash`] proves it. There is no socket, thread or clock in here. The page's twin of this crate is
//! `static/js/board/`, held to it by `replay.json`.
//!
//! ```
//! use inkwire_board::{Board, Submitted};
//! use inkwire_protocol::{Colour, Operation, Text};
//!
//! let mut board = Board::default();
//! let text = Text { gesture_back: 0, colour: Colour(0xff), size: 160, scale: 3, x: 0, y: 0, text: "hello".into() };
//! assert!(matches!(board.submit(1, 1, Operation::Text(text)), Ok(Submitted::Logged(_))));
//! assert_eq!(board.elements().count(), 1);
//! ```

mod board;
mod changes;
mod client_session;
mod element;
mod hash;
mod history;
mod ink;
mod presence;
mod replica;
mod resend;
mod shape;
mod snapshot;
mod style;
mod visible;

pub use board::{Board, ReplayError, Submitted};
pub use client_session::{Access, ClientSession, Received, Refused};
pub use element::BoardElement;
pub use hash::StateHash;
pub use ink::{InkPoint, Path, add_line, add_outline};
pub use presence::{Permissions, Presence, clean_name};
pub use replica::{Replica, ReplicaError};
pub use resend::Numbered;
pub use shape::{add_box, add_shape, head_length};
pub use snapshot::{RestoreError, Snapshot};
pub use style::{Placement, Style};

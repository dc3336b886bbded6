//! Orders that change boards: given by the command line, over the control socket, or by the admin API.

use std::sync::Arc;

use inkwire_protocol::{Action, Role, ServerMessage, Token};
use serde::{Deserialize, Serialize};

use crate::export::archive;
use crate::name::BoardName;
use crate::rooms::SharedRoom;
use crate::storage::{Compacted, Engine};

/// Largest file that is imported, in bytes.
pub(crate) const LARGEST_IMPORT: u64 = 1024 * 1024 * 1024;

/// An order to change the boards of a server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "camelCase")]
pub enum Order {
    /// Delete a board.
    Delete {
        /// Its name.
        name: String,
    },
    /// Put a board in.
    Import {
        /// Its name.
        name: String,
        /// In the place of one of that name.
        replaces: bool,
        /// The board, as `boards export` writes it.
        archive: String,
    },
    /// Replace a link of a board by a new one.
    Link {
        /// Its name.
        name: String,
        /// The role of the people who come by the link.
        role: Role,
        /// After how many seconds it expires; 0 for never.
        seconds: u64,
    },
    /// Put a board's records in order.
    #[serde(rename_all = "camelCase")]
    Compact {
        /// Its name.
        name: String,
        /// And let go of how it came about.
        forgets_history: bool,
    },
}

/// The result of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The sequence number of the snapshot that was made.
    pub seq: u64,
    /// Its size, in bytes.
    pub snapshot_bytes: u64,
    /// The secret of a link that was made.
    pub token: Option<Token>,
}

impl Outcome {
    /// That a link was made.
    pub(crate) fn link(answer: Option<ServerMessage>) -> Self {
        let token = answer.and_then(|answer| match answer {
            ServerMessage::Link { token, .. } => Some(token),
            _ => None,
        });
        Self { token, ..Self::default() }
    }
}

/// Does what was ordered, in a storage that this process has.
///
/// # Errors
/// The error of the storage, or of the archive that is imported.
pub(crate) fn carry_out(engine: &Arc<dyn Engine>, order: Order) -> anyhow::Result<Outcome> {
    match order {
        Order::Link { name, role, seconds } => {
            let name: BoardName = name.parse()?;
            let (stored, storage) = (engine.open(&name)?, engine.clone());
            let (metrics, limits, uncounted, in_flight) = Default::default();
            let room = SharedRoom::open(name, stored, storage, metrics, limits, &uncounted, in_flight);
            let made = room.operate(&Action::MakeLink { role, seconds });
            engine.closed(&[room.claim()]);
            return Ok(Outcome::link(made?));
        }
        Order::Delete { name } => engine.delete(&name)?,
        Order::Import { name, replaces, archive } => {
            let archive::Content { board, pictures, .. } = archive::read(&archive)?;
            engine.import(&name.parse()?, board, pictures, replaces)?;
        }
        Order::Compact { name, forgets_history } => {
            let compacted = engine.compact(&name.parse()?, forgets_history)?;
            let Compacted { seq, snapshot_bytes } = compacted;
            return Ok(Outcome { seq, snapshot_bytes, ..Outcome::default() });
        }
    }
    Ok(Outcome::default())
}

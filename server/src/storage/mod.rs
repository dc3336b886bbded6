//! The storage of boards: its interface, the records that all engines keep, and the engines: memory and SQLite.
//!
//! Rooms know [`Storage`], operators [`Engine`] and [`Archive`]; only [`Location`] names an engine. A new one is a folder here, and an
//! arm in `location.rs`.

mod image;
mod location;
mod memory;
mod record;
mod sqlite;
mod timeline;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use inkwire_board::Board;
use inkwire_protocol::{AuditRecord, Epoch, ImageHash, StorageState};

#[cfg(test)]
pub(crate) use image::tests as image_tests;
pub use image::{Image, ImageError};
pub use inkwire_room::{AccessRecord, KeptAccess, LogBatch, RESERVED};
pub use location::{Location, LocationError, Opening};
pub use memory::Memory;
pub use record::{BoardRecord, Damage, Loaded, Verified, is_set_aside};
pub use sqlite::Loss;
pub use timeline::{LogPage, Timeline};

use crate::name::BoardName;
use crate::random;

/// Orders that are kept of one board; older ones are forgotten.
const AUDIT: usize = 500;

/// A board as it was kept.
#[derive(Debug)]
pub struct OpenedBoard {
    /// The lineage of its log.
    pub epoch: Epoch,
    /// The board; everything on it is durable.
    pub board: Board,
    /// Its access.
    pub access: KeptAccess,
    /// Author numbers up to this one are reserved for its room.
    pub reserved_author: u32,
    /// Bytes that its log and its snapshot take.
    pub bytes: u64,
    /// The right to write it.
    pub lease: Lease,
}

impl OpenedBoard {
    /// A board on which nothing was ever drawn.
    pub fn new(access: KeptAccess) -> Self {
        let (epoch, board, lease) = (random::epoch(), Board::default(), Lease::default());
        Self { epoch, board, access, reserved_author: RESERVED, bytes: 0, lease }
    }
}

/// The right of a room to write its board. It ends when the board is deleted or replaced, and what is written by it later is
/// refused.
#[derive(Debug, Clone, Default)]
pub struct Lease(Arc<AtomicBool>);

impl Lease {
    /// Ends it, for all copies.
    pub fn end(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it still holds.
    pub fn holds(&self) -> bool {
        !self.0.load(Ordering::Acquire)
    }
}

/// An event of a storage.
#[derive(Debug, Clone)]
pub enum StorageEvent {
    /// Every operation of a board up to a sequence number is on disk.
    Durable(BoardName, u64),
    /// The disk takes nothing any more, or takes everything again.
    State(StorageState),
    /// Another process, or another room, has written to a board: what its room has sent since is not kept.
    Fenced(BoardName),
}

/// Hears the news of a storage, on a thread of the storage; must not block for long.
pub type Listener = Box<dyn Fn(&StorageEvent) + Send + Sync>;

/// A place for boards. Only [`Storage::open`] may block; what is appended is written elsewhere, and heard of as news.
pub trait Storage: Send + Sync + std::fmt::Debug {
    /// Opens a board; a new lineage if nothing is kept of it.
    ///
    /// # Errors
    /// If it cannot be read now.
    fn open(&self, name: &BoardName) -> Result<OpenedBoard, StorageError>;

    /// Takes the next part of a board's log.
    fn append(&self, name: &BoardName, part: LogBatch);

    /// Reserves author numbers up to one, before the first of the new ones is given out. Does not block.
    fn reserve_authors(&self, name: &BoardName, until: u32);

    /// Whether so much waits to be written that no more should be read from those who draw.
    fn is_overfull(&self) -> bool;

    /// Whether the boards together are as large as the operator allows.
    fn is_full(&self) -> bool;

    /// Boards are closed by the rooms that had their leases, with everything durable: a good moment to put their records in order.
    fn closed(&self, boards: &[(BoardName, Lease)]);

    /// Returns the state of the storage.
    fn state(&self) -> StorageState;

    /// Keeps the bytes of a picture under their hash, which the caller has checked; says whether there was room. May block.
    ///
    /// # Errors
    /// If the disk takes nothing now.
    fn keep_image(&self, hash: ImageHash, image: Image) -> Result<bool, StorageError>;

    /// The bytes of a picture. May block.
    ///
    /// # Errors
    /// If they cannot be read now.
    fn image(&self, hash: ImageHash) -> Result<Option<Image>, StorageError>;

    /// Keeps who may do what on a board, and what was ordered there, as long as the lease of its room holds. May block.
    ///
    /// # Errors
    /// [`StorageError::Deleted`] if the lease has ended; or the disk takes nothing now.
    fn keep_access(
        &self,
        name: &BoardName,
        record: AccessRecord,
        orders: Vec<AuditRecord>,
        lease: &Lease,
    ) -> Result<(), StorageError>;

    /// Returns the audit list of a board, newest first. May block.
    ///
    /// # Errors
    /// If it cannot be read now.
    fn audit(&self, name: &BoardName) -> Result<Vec<AuditRecord>, StorageError>;

    /// Returns the number of boards. May block.
    ///
    /// # Errors
    /// If they cannot be counted now.
    fn count(&self) -> Result<u64, StorageError>;

    /// A part of a board's log from a sequence number on; one without entries where nothing is kept from there on. May
    /// block.
    ///
    /// # Errors
    /// If it cannot be read now.
    fn past(&self, name: &BoardName, from: u64) -> Result<LogPage, StorageError>;

    /// When a board was drawn and by whom. May block.
    ///
    /// # Errors
    /// If it cannot be read now.
    fn chronicle(&self, name: &BoardName) -> Result<Timeline, StorageError>;

    /// Makes a new board of a board as it was at a sequence number, and gives the right to write it. May block.
    ///
    /// # Errors
    /// If that is not kept, or the disk takes nothing now.
    fn branch(&self, name: &BoardName, seq: u64, branch: &BoardName) -> Result<Lease, StorageError>;

    /// From now on the listener hears the news.
    fn listen(&self, listener: Listener);
}

/// The outcome of putting the records of a board in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The sequence number of the snapshot.
    pub seq: u64,
    /// Its size, unpacked, in bytes.
    pub snapshot_bytes: u64,
}

/// A storage as its operator has it. All of it may block.
pub trait Engine: Storage {
    /// A view of what is kept.
    ///
    /// # Errors
    /// [`StorageError::NoDisk`] if nothing is; or it cannot be read now.
    fn archive(&self) -> Result<Box<dyn Archive>, StorageError>;

    /// Deletes a board and everything that is kept of it; `name` may be that of a board that was set aside.
    ///
    /// # Errors
    /// If there is none of that name, or the disk fails.
    fn delete(&self, name: &str) -> Result<(), StorageError>;

    /// Puts a board in under a name that is free, or in the place of what is there, as a new lineage.
    ///
    /// # Errors
    /// If the name is taken, or the disk fails.
    fn import(
        &self,
        name: &BoardName,
        board: Board,
        pictures: Vec<(ImageHash, Image)>,
        replaces: bool,
    ) -> Result<(), StorageError>;

    /// Puts the records of a board in order, now; see `boards compact`.
    ///
    /// # Errors
    /// If there is no such board, its records are damaged, or the disk fails.
    fn compact(&self, name: &BoardName, forgets_history: bool) -> Result<Compacted, StorageError>;

    /// Deletes boards on which nothing was ever drawn when they are as old as [`Opening::empty_boards`] says, unless they are open.
    ///
    /// # Errors
    /// If the disk takes nothing now.
    fn expire_empty_boards(&self) -> Result<(), StorageError>;

    /// Waits until everything is on disk that was appended, at most so long. Returns how many operations are not, because the disk
    /// takes nothing.
    fn unwritten(&self, patience: Duration) -> u64;

    /// Ends the threads, once everything is written, and puts the records in order.
    fn stop(&self);
}

/// A view of the boards that are kept, which changes none, beside a server that has them open. All of it may block.
pub trait Archive: std::fmt::Debug {
    /// All boards, by name.
    ///
    /// # Errors
    /// If they cannot be read.
    fn boards(&self) -> Result<Vec<BoardRecord>, StorageError>;

    /// The record of a board, if there is one of that name.
    ///
    /// # Errors
    /// If it cannot be read.
    fn record(&self, name: &str) -> Result<Option<BoardRecord>, StorageError>;

    /// A board as it was at a sequence number, or is now, as far as its records are good.
    ///
    /// # Errors
    /// If the records do not reach so far back or forth, or the disk fails.
    fn load(&self, record: &BoardRecord, at: Option<u64>) -> Result<Loaded, StorageError>;

    /// Walks all records of a board: every checksum, every operation, every state hash.
    ///
    /// # Errors
    /// If the disk fails; what is wrong with the records is in the result.
    fn verify(&self, record: &BoardRecord) -> Result<Verified, StorageError>;

    /// The bytes of a picture; none if they are not what they were.
    ///
    /// # Errors
    /// If they cannot be read.
    fn image(&self, hash: ImageHash) -> Result<Option<Image>, StorageError>;

    /// The pictures whose bytes are not those of their names.
    ///
    /// # Errors
    /// If they cannot be read.
    fn damaged_images(&self) -> Result<Vec<ImageHash>, StorageError>;

    /// The orders that were given on a board, newest first.
    ///
    /// # Errors
    /// If they cannot be read.
    fn audit(&self, name: &BoardName) -> Result<Vec<AuditRecord>, StorageError>;

    /// The times at which a board was drawn, and the names of its authors. `name` may be that of a board that was set aside.
    ///
    /// # Errors
    /// If they cannot be read.
    fn chronicle(&self, name: &str) -> Result<Timeline, StorageError>;

    /// Copies all boards as they are at this moment into a new file.
    ///
    /// # Errors
    /// If the file is there already or cannot be written.
    fn backup(&self, to: &Path) -> Result<(), StorageError>;
}

/// Why a storage does not do what it is asked. Each says what failed, on what, and where possible what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// Another process has the directory.
    #[error("{} is in use by {owner}: stop that server, or choose another directory with --data", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The other process, as far as it is known.
        owner: String,
    },
    /// A file or directory cannot be used.
    #[error("{}: {error}", path.display())]
    Path {
        /// Which one.
        path: PathBuf,
        /// The error of the system.
        error: Arc<std::io::Error>,
    },
    /// The directory or the database is not there any more, or another one is in its place.
    #[error("{} was removed or replaced while this server ran: nothing can be written until it is restarted", path.display())]
    Replaced {
        /// Which one.
        path: PathBuf,
    },
    /// The directory is on a file system of the network.
    #[error(
        "{} is on {kind}, where locks and syncs may not hold: use a disk of this machine, or give --network-data",
        path.display()
    )]
    Network {
        /// The directory.
        path: PathBuf,
        /// The file system.
        kind: &'static str,
    },
    /// The board was deleted or replaced meanwhile.
    #[error("board {0} was deleted or replaced")]
    Deleted(String),
    /// The engine says no.
    #[error("{}: {error}", path.display())]
    Engine {
        /// The database.
        path: PathBuf,
        /// The error of the engine.
        error: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The database is of a later version of the program.
    #[error("{} was written by a later version of inkwire (format {found}, this one knows {known})", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The last format that this program knows.
        known: i64,
    },
    /// The file is a database, but holds no boards.
    #[error("{} is not a file of boards", path.display())]
    NotBoards {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing of that name.
    #[error("there is no board {0}")]
    NoBoard(String),
    /// There is something of that name.
    #[error("there is a board {0} already: choose another name, or give --replace")]
    Exists(String),
    /// A board's records are damaged.
    #[error("board {name}: {damage}")]
    Damaged {
        /// Which board.
        name: String,
        /// The damage.
        damage: Damage,
    },
    /// A sequence number that the records do not reach, or no longer.
    #[error("board {name} has no record of operation {asked}: it goes from {first} to {last}")]
    OutOfRange {
        /// Which board.
        name: String,
        /// The sequence number that was asked for.
        asked: u64,
        /// The first one that can be had.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// An order that cannot be carried out.
    #[error("{0}")]
    Order(String),
    /// The storage keeps nothing on a disk.
    #[error("this server keeps nothing on a disk")]
    NoDisk,
    /// The storage keeps no history.
    #[error("this server keeps no history: it has no data directory")]
    NoHistory,
    /// The server stops.
    #[error("the server stops")]
    Stopping,
}

/// The time, in milliseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

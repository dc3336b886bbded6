//! The location of a storage, as flags name it, and what is done there: the one file that knows which engine has which location.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::memory::Memory;
use super::sqlite::{self, Disk, Loss, Reader};
use super::{Archive, Engine, StorageError};
use crate::metrics::Metrics;

/// A location for boards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// The memory of the server, as long as it runs.
    Memory,
    /// A directory.
    Directory(PathBuf),
}

/// A text that names no location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a directory has a name")]
pub struct LocationError;

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        match text {
            ":memory:" => Ok(Self::Memory),
            "" => Err(LocationError),
            path => Ok(Self::Directory(path.into())),
        }
    }
}

/// Options of opening a location.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The time for which another process is waited for that has it.
    pub patience: Duration,
    /// The file of the durable mark, if it does not lie in the directory.
    pub mark: Option<PathBuf>,
    /// Whether a directory on a file system of the network is taken.
    pub may_be_on_network: bool,
    /// The maximum size of the database, in bytes; 0 for none.
    pub most_bytes: u64,
    /// The maximum size of all pictures together, in bytes.
    pub most_image_bytes: u64,
    /// The age at which a board is deleted on which nothing was ever drawn; none for never.
    pub empty_boards: Option<Duration>,
}

impl Default for Opening {
    fn default() -> Self {
        let (patience, most_image_bytes) = (Duration::ZERO, u64::MAX);
        Self { patience, mark: None, may_be_on_network: false, most_bytes: 0, most_image_bytes, empty_boards: None }
    }
}

impl Location {
    /// The directory, if it is one.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Memory => None,
            Self::Directory(directory) => Some(directory),
        }
    }

    /// Opens the location to be written; a directory is made if there is none. May block.
    ///
    /// # Errors
    /// If another process has it, or it cannot be written, or is not as the opening wants it.
    pub fn open(&self, opening: &Opening, metrics: Arc<Metrics>) -> Result<Arc<dyn Engine>, StorageError> {
        Ok(match self {
            Self::Memory => Arc::new(Memory::new(opening.most_image_bytes)),
            Self::Directory(directory) => Arc::new(Disk::open(directory, opening, metrics)?),
        })
    }

    /// A view of the boards that are kept there, beside a server that may have it open.
    ///
    /// # Errors
    /// If there are none, or they cannot be read.
    pub fn archive(&self) -> Result<Box<dyn Archive>, StorageError> {
        Ok(Box::new(Reader::open(self.on_disk()?)?))
    }

    /// Says what is missing of what was durable, before anything is opened.
    ///
    /// # Errors
    /// If the location cannot be read.
    pub fn loss(&self, mark: Option<&Path>) -> Result<Option<Loss>, StorageError> {
        sqlite::loss(self.on_disk()?, mark)
    }

    /// Puts a backup in the place of what is there, while no server has it. Returns how many boards came, and the file to which that
    /// was moved which was there.
    ///
    /// # Errors
    /// If the backup is none, a server has the location, or the disk fails.
    pub fn restore(&self, backup: &Path) -> Result<(usize, Option<PathBuf>), StorageError> {
        let count = Reader::of_file(backup)?.boards()?.len();
        let directory = self.on_disk()?;
        let _lock = sqlite::Lock::take(directory, Duration::ZERO)?;
        Ok((count, sqlite::restore(directory, backup)?))
    }

    fn on_disk(&self) -> Result<&Path, StorageError> {
        self.directory().ok_or(StorageError::NoDisk)
    }
}

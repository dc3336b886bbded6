//! The files of a data directory: private, on a disk of this machine, and still those that were opened.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::storage::StorageError;

/// File systems whose locks and syncs other machines do not keep (statfs(2)).
const NETWORK: [(u32, &str); 7] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x517b, "SMB"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
];

/// A file, whatever its name is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(path: &Path) -> Result<Self, StorageError> {
        let metadata = fs::metadata(path).map_err(failed(path))?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// The directory and the database that a process has opened.
#[derive(Debug)]
pub(super) struct Files {
    all: [(PathBuf, FileId); 2],
}

impl Files {
    /// Remembers a directory and the database in it.
    ///
    /// # Errors
    /// If one of them is not there.
    pub(super) fn of(directory: &Path, database: &Path) -> Result<Self, StorageError> {
        let known = |path: &Path| FileId::of(path).map(|id| (path.to_owned(), id));
        Ok(Self { all: [known(directory)?, known(database)?] })
    }

    /// Checks that both names still lead to the same files: what is written to a file that was removed is not durable. Nothing
    /// is opened, because closing the database beside SQLite would drop its locks (fcntl(2)).
    ///
    /// # Errors
    /// [`StorageError::Replaced`], or what the system says.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        let changed = |(path, known): &&(PathBuf, FileId)| FileId::of(path).ok() != Some(*known);
        match self.all.iter().find(changed) {
            Some((path, _)) => Err(StorageError::Replaced { path: path.clone() }),
            None => Ok(()),
        }
    }

    /// The size of the database without its log, in bytes.
    pub(super) fn database_bytes(&self) -> u64 {
        fs::metadata(&self.all[1].0).map_or(0, |database| database.len())
    }
}

/// Checks that a directory is on a disk of this machine.
///
/// # Errors
/// [`StorageError::Network`].
pub(super) fn see_local(directory: &Path) -> Result<(), StorageError> {
    let Ok(found) = rustix::fs::statfs(directory) else { return Ok(()) };
    let kind = NETWORK.iter().find(|(magic, _)| *magic == found.f_type as u32);
    kind.map_or(Ok(()), |(_, kind)| Err(StorageError::Network { path: directory.into(), kind }))
}

/// Makes an empty file that only its owner reads, which SQLite then fills; its log gets the same mode.
///
/// # Errors
/// If it is there already, or cannot be made.
pub(super) fn create_private(path: &Path) -> Result<(), StorageError> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map(drop).map_err(failed(path))
}

/// The write-ahead log of a database.
pub(super) fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// The error of the system, with the path that it is about.
pub(super) fn failed(path: &Path) -> impl Fn(std::io::Error) -> StorageError + use<> {
    let path = path.to_owned();
    move |error| StorageError::Path { path: path.clone(), error: Arc::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_removed_or_replaced_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let (directory, database) = (folder.path().join("data"), folder.path().join("data/boards.sqlite"));
        fs::create_dir(&directory).unwrap();
        fs::write(&database, "x").unwrap();
        let files = Files::of(&directory, &database).unwrap();
        fs::write(&database, "longer").unwrap();
        assert!(files.check().is_ok(), "the same file");
        fs::rename(&database, folder.path().join("away")).unwrap();
        fs::write(&database, "longer").unwrap();
        assert!(matches!(files.check(), Err(StorageError::Replaced { path }) if path == database));
        fs::remove_dir_all(&directory).unwrap();
        assert!(matches!(files.check(), Err(StorageError::Replaced { path }) if path == directory));
    }
}

//! The lock of a data directory: two processes never write one.
//!
//! The directory itself is locked, because a file in it can be deleted. Its lock file is locked as well: it says which process
//! has the directory, and it keeps out servers of versions that know only the file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::notify::notify;
use crate::storage::StorageError;

/// The status for a service manager while another process has the lock (`sd_notify(3)`).
const WAITING: &str = "STATUS=waiting for the data directory";

/// Between two looks at a lock that another process has.
const PAUSE: Duration = Duration::from_millis(20);

/// Held as long as this value lives; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
    _directory: File,
}

impl Lock {
    /// Takes the lock of a directory, and waits for it at most so long: a server that hands over to this one has it
    /// until it has written everything.
    ///
    /// # Errors
    /// If another process has it, or the directory cannot be written.
    pub(crate) fn take(directory: &Path, patience: Duration) -> Result<Self, StorageError> {
        let path = directory.join("lock");
        let failed = |error| StorageError::Path { path: path.clone(), error: Arc::new(error) };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let itself = File::open(directory).map_err(super::files::failed(directory))?;
        let deadline = Instant::now() + patience;
        for locked in [&itself, &file] {
            if !wait_for(locked, deadline).map_err(failed)? {
                return Err(StorageError::Locked { path: directory.into(), owner: owner(&file) });
            }
        }
        // Who has it is for people; a full disk must not keep a server from starting.
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let _ = writeln!(file, "{}", std::process::id());
        Ok(Self { _file: file, _directory: itself })
    }
}

/// Waits for a lock until a deadline; false if another process still has it then.
fn wait_for(file: &File, deadline: Instant) -> std::io::Result<bool> {
    let mut has_told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return Ok(false),
            Err(TryLockError::WouldBlock) => {
                if !std::mem::replace(&mut has_told, true) {
                    // A supervisor that hands over stops the other server now: this one lacks nothing else.
                    notify(WAITING);
                }
                std::thread::sleep(PAUSE);
            }
        }
    }
}

fn owner(mut file: &File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => format!("process {}", text.trim()),
        _ => "another process".into(),
    }
}

//! The engine without a disk: boards live in their rooms, as long as the process does.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use inkwire_board::Board;
use inkwire_protocol::{AuditRecord, ImageHash, StorageState};
use parking_lot::{Mutex, MutexGuard};

use super::{
    AUDIT, AccessRecord, Archive, Compacted, Engine, Image, KeptAccess, Lease, Listener, LogBatch, LogPage,
    OpenedBoard, Storage, StorageError, Timeline,
};
use crate::name::BoardName;

/// Keeps nothing but pictures and who may do what. Nothing ever becomes durable, so no room with a drawing is closed, and every client keeps what
/// it drew and brings it back to a server that was restarted.
#[derive(Debug)]
pub struct Memory {
    images: Mutex<HashMap<ImageHash, Image>>,
    most_image_bytes: u64,
    access: Mutex<HashMap<BoardName, (AccessRecord, VecDeque<AuditRecord>)>>,
}

impl Memory {
    /// A storage that keeps pictures of so many bytes in all.
    pub fn new(most_image_bytes: u64) -> Self {
        Self { images: Mutex::default(), most_image_bytes, access: Mutex::default() }
    }

    fn lock_access(&self) -> MutexGuard<'_, HashMap<BoardName, (AccessRecord, VecDeque<AuditRecord>)>> {
        self.access.lock()
    }
}

impl Storage for Memory {
    fn open(&self, name: &BoardName) -> Result<OpenedBoard, StorageError> {
        let record = self.lock_access().get(name).map(|(record, _)| KeptAccess::Record(record.clone()));
        Ok(OpenedBoard::new(record.unwrap_or_default()))
    }

    fn append(&self, _: &BoardName, _: LogBatch) {}

    fn reserve_authors(&self, _: &BoardName, _: u32) {}

    fn is_overfull(&self) -> bool {
        false
    }

    fn is_full(&self) -> bool {
        false
    }

    fn closed(&self, _: &[(BoardName, Lease)]) {}

    fn state(&self) -> StorageState {
        StorageState::Memory
    }

    fn keep_image(&self, hash: ImageHash, image: Image) -> Result<bool, StorageError> {
        let mut images = self.images.lock();
        let kept: usize = images.values().map(|image| image.bytes.len()).sum();
        let has_room = images.contains_key(&hash) || (kept + image.bytes.len()) as u64 <= self.most_image_bytes;
        if has_room {
            images.insert(hash, image);
        }
        Ok(has_room)
    }

    fn image(&self, hash: ImageHash) -> Result<Option<Image>, StorageError> {
        Ok(self.images.lock().get(&hash).cloned())
    }

    fn keep_access(
        &self,
        name: &BoardName,
        record: AccessRecord,
        orders: Vec<AuditRecord>,
        lease: &Lease,
    ) -> Result<(), StorageError> {
        let mut all = self.lock_access();
        if !lease.holds() {
            return Err(StorageError::Deleted(name.to_string()));
        }
        let (kept, audit) = all.entry(name.clone()).or_default();
        *kept = record;
        orders.into_iter().for_each(|order| audit.push_front(order));
        audit.truncate(AUDIT);
        Ok(())
    }

    fn audit(&self, name: &BoardName) -> Result<Vec<AuditRecord>, StorageError> {
        let all = self.lock_access();
        Ok(all.get(name).map_or_else(Vec::new, |(_, audit)| audit.iter().cloned().collect()))
    }

    fn count(&self) -> Result<u64, StorageError> {
        Ok(self.lock_access().len() as u64)
    }

    fn past(&self, _: &BoardName, _: u64) -> Result<LogPage, StorageError> {
        Err(StorageError::NoHistory)
    }

    fn chronicle(&self, _: &BoardName) -> Result<Timeline, StorageError> {
        Err(StorageError::NoHistory)
    }

    fn branch(&self, _: &BoardName, _: u64, _: &BoardName) -> Result<Lease, StorageError> {
        Err(StorageError::NoHistory)
    }

    fn listen(&self, _: Listener) {}
}

/// Nothing is kept that an operator could look into or change; rooms alone have the boards.
impl Engine for Memory {
    fn archive(&self) -> Result<Box<dyn Archive>, StorageError> {
        Err(StorageError::NoDisk)
    }

    fn delete(&self, _: &str) -> Result<(), StorageError> {
        Err(StorageError::NoDisk)
    }

    fn import(&self, _: &BoardName, _: Board, _: Vec<(ImageHash, Image)>, _: bool) -> Result<(), StorageError> {
        Err(StorageError::NoDisk)
    }

    fn compact(&self, _: &BoardName, _: bool) -> Result<Compacted, StorageError> {
        Err(StorageError::NoDisk)
    }

    fn expire_empty_boards(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn unwritten(&self, _: Duration) -> u64 {
        0
    }

    fn stop(&self) {}
}

//! A server without a disk: boards live in their rooms, as long as the process does.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use inkwire_board::Board;
use inkwire_protocol::{ImageHash, StorageState};

use super::{Image, Listener, Part, Storage, StorageError, Stored, new_epoch};
use crate::name::BoardName;

/// Keeps nothing but pictures. Nothing ever becomes durable, so no room with a drawing is closed, and every client keeps what
/// it drew and brings it back to a server that was restarted.
#[derive(Debug)]
pub struct Memory {
    images: Mutex<HashMap<ImageHash, Image>>,
    most_image_bytes: u64,
}

impl Memory {
    /// A storage that keeps pictures of so many bytes in all.
    pub fn new(most_image_bytes: u64) -> Self {
        Self { images: Mutex::default(), most_image_bytes }
    }
}

impl Storage for Memory {
    fn open(&self, _: &BoardName) -> Result<Stored, StorageError> {
        Ok(Stored { epoch: new_epoch(), board: Board::default() })
    }

    fn append(&self, _: &BoardName, _: Part) {}

    fn closed(&self, _: &[BoardName]) {}

    fn state(&self) -> StorageState {
        StorageState::Memory
    }

    fn keep_image(&self, hash: ImageHash, image: Image) -> Result<bool, StorageError> {
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = images.values().map(|image| image.bytes.len()).sum();
        let has_room = images.contains_key(&hash) || (kept + image.bytes.len()) as u64 <= self.most_image_bytes;
        if has_room {
            images.insert(hash, image);
        }
        Ok(has_room)
    }

    fn image(&self, hash: ImageHash) -> Result<Option<Image>, StorageError> {
        Ok(self.images.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned())
    }

    fn listen(&self, _: Listener) {}
}

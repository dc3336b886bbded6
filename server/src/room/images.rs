//! Pictures on their way in: their parts are gathered, checked and handed to the storage, which answers later.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use inkwire_protocol::{ImageHash, ImageState, limits};

use crate::storage::{Image, Storage};
use crate::wakeup::Wakeup;

/// Bytes of pictures that may be on their way in at once, of all members together.
const ARRIVING: usize = 16 * limits::IMAGE_BYTES;

/// Room for pictures that are on their way in.
#[derive(Debug, Default)]
pub(super) struct Arrivals(AtomicUsize);

impl Arrivals {
    fn take(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        let more = |taken: usize| Some(taken + bytes).filter(|taken| *taken <= ARRIVING);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Room { arrivals: self.clone(), bytes })
    }
}

/// Room that was taken, until this is let go.
#[derive(Debug)]
struct Room {
    arrivals: Arc<Arrivals>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.arrivals.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A part of a picture, as it came.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) image: ImageHash,
    pub(super) length: usize,
    pub(super) offset: usize,
    pub(super) bytes: Vec<u8>,
}

/// One member's pictures: one at a time is on its way in.
#[derive(Debug)]
pub(super) struct Images {
    arrivals: Arc<Arrivals>,
    arriving: Option<(ImageHash, Vec<u8>, Room)>,
    answers: Arc<Answers>,
}

/// What became of pictures, for a member that is woken to say so.
#[derive(Debug)]
struct Answers {
    ready: Mutex<Vec<(ImageHash, ImageState)>>,
    wakeup: Arc<Wakeup>,
}

impl Answers {
    fn give(&self, image: ImageHash, state: ImageState) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push((image, state));
        self.wakeup.wake();
    }
}

impl Images {
    pub(super) fn new(arrivals: Arc<Arrivals>, wakeup: Arc<Wakeup>) -> Self {
        Self { arrivals, arriving: None, answers: Arc::new(Answers { ready: Mutex::default(), wakeup }) }
    }

    /// What is to be told by now.
    pub(super) fn take_answers(&self) -> Vec<(ImageHash, ImageState)> {
        std::mem::take(&mut *self.answers.ready.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a part. Where it was the last one, the work that is left is given back, which blocks and belongs on another
    /// thread.
    ///
    /// # Errors
    /// What is told at once.
    pub(super) fn take(
        &mut self,
        part: Part,
        storage: &Arc<dyn Storage>,
    ) -> Result<Option<impl FnOnce() + Send + use<>>, ImageState> {
        if part.offset == 0 {
            let room = self.arrivals.take(part.length).ok_or(ImageState::Busy)?;
            self.arriving = Some((part.image, Vec::with_capacity(part.bytes.len()), room));
        }
        let Some((image, mut bytes, room)) = self.arriving.take() else { return Err(ImageState::Damaged) };
        if image != part.image || bytes.len() != part.offset || part.length != room.bytes {
            return Err(ImageState::Damaged);
        }
        bytes.extend(part.bytes);
        if bytes.len() < part.length {
            self.arriving = Some((image, bytes, room));
            return Ok(None);
        }
        let (storage, answers) = (storage.clone(), self.answers.clone());
        Ok(Some(move || {
            answers.give(image, keep(&*storage, image, bytes));
            drop(room);
        }))
    }
}

fn keep(storage: &dyn Storage, hash: ImageHash, bytes: Vec<u8>) -> ImageState {
    use crate::storage::ImageError;
    let image = match Image::named(hash, bytes.into()) {
        Ok(image) => image,
        Err(ImageError::Hash) => return ImageState::Damaged,
        Err(_) => return ImageState::NotAnImage,
    };
    match storage.keep_image(hash, image) {
        Ok(true) => ImageState::Kept,
        Ok(false) => ImageState::Full,
        Err(error) => {
            tracing::warn!(image = %hash, %error, "a picture could not be kept");
            ImageState::Busy
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Memory, image_tests};
    use sha2::{Digest, Sha256};

    fn images(arrivals: &Arc<Arrivals>) -> Images {
        Images::new(arrivals.clone(), Arc::default())
    }

    fn part(bytes: &[u8], from: usize, to: usize) -> Part {
        let image = ImageHash(Sha256::digest(bytes).into());
        Part { image, length: bytes.len(), offset: from, bytes: bytes[from..to].to_vec() }
    }

    #[test]
    fn a_picture_in_parts_is_kept_and_a_part_out_of_order_ends_it() {
        let storage: Arc<dyn Storage> = Arc::new(Memory::new(1 << 20));
        let (arrivals, bytes) = (Arc::default(), image_tests::png(9, 9));
        let mut images = images(&arrivals);
        assert!(images.take(part(&bytes, 0, 9), &storage).is_ok_and(|work| work.is_none()));
        images.take(part(&bytes, 9, bytes.len()), &storage).unwrap().expect("it was the last part")();
        assert_eq!(images.take_answers(), [(part(&bytes, 0, 1).image, ImageState::Kept)]);
        assert_eq!(arrivals.0.load(Ordering::Relaxed), 0);
        assert!(images.take(part(&bytes, 0, 9), &storage).is_ok());
        assert_eq!(images.take(part(&bytes, 12, 20), &storage).err(), Some(ImageState::Damaged));
        assert_eq!(images.take(part(&bytes, 9, 12), &storage).err(), Some(ImageState::Damaged));
        assert_eq!(arrivals.0.load(Ordering::Relaxed), 0, "what ended takes no room");
    }

    #[test]
    fn all_members_together_send_only_so_much_at_once() {
        let storage: Arc<dyn Storage> = Arc::new(Memory::new(1 << 20));
        let arrivals = Arc::default();
        let bytes = vec![7; limits::IMAGE_BYTES];
        let mut all: Vec<Images> = (0..17).map(|_| images(&arrivals)).collect();
        let begun = all.iter_mut().filter_map(|images| images.take(part(&bytes, 0, 1), &storage).ok()).count();
        assert_eq!(begun, 16);
        all.clear();
        assert_eq!(arrivals.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_no_picture_or_has_no_room_is_not_kept() {
        let storage = Memory::new(20);
        let bytes = image_tests::png(9, 9);
        let hash = |bytes: &[u8]| ImageHash(Sha256::digest(bytes).into());
        assert_eq!(keep(&storage, hash(b"<svg/>"), b"<svg/>".to_vec()), ImageState::NotAnImage);
        assert_eq!(keep(&storage, hash(&bytes), bytes.to_vec()), ImageState::Full);
        assert_eq!(keep(&storage, ImageHash([0; 32]), bytes.to_vec()), ImageState::Damaged);
    }
}

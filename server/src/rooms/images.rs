//! Pictures on their way in: their parts are gathered, and checked and handed to the storage elsewhere.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inkwire_protocol::{ImageHash, ImageState, limits};
use parking_lot::{Mutex, MutexGuard};

use crate::log::Gate;
use crate::storage::{Image, Storage};

/// Received bytes of unfinished images that are held at once, of all members together.
const ARRIVING: usize = 16 * limits::IMAGE_BYTES;
/// An unfinished image is dropped when no part of it has come for so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// When there is no room, the slowest image that began at least so long ago is dropped.
const GRACE: Duration = Duration::from_secs(5);
/// An unfinished image grows by at most so many bytes at once, so that little more is held than has come.
const STEP: usize = 64 * 1024;

/// The unfinished images of all members. Only bytes that have come take room, so an announced length keeps nobody out.
#[derive(Debug, Default)]
pub(super) struct Arrivals(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    images: HashMap<u64, Arriving>,
    next: u64,
}

/// The part of an image that has come.
#[derive(Debug)]
struct Arriving {
    length: usize,
    bytes: Vec<u8>,
    /// The bytes for which it counts: also while the storage is given them.
    counted: usize,
    is_whole: bool,
    began: Instant,
    last_part: Instant,
}

impl Arriving {
    fn is_expired(&self, now: Instant) -> bool {
        !self.is_whole && now.saturating_duration_since(self.last_part) >= PATIENCE
    }

    /// Bytes a second since it began; none where it is too early to tell.
    fn rate(&self, now: Instant) -> Option<usize> {
        let age = now.saturating_duration_since(self.began);
        (!self.is_whole && age >= GRACE).then(|| self.counted / age.as_secs() as usize)
    }

    fn append(&mut self, part: &[u8]) {
        if self.bytes.capacity() - self.bytes.len() < part.len() {
            self.bytes.reserve_exact(part.len().max(self.bytes.len().min(STEP)));
        }
        self.bytes.extend_from_slice(part);
    }
}

impl Held {
    fn remove(&mut self, id: u64) {
        self.bytes -= self.images.remove(&id).map_or(0, |image| image.counted);
    }

    /// Makes room for so many bytes; returns whether there is.
    fn make_room(&mut self, bytes: usize, now: Instant) -> bool {
        if self.bytes + bytes <= ARRIVING {
            return true;
        }
        let expired: Vec<u64> =
            self.images.iter().filter(|(_, image)| image.is_expired(now)).map(|(id, _)| *id).collect();
        expired.into_iter().for_each(|id| self.remove(id));
        while self.bytes + bytes > ARRIVING {
            let rates = self.images.iter().filter_map(|(id, image)| Some((image.rate(now)?, *id)));
            let Some((_, slowest)) = rates.min() else { return false };
            self.remove(slowest);
        }
        true
    }
}

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock()
    }

    fn begin(self: &Arc<Self>, length: usize, now: Instant) -> Slot {
        let mut held = self.lock();
        held.next += 1;
        let id = held.next;
        let image = Arriving { length, bytes: Vec::new(), counted: 0, is_whole: false, began: now, last_part: now };
        held.images.insert(id, image);
        Slot { arrivals: self.clone(), id }
    }
}

/// A member's unfinished image among all of them, until this is dropped.
#[derive(Debug)]
struct Slot {
    arrivals: Arc<Arrivals>,
    id: u64,
}

impl Slot {
    /// Adds a part; returns all of the image after its last one.
    fn add(&self, part: &Part, now: Instant) -> Result<Option<Vec<u8>>, ImageState> {
        let mut held = self.arrivals.lock();
        if !held.make_room(part.bytes.len(), now) {
            return Err(ImageState::Busy);
        }
        // It may have been dropped: just now, or for another member before.
        let image = held.images.get_mut(&self.id).ok_or(ImageState::Busy)?;
        if image.bytes.len() != part.offset || part.length != image.length {
            return Err(ImageState::Damaged);
        }
        image.append(&part.bytes);
        image.last_part = now;
        image.counted += part.bytes.len();
        image.is_whole = image.bytes.len() >= image.length;
        let whole = image.is_whole.then(|| std::mem::take(&mut image.bytes));
        held.bytes += part.bytes.len();
        Ok(whole)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.arrivals.lock().remove(self.id);
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

/// One member's images: one at a time is on its way in.
#[derive(Debug, Default)]
pub(super) struct Images {
    arriving: Option<(ImageHash, Slot)>,
    /// The image that had no room: its sender has been told, and what follows of it was sent before that was known.
    refused: Option<ImageHash>,
}

impl Images {
    /// Takes a part. After the last one, the work that is left is returned, which blocks and belongs on another thread; it
    /// returns what became of the image.
    ///
    /// # Errors
    /// The immediate answer to the sender.
    pub(super) fn take(
        &mut self,
        part: Part,
        arrivals: &Arc<Arrivals>,
        storage: &Arc<dyn Storage>,
        now: Instant,
    ) -> Result<Option<impl FnOnce() -> ImageState + Send + use<>>, ImageState> {
        if part.offset == 0 {
            // The one before is dropped first: a member never holds two.
            self.arriving = None;
            self.arriving = Some((part.image, arrivals.begin(part.length, now)));
            self.refused = None;
        } else if self.refused == Some(part.image) {
            return Ok(None);
        }
        let begun = self.arriving.take().filter(|(image, _)| *image == part.image);
        let (image, slot) = begun.ok_or(ImageState::Damaged)?;
        match slot.add(&part, now) {
            Ok(None) => {
                self.arriving = Some((image, slot));
                Ok(None)
            }
            Ok(Some(bytes)) => {
                let storage = storage.clone();
                Ok(Some(move || {
                    let _counted_until_it_is_kept = slot;
                    keep(&*storage, image, bytes)
                }))
            }
            Err(state) => {
                self.refused = (state == ImageState::Busy).then_some(image);
                Err(state)
            }
        }
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
            static LINES: Gate = Gate::new();
            if let Some(suppressed) = LINES.admit() {
                tracing::warn!(image = %hash, %error, suppressed, "a picture could not be kept");
            }
            ImageState::Busy
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Memory, image_tests};
    use sha2::{Digest, Sha256};

    fn part(bytes: &[u8], from: usize, to: usize) -> Part {
        let image = ImageHash(Sha256::digest(bytes).into());
        Part { image, length: bytes.len(), offset: from, bytes: bytes[from..to].to_vec() }
    }

    fn storage() -> Arc<dyn Storage> {
        Arc::new(Memory::new(1 << 20))
    }

    #[test]
    fn an_image_in_parts_is_kept_and_a_part_out_of_order_ends_it() {
        let (arrivals, bytes, now) = (Arc::default(), image_tests::png(9, 9), Instant::now());
        let mut images = Images::default();
        let mut take = |from, to| images.take(part(&bytes, from, to), &arrivals, &storage(), now);
        assert!(take(0, 9).is_ok_and(|work| work.is_none()));
        assert_eq!(arrivals.lock().bytes, 9, "what has come counts");
        assert_eq!(take(9, bytes.len()).unwrap().expect("it was the last part")(), ImageState::Kept);
        assert_eq!(arrivals.lock().bytes, 0);
        assert!(take(0, 9).is_ok());
        assert_eq!(take(12, 20).err(), Some(ImageState::Damaged));
        assert_eq!(take(9, 12).err(), Some(ImageState::Damaged));
        assert_eq!(arrivals.lock().bytes, 0, "a damaged image takes no room");
    }

    /// A part of an image of the largest size, of which nobody checks the hash.
    fn large(from: usize, to: usize) -> Part {
        Part { image: ImageHash([7; 32]), length: limits::IMAGE_BYTES, offset: from, bytes: vec![7; to - from] }
    }

    /// As many members as are given send all of an image but its last byte.
    fn nearly_whole(count: usize, arrivals: &Arc<Arrivals>, now: Instant) -> Vec<(Images, bool)> {
        let send = |_| {
            let mut images = Images::default();
            let is_taken = images.take(large(0, limits::IMAGE_BYTES - 1), arrivals, &storage(), now).is_ok();
            (images, is_taken)
        };
        (0..count).map(send).collect()
    }

    #[test]
    fn announced_images_keep_nobody_from_sending_one() {
        let (arrivals, now) = (Arc::default(), Instant::now());
        let mut all: Vec<Images> = (0..1000).map(|_| Images::default()).collect();
        let mut begin = |images: &mut Images| images.take(large(0, 1), &arrivals, &storage(), now).is_ok();
        assert!(all.iter_mut().all(&mut begin));
        assert_eq!(arrivals.lock().bytes, 1000);
        assert!(nearly_whole(15, &arrivals, now).iter().all(|(_, is_taken)| *is_taken));
        drop(all);
        assert_eq!(arrivals.lock().bytes, 0);
    }

    #[test]
    fn received_bytes_are_bounded_and_the_slowest_image_makes_room() {
        let (arrivals, began) = (Arc::default(), Instant::now());
        let mut all = nearly_whole(17, &arrivals, began);
        assert_eq!(all.iter().filter(|(_, is_taken)| *is_taken).count(), 16);
        assert!(arrivals.lock().bytes <= ARRIVING);
        let later = began + GRACE;
        assert!(nearly_whole(1, &arrivals, later)[0].1, "a newcomer does not wait for those who have stalled");
        let last = |images: &mut Images| {
            images.take(large(limits::IMAGE_BYTES - 1, limits::IMAGE_BYTES), &arrivals, &storage(), later).err()
        };
        let told: Vec<_> = all[..16].iter_mut().map(|(images, _)| last(images)).collect();
        assert_eq!(told.iter().filter(|state| **state == Some(ImageState::Busy)).count(), 1, "{told:?}");
    }

    #[test]
    fn an_image_of_which_nothing_comes_any_more_expires() {
        let (arrivals, began) = (Arc::default(), Instant::now());
        let all = nearly_whole(16, &arrivals, began);
        assert!(nearly_whole(16, &arrivals, began + PATIENCE).iter().all(|(_, is_taken)| *is_taken));
        drop(all);
        assert_eq!(arrivals.lock().bytes, 0);
    }

    #[test]
    fn the_sender_of_an_image_without_room_is_told_once() {
        let (arrivals, now) = (Arc::default(), Instant::now());
        let _full = nearly_whole(16, &arrivals, now);
        let mut images = Images::default();
        let mut take = |from, to| images.take(large(from, to), &arrivals, &storage(), now).map(|_| ());
        assert_eq!(take(0, 1000), Err(ImageState::Busy));
        assert_eq!(take(1000, 2000), Ok(()));
        assert_eq!(take(0, 1000), Err(ImageState::Busy), "it begins again");
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

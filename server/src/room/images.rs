//! Pictures on their way in: their parts are gathered, and checked and handed to the storage elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use inkwire_protocol::{ImageHash, ImageState, limits};

use crate::log::Gate;
use crate::storage::{Image, Storage};

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
#[derive(Debug, Default)]
pub(super) struct Images {
    arriving: Option<Box<Arriving>>,
}

/// What has come of a picture.
#[derive(Debug)]
struct Arriving {
    image: ImageHash,
    bytes: Vec<u8>,
    room: Room,
}

impl Images {
    /// Takes a part. Where it was the last one, the work that is left is given back, which blocks and belongs on another
    /// thread; it says what became of the picture.
    ///
    /// # Errors
    /// What is told at once.
    pub(super) fn take(
        &mut self,
        part: Part,
        arrivals: &Arc<Arrivals>,
        storage: &Arc<dyn Storage>,
    ) -> Result<Option<impl FnOnce() -> ImageState + Send + use<>>, ImageState> {
        if part.offset == 0 {
            let room = arrivals.take(part.length).ok_or(ImageState::Busy)?;
            let bytes = Vec::with_capacity(part.bytes.len());
            self.arriving = Some(Box::new(Arriving { image: part.image, bytes, room }));
        }
        let Some(mut arriving) = self.arriving.take() else { return Err(ImageState::Damaged) };
        let Arriving { image, bytes, room } = &mut *arriving;
        if *image != part.image || bytes.len() != part.offset || part.length != room.bytes {
            return Err(ImageState::Damaged);
        }
        bytes.extend(part.bytes);
        if bytes.len() < part.length {
            self.arriving = Some(arriving);
            return Ok(None);
        }
        let storage = storage.clone();
        Ok(Some(move || {
            let Arriving { image, bytes, room: _taken_until_it_is_kept } = *arriving;
            keep(&*storage, image, bytes)
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

    #[test]
    fn a_picture_in_parts_is_kept_and_a_part_out_of_order_ends_it() {
        let storage: Arc<dyn Storage> = Arc::new(Memory::new(1 << 20));
        let (arrivals, bytes) = (Arc::default(), image_tests::png(9, 9));
        let mut images = Images::default();
        let mut take = |from, to| images.take(part(&bytes, from, to), &arrivals, &storage);
        assert!(take(0, 9).is_ok_and(|work| work.is_none()));
        assert_eq!(take(9, bytes.len()).unwrap().expect("it was the last part")(), ImageState::Kept);
        assert_eq!(arrivals.0.load(Ordering::Relaxed), 0);
        assert!(take(0, 9).is_ok());
        assert_eq!(take(12, 20).err(), Some(ImageState::Damaged));
        assert_eq!(take(9, 12).err(), Some(ImageState::Damaged));
        assert_eq!(arrivals.0.load(Ordering::Relaxed), 0, "what ended takes no room");
    }

    #[test]
    fn all_members_together_send_only_so_much_at_once() {
        let storage: Arc<dyn Storage> = Arc::new(Memory::new(1 << 20));
        let arrivals = Arc::default();
        let bytes = vec![7; limits::IMAGE_BYTES];
        let mut all: [Images; 17] = Default::default();
        let begun = |images: &mut Images| images.take(part(&bytes, 0, 1), &arrivals, &storage).is_ok();
        let begun = all.iter_mut().map(begun).filter(|begun| *begun).count();
        assert_eq!(begun, 16);
        drop(all);
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

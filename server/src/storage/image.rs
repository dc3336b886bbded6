//! The bytes of a picture: the kinds and sizes that are kept. Pure.

use bytes::Bytes;
use inkwire_protocol::{ImageHash, limits};
use sha2::{Digest, Sha256};

/// A picture that a browser can show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its media type.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Bytes that are not kept as a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Their hash is another one.
    #[error("the bytes are not those of the hash")]
    Hash,
    /// They are none of the kinds that every browser shows and no script runs in.
    #[error("neither PNG, JPEG nor WebP")]
    Kind,
    /// Unpacked, they would be more pixels than a page should have to hold.
    #[error("no side, or one above {} pixels", limits::IMAGE_SIDE)]
    Side,
    /// There are too many of them.
    #[error("more than {} bytes", limits::IMAGE_BYTES)]
    Size,
}

impl Image {
    /// The picture of some bytes, by what they say at their beginning; nothing is unpacked.
    ///
    /// # Errors
    /// The rule that they break.
    pub fn new(bytes: Bytes) -> Result<Self, ImageError> {
        if bytes.len() > limits::IMAGE_BYTES {
            return Err(ImageError::Size);
        }
        let media_type = match imagesize::image_type(&bytes) {
            Ok(imagesize::ImageType::Png) => "image/png",
            Ok(imagesize::ImageType::Jpeg) => "image/jpeg",
            Ok(imagesize::ImageType::Webp) => "image/webp",
            _ => return Err(ImageError::Kind),
        };
        let size = imagesize::blob_size(&bytes).map_err(|_| ImageError::Kind)?;
        let sides = 1..=limits::IMAGE_SIDE;
        if sides.contains(&size.width) && sides.contains(&size.height) {
            Ok(Self { media_type, bytes })
        } else {
            Err(ImageError::Side)
        }
    }

    /// The picture of a hash.
    ///
    /// # Errors
    /// As [`Image::new`], or where the hash is another one.
    pub fn named(hash: ImageHash, bytes: Bytes) -> Result<Self, ImageError> {
        if ImageHash(Sha256::digest(&bytes).into()) != hash {
            return Err(ImageError::Hash);
        }
        Self::new(bytes)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The head of a PNG of so many pixels (PNG, third edition, section 11.2.1); imagesize reads no further.
    pub(crate) fn png(width: u32, height: u32) -> Bytes {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 6, 0, 0, 0, 0, 0, 0, 0]);
        bytes.into()
    }

    #[test]
    fn only_pictures_of_a_size_that_a_page_can_hold_are_pictures() {
        assert_eq!(Image::new(png(640, 480)).map(|image| image.media_type), Ok("image/png"));
        assert_eq!(Image::new(png(limits::IMAGE_SIDE as u32 + 1, 1)), Err(ImageError::Side));
        assert_eq!(Image::new(png(0, 9)), Err(ImageError::Side));
        for other in
            [&b"<svg xmlns='http://www.w3.org/2000/svg'/>"[..], b"GIF89a\x09\0\x09\0", b"<html>", b"", b"\x89PNG"]
        {
            assert_eq!(Image::new(other.to_vec().into()), Err(ImageError::Kind), "{other:?}");
        }
        assert_eq!(Image::new(vec![0; limits::IMAGE_BYTES + 1].into()), Err(ImageError::Size));
    }

    #[test]
    fn a_picture_has_the_name_of_its_bytes() {
        let bytes = png(2, 2);
        let hash = ImageHash(Sha256::digest(&bytes).into());
        assert!(Image::named(hash, bytes.clone()).is_ok());
        assert_eq!(Image::named(ImageHash([0; 32]), bytes), Err(ImageError::Hash));
    }
}

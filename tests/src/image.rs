//! Images for tests: bytes that the server keeps as a picture's.

use inkwire_protocol::ImageHash;
use sha2::{Digest, Sha256};

/// The bytes of a PNG of so many bytes, and their hash. Images of different numbers are different. Only the head is that of
/// a PNG (PNG, third edition, section 11.2.1): the server reads no further.
pub fn png(length: usize, number: u32) -> (ImageHash, Vec<u8>) {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x09\0\0\0\x09\x08\x06\0\0\0\0\0\0\0".to_vec();
    bytes.extend(number.to_be_bytes());
    bytes.resize(length.max(bytes.len()), 7);
    (ImageHash(Sha256::digest(&bytes).into()), bytes)
}

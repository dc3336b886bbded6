//! The rows of pictures.

use inkwire_protocol::ImageHash;
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::storage::Image;

/// Keeps a picture, where all of them together are then at most so many bytes.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    hash: ImageHash,
    image: &Image,
    most: u64,
) -> rusqlite::Result<bool> {
    let is_there = "SELECT 1 FROM images WHERE hash = ?1";
    if transaction.query_row(is_there, [hash.0], |_| Ok(())).optional()?.is_some() {
        return Ok(true);
    }
    let kept: i64 = transaction.query_row("SELECT coalesce(sum(size), 0) FROM images", [], |row| row.get(0))?;
    let size = image.bytes.len() as i64;
    if (kept + size) as u64 > most {
        return Ok(false);
    }
    let insert = "INSERT INTO images (hash, size, media_type, bytes) VALUES (?1, ?2, ?3, ?4)";
    transaction.execute(insert, (hash.0, size, image.media_type, &image.bytes[..]))?;
    Ok(true)
}

/// A picture that is kept; one that the disk has damaged is none.
pub(super) fn find(connection: &Connection, hash: ImageHash) -> rusqlite::Result<Option<Image>> {
    let find = "SELECT bytes FROM images WHERE hash = ?1";
    let bytes = connection.query_row(find, [hash.0], |row| row.get::<_, Vec<u8>>(0)).optional()?;
    Ok(bytes.and_then(|bytes| Image::named(hash, bytes.into()).ok()))
}

/// The names of all pictures, as far as they can be read.
pub(super) fn names(connection: &Connection) -> Vec<ImageHash> {
    let names = || -> rusqlite::Result<Vec<ImageHash>> {
        let mut query = connection.prepare("SELECT hash FROM images")?;
        let rows = query.query_map([], |row| row.get(0).map(ImageHash))?;
        Ok(rows.map_while(Result::ok).collect())
    };
    names().unwrap_or_default()
}

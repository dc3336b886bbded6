//! The page's files: embedded in a release build, read from the disk in a debug build.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;

#[derive(rust_embed::RustEmbed)]
#[folder = "../static"]
struct Static;

/// A file of the page.
#[derive(Debug)]
pub struct Asset {
    /// Its bytes.
    pub bytes: Cow<'static, [u8]>,
    /// Its media type.
    pub media_type: &'static str,
    /// A strong validator for `ETag`, in quotes (RFC 9110 section 8.8.3).
    pub etag: String,
}

/// The file at a path below `static/`.
pub fn asset(path: &str) -> Option<Asset> {
    let media_type = media_type(path)?;
    let file = Static::get(path)?;
    let hash: String = file.metadata.sha256_hash()[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    Some(Asset { bytes: file.data, media_type, etag: format!("\"{hash}\"") })
}

impl Asset {
    /// The same file, packed by gzip (RFC 1952), with a validator of its own. It is packed once.
    #[must_use]
    pub fn packed(self) -> PackedAsset {
        /// Packed bytes by the validator of what they were packed from.
        static PACKED: LazyLock<Mutex<HashMap<String, Arc<[u8]>>>> = LazyLock::new(Mutex::default);
        let mut packed = PACKED.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = packed.entry(self.etag.clone()).or_insert_with(|| gzip(&self.bytes)).clone();
        PackedAsset { bytes, media_type: self.media_type, etag: self.etag.replacen('"', "\"gzip-", 1) }
    }
}

/// A file of the page, packed by gzip.
#[derive(Debug)]
pub struct PackedAsset {
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// The media type of what is packed.
    pub media_type: &'static str,
    /// As in [`Asset`].
    pub etag: String,
}

fn gzip(bytes: &[u8]) -> Arc<[u8]> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("Bug: memory takes everything");
    encoder.finish().expect("Bug: memory takes everything").into()
}

/// The media type of a file by its ending; what has none of these endings is not served.
fn media_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "webmanifest" => "application/json",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_file_is_the_same_file() {
        let whole = asset("index.html").unwrap();
        let (bytes, etag) = (whole.bytes.to_vec(), whole.etag.clone());
        let packed = whole.packed();
        let mut unpacked = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed.bytes[..]), &mut unpacked).unwrap();
        assert_eq!(unpacked, bytes);
        assert_ne!(packed.etag, etag, "another representation has another validator (RFC 9110 section 8.8.3)");
        assert!(packed.bytes.len() < bytes.len() / 2);
    }

    #[test]
    fn only_files_of_the_page_are_served() {
        assert!(asset("index.html").is_some());
        for path in ["../Cargo.toml", "..%2fCargo.toml", "nothing.js", "js", "", "/etc/passwd"] {
            assert!(asset(path).is_none(), "{path}");
        }
    }
}

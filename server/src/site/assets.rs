//! The page's files: embedded in a release build, read from the disk in a debug build.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use inkwire_protocol::hex;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

#[derive(rust_embed::RustEmbed)]
#[folder = "../static"]
struct Static;

/// A file of the page.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its media type.
    pub media_type: &'static str,
    /// A strong validator for `ETag`, in quotes (RFC 9110 section 8.8.3).
    pub etag: String,
}

/// The file at a path below `static/`.
pub fn asset(path: &str) -> Option<Asset> {
    let media_type = media_type(path)?;
    let file = Static::get(path)?;
    let etag = etag(media_type, file.metadata.sha256_hash());
    let bytes = match file.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Some(Asset { bytes, media_type, etag })
}

/// Returns the text of a script at a path below `static/`, without its comments.
pub(super) fn text(path: &str) -> Option<String> {
    let file = Static::get(path)?;
    std::str::from_utf8(&file.data).ok().map(without_comments)
}

/// Returns the validator of bytes with a hash. A page runs with all files of its version or with none of them: its validator changes
/// with each of them, and names the version for `static/offline.js`.
fn etag(media_type: &str, hash: [u8; 32]) -> String {
    let version = if media_type.starts_with("text/html") { format!("-{}", version()) } else { String::new() };
    format!("\"{}{version}\"", hexadecimal(hash))
}

/// The version of all files together.
pub(super) fn version() -> String {
    /// Embedded files do not change; files on the disk are read again each time.
    static EMBEDDED: LazyLock<String> = LazyLock::new(version_now);
    if cfg!(debug_assertions) { version_now() } else { EMBEDDED.clone() }
}

fn version_now() -> String {
    /// Bundles are made of the files by this code, so it is of their version too.
    static LINKER: LazyLock<[u8; 32]> = LazyLock::new(|| {
        Sha256::digest(concat!(include_str!("modules.rs"), include_str!("page.rs"), include_str!("assets.rs"))).into()
    });
    let files = Static::iter().filter_map(|path| Some((Static::get(&path)?.metadata.sha256_hash(), path)));
    version_of(files.chain([(*LINKER, "the linker".into())]))
}

fn version_of<'a>(files: impl Iterator<Item = ([u8; 32], Cow<'a, str>)>) -> String {
    let files: BTreeMap<_, _> = files.map(|(hash, path)| (path, hash)).collect();
    let mut all = Sha256::new();
    for (path, hash) in files {
        all.update(path.as_bytes());
        all.update(hash);
    }
    hexadecimal(all.finalize().into())
}

/// The first half of a hash.
fn hexadecimal(hash: [u8; 32]) -> String {
    hex::encode(&hash[..12])
}

impl Asset {
    /// Returns a file of the same type with other bytes, which were made of it.
    pub(super) fn with_text(&self, text: String) -> Self {
        let etag = etag(self.media_type, Sha256::digest(&text).into());
        Self { bytes: text.into(), media_type: self.media_type, etag }
    }

    /// The same file, packed by gzip (RFC 1952), with a validator of its own. It is packed once, and without the comments of a
    /// script or style sheet: they are a quarter of what would travel, and nobody reads them there.
    #[must_use]
    pub fn packed(self) -> PackedAsset {
        /// Packed bytes by the validator of what they were packed from.
        static PACKED: LazyLock<Mutex<HashMap<String, Bytes>>> = LazyLock::new(Mutex::default);
        let mut packed = PACKED.lock();
        let bytes = packed.entry(self.etag.clone()).or_insert_with(|| gzip(&self.without_comments())).clone();
        PackedAsset { bytes, media_type: self.media_type, etag: self.etag.replacen('"', "\"gzip-", 1) }
    }

    /// Its bytes with empty lines in place of those that are comment and nothing else, so that a line keeps its number.
    fn without_comments(&self) -> Cow<'_, [u8]> {
        let has_comments = self.media_type.starts_with("text/javascript") || self.media_type.starts_with("text/css");
        match std::str::from_utf8(&self.bytes) {
            Ok(text) if has_comments => Cow::Owned(without_comments(text).into_bytes()),
            _ => Cow::Borrowed(&self.bytes),
        }
    }
}

/// Leaves out `//` and `/* */` where they begin a line, and end one: what stands behind code may be part of a string. A text in
/// which code follows a comment of several lines is left as it is.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_within = false;
    for line in text.lines() {
        let trimmed = line.trim();
        let begins = !is_within && trimmed.starts_with("/*");
        let ends = trimmed.find("*/").map(|at| at + 2 == trimmed.len());
        if is_within && ends == Some(false) {
            return text.to_owned();
        }
        let is_comment = is_within || trimmed.starts_with("//") || (begins && ends != Some(false));
        is_within = (is_within || begins) && ends.is_none();
        out.push_str(if is_comment { "" } else { line });
        out.push('\n');
    }
    out
}

/// A file of the page, packed by gzip.
#[derive(Debug)]
pub struct PackedAsset {
    /// Its bytes.
    pub bytes: Bytes,
    /// The media type of what is packed.
    pub media_type: &'static str,
    /// As in [`Asset`].
    pub etag: String,
}

fn gzip(bytes: &[u8]) -> Bytes {
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
    fn comments_do_not_travel_and_lines_keep_their_numbers() {
        let text = "// a\nlet a = 1; // b\n  /** c\n   * d\n   */\nlet b = \"//\"; /* e */\n/* f */\n/* g */ let c;\n";
        let without = "\nlet a = 1; // b\n\n\n\nlet b = \"//\"; /* e */\n\n/* g */ let c;\n";
        assert_eq!(without_comments(text), without);
        let code_follows = "/* a\n */ let b;\n";
        assert_eq!(without_comments(code_follows), code_follows);
    }

    #[test]
    fn the_validator_of_a_page_names_the_version_of_all_its_files() {
        let tag = |path| asset(path).unwrap().etag;
        assert!(tag("index.html").ends_with(&format!("-{}\"", version())));
        assert!(tag("start.html").ends_with(&format!("-{}\"", version())));
        assert_ne!(tag("index.html"), tag("start.html"));
        assert!(!tag("style.css").contains('-'));
        let of =
            |files: &[(u8, &'static str)]| version_of(files.iter().map(|(byte, path)| ([*byte; 32], (*path).into())));
        assert_eq!(of(&[(1, "a"), (2, "b")]), of(&[(2, "b"), (1, "a")]), "the order does not count");
        assert_ne!(of(&[(1, "a"), (2, "b")]), of(&[(1, "a"), (3, "b")]), "the bytes do");
        assert_ne!(of(&[(1, "a"), (2, "b")]), of(&[(1, "a"), (2, "c")]), "the names do");
    }

    #[test]
    fn only_files_of_the_page_are_served() {
        assert!(asset("index.html").is_some());
        for path in ["../Cargo.toml", "..%2fCargo.toml", "nothing.js", "js", "", "/etc/passwd"] {
            assert!(asset(path).is_none(), "{path}");
        }
    }
}

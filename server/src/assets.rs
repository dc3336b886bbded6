//! The page's files: embedded in a release build, read from the disk in a debug build.

use std::borrow::Cow;

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
    fn only_files_of_the_page_are_served() {
        assert!(asset("index.html").is_some());
        for path in ["../Cargo.toml", "..%2fCargo.toml", "nothing.js", "js", "", "/etc/passwd"] {
            assert!(asset(path).is_none(), "{path}");
        }
    }
}

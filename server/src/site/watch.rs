//! In a debug build that `cargo xtask watch` runs: its script in the page. In a release build nothing of it is left.

/// Returns the origin of the reloading script and of its events.
#[cfg(debug_assertions)]
pub fn origin() -> Option<String> {
    std::env::var("INKWIRE_WATCH").ok().filter(|url| url.starts_with("http://127.0.0.1:"))
}

/// Nowhere.
#[cfg(not(debug_assertions))]
pub fn origin() -> Option<String> {
    None
}

/// The page with the script.
pub fn with_script(page: &[u8], origin: &str) -> Vec<u8> {
    let script = format!("<script src=\"{origin}/watch.js\" defer></script></head>");
    String::from_utf8_lossy(page).replacen("</head>", &script, 1).into_bytes()
}

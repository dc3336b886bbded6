//! Tools that a test needs and a machine may lack.

use std::io::Write;
use std::path::{Path, PathBuf};

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout").to_owned()
}

/// A new folder on the disk of the checkout, which a memory file system of `/tmp` is not. It lies in `target/`, so that git never
/// takes it.
///
/// # Panics
/// If it cannot be made.
pub fn folder_on_this_disk() -> tempfile::TempDir {
    let target = root().join("target");
    std::fs::create_dir_all(&target).expect("target/ can be made");
    tempfile::tempdir_in(target).expect("a folder on this disk")
}

/// The file of a program that is on the path; its name alone if it is not.
pub fn on_path(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.exists()).unwrap_or(program.into())
}

/// Whether the files or programs are there. Where one is missing, the test is skipped loudly; under `make test`, which
/// sets INKWIRE_REQUIRE_TOOLS, it fails.
///
/// # Panics
/// If one is missing under `make test`.
pub fn are_there(test: &str, needed: &[&Path]) -> bool {
    let Some(missing) = needed.iter().find(|path| !path.exists()) else { return true };
    let message = format!("{test} needs {}; `cargo xtask setup` installs it", missing.display());
    assert!(std::env::var_os("INKWIRE_REQUIRE_TOOLS").is_none(), "{message}");
    skipped(&message);
    false
}

/// Says loudly that a test is skipped: not by `eprintln!`, because what a passing test prints by that is not seen.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

//! File systems of a test's own: small ones that fill up, and one whose power can be cut. Needs root, as CI has it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A file system that is mounted as long as this lives.
#[derive(Debug)]
pub struct Mount {
    folder: TempDir,
    image: Option<PathBuf>,
}

/// Runs a program to its end; says whether it succeeded.
fn runs(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// Whether file systems can be mounted here. Where not, the test is skipped loudly; under `make test` run by root, which
/// can, it fails.
///
/// # Panics
/// If root cannot under `make test`.
pub fn can_mount(test: &str) -> bool {
    let can = Mount::tmpfs("1m").is_some();
    let is_root = rustix::process::geteuid().is_root();
    let must = std::env::var_os("INKWIRE_REQUIRE_TOOLS").is_some() && is_root;
    assert!(can || !must, "{test}: root cannot mount a file system");
    if !can {
        crate::tools::skipped(&format!("{test} mounts file systems, which only root may"));
    }
    can
}

impl Mount {
    /// A file system in memory of some size, such as `2m`; `None` where that is not allowed.
    pub fn tmpfs(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let path = folder.path().to_str()?;
        runs("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", path])
            .then_some(Self { folder, image: None })
    }

    /// An ext4 file system in an image file of so many megabytes; `None` where that is not allowed.
    pub fn ext4(image: &Path, megabytes: u64) -> Option<Self> {
        let file = fs::File::create(image).ok()?;
        file.set_len(megabytes * 1024 * 1024).ok()?;
        runs("mkfs.ext4", &["-q", "-F", image.to_str()?]).then_some(())?;
        Self::image(image)
    }

    /// The file system of an image file.
    pub fn image(image: &Path) -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        runs("mount", &["-o", "loop", image.to_str()?, folder.path().to_str()?])
            .then(|| Self { folder, image: Some(image.to_owned()) })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives a file system in memory another size.
    ///
    /// # Panics
    /// If that does not work.
    pub fn resize(&self, size: &str) {
        let path = self.path().to_str().expect("a path of letters");
        assert!(runs("mount", &["-o", &format!("remount,size={size}"), path]), "the file system is not resized");
    }

    /// What the device under an image has at this moment, as if the power was cut: what is still on its way to it is not
    /// in the copy. Nobody may write meanwhile.
    ///
    /// # Panics
    /// If the image cannot be copied.
    pub fn power_cut(&self, copy: &Path) {
        let image = self.image.as_ref().expect("a file system in an image");
        crate::patience::wait_until("the device has done what it was told", || in_flight(image) == 0);
        fs::copy(image, copy).expect("the image is copied");
    }
}

/// Requests that the loop device of an image is still working on.
fn in_flight(image: &Path) -> u64 {
    let output = Command::new("losetup").arg("--associated").arg(image).output().expect("losetup runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let device = text.split(':').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let text = fs::read_to_string(format!("/sys/block/{device}/inflight")).unwrap_or_default();
    text.split_whitespace().filter_map(|number| number.parse::<u64>().ok()).sum()
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Whoever still has a file open does not keep the folder from going.
        let _ = runs("umount", &["--lazy", self.folder.path().to_str().unwrap_or_default()]);
    }
}

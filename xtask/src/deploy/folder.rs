//! The folder of a deployment: written whole or not at all, and never over a file that is somebody else's.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use similar::TextDiff;

use super::render::{File, MARK};

/// Most files that are looked at in a folder; one with more is none of a deployment.
const MOST: usize = 10_000;

/// The folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// It need not be there.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Writes what is not as it should be; gives how many files that were.
    ///
    /// # Errors
    /// If it is no folder, cannot be written, or holds files that are not ours and nobody insists.
    pub(super) fn write(&self, files: &[File], insists: bool) -> anyhow::Result<usize> {
        let shown = self.path.display();
        if self.path.exists() && !self.path.is_dir() {
            bail!("{shown} is a file; --out takes a folder");
        }
        if let (Some(foreign), false) = (self.found()?.into_iter().find(|path| !is_ours(path)), insists) {
            bail!("{} was not written by this command; take another folder, or --force", foreign.display());
        }
        // All are there before the first takes its place, so what can fail has failed by then; each is renamed, so whoever
        // reads meanwhile sees the one or the other.
        let mut new = Vec::new();
        for file in files {
            let path = self.path.join(&file.path);
            if fs::read_to_string(&path).is_ok_and(|text| text == file.text) {
                continue;
            }
            let folder = path.parent().context("Bug: a file lies in a folder")?;
            fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
            let write = || -> std::io::Result<_> {
                let mut new = tempfile::Builder::new().permissions(readable()).tempfile_in(folder)?;
                new.write_all(file.text.as_bytes())?;
                Ok(new)
            };
            new.push((write().with_context(|| format!("{} cannot be written", path.display()))?, path));
        }
        let written = new.len();
        for (file, path) in new {
            file.persist(&path).with_context(|| format!("{} cannot be put in place", path.display()))?;
        }
        Ok(written)
    }

    /// What differs, as unified differences.
    ///
    /// # Errors
    /// If a file is there and cannot be read.
    pub(super) fn differences(&self, files: &[File]) -> anyhow::Result<Vec<String>> {
        let mut all = Vec::new();
        for file in files {
            let path = self.path.join(&file.path);
            let there = match fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
                Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
            };
            if there != file.text {
                let name = path.display().to_string();
                let difference = TextDiff::from_lines(&there, &file.text);
                all.push(difference.unified_diff().header(&name, "as it should be").to_string());
            }
        }
        Ok(all)
    }

    /// Files that are ours and none of these.
    pub(super) fn left(&self, files: &[File]) -> Vec<PathBuf> {
        let known: Vec<PathBuf> = files.iter().map(|file| self.path.join(&file.path)).collect();
        let found = self.found().unwrap_or_default();
        found.into_iter().filter(|path| is_ours(path) && !known.contains(path)).collect()
    }

    fn found(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut all = Vec::new();
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error).with_context(|| format!("{} cannot be read", folder.display())),
            };
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else {
                    all.push(entry.path());
                }
            }
            if all.len() + folders.len() > MOST {
                bail!("{} has more than {MOST} files; it is no folder of a deployment", self.path.display());
            }
        }
        all.sort();
        Ok(all)
    }
}

fn readable() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

/// Whether a file says in its first lines that this command has written it.
fn is_ours(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.lines().take(2).any(|line| line.contains(MARK)))
}

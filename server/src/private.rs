//! Files and directories that are the operator's own: who else may read them, and what is done then.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use clap::ValueEnum;

/// Permissions of the group and of all others.
const OTHERS: u32 = 0o077;

/// The treatment of a file that others may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wider {
    /// It is used, and the log has a warning.
    Warn,
    /// It is not used, and the server does not start.
    Refuse,
}

/// Looks at who may read a file, or enter a directory.
///
/// # Errors
/// If it is not there, or where others may and that is to be refused.
pub(crate) fn check(path: &Path, wider: Wider) -> anyhow::Result<()> {
    let mode = fs::metadata(path).with_context(|| path.display().to_string())?.permissions().mode() & 0o777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let path = path.display();
    let words = format!("{path}: its mode {mode:04o} lets others in; chmod go= {path}");
    match wider {
        Wider::Refuse => bail!("{words}, or give --private-files warn"),
        Wider::Warn => tracing::warn!("{words}"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_may_read_is_refused_where_it_is_to_be() {
        let file = std::env::temp_dir().join(format!("inkwire-private-{}", std::process::id()));
        fs::write(&file, "").unwrap();
        for (mode, is_private) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o644, false)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(check(&file, Wider::Refuse).is_ok(), is_private, "{mode:o}");
            assert!(check(&file, Wider::Warn).is_ok());
        }
        fs::remove_file(&file).unwrap();
        assert!(check(&file, Wider::Warn).is_err());
    }
}

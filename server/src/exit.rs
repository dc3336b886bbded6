//! Exit codes of the `inkwire` binary.

use std::process::ExitCode;

/// Exit codes of the process; the numbers are part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// A clean stop.
    Clean = 0,
    /// Something failed; one line on standard error says what.
    Failure = 1,
    /// The command line is wrong; clap has said how.
    Usage = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

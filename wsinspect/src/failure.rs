//! The ends of a command, and the exit code of each.

use std::io::{self, Write};
use std::process::ExitCode;

/// A command has done what it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// And that was all.
    Done,
    /// Something that was expected does not hold.
    Unmet,
    /// A rule was broken, and that was to be an error.
    Violation,
    /// It was interrupted.
    Interrupted,
}

/// Why it has not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments ask for something that cannot be done.
    #[error("{0}")]
    Usage(String),
    /// An address that cannot be connected to, or listened on.
    #[error("{0}")]
    Unreachable(String),
    /// TLS.
    #[error("{0}")]
    Tls(String),
    /// The server has refused, or has answered what is no WebSocket.
    #[error("{0}")]
    Refused(String),
    /// The connection ended without a close frame, or with an unexpected code.
    #[error("{0}")]
    Abnormal(String),
    /// Something was waited for in vain.
    #[error("{0}")]
    TimeOut(String),
    /// A file, or what was read from it.
    #[error("{0}")]
    Input(String),
    /// Reading or writing.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Failure {
    /// A local file, or what was read from it, is not what it should be.
    pub(crate) fn input(error: impl ToString) -> Self {
        Self::Input(error.to_string())
    }

    /// The same, with what it was about before it.
    pub(crate) fn about(self, what: &str) -> Self {
        match self {
            Self::Refused(words) => Self::Refused(format!("{what}: {words}")),
            other => other,
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Tls(_) => 4,
            Self::Refused(_) => 5,
            Self::Abnormal(_) => 7,
            Self::TimeOut(_) => 8,
            Self::Input(_) | Self::Io(_) => 9,
        }
    }
}

/// Says what failed, in one line, and gives the exit code.
pub(crate) fn end(result: Result<Outcome, Failure>) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Unmet) => ExitCode::from(1),
        Ok(Outcome::Violation) => ExitCode::from(6),
        Ok(Outcome::Interrupted) => ExitCode::from(130),
        // Whoever reads our output has had enough: a quiet end.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("wsinspect: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

/// Says something on standard error; that nobody listens there is no reason to end.
pub(crate) fn say(words: &str) {
    let _ = writeln!(io::stderr(), "wsinspect: {words}");
}

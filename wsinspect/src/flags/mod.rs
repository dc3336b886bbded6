//! Flags that several commands share.

pub(crate) mod look;
pub(crate) mod reach;

use clap::ValueEnum;
use wsinspect::frame::Sender;

/// Who sent some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    Client,
    Server,
}

impl From {
    pub(crate) fn sender(self) -> Sender {
        match self {
            Self::Client => Sender::Client,
            Self::Server => Sender::Server,
        }
    }
}

/// What a broken rule is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Severity {
    Off,
    Warn,
    Error,
}

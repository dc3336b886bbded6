//! Sockets, files, programs and the terminal, as the commands use them.

pub(crate) mod accept;
pub(crate) mod halves;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod peer;
pub(crate) mod program;
pub(crate) mod recording;
pub(crate) mod route;
pub(crate) mod terminal;
pub(crate) mod tls;

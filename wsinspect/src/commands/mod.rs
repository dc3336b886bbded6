//! The commands, each with its arguments.

pub(crate) mod connect;
pub(crate) mod convert;
pub(crate) mod decode;
pub(crate) mod doctor;
pub(crate) mod listen;
pub(crate) mod ping;
pub(crate) mod proxy;
pub(crate) mod replay;
pub(crate) mod show;
pub(crate) mod test;

//! Boards as an operator manages them: by the command line, over a socket to a running server, and by the admin API.

pub mod admin;
pub mod boards;
pub mod control;
pub mod order;

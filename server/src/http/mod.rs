//! HTTP/1.1: reads a request head with limits, checks it, lets async-h1 parse it from memory, and writes replies.
//!
//! async-h1 never sees a socket: it would panic on a non-ASCII header, buffer an endless line, drop the bytes behind
//! the head and answer nothing to a bad request.

mod head;
mod host;
mod origin;
mod reply;
mod requests;
mod send;
mod upgrade;

pub use head::{Head, HeadError};
pub use host::{Hosts, PublicUrl};
pub use http_types::StatusCode;
pub use origin::Origin;
pub use reply::Reply;
pub use requests::Requests;
pub use send::{send, send_reply};
pub use upgrade::{Upgrade, UpgradeError, upgrade};

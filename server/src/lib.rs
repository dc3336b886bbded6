//! The Inkwire server: HTTP, WebSocket connections, rooms and storage.
//!
//! Layers, each importing only those below it: [`serve`] puts everything together; [`operate`] is the operator's side, [`site`] what lives
//! at which path; [`rooms`] is the drawing service, [`storage`] where it keeps its boards; [`ws`] moves messages and knows nothing of
//! boards; [`http`] reads and answers requests; [`net`] has the sockets and the threads. Protocol, board, frame and room are crates.

pub mod cli;
pub mod client;
mod descriptors;
pub mod exit;
mod export;
pub mod health;
pub mod http;
mod in_flight;
mod log;
pub mod metrics;
pub mod name;
pub mod net;
mod notify;
pub mod operate;
mod private;
pub mod random;
pub mod rooms;
pub mod serve;
pub mod site;
pub mod storage;
pub mod ws;

//! The Inkwire server: HTTP, WebSocket connections, rooms and storage.
//!
//! Layers, each importing only those below it: [`serve`] puts everything together; [`site`] says what lives at which
//! path; [`rooms`] is the drawing service, [`storage`] where it keeps its boards; [`ws`] moves messages and knows nothing of boards; [`http`] reads and answers
//! requests; [`listen`] accepts sockets, [`worker`] runs what they need. Protocol and board are crates of their own.

pub mod admin;
pub mod assets;
pub mod boards;
pub mod cli;
pub mod control;
pub mod descriptors;
pub mod exit;
pub mod export;
pub mod guest;
pub mod health;
pub mod http;
pub mod in_flight;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod name;
pub mod notify;
pub mod order;
pub mod private;
pub mod random;
mod reactor;
pub mod rooms;
pub mod serve;
pub mod site;
pub mod socket;
pub mod storage;
mod timers;
pub mod wakeup;
pub mod watch;
pub mod worker;
pub mod ws;

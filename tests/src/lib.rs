//! The harness: starts servers, drives clients, runs scenario scripts, generates load.

pub mod chaos;
pub mod client;
pub mod dice;
pub mod echo;
pub mod fanout;
pub mod image;
pub mod inspected;
pub mod mount;
pub mod pairs;
pub mod patience;
pub mod pen;
pub mod proxy;
pub mod raw;
pub mod scenario;
pub mod server;
pub mod simulation;
pub mod stored;
pub mod tools;
pub mod traffic;
pub mod turned;

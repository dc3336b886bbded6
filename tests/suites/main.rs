//! The tests that need the whole house, in one binary.

/// Access to boards, and hosts.
mod access;
/// The operator's API.
mod admin;
/// Amplification: the cost of messages and requests.
mod amplification;
/// The imports of the Rust code.
mod arrows;
/// The operator's commands for boards.
mod boards;
/// The page in a real browser, and its units in Node. It takes longest, so its name lets it begin early (tests go by name).
mod browser;
/// Kills and cuts.
mod chaos;
/// The command line: help, flags, exit codes.
mod command_line;
/// The Autobahn test suite.
mod conformance;
/// The cost of ink on the wire, and of a member that never reads.
mod costs;
/// Databases, logs and locks that are damaged, removed or put in place of others.
mod damage;
/// `cargo xtask gen-deploy`.
mod deploy;
/// Disks, files, power, clocks and descriptors that fail.
mod disk;
/// Durability: ink stays, whatever happens to server and disk.
mod durable;
/// Faults of the programs that this one follows.
mod faults;
/// `inkwire draw` and `inkwire watch`.
mod guest;
/// Random histories of a room.
mod histories;
/// Malformed HTTP, frames and packets, and everybody else undisturbed.
mod hostile;
/// `cargo xtask leakcheck`.
mod leakcheck;
/// The limits of the operator.
mod limits;
/// Random operations of several people: those of the tests of the board.
#[allow(dead_code, missing_docs, unreachable_pub)]
#[path = "../../server/board/tests/session.rs"]
mod people;
/// Joining, leaving, resuming, presence, shutting down.
mod rooms;
/// Scenario scripts against the board alone and over sockets.
mod scenarios;
/// The WebSocket service layer by itself.
mod service;
/// House rules that a test can hold.
mod tidy;
/// Parts of the page that have a twin in Rust.
mod twins;
/// `cargo xtask watch`.
mod watch;

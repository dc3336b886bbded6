//! Sockets and the threads that serve them. Nothing in here knows a protocol.
//!
//! `wakeup` wakes a task, `reactor` watches sockets by epoll, `timers` moments; `socket` is a connected one, `listen` accepts them,
//! and `worker` is a thread that runs the connections of a listener.

pub mod listen;
mod reactor;
pub mod socket;
pub(crate) mod timers;
pub mod wakeup;
pub mod worker;

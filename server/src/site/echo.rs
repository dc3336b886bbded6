//! The service behind `/echo`.

use crate::ws::{Handle, Message, Service};

/// Sends every message back, as `examples/echo.rs` does.
#[derive(Debug)]
pub struct Echo;

impl Service for Echo {
    type Data = ();

    fn on_message(&self, handle: &Handle<Self>, message: Message<'_>) {
        // A peer that is gone needs no answer, and one that does not read is not read from either.
        let _ = handle.write(message);
    }
}

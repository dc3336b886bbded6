//! A service: what a program does with its connections; and the session that puts one on a connection.

use super::handle::Handle;
use super::{Close, Message, Outgoing, Session};
use crate::http::{Head, Reply};

/// The handlers of a program for its WebSocket connections. Handlers run on the connection's task, so they must not block: who
/// does holds up every connection of its worker thread. One that panics ends its connection with 1011, and no other.
pub trait Service: Send + Sync + Sized + 'static {
    /// The data of each connection; see [`Handle::with_data`].
    type Data: Default + Send + 'static;

    /// The sub-protocols that are spoken (RFC 6455 section 1.9): the first of a client's that is among them is agreed on,
    /// and a client that offers only others is refused with 400. With none, what a client offers is passed over.
    fn protocols(&self) -> &[&'static str] {
        &[]
    }

    /// Whether a request may be upgraded; the reply that refuses it otherwise. The handshake itself has been checked.
    ///
    /// # Errors
    /// Any HTTP reply.
    fn on_upgrade(&self, _request: &Head) -> Result<(), Reply> {
        Ok(())
    }

    /// The connection is open.
    fn on_open(&self, _handle: &Handle<Self>) {}

    /// A message has come.
    fn on_message(&self, handle: &Handle<Self>, message: Message<'_>);

    /// Everything that was written is in the kernel's hands.
    fn on_ready(&self, _handle: &Handle<Self>) {}

    /// The server stops. What is written now is still delivered before the close.
    fn on_shutdown(&self, _handle: &Handle<Self>) {}

    /// The connection is over: once for each [`Service::on_open`], also when a handler has panicked. With the peer's close
    /// code, or ours, or 1006 (RFC 6455 section 7.1.5).
    fn on_close(&self, _handle: &Handle<Self>, _close: &Close) {}
}

/// A service's session on one connection.
#[derive(Debug)]
pub struct ServiceSession<S: Service> {
    handle: Handle<S>,
    /// Something was given since the service was last told that all is out.
    has_given: bool,
}

impl<S: Service> ServiceSession<S> {
    pub(super) fn new(handle: Handle<S>) -> Self {
        Self { handle, has_given: false }
    }

    fn service(&self) -> &S {
        self.handle.hub().service()
    }
}

impl<S: Service> Session for ServiceSession<S> {
    fn on_open(&mut self) {
        self.handle.hub().enter(&self.handle);
        self.service().on_open(&self.handle);
    }

    fn on_message(&mut self, message: Message<'_>) -> Result<(), Close> {
        self.service().on_message(&self.handle, message);
        Ok(())
    }

    /// A peer that does not read what it is answered is not read from either.
    fn is_saturated(&self) -> bool {
        self.handle.is_half_full()
    }

    fn pull(&mut self, out: &mut Outgoing) {
        if self.has_given && out.is_empty() {
            self.has_given = false;
            self.service().on_ready(&self.handle);
        }
        self.has_given |= self.handle.pull(out);
    }

    fn on_ending(&mut self) {
        self.handle.begin_ending();
    }

    fn wants_close(&mut self) -> Option<Close> {
        self.handle.due_close()
    }

    fn on_shutdown(&mut self) {
        self.service().on_shutdown(&self.handle);
    }

    fn on_close(&mut self, close: &Close) {
        self.handle.end();
        self.handle.hub().leave(&self.handle);
        self.service().on_close(&self.handle, close);
    }
}

//! All connections of one service, and its channels.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::handle::Handle;
use super::service::{Service, ServiceSession};
use super::{Message, Settings};
use crate::net::wakeup::Wakeup;
use inkwire_frame::{Opcode, frame};
use parking_lot::{Mutex, MutexGuard};
use wildmatch::WildMatch;

/// A service with its connections and channels. Cheap to clone.
pub struct Hub<S: Service> {
    shared: Arc<Shared<S>>,
}

struct Shared<S: Service> {
    service: S,
    state: Mutex<State<S>>,
}

struct State<S: Service> {
    open: HashMap<u64, Handle<S>>,
    /// Subscriptions to channels by their exact name: connection ids.
    exact: HashMap<String, Vec<u64>>,
    /// Subscriptions to patterns.
    patterns: HashMap<String, Vec<u64>>,
}

impl<S: Service> Clone for Hub<S> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<S: Service> fmt::Debug for Hub<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("count", &self.count()).finish_non_exhaustive()
    }
}

impl<S: Service> Hub<S> {
    /// A service without connections yet.
    pub fn new(service: S) -> Self {
        let state = State { open: HashMap::new(), exact: HashMap::new(), patterns: HashMap::new() };
        Self { shared: Arc::new(Shared { service, state: Mutex::new(state) }) }
    }

    /// The service.
    pub fn service(&self) -> &S {
        &self.shared.service
    }

    /// The session of a new connection, for [`super::serve`]: with the peer's address, the sub-protocol that was agreed
    /// on, and the head of the request ([`crate::http::Head::text`]).
    pub fn session(
        &self,
        id: u64,
        wakeup: Arc<Wakeup>,
        (peer, protocol, request): (Option<SocketAddr>, Option<&'static str>, Arc<str>),
        settings: &Settings,
    ) -> ServiceSession<S> {
        ServiceSession::new(Handle::new(self.clone(), id, wakeup, (peer, protocol, request), settings.max_outgoing))
    }

    /// Returns the number of open connections.
    pub fn count(&self) -> usize {
        self.state().open.len()
    }

    /// Does something with every connection but one: the originator, or nobody.
    pub fn each(&self, but: Option<&Handle<S>>, mut act: impl FnMut(&Handle<S>)) {
        let handles: Vec<_> = self.state().open.values().cloned().collect();
        handles.iter().filter(|handle| Some(*handle) != but).for_each(&mut act);
    }

    /// From now on a connection gets what is published on a channel.
    /// A connection that has closed gets nothing any more.
    pub fn subscribe(&self, handle: &Handle<S>, channel: &str) {
        let mut state = self.state();
        if state.open.contains_key(&handle.id()) {
            add(&mut state.exact, channel, handle.id());
        }
    }

    /// Subscribes a connection to every channel that a pattern matches: `*` stands for any characters, `?` for one.
    pub fn subscribe_matching(&self, handle: &Handle<S>, pattern: &str) {
        let mut state = self.state();
        if state.open.contains_key(&handle.id()) {
            add(&mut state.patterns, pattern, handle.id());
        }
    }

    /// Ends a subscription, to a channel or to a pattern. Closing ends all of a connection.
    pub fn unsubscribe(&self, handle: &Handle<S>, name: &str) {
        let mut state = self.state();
        remove(&mut state.exact, name, handle.id());
        remove(&mut state.patterns, name, handle.id());
    }

    /// Sends a message to everybody who has subscribed to a channel, once each, and says to how many. It is encoded once,
    /// and its bytes are shared. Text is text because its type says so; a connection on which too much waits misses it.
    pub fn publish(&self, channel: &str, message: Message<'_>) -> usize {
        let frame = match message {
            Message::Text(text) => frame(Opcode::Text, text.as_bytes()),
            Message::Binary(bytes) => frame(Opcode::Binary, bytes),
        };
        let handles = self.subscribers(channel);
        handles.iter().filter(|handle| handle.write_frame(frame.clone()).is_ok()).count()
    }

    fn subscribers(&self, channel: &str) -> Vec<Handle<S>> {
        let state = self.state();
        let matching = state.patterns.iter().filter(|(pattern, _)| WildMatch::new(pattern).matches(channel));
        let mut ids: Vec<u64> = matching.flat_map(|(_, ids)| ids).copied().collect();
        ids.extend(state.exact.get(channel).into_iter().flatten());
        ids.sort_unstable();
        ids.dedup();
        ids.iter().filter_map(|id| state.open.get(id).cloned()).collect()
    }

    pub(super) fn enter(&self, handle: &Handle<S>) {
        self.state().open.insert(handle.id(), handle.clone());
    }

    pub(super) fn leave(&self, handle: &Handle<S>) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.open.remove(&handle.id());
        for subscriptions in [&mut state.exact, &mut state.patterns] {
            subscriptions.retain(|_, ids| {
                ids.retain(|id| *id != handle.id());
                !ids.is_empty()
            });
        }
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.shared.state.lock()
    }
}

fn add(subscriptions: &mut HashMap<String, Vec<u64>>, name: &str, id: u64) {
    let ids = subscriptions.entry(name.to_owned()).or_default();
    if !ids.contains(&id) {
        ids.push(id);
    }
}

fn remove(subscriptions: &mut HashMap<String, Vec<u64>>, name: &str, id: u64) {
    if let Some(ids) = subscriptions.get_mut(name) {
        ids.retain(|one| *one != id);
        if ids.is_empty() {
            subscriptions.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let matches = |pattern: &str, name: &str| WildMatch::new(pattern).matches(name);
        for (pattern, name) in
            [("a", "a"), ("*", ""), ("*", "ab"), ("a*c", "abbc"), ("?b*", "ab"), ("*a*b*", "xaxbx"), ("b?rd", "børd")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "ab"), ("", "a"), ("?", ""), ("a*c", "abcd"), ("*a", "b")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(30), &"a".repeat(29)), "and quickly");
    }
}

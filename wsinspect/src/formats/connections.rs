//! Many connections at once: what passes, or was recorded of them, to what is to be told of each.

use std::collections::BTreeMap;

use crate::formats::json::{Recorded, Stamp};
use crate::frame::Sender;
use crate::tap::{Event, Limits, Tap};

/// Takes an event; with a handshake also where the connection goes.
pub type Each<'a> = dyn FnMut(&Stamp, Option<&str>, &Event) + 'a;

/// All connections of a proxy or of a recording.
#[derive(Debug)]
pub struct Connections {
    limits: Limits,
    /// The target of all of them; if it is not known, that of the Host header.
    origin: Option<String>,
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    tap: Tap,
    last: Stamp,
    ended: u8,
}

impl Connections {
    /// Of each connection as much is kept as the limits say. `origin` is what all of them lead to, such as `ws://HOST`.
    pub fn new(limits: Limits, origin: Option<String>) -> Self {
        Self { limits, origin, open: BTreeMap::new() }
    }

    /// Takes the next thing that has happened. Of a connection whose end is not among it none is told.
    pub fn take(&mut self, stamp: Stamp, recorded: Recorded, each: &mut Each<'_>) {
        let number = stamp.connection;
        match recorded {
            Recorded::Handshake(handshake, url) => {
                self.open.insert(number, Open::new(Tap::opened(self.limits, &handshake.agreed), stamp));
                each(&stamp, url.as_deref(), &Event::Handshake(handshake));
            }
            Recorded::Body(body) => each(&stamp, None, &Event::Body(body)),
            Recorded::Frame(sender, frame) => {
                let opened = || Open::new(Tap::opened(self.limits, &Default::default()), stamp);
                let open = self.open.entry(number).or_insert_with(opened);
                open.last = stamp;
                open.tap.frame(sender, frame, &mut |event| each(&stamp, None, &event));
            }
            Recorded::Bytes(sender, bytes) => self.bytes(stamp, sender, &bytes, each),
            Recorded::Over => _ = self.open.remove(&number),
            Recorded::Closed => {
                if let Some(open) = self.open.remove(&number) {
                    Open { last: stamp, ..open }.end(each);
                }
            }
        }
    }

    fn bytes(&mut self, stamp: Stamp, sender: Sender, bytes: &[u8], each: &mut Each<'_>) {
        let open = self.open.entry(stamp.connection).or_insert_with(|| Open::new(Tap::new(self.limits), stamp));
        open.last = stamp;
        let mut told = |event| match &event {
            Event::Handshake(handshake) => {
                let request = &handshake.request;
                let host = || format!("ws://{}", request.get("Host").unwrap_or("-"));
                let url = format!("{}{}", self.origin.clone().unwrap_or_else(host), request.target());
                each(&stamp, Some(&url), &event);
            }
            _ => each(&stamp, None, &event),
        };
        if !bytes.is_empty() {
            return open.tap.push(sender, bytes, &mut told);
        }
        open.tap.finish(sender, &mut told);
        open.ended += 1;
        if open.ended == 2 {
            self.open.remove(&stamp.connection);
        }
    }
}

impl Open {
    fn new(tap: Tap, last: Stamp) -> Self {
        Self { tap, last, ended: 0 }
    }

    fn end(mut self, each: &mut Each<'_>) {
        for sender in [Sender::Client, Sender::Server] {
            self.tap.finish(sender, &mut |event| each(&self.last, None, &event));
        }
    }
}

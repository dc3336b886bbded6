//! Both directions of one connection: from the bytes that pass to what is to be told of them.

use crate::frame::deflate::Inflate;
use crate::frame::lint::{Lint, Seen};
use crate::frame::{Frame, Frames, Opcode, Rest, Sender, close};
use crate::handshake::{Agreed, Head, HeadError, Refusal, check};

/// Bytes of a reply's body that are kept, where the server does not switch protocols.
const BODY: usize = 16 * 1024;
/// Bytes of a client that does not wait for the handshake's end.
const EAGER: usize = 1024 * 1024;

/// The limits of a connection's memory.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of each payload.
    pub keep: usize,
    /// Maximum bytes of an inflated message.
    pub inflate: u64,
}

/// An event of a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Both heads have passed.
    Handshake(Box<Handshake>),
    /// The body of a reply that is no 101, as far as it is kept.
    Body(Vec<u8>),
    /// A frame has come to its end.
    Frame {
        /// Its sender.
        sender: Sender,
        /// The frame.
        frame: Frame,
        /// The findings about it.
        seen: Seen,
    },
    /// A direction has ended in the middle of a frame.
    CutOff {
        /// Whose.
        sender: Sender,
        /// Its bytes, as far as they came.
        rest: Rest,
    },
    /// Both directions have ended, after a handshake.
    Closed(Closed),
    /// A direction does not begin with a head; nothing of it is looked at.
    NotHttp {
        /// Whose.
        sender: Sender,
        /// Why not.
        error: HeadError,
    },
}

/// A request and its response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handshake {
    /// The request.
    pub request: Head,
    /// The response.
    pub response: Head,
    /// The outcome of the handshake.
    pub agreed: Agreed,
    /// Why it opens no WebSocket.
    pub refusal: Option<Refusal>,
}

/// The end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The sender of the first close frame; `None` if there was none.
    pub by: Option<Sender>,
    /// Its code; 1005 where it has none. Without a close frame 1006, which is never sent: it is what we say.
    pub code: u16,
    /// Its reason.
    pub reason: String,
    /// Both sides sent a close frame.
    pub is_clean: bool,
}

/// One direction.
#[derive(Debug)]
enum Side {
    /// The head is coming; of the client also what it sent behind it, until the response is there.
    Head(Vec<u8>),
    /// Frames.
    Frames { frames: Frames, lint: Box<Lint> },
    /// A body that is not looked into.
    Body(Vec<u8>),
    /// Nothing that is looked at.
    Ignored,
}

/// Looks at the bytes of a connection as they pass. What it holds is bounded by [`Limits`].
#[derive(Debug)]
pub struct Tap {
    limits: Limits,
    client: Side,
    server: Side,
    request: Option<Head>,
    closed: Closed,
    /// The sides that have ended before the handshake was done.
    early: Vec<Sender>,
    /// Directions that carry frames.
    open: u8,
}

impl Tap {
    /// For a connection that begins with its handshake.
    pub fn new(limits: Limits) -> Self {
        let (client, server) = (Side::Head(Vec::new()), Side::Head(Vec::new()));
        let closed = Closed { by: None, code: 1006, reason: String::new(), is_clean: false };
        Self { limits, client, server, request: None, closed, early: Vec::new(), open: 0 }
    }

    /// For a connection whose handshake is known already.
    pub fn opened(limits: Limits, agreed: &Agreed) -> Self {
        let mut tap = Self::new(limits);
        tap.open(agreed);
        tap
    }

    /// The client's head, once it has come.
    pub fn request(&self) -> Option<&Head> {
        self.request.as_ref()
    }

    fn open(&mut self, agreed: &Agreed) {
        let Limits { keep, inflate } = self.limits;
        let side = |sender| {
            let deflate = agreed.deflate.map(|deflate| deflate.of(sender));
            let inflate = deflate.map(|(keeps, _)| Inflate::new(keeps, keep, inflate));
            Side::Frames { frames: Frames::new(keep), lint: Box::new(Lint::new(Some(sender), inflate)) }
        };
        (self.client, self.server) = (side(Sender::Client), side(Sender::Server));
        self.open = 2;
    }

    fn side(&mut self, sender: Sender) -> &mut Side {
        self.side_and_end(sender).0
    }

    /// A direction, and the end that its close frames make.
    fn side_and_end(&mut self, sender: Sender) -> (&mut Side, &mut Closed) {
        let side = match sender {
            Sender::Client => &mut self.client,
            Sender::Server => &mut self.server,
        };
        (side, &mut self.closed)
    }

    /// Looks at bytes of one direction.
    pub fn push(&mut self, sender: Sender, bytes: &[u8], each: &mut dyn FnMut(Event)) {
        let (side, closed) = self.side_and_end(sender);
        match side {
            Side::Frames { frames, lint } => frames.push(bytes, |frame| closed.tell(sender, lint, frame, each)),
            Side::Body(body) => body.extend(bytes.iter().take(BODY - body.len().min(BODY))),
            Side::Head(head) => {
                head.extend_from_slice(bytes);
                if let Err(error) = self.read_heads(each) {
                    *self.side(sender) = Side::Ignored;
                    each(Event::NotHttp { sender, error });
                }
            }
            Side::Ignored => {}
        }
    }

    /// Looks at a frame that was cut out already, as by a recording.
    pub fn frame(&mut self, sender: Sender, frame: Frame, each: &mut dyn FnMut(Event)) {
        if let (Side::Frames { lint, .. }, closed) = self.side_and_end(sender) {
            closed.tell(sender, lint, frame, each);
        }
    }

    /// The client's head is read first: without it the server's cannot be judged.
    fn read_heads(&mut self, each: &mut dyn FnMut(Event)) -> Result<(), HeadError> {
        let (Side::Head(of_client), Side::Head(of_server)) = (&mut self.client, &mut self.server) else {
            return Ok(());
        };
        if of_client.len().max(of_server.len()) > EAGER {
            return Err(HeadError::TooLong);
        }
        if self.request.is_none() {
            let Some((request, length)) = Head::request(of_client)? else { return Ok(()) };
            of_client.drain(..length);
            self.request = Some(request);
        }
        let Some((response, length)) = Head::response(of_server)? else { return Ok(()) };
        let (eager, behind) = (std::mem::take(of_client), of_server.split_off(length));
        let request = self.request.clone().unwrap_or_default();
        let (agreed, refusal) = check(&request, &response);
        if response.status() == 101 {
            self.open(&agreed);
        } else {
            (self.client, self.server) = (Side::Ignored, Side::Body(Vec::new()));
        }
        each(Event::Handshake(Box::new(Handshake { request, response, agreed, refusal })));
        self.push(Sender::Client, &eager, each);
        self.push(Sender::Server, &behind, each);
        std::mem::take(&mut self.early).into_iter().for_each(|sender| self.finish(sender, each));
        Ok(())
    }

    /// A direction has ended.
    pub fn finish(&mut self, sender: Sender, each: &mut dyn FnMut(Event)) {
        if let Side::Head(_) = self.side(sender) {
            return self.early.push(sender);
        }
        match std::mem::replace(self.side(sender), Side::Ignored) {
            Side::Frames { frames, .. } => {
                match frames.finish() {
                    Rest::Nothing => {}
                    rest => each(Event::CutOff { sender, rest }),
                }
                self.open -= 1;
                if self.open == 0 {
                    each(Event::Closed(self.closed.clone()));
                }
            }
            Side::Body(body) => each(Event::Body(body)),
            Side::Head(_) | Side::Ignored => {}
        }
    }
}

impl Closed {
    fn tell(&mut self, sender: Sender, lint: &mut Lint, frame: Frame, each: &mut dyn FnMut(Event)) {
        if frame.header.opcode == Opcode::CLOSE {
            match self.by {
                None => {
                    let (code, reason) = close::parse(&frame.payload).unwrap_or((1005, &[]));
                    let reason = String::from_utf8_lossy(reason).into_owned();
                    *self = Self { by: Some(sender), code, reason, is_clean: false };
                }
                Some(by) => self.is_clean |= by != sender,
            }
        }
        let seen = lint.check(&frame);
        each(Event::Frame { sender, frame, seen });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { keep: 1000, inflate: 1000 };
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    const HELLO: &[u8] = &[0xc1, 0x07, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

    fn told(pieces: &[(Sender, &[u8])]) -> Vec<Event> {
        let (mut tap, mut all) = (Tap::new(LIMITS), Vec::new());
        for (sender, bytes) in pieces {
            tap.push(*sender, bytes, &mut |event| all.push(event));
        }
        for sender in [Sender::Client, Sender::Server] {
            tap.finish(sender, &mut |event| all.push(event));
        }
        all
    }

    #[test]
    fn a_connection_is_its_handshake_and_its_frames_however_its_bytes_are_cut() {
        let bytes = [RESPONSE, HELLO, HELLO].concat();
        let whole = told(&[(Sender::Client, REQUEST), (Sender::Server, &bytes)]);
        assert!(matches!(&whole[0], Event::Handshake(handshake) if handshake.refusal.is_none()));
        let inflated = |event: &Event| match event {
            Event::Frame { seen, .. } => seen.inflated.as_ref().map(|message| message.kept.clone()),
            _ => None,
        };
        assert_eq!(whole.iter().filter_map(inflated).collect::<Vec<_>>(), [b"Hello", b"Hello"]);
        for at in 0..bytes.len() {
            let (one, two) = bytes.split_at(at);
            let cut = [(Sender::Client, REQUEST), (Sender::Server, one), (Sender::Server, two)];
            assert_eq!(told(&cut), whole, "cut at {at}");
        }
    }

    #[test]
    fn a_client_that_does_not_wait_is_understood_once_the_response_is_there() {
        let masked = [0xc1, 0x87, 0, 0, 0, 0, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        let all = told(&[(Sender::Client, &[REQUEST, &masked].concat()), (Sender::Server, RESPONSE)]);
        assert!(matches!(&all[1], Event::Frame { sender: Sender::Client, seen, .. } if seen.inflated.is_some()));
    }

    #[test]
    fn a_client_that_ends_before_the_response_is_there_is_understood_too() {
        let (mut tap, mut all) = (Tap::new(LIMITS), Vec::new());
        let mut each = |event| all.push(event);
        tap.push(Sender::Client, &[REQUEST, &[0x89, 0x80, 0, 0, 0, 0]].concat(), &mut each);
        tap.finish(Sender::Client, &mut each);
        tap.push(Sender::Server, RESPONSE, &mut each);
        tap.finish(Sender::Server, &mut each);
        assert!(matches!(all[..], [Event::Handshake(_), Event::Frame { .. }, Event::Closed(_)]), "{all:?}");
    }

    #[test]
    fn a_refusal_is_told_with_its_body() {
        let response = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nno way!";
        let all = told(&[(Sender::Client, REQUEST), (Sender::Server, response)]);
        assert!(matches!(&all[0], Event::Handshake(handshake) if handshake.refusal.is_some()));
        assert_eq!(all[1..], [Event::Body(b"no way!".to_vec())]);
    }

    #[test]
    fn the_end_says_who_closed_and_whether_the_other_side_answered() {
        let (close, answer) = ([0x88, 4, 0x03, 0xe9, b'g', b'o'], [0x88, 0x80, 0, 0, 0, 0]);
        let from_server = [RESPONSE, &close].concat();
        let last = |pieces: &[(Sender, &[u8])]| told(pieces).pop();
        let closed = |by, code, reason: &str, is_clean| {
            Some(Event::Closed(Closed { by, code, reason: reason.into(), is_clean }))
        };
        let open = [(Sender::Client, REQUEST), (Sender::Server, &from_server[..])];
        assert_eq!(last(&open), closed(Some(Sender::Server), 1001, "go", false));
        assert_eq!(
            last(&[open[0], open[1], (Sender::Client, &answer)]),
            closed(Some(Sender::Server), 1001, "go", true)
        );
        assert_eq!(last(&[open[0], (Sender::Server, RESPONSE)]), closed(None, 1006, "", false));
    }

    #[test]
    fn what_is_no_http_and_what_is_cut_off_is_told() {
        let all = told(&[(Sender::Client, b"\x16\x03\x01\x02\x00\x01")]);
        assert!(matches!(all[..], [Event::NotHttp { sender: Sender::Client, .. }]));
        let all = told(&[(Sender::Client, REQUEST), (Sender::Server, &[RESPONSE, &HELLO[..4]].concat())]);
        assert!(
            matches!(&all[1], Event::CutOff { sender: Sender::Server, rest: Rest::Frame(frame) } if frame.came == 2)
        );
    }
}

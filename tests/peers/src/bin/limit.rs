//! The limits of a relay: a bare epoll loop with one write for each delivery, or one that merges what is pending in a room for as many
//! milliseconds as its argument says. Like Inkwire the latter gives those who send what they send to each other sooner. It checks
//! nothing, and is no server to use.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const LISTENER: Token = Token(usize::MAX);
/// The time to merge for each who sends, where few of many do, and how long somebody counts for who has sent: as in Inkwire's room.
const PER_SENDER: Duration = Duration::from_micros(700);
const LATELY: Duration = Duration::from_secs(1);

struct Client {
    stream: TcpStream,
    /// Nobody's before the request has come.
    room: Option<usize>,
    read: Vec<u8>,
    unsent: Vec<u8>,
}

#[derive(Default)]
struct Room {
    members: Vec<usize>,
    /// Who has sent lately, and when.
    senders: Vec<(usize, Instant)>,
    /// What nobody has been given yet, and before it what only those have who send.
    pending: Vec<u8>,
    given: usize,
    /// When those were given something who send, and when all were.
    flushed: Option<Instant>,
    flushed_to_all: Option<Instant>,
    is_due: bool,
}

impl Room {
    fn merges_for_senders(&self, merge: Duration) -> Duration {
        if self.senders.len() < 2 { merge } else { merge.min(PER_SENDER * self.senders.len() as u32) }
    }

    /// When it is time for those who send, and when for all; nothing where that was long ago.
    fn due(&self, merge: Duration) -> (Option<Instant>, Option<Instant>) {
        let waits = self.given < self.pending.len();
        let for_senders = self.flushed.filter(|_| waits).map(|flushed| flushed + self.merges_for_senders(merge));
        (for_senders, self.flushed_to_all.map(|flushed| flushed + merge))
    }

    /// Somebody has sent something. Who is new among those who do has been given all that they have.
    fn sent(&mut self, client: usize, clients: &mut HashMap<usize, Client>, now: Instant) {
        if let Some((_, at)) = self.senders.iter_mut().find(|(sender, _)| *sender == client) {
            *at = now;
            return;
        }
        if self.given > 0 {
            self.flush_to_all(clients, now);
        }
        self.senders.push((client, now));
    }

    fn flush_to_senders(&mut self, clients: &mut HashMap<usize, Client>, now: Instant) {
        for (sender, _) in &self.senders {
            if let Some(client) = clients.get_mut(sender) {
                client.send(&self.pending[self.given..]);
            }
        }
        (self.given, self.flushed) = (self.pending.len(), Some(now));
    }

    fn flush_to_all(&mut self, clients: &mut HashMap<usize, Client>, now: Instant) {
        for member in &self.members {
            let given = if self.senders.iter().any(|(sender, _)| sender == member) { self.given } else { 0 };
            clients.get_mut(member).expect("a member is a client").send(&self.pending[given..]);
        }
        self.pending.clear();
        self.senders.retain(|(_, at)| now < *at + LATELY);
        (self.given, self.flushed, self.flushed_to_all) = (0, Some(now), Some(now));
    }
}

struct Relay {
    poll: Poll,
    clients: HashMap<usize, Client>,
    rooms: Vec<Room>,
    names: HashMap<String, usize>,
    /// Rooms in which something is pending.
    due: Vec<usize>,
    merge: Option<Duration>,
    scratch: Vec<u8>,
}

fn main() -> io::Result<()> {
    let merge = std::env::args().nth(1).map(|ms| Duration::from_millis(ms.parse().expect("milliseconds")));
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address"))?;
    println!("limit: listening at ws://{}/", listener.local_addr()?);
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut relay = Relay {
        poll,
        clients: HashMap::new(),
        rooms: Vec::new(),
        names: HashMap::new(),
        due: Vec::new(),
        merge,
        scratch: vec![0; 256 * 1024],
    };
    let (mut events, mut next) = (Events::with_capacity(1024), 0);
    loop {
        match relay.poll.poll(&mut events, relay.sleeps_for()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            match event.token() {
                LISTENER => relay.accept(&listener, &mut next)?,
                Token(at) => relay.serve(at, event.is_writable()),
            }
        }
        relay.flush_due();
    }
}

impl Relay {
    fn sleeps_for(&self) -> Option<Duration> {
        let merge = self.merge?;
        let next = |room: &usize| {
            let (for_senders, for_all) = self.rooms[*room].due(merge);
            for_senders.into_iter().chain(for_all).min()
        };
        Some(self.due.iter().filter_map(next).min()?.saturating_duration_since(Instant::now()))
    }

    fn accept(&mut self, listener: &TcpListener, next: &mut usize) -> io::Result<()> {
        while let Ok((mut stream, _)) = listener.accept() {
            stream.set_nodelay(true)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Token(*next), interest)?;
            self.clients.insert(*next, Client { stream, room: None, read: Vec::new(), unsent: Vec::new() });
            *next += 1;
        }
        Ok(())
    }

    fn serve(&mut self, at: usize, is_writable: bool) {
        let Some(client) = self.clients.get_mut(&at) else { return };
        if is_writable && !client.unsent.is_empty() {
            let unsent = std::mem::take(&mut client.unsent);
            client.send(&unsent);
        }
        let mut frames = Vec::new();
        let is_over = loop {
            match client.stream.read(&mut self.scratch) {
                Ok(0) => break true,
                Ok(count) => {
                    client.read.extend_from_slice(&self.scratch[..count]);
                    if count < self.scratch.len() {
                        break false;
                    }
                }
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        if client.room.is_none() {
            let Some(name) = client.upgrade() else { return };
            let rooms = &mut self.rooms;
            let room = *self.names.entry(name).or_insert_with(|| {
                rooms.push(Room::default());
                rooms.len() - 1
            });
            client.room = Some(room);
            self.rooms[room].members.push(at);
        }
        client.take_frames(&mut frames);
        let room = client.room.expect("it has one now");
        if is_over {
            self.rooms[room].members.retain(|member| *member != at);
            self.clients.remove(&at);
        }
        if self.merge.is_some() && !frames.is_empty() {
            self.rooms[room].sent(at, &mut self.clients, Instant::now());
        }
        self.tell(room, &frames);
    }

    /// Gives frames, as they go out, to everybody in a room: each by itself, or later all at once.
    fn tell(&mut self, room: usize, frames: &[Vec<u8>]) {
        let here = &mut self.rooms[room];
        for frame in frames {
            if self.merge.is_some() {
                here.pending.extend_from_slice(frame);
                continue;
            }
            for member in &here.members {
                self.clients.get_mut(member).expect("a member is a client").send(frame);
            }
        }
        if !here.pending.is_empty() && !std::mem::replace(&mut here.is_due, true) {
            self.due.push(room);
        }
    }

    /// At once where the last flush is older than the time to merge, otherwise when it is.
    fn flush_due(&mut self) {
        let Some(merge) = self.merge else { return };
        let now = Instant::now();
        let (rooms, clients) = (&mut self.rooms, &mut self.clients);
        self.due.retain(|at| {
            let room = &mut rooms[*at];
            let (for_senders, for_all) = room.due(merge);
            let is_time = for_all.is_none_or(|due| due <= now);
            if is_time {
                room.flush_to_all(clients, now);
                room.is_due = false;
            } else if for_senders.is_some_and(|due| due <= now) {
                room.flush_to_senders(clients, now);
            }
            !is_time
        });
    }
}

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        if !self.unsent.is_empty() {
            return self.unsent.extend_from_slice(bytes);
        }
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                // Who has gone is let go when that is read.
                Err(_) => break,
            }
        }
        self.unsent.extend_from_slice(&bytes[sent..]);
    }

    /// Answers the request, once it is there; gives its path.
    fn upgrade(&mut self) -> Option<String> {
        let end = self.read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
        self.read.drain(..end);
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))?;
        let accept = derive_accept_key(key.as_bytes());
        self.send(format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes());
        head.split(' ').nth(1).map(Into::into)
    }

    /// Takes the whole messages that have come, and makes frames of a server of them.
    fn take_frames(&mut self, frames: &mut Vec<Vec<u8>>) {
        let mut at = 0;
        while let [_, length, rest @ ..] = &self.read[at..] {
            let (head, length) = match length & 0x7f {
                126 if rest.len() >= 2 => (8, usize::from(u16::from_be_bytes([rest[0], rest[1]]))),
                126 | 127 => break,
                length => (6, usize::from(length)),
            };
            let Some(frame) = self.read.get(at..at + head + length) else { break };
            let (head, payload) = frame.split_at(head);
            let mask = &head[head.len() - 4..];
            let is_data = matches!(head[0], 0x81 | 0x82);
            let mut out = vec![head[0]];
            match length {
                ..126 => out.push(length as u8),
                _ => out.extend([126, (length >> 8) as u8, length as u8]),
            }
            out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            if is_data {
                frames.push(out);
            }
            at += head.len() + length;
        }
        self.read.drain(..at);
    }
}

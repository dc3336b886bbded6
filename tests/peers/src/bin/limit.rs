//! The limits of a relay: a bare epoll loop with one write for each delivery, or one that merges what is pending in a room for as many
//! milliseconds as its argument says. It checks nothing, and is no server to use.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const LISTENER: Token = Token(usize::MAX);

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
    pending: Vec<u8>,
    flushed: Option<Instant>,
    is_due: bool,
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
        let next = self.due.iter().filter_map(|room| self.rooms[*room].flushed).min()?;
        Some((next + merge).saturating_duration_since(Instant::now()))
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
            if room.flushed.is_some_and(|flushed| now < flushed + merge) {
                return true;
            }
            for member in &room.members {
                clients.get_mut(member).expect("a member is a client").send(&room.pending);
            }
            room.pending.clear();
            (room.flushed, room.is_due) = (Some(now), false);
            false
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

//! A raw connection: bytes as they are, for requests and frames that no well-behaved client sends.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::patience::PATIENCE;

/// A TCP connection to the server.
#[derive(Debug)]
pub struct Raw {
    /// The socket.
    pub stream: TcpStream,
}

/// A frame of the server: whether it is the last of its message, its opcode, its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The first byte: FIN, RSV and opcode.
    pub first: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The opcode.
    pub fn opcode(&self) -> u8 {
        self.first & 0xf
    }

    /// The code of a close frame.
    pub fn close_code(&self) -> Option<u16> {
        (self.opcode() == 8).then(|| self.payload.first_chunk::<2>().map_or(1005, |code| u16::from_be_bytes(*code)))
    }
}

/// A request that upgrades to a board's connection, with the given headers in place of the usual ones where they differ.
pub fn handshake(path: &str, host: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// A client's frame: masked with a key of zeros, which leaves the payload as it is (RFC 6455 section 5.3).
pub fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let mut frame = vec![first];
    match payload.len() {
        length @ ..126 => frame.push(MASKED | length as u8),
        length @ 126..=0xffff => {
            frame.push(MASKED | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(MASKED | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Where the payload of the first frame of a server begins and ends, where it is all there.
pub fn whole_frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let (start, length) = match *bytes.get(1)? {
        126 => (4, u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
        length => (2, u64::from(length)),
    };
    let end = start + usize::try_from(length).ok()?;
    (bytes.len() >= end).then_some((start, end))
}

impl Raw {
    /// Connects.
    ///
    /// # Panics
    /// If nobody listens.
    #[track_caller]
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        stream.set_nodelay(true).expect("no delay");
        Self { stream }
    }

    /// Connects and upgrades.
    ///
    /// # Panics
    /// If the server refuses.
    #[track_caller]
    pub fn upgrade(address: &str, path: &str, more: &str) -> Self {
        let mut raw = Self::connect(address);
        raw.send(handshake(path, address, more).as_bytes());
        let head = raw.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        raw
    }

    /// Sends bytes; a server that has closed already is no error.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads a reply's head, up to the empty line; what was read of it where the connection ends before.
    pub fn head(&mut self) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && self.stream.read_exact(&mut byte).is_ok() {
            head.push(byte[0]);
        }
        String::from_utf8(head).expect("a head is ASCII")
    }

    /// Reads until the server closes; a reset is an end too.
    ///
    /// # Panics
    /// If the server does not close in time.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        if let Err(error) = self.stream.read_to_end(&mut rest) {
            assert!(error.kind() != std::io::ErrorKind::WouldBlock, "the server does not close");
        }
        rest
    }

    /// Reads the next frame; `None` where the connection has ended.
    pub fn frame(&mut self) -> Option<Frame> {
        let [first, length] = self.bytes()?;
        let length = match length {
            126 => u64::from(u16::from_be_bytes(self.bytes()?)),
            127 => u64::from_be_bytes(self.bytes()?),
            length => u64::from(length),
        };
        let mut payload = vec![0; usize::try_from(length).expect("a frame that fits")];
        self.stream.read_exact(&mut payload).ok()?;
        Some(Frame { first, payload })
    }

    /// Reads frames until a close frame, and gives its code; `None` where the connection ends without one.
    pub fn close_code(&mut self) -> Option<u16> {
        std::iter::from_fn(|| self.frame()).find_map(|frame| frame.close_code())
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}

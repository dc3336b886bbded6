//! Events as packets that Wireshark dissects: pcapng (draft-ietf-opsawg-pcapng) with an IPv4 and a TCP header made up around the bytes.
//! The handshake is in it, without which Wireshark takes nothing for a WebSocket, and TLS is not: no keys are needed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, UNIX_EPOCH};

use etherparse::{PacketBuilder, TcpHeader};

use crate::formats::json::Stamp;
use crate::frame::lint::Seen;
use crate::frame::message::Assemblies;
use crate::frame::{Frame, Header, LengthForm, Rest, Sender, encode};
use crate::handshake::Head;
use crate::tap::Event;

/// Bytes of a segment; with its headers less than an IPv4 packet has.
const SEGMENT: usize = 32_000;
/// Packets begin with their IP header (LINKTYPE_RAW).
const RAW: u16 = 101;
/// The client's port of the first connection.
const FIRST_PORT: u16 = 40_000;

const SYN: u8 = 0x02;
const FIN: u8 = 0x01;
const PUSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// Writes the packets of connections.
#[derive(Debug)]
pub struct Capture {
    port: u16,
    flows: HashMap<u64, Flow>,
    /// Bytes that are kept of each message, where messages are written whole.
    whole: Option<usize>,
    open: HashMap<u64, Assemblies>,
}

/// The next sequence number of each side.
#[derive(Debug, Default)]
struct Flow {
    client: u32,
    server: u32,
}

impl Capture {
    /// With this port for the server. Wireshark takes what runs on some ports for something else, 5432 and 6379 among them;
    /// 80 is none of them.
    pub fn new(port: u16) -> Self {
        Self { port, flows: HashMap::new(), whole: None, open: HashMap::new() }
    }

    /// Messages whole, in one frame and without compression, and a handshake in which none was agreed on; of each message at
    /// most so many bytes. For a Wireshark that cannot inflate: 4.0 shows a compressed message in fragments as it came.
    #[must_use]
    pub fn decoded(self, keep: usize) -> Self {
        Self { whole: Some(keep), ..self }
    }

    /// Writes the beginning of a file: a section header, and one interface whose times are in nanoseconds.
    pub fn begin(out: &mut Vec<u8>) {
        let section =
            [&0x1a2b_3c4du32.to_le_bytes()[..], &1u16.to_le_bytes(), &0u16.to_le_bytes(), &[0xff; 8]].concat();
        block(0x0a0d_0d0a, &section, out);
        let nanoseconds = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        block(1, &[&RAW.to_le_bytes()[..], &[0; 6], &nanoseconds].concat(), out);
    }

    /// Appends the packets of an event. Bytes of a payload that were not kept are missing in the file too: Wireshark calls them a segment that
    /// was not captured.
    pub fn write(&mut self, stamp: &Stamp, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Handshake(handshake) => {
                self.head(stamp, Sender::Client, &handshake.request, out);
                self.head(stamp, Sender::Server, &handshake.response, out);
            }
            Event::Frame { sender, frame, seen } if self.whole.is_some() => {
                self.message(stamp, *sender, (frame, seen), out);
            }
            Event::Body(body) => self.bytes(stamp, Sender::Server, body, out),
            Event::Frame { sender, frame, .. } | Event::CutOff { sender, rest: Rest::Frame(frame) } => {
                self.bytes(stamp, *sender, &encode(&frame.header, &frame.payload), out);
                self.skip(stamp, *sender, frame.came - frame.payload.len() as u64);
            }
            Event::CutOff { sender, rest: Rest::Header(header) } => self.bytes(stamp, *sender, header, out),
            Event::Closed(_) => self.end(stamp, out),
            Event::CutOff { .. } | Event::NotHttp { .. } => {}
        }
    }

    fn head(&mut self, stamp: &Stamp, sender: Sender, head: &Head, out: &mut Vec<u8>) {
        let mut head = head.clone();
        if self.whole.is_some() {
            head.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Sec-WebSocket-Extensions"));
        }
        self.bytes(stamp, sender, &head.to_bytes(), out);
    }

    fn message(&mut self, stamp: &Stamp, sender: Sender, (frame, seen): (&Frame, &Seen), out: &mut Vec<u8>) {
        let keep = self.whole.unwrap_or_default();
        let open = self.open.entry(stamp.connection).or_insert_with(|| Assemblies::new(keep));
        let Some(message) = open.push(sender, frame, seen.place, seen.inflated.as_ref()) else { return };
        let length = message.data.len() as u64;
        let (form, mask) = (LengthForm::shortest(length), frame.header.mask);
        let header = Header { fin: true, rsv: [false; 3], opcode: message.opcode, mask, form, length };
        self.bytes(stamp, sender, &encode(&header, &message.data), out);
    }

    /// Appends bytes of one side as they are.
    pub fn bytes(&mut self, stamp: &Stamp, sender: Sender, bytes: &[u8], out: &mut Vec<u8>) {
        if let Entry::Vacant(flow) = self.flows.entry(stamp.connection) {
            flow.insert(Flow::default());
            self.segment(stamp, Sender::Client, SYN, &[], out);
            self.segment(stamp, Sender::Server, SYN | ACK, &[], out);
            self.segment(stamp, Sender::Client, ACK, &[], out);
        }
        bytes.chunks(SEGMENT).for_each(|chunk| self.segment(stamp, sender, PUSH | ACK, chunk, out));
    }

    /// Ends both sides.
    pub fn end(&mut self, stamp: &Stamp, out: &mut Vec<u8>) {
        if self.flows.contains_key(&stamp.connection) {
            self.segment(stamp, Sender::Client, FIN | ACK, &[], out);
            self.segment(stamp, Sender::Server, FIN | ACK, &[], out);
            self.segment(stamp, Sender::Client, ACK, &[], out);
            self.flows.remove(&stamp.connection);
            self.open.remove(&stamp.connection);
        }
    }

    fn skip(&mut self, stamp: &Stamp, sender: Sender, bytes: u64) {
        if let Some(flow) = self.flows.get_mut(&stamp.connection) {
            let next = if sender == Sender::Client { &mut flow.client } else { &mut flow.server };
            *next = next.wrapping_add(bytes as u32);
        }
    }

    /// An enhanced packet block with an IPv4 (RFC 791) and a TCP header (RFC 9293).
    fn segment(&mut self, stamp: &Stamp, sender: Sender, flags: u8, payload: &[u8], out: &mut Vec<u8>) {
        let flow = self.flows.entry(stamp.connection).or_default();
        let client_port = FIRST_PORT.wrapping_add(stamp.connection as u16);
        let is_client = sender == Sender::Client;
        let (from, to) = if is_client { (client_port, self.port) } else { (self.port, client_port) };
        let (seq, ack) = if is_client { (flow.client, flow.server) } else { (flow.server, flow.client) };
        let is_one = u32::from(flags & (SYN | FIN) != 0);
        let next = if is_client { &mut flow.client } else { &mut flow.server };
        *next = next.wrapping_add(payload.len() as u32 + is_one);
        let ack = if flags & ACK == 0 { 0 } else { ack };

        let tcp = TcpHeader {
            syn: flags & SYN != 0,
            fin: flags & FIN != 0,
            psh: flags & PUSH != 0,
            ack: flags & ACK != 0,
            acknowledgment_number: ack,
            ..TcpHeader::new(from, to, seq, u16::MAX)
        };
        let (here, there) = if is_client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let builder = PacketBuilder::ipv4(here, there, 64).tcp_header(tcp);
        let mut packet = Vec::with_capacity(builder.size(payload.len()));
        builder.write(&mut packet, payload).expect("Bug: a segment is shorter than an IPv4 packet");

        let at = stamp.at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos() as u64;
        let mut body = [0u32, (at >> 32) as u32, at as u32, packet.len() as u32, packet.len() as u32]
            .map(u32::to_le_bytes)
            .concat();
        body.extend_from_slice(&packet);
        body.resize(body.len().next_multiple_of(4), 0);
        block(6, &body, out);
    }
}

/// Addresses for documentation (RFC 5737).
const CLIENT: [u8; 4] = [192, 0, 2, 1];
const SERVER: [u8; 4] = [192, 0, 2, 2];

fn block(kind: u32, body: &[u8], out: &mut Vec<u8>) {
    let length = (body.len() as u32 + 12).to_le_bytes();
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&length);
    out.extend_from_slice(body);
    out.extend_from_slice(&length);
}

//! Packets of a capture (pcapng or pcap, as Wireshark and tcpdump write them) to the bytes of its TCP connections.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use etherparse::{NetSlice, SlicedPacket, TcpSlice, TransportSlice};
use pcap_parser::traits::PcapNGPacketBlock as _;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

use crate::formats::json::{Recorded, Stamp};
use crate::frame::Sender;

/// Bytes that are read at once; a packet must have room in it.
const BUFFER: usize = 4 * 1024 * 1024;
/// Bytes of one direction that wait for those before them. Beyond it they are given up: they were not captured.
const MOST_WAITING: usize = 16 * 1024 * 1024;

/// Why a capture cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PacketsError {
    /// It is neither pcapng nor pcap, or is cut off in a block.
    #[error("this is no capture: {0}")]
    Format(String),
    /// It has no TCP in it that could be read.
    #[error("it has no TCP connection in it")]
    Nothing,
    /// Packets of a kind of network that is not known here.
    #[error("packets of link type {0} are not understood")]
    Link(i32),
}

/// Gives the bytes of every connection in the order of their packets, and its ends.
///
/// # Errors
/// If it is no capture. What came before is given all the same.
pub fn read(file: impl Read + Send, each: &mut dyn FnMut(Stamp, Recorded)) -> Result<(), PacketsError> {
    let format = |error: &dyn std::fmt::Debug| PacketsError::Format(format!("{error:?}"));
    let mut reader = create_reader(BUFFER, file).map_err(|error| format(&error))?;
    let (mut flows, mut interfaces) = (Flows::default(), Vec::new());
    loop {
        match reader.next() {
            Ok((length, block)) => {
                packet(&block, &mut interfaces, &mut flows, each)?;
                reader.consume(length);
            }
            Err(PcapError::Eof) => break,
            // Where there is nothing more to read, the next answer is that it is cut off.
            Err(PcapError::Incomplete(_)) => reader.refill().map_err(|error| format(&error))?,
            Err(PcapError::UnexpectedEof) => return Err(PacketsError::Format("it is cut off".into())),
            Err(error) => return Err(format(&error)),
        }
    }
    if flows.count == 0 { Err(PacketsError::Nothing) } else { Ok(()) }
}

/// The link type and the units of an interface.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: Linktype,
    offset: u64,
    /// Units of a second.
    resolution: u64,
}

fn packet(
    block: &PcapBlockOwned<'_>,
    interfaces: &mut Vec<Interface>,
    flows: &mut Flows,
    each: &mut dyn FnMut(Stamp, Recorded),
) -> Result<(), PacketsError> {
    match block {
        PcapBlockOwned::NG(Block::SectionHeader(_)) => interfaces.clear(),
        PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => interfaces.push(Interface {
            link: interface.linktype,
            offset: u64::from(u32::try_from(interface.if_tsoffset).unwrap_or(0)),
            resolution: interface.ts_resolution().unwrap_or(1_000_000),
        }),
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let Some(interface) = interfaces.get(packet.if_id as usize) else { return Ok(()) };
            let (seconds, fraction) = packet.decode_ts(interface.offset, interface.resolution);
            let nanoseconds = u64::from(fraction) * 1_000_000_000 / interface.resolution.max(1);
            flows.push(interface.link, at(u64::from(seconds), nanoseconds), packet.packet_data(), each)?;
        }
        PcapBlockOwned::LegacyHeader(header) => {
            let resolution = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
            *interfaces = vec![Interface { link: header.network, offset: 0, resolution }];
        }
        PcapBlockOwned::Legacy(packet) => {
            let Some(interface) = interfaces.first() else { return Ok(()) };
            let nanoseconds = u64::from(packet.ts_usec) * 1_000_000_000 / interface.resolution;
            flows.push(interface.link, at(u64::from(packet.ts_sec), nanoseconds), packet.data, each)?;
        }
        PcapBlockOwned::NG(_) => {}
    }
    Ok(())
}

fn at(seconds: u64, nanoseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds)
}

type End = (IpAddr, u16);

#[derive(Debug, Default)]
struct Flows {
    count: u64,
    /// By who is the client, and who the server.
    open: HashMap<(End, End), Flow>,
}

#[derive(Debug)]
struct Flow {
    number: u64,
    begun: SystemTime,
    client: Way,
    server: Way,
}

/// One direction, put in order (RFC 9293 section 3.4).
#[derive(Debug, Default)]
struct Way {
    /// The sequence number that comes next.
    next: Option<u32>,
    /// Segments that came before their turn, by their distance from `next` when that was 0.
    waiting: BTreeMap<u64, Vec<u8>>,
    bytes: usize,
    /// The progress of `next`.
    passed: u64,
    /// The distance at which the direction ends.
    fin: Option<u64>,
    is_over: bool,
}

impl Flows {
    fn push(
        &mut self,
        link: Linktype,
        at: SystemTime,
        data: &[u8],
        each: &mut dyn FnMut(Stamp, Recorded),
    ) -> Result<(), PacketsError> {
        let Some((from, to, tcp)) = segment(link, data)? else { return Ok(()) };
        let (begins, is_reset) = (tcp.syn && !tcp.ack, tcp.rst);
        let (key, sender) = if self.open.contains_key(&(to, from)) {
            ((to, from), Sender::Server)
        } else if self.open.contains_key(&(from, to)) || begins || tcp.payload.starts_with(b"GET ") {
            ((from, to), Sender::Client)
        } else if tcp.syn || from.1 < to.1 {
            // No beginning was captured: the lower port is the server's.
            ((to, from), Sender::Server)
        } else {
            ((from, to), Sender::Client)
        };
        // The same port may begin once more; the same beginning, sent twice, is no other connection.
        let first = Some(tcp.sequence.wrapping_add(1));
        if begins && self.open.get(&key).is_some_and(|flow| flow.client.passed > 0 || flow.client.next != first) {
            self.open.remove(&key);
        }
        let count = &mut self.count;
        let flow = self.open.entry(key).or_insert_with(|| {
            *count += 1;
            Flow { number: *count, begun: at, client: Way::default(), server: Way::default() }
        });
        let stamp = Stamp { connection: flow.number, at, since: at.duration_since(flow.begun).unwrap_or_default() };
        let way = if sender == Sender::Client { &mut flow.client } else { &mut flow.server };
        way.push(&tcp, &mut |bytes| each(stamp, Recorded::Bytes(sender, bytes)));
        if is_reset {
            for (sender, way) in [(Sender::Client, &mut flow.client), (Sender::Server, &mut flow.server)] {
                way.end(&mut |bytes| each(stamp, Recorded::Bytes(sender, bytes)));
            }
        }
        Ok(())
    }
}

/// The fields of a TCP segment that are used.
struct Segment<'a> {
    syn: bool,
    ack: bool,
    fin: bool,
    rst: bool,
    sequence: u32,
    payload: &'a [u8],
}

fn segment(link: Linktype, data: &[u8]) -> Result<Option<(End, End, Segment<'_>)>, PacketsError> {
    let sliced = match link {
        Linktype::ETHERNET => SlicedPacket::from_ethernet(data),
        // Both begin with the IP header; some systems write 12 or 14 for the first.
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 | Linktype(12 | 14) => SlicedPacket::from_ip(data),
        Linktype::NULL | Linktype::LOOP => SlicedPacket::from_ip(data.get(4..).unwrap_or_default()),
        Linktype::LINUX_SLL => SlicedPacket::from_linux_sll(data),
        // Version 2: the protocol stands first, and the header has 20 bytes.
        Linktype(276) => SlicedPacket::from_ip(data.get(20..).unwrap_or_default()),
        Linktype(other) => return Err(PacketsError::Link(other)),
    };
    // A packet that is cut off, or of something else.
    let Ok(SlicedPacket { net: Some(net), transport: Some(TransportSlice::Tcp(tcp)), .. }) = sliced else {
        return Ok(None);
    };
    let (from, to) = match &net {
        NetSlice::Ipv4(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        NetSlice::Ipv6(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        NetSlice::Arp(_) => return Ok(None),
    };
    Ok(Some(((from, tcp.source_port()), (to, tcp.destination_port()), Segment::of(&tcp))))
}

impl<'a> Segment<'a> {
    fn of(tcp: &TcpSlice<'a>) -> Self {
        let (syn, ack, fin, rst) = (tcp.syn(), tcp.ack(), tcp.fin(), tcp.rst());
        Self { syn, ack, fin, rst, sequence: tcp.sequence_number(), payload: tcp.payload() }
    }
}

impl Way {
    fn push(&mut self, segment: &Segment<'_>, each: &mut dyn FnMut(Vec<u8>)) {
        if segment.syn {
            self.next = Some(segment.sequence.wrapping_add(1));
            return;
        }
        let next = *self.next.get_or_insert(segment.sequence);
        // Nearer than half the circle: before or behind (RFC 9293 section 3.4).
        let ahead = i64::from(segment.sequence.wrapping_sub(next) as i32);
        let place = self.passed as i64 + ahead;
        if !segment.payload.is_empty() && !self.is_over {
            // The part of it that was there already is left out.
            let known = usize::try_from(-ahead).unwrap_or(0);
            if let Some(fresh) = segment.payload.get(known..).filter(|fresh| !fresh.is_empty()) {
                let place = (place + known as i64) as u64;
                let known = self.waiting.entry(place).or_default();
                // Of two at one place the longer one has the other in it.
                if fresh.len() > known.len() {
                    self.bytes += fresh.len() - known.len();
                    *known = fresh.to_vec();
                }
            }
        }
        if segment.fin {
            self.fin = u64::try_from(place + segment.payload.len() as i64).ok();
        }
        self.deliver(each);
    }

    fn deliver(&mut self, each: &mut dyn FnMut(Vec<u8>)) {
        while let Some(entry) = self.waiting.first_entry() {
            let place = *entry.key();
            if place > self.passed {
                if self.bytes > MOST_WAITING {
                    return self.end(each);
                }
                break;
            }
            let bytes = entry.remove();
            self.bytes -= bytes.len();
            let known = (self.passed - place) as usize;
            if let Some(fresh) = bytes.get(known..).filter(|fresh| !fresh.is_empty()) {
                self.passed += fresh.len() as u64;
                self.next = self.next.map(|next| next.wrapping_add(fresh.len() as u32));
                each(fresh.to_vec());
            }
        }
        if self.fin == Some(self.passed) {
            self.end(each);
        }
    }

    fn end(&mut self, each: &mut dyn FnMut(Vec<u8>)) {
        self.waiting.clear();
        self.bytes = 0;
        if !std::mem::replace(&mut self.is_over, true) {
            each(Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::pcapng::Capture;

    fn stamp(connection: u64, milliseconds: u64) -> Stamp {
        let since = Duration::from_millis(milliseconds);
        Stamp { connection, at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045) + since, since }
    }

    fn told(file: &[u8]) -> Vec<(Stamp, Recorded)> {
        let mut all = Vec::new();
        read(file, &mut |stamp, recorded| all.push((stamp, recorded))).unwrap();
        all
    }

    #[test]
    fn what_was_written_is_read_with_its_times_and_ends() {
        let (mut capture, mut file) = (Capture::new(80), Vec::new());
        Capture::begin(&mut file);
        capture.bytes(&stamp(1, 0), Sender::Client, b"GET / HTTP/1.1\r\n", &mut file);
        capture.bytes(&stamp(2, 5), Sender::Client, b"other", &mut file);
        capture.bytes(&stamp(1, 7), Sender::Server, &[7; 70_000], &mut file);
        capture.end(&stamp(1, 9), &mut file);
        let all = told(&file);
        let bytes = |connection, sender| {
            let of = |(stamp, recorded): &(Stamp, Recorded)| match recorded {
                Recorded::Bytes(from, bytes) if (stamp.connection, *from) == (connection, sender) => {
                    Some(bytes.clone())
                }
                _ => None,
            };
            all.iter().filter_map(of).collect::<Vec<_>>()
        };
        assert_eq!(bytes(1, Sender::Client), [b"GET / HTTP/1.1\r\n".to_vec(), Vec::new()]);
        assert_eq!(bytes(2, Sender::Client), [b"other".to_vec()]);
        assert_eq!(bytes(1, Sender::Server).concat(), [7; 70_000]);
        assert_eq!(bytes(1, Sender::Server).last(), Some(&Vec::new()));
        assert_eq!(all.last().unwrap().0, Stamp { connection: 1, ..stamp(1, 9) });
    }

    #[test]
    fn segments_out_of_order_and_sent_twice_come_once_and_in_order() {
        let segment = |sequence, payload| Segment { syn: false, ack: true, fin: false, rst: false, sequence, payload };
        let (mut way, mut came) = (Way { next: Some(u32::MAX - 1), ..Way::default() }, Vec::new());
        let at = |offset: u32| (u32::MAX - 1).wrapping_add(offset);
        for (offset, payload) in [(3, &b"d"[..]), (3, &b"defg"[..]), (0, b"ab"), (0, b"abc"), (1, b"bcd"), (7, b"h")] {
            way.push(&segment(at(offset), payload), &mut |bytes| came.extend(bytes));
        }
        assert_eq!(came, b"abcdefgh");
    }

    #[test]
    fn what_is_no_capture_is_refused_and_one_that_is_cut_off_gives_what_it_has() {
        assert!(matches!(read(&b"GET / HTTP/1.1"[..], &mut |_, _| {}), Err(PacketsError::Format(_))));
        let (mut capture, mut file) = (Capture::new(80), Vec::new());
        Capture::begin(&mut file);
        assert!(matches!(read(&file[..], &mut |_, _| {}), Err(PacketsError::Nothing)));
        capture.bytes(&stamp(1, 0), Sender::Client, b"hello", &mut file);
        capture.bytes(&stamp(1, 0), Sender::Client, b"again", &mut file);
        let mut came = Vec::new();
        let result = read(&file[..file.len() - 7], &mut |_, recorded| came.push(recorded));
        assert!(matches!(result, Err(PacketsError::Format(_))), "{result:?}");
        assert_eq!(came, [Recorded::Bytes(Sender::Client, b"hello".to_vec())]);
    }
}

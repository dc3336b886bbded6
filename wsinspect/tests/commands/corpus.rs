//! Streams of every kind: Wireshark's dissector sees the same frames in them, and the proxy passes them as they are.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use wsinspect::formats::json::Stamp;
use wsinspect::formats::pcapng::Capture;
use wsinspect::frame::deflate::Deflater;
use wsinspect::frame::{Frame, Frames, Header, LengthForm, Opcode, Sender, encode};
use wsinspect::handshake::derive_accept_key;
use wsinspect::script::say::{Say, Shape};
use wsinspect::tap::{Event, Limits, Tap};

use crate::run::{interrupt, proxy};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A frame as both sides tell it: FIN, RSV bits, opcode, key, length.
type Told = (bool, u8, u8, Option<[u8; 4]>, u64);

fn header(first: u8, form: LengthForm, length: u64, mask: Option<[u8; 4]>) -> Header {
    let rsv = [0x40, 0x20, 0x10].map(|bit| first & bit != 0);
    Header { fin: first & 0x80 != 0, rsv, opcode: Opcode::of(first), mask, form, length }
}

fn one(first: u8, length: usize, mask: Option<[u8; 4]>) -> Vec<u8> {
    let payload: Vec<u8> = (0..length).map(|at| b'a' + (at % 26) as u8).collect();
    encode(&header(first, LengthForm::shortest(length as u64), length as u64, mask), &payload)
}

/// The bytes of one direction, and the compression that was agreed on.
struct Stream {
    sender: Sender,
    bytes: Vec<u8>,
    extension: Option<&'static str>,
}

/// Streams of one direction each.
fn corpus() -> Vec<Stream> {
    let plain = plain().into_iter().map(|(sender, bytes)| Stream { sender, bytes, extension: None });
    plain.chain(compressed()).collect()
}

/// Every setting of compression, from both sides: texts that refer to those before them and such that do not, whole and in
/// fragments, with a ping between, empty ones, and one that is not compressed.
fn compressed() -> Vec<Stream> {
    const SETTINGS: [(&str, bool, u8); 5] = [
        ("permessage-deflate", true, 15),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", false, 15),
        ("permessage-deflate; server_max_window_bits=9; client_max_window_bits=9", true, 9),
        ("permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", true, 12),
        (
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_no_context_takeover",
            false,
            10,
        ),
    ];
    let long = "a long text that says the same, a long text that says the same ".repeat(50);
    let mut all = Vec::new();
    for (extension, keeps, window) in SETTINGS {
        for (sender, mask) in [(Sender::Client, Some([0x37, 0xfa, 0x21, 0x3d])), (Sender::Server, None)] {
            for texts in [&["hello", "hello", "hello"][..], &[&long, "", &long], &["\u{e4}\u{20ac}", "x"]] {
                for fragment in [None, Some(3)] {
                    let mut deflater = Deflater::new(keeps, window);
                    let shape = Shape { is_unmasked: mask.is_none(), fragment, ..Shape::default() };
                    let mut bytes = Vec::new();
                    for text in texts {
                        let say = Say::Message(Opcode::TEXT, text.as_bytes().to_vec());
                        bytes.extend(say.to_bytes(&shape, Some(&mut deflater), &mut || mask.unwrap_or_default()));
                        bytes.extend(one(0x89, 2, mask));
                    }
                    bytes.extend(one(0x81, 4, mask));
                    all.push(Stream { sender, bytes, extension: Some(extension) });
                }
            }
        }
    }
    all
}

fn plain() -> Vec<(Sender, Vec<u8>)> {
    let mut all = Vec::new();
    let key = [0x37, 0xfa, 0x21, 0x3d];
    // Every opcode, with FIN and without, from both sides, masked as it must be and as it must not be.
    for opcode in 0..16u8 {
        for (sender, mask) in
            [(Sender::Client, Some(key)), (Sender::Server, None), (Sender::Server, Some(key)), (Sender::Client, None)]
        {
            all.push((sender, [one(0x80 | opcode, 5, mask), one(0x8a, 0, mask)].concat()));
            all.push((sender, [one(opcode, 3, mask), one(0x8a, 2, mask)].concat()));
        }
    }
    // Every set of reserved bits but RSV1, which nobody has agreed on here either.
    for rsv in 0..8u8 {
        all.push((Sender::Server, [one(0x82 | rsv << 4, 4, None), one(0x8a, 0, None)].concat()));
        all.push((Sender::Client, [one(0x89 | rsv << 4, 4, Some(key)), one(0x8a, 0, Some(key))].concat()));
    }
    // Every length around the bounds of its forms, and in forms that are too long.
    for length in [0, 1, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 70_000] {
        all.push((Sender::Server, one(0x82, length, None)));
        all.push((Sender::Client, one(0x82, length, Some(key))));
    }
    for form in [LengthForm::Bits16, LengthForm::Bits64] {
        for length in [0u64, 1, 5, 125] {
            let payload = vec![7; length as usize];
            all.push((
                Sender::Server,
                [encode(&header(0x82, form, length, None), &payload), one(0x8a, 1, None)].concat(),
            ));
        }
    }
    // Fragments with control frames between them, messages that interrupt each other, continuations of nothing.
    for between in [vec![], one(0x89, 3, None), one(0x8a, 0, None), one(0x81, 2, None), one(0x80, 1, None)] {
        all.push((
            Sender::Server,
            [one(0x01, 5, None), between.clone(), one(0x00, 6, None), between, one(0x80, 7, None)].concat(),
        ));
    }
    // Close frames of every kind, and frames behind them.
    for payload in
        [&[][..], &[3], &[3, 0xe8], &[3, 0xe9, b'b', b'y', b'e'], &[0x0f, 0xa0], &[3, 0xed], &[3, 0xe8, 0xff]]
    {
        let close = encode(&header(0x88, LengthForm::Bits7, payload.len() as u64, Some(key)), payload);
        all.push((Sender::Client, [close, one(0x81, 2, Some(key))].concat()));
    }
    all
}

fn told(frame: &Frame) -> Told {
    let header = &frame.header;
    let rsv = header.rsv.iter().fold(0, |bits, bit| bits << 1 | u8::from(*bit));
    (header.fin, rsv, header.opcode.number(), header.mask, header.length)
}

fn ours(pieces: &[&[u8]]) -> Vec<Told> {
    let (mut frames, mut all) = (Frames::new(0), Vec::new());
    pieces.iter().for_each(|piece| frames.push(piece, |frame| all.push(told(&frame))));
    all
}

/// Request and response, with the compression that is agreed on.
fn heads(extension: Option<&str>) -> (String, String) {
    let line = extension.map(|extension| format!("Sec-WebSocket-Extensions: {extension}\r\n")).unwrap_or_default();
    let accept = derive_accept_key(KEY.as_bytes());
    (
        format!(
            "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{line}\r\n"
        ),
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{line}\r\n"
        ),
    )
}

/// All streams as one capture, each cut in two pieces somewhere.
fn capture(corpus: &[Stream]) -> Vec<u8> {
    let (mut capture, mut out) = (Capture::new(80), Vec::new());
    Capture::begin(&mut out);
    for (at, Stream { sender, bytes, extension }) in corpus.iter().enumerate() {
        let (request, response) = heads(*extension);
        let stamp = Stamp {
            connection: at as u64 + 1,
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(at as u64),
            since: Duration::ZERO,
        };
        capture.bytes(&stamp, Sender::Client, request.as_bytes(), &mut out);
        capture.bytes(&stamp, Sender::Server, response.as_bytes(), &mut out);
        let (one, two) = bytes.split_at(at * 7 % bytes.len());
        capture.bytes(&stamp, *sender, one, &mut out);
        capture.bytes(&stamp, *sender, two, &mut out);
        capture.end(&stamp, &mut out);
    }
    out
}

const FIELDS: [&str; 9] = [
    "tcp.stream",
    "websocket.fin",
    "websocket.rsv",
    "websocket.opcode",
    "websocket.mask",
    "websocket.payload_length",
    "websocket.payload_length_ext_16",
    "websocket.payload_length_ext_64",
    "websocket.masking_key",
];

/// What tshark shows, in the order of its packets; a field of several frames in one packet has a value for each that has it.
fn tsharks(file: &Path, streams: usize) -> Vec<Vec<Told>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-Y", "websocket", "-T", "fields", "-E", "separator=|"]);
    FIELDS.iter().for_each(|field| _ = command.args(["-e", field]));
    let output = command.output().expect("tshark is there: cargo xtask setup installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut all = vec![Vec::new(); streams];
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let columns: Vec<Vec<&str>> =
            line.split('|').map(|column| column.split(',').filter(|value| !value.is_empty()).collect()).collect();
        let number = |text: &str| {
            text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16)).unwrap()
        };
        let is_set = |text: &str| matches!(text, "1" | "True");
        let (mut short, mut long, mut keys) = (columns[6].iter(), columns[7].iter(), columns[8].iter());
        let stream = number(columns[0][0]) as usize;
        for (at, fin) in columns[1].iter().enumerate() {
            let mask = is_set(columns[4][at]).then(|| {
                let key: Vec<u8> = wsinspect::hex::parse(keys.next().unwrap().trim_start_matches("0x")).unwrap();
                key.try_into().unwrap()
            });
            let length = match number(columns[5][at]) {
                126 => number(short.next().unwrap()),
                127 => number(long.next().unwrap()),
                length => length,
            };
            all[stream].push((is_set(fin), number(columns[2][at]) as u8, number(columns[3][at]) as u8, mask, length));
        }
    }
    all
}

#[test]
fn tshark_sees_the_same_frames_in_the_same_bytes() {
    let corpus = corpus();
    assert!(corpus.len() >= 240, "{} streams", corpus.len());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus.pcapng");
    std::fs::write(&file, capture(&corpus)).unwrap();
    let theirs = tsharks(&file, corpus.len());
    for (at, (Stream { sender, bytes, .. }, theirs)) in corpus.iter().zip(theirs).enumerate() {
        assert_eq!(ours(&[bytes]), theirs, "stream {at} of {sender:?}: {:02x?}", &bytes[..bytes.len().min(40)]);
    }
}

#[test]
fn a_stream_has_the_same_frames_wherever_it_is_cut() {
    for Stream { bytes, .. } in corpus() {
        let whole = ours(&[&bytes]);
        for at in 0..bytes.len() {
            let (one, two) = bytes.split_at(at);
            assert_eq!(ours(&[one, two]), whole, "cut at {at}");
        }
    }
}

/// What a stream's texts say, as the inspector inflates them.
fn texts(stream: &Stream) -> Vec<Vec<u8>> {
    let (mut tap, mut all) = (Tap::new(Limits { keep: 1 << 20, inflate: 1 << 20 }), Vec::new());
    let (request, response) = heads(stream.extension);
    let mut each = |event| match event {
        Event::Frame { seen, .. } => {
            assert_eq!(seen.broken, [], "{:?}", stream.extension);
            all.extend(seen.inflated.map(|message| message.kept));
        }
        Event::Handshake(handshake) => assert_eq!(handshake.refusal, None),
        _ => {}
    };
    tap.push(Sender::Client, request.as_bytes(), &mut each);
    tap.push(Sender::Server, response.as_bytes(), &mut each);
    tap.push(stream.sender, &stream.bytes, &mut each);
    all
}

#[test]
fn compressed_texts_of_every_setting_say_what_was_compressed() {
    let all: Vec<Vec<Vec<u8>>> = compressed().iter().map(texts).collect();
    assert!(all.iter().all(|texts| texts.len() == 3 || texts.len() == 2), "none is missing");
    assert!(all.chunks(2).all(|pair| pair[0] == pair[1]), "whole or in fragments");
    assert!(all.iter().filter(|texts| texts[0] == b"hello").count() == 20);
}

/// tshark 4.0 inflates what comes in one frame, and of fragments shows what passed; whole and decoded it is shown everywhere.
#[test]
fn tshark_reads_the_same_texts_where_messages_are_written_whole() {
    let streams = compressed();
    let (mut capture, mut out) = (Capture::new(80).decoded(1 << 20), Vec::new());
    Capture::begin(&mut out);
    for (at, stream) in streams.iter().enumerate() {
        let at = Duration::from_millis(at as u64);
        let stamp = Stamp { connection: at.as_millis() as u64 + 1, at: SystemTime::UNIX_EPOCH + at, since: at };
        let mut tap = Tap::new(Limits { keep: 1 << 20, inflate: 1 << 20 });
        let (request, response) = heads(stream.extension);
        let mut each = |event: Event| capture.write(&stamp, &event, &mut out);
        tap.push(Sender::Client, request.as_bytes(), &mut each);
        tap.push(Sender::Server, response.as_bytes(), &mut each);
        tap.push(stream.sender, &stream.bytes, &mut each);
        [Sender::Client, Sender::Server].into_iter().for_each(|sender| tap.finish(sender, &mut each));
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("decoded.pcapng");
    std::fs::write(&file, out).unwrap();
    let output = Command::new("tshark")
        .arg("-r")
        .arg(&file)
        .args([
            "-Y",
            "websocket.opcode == 1 && websocket.payload_length != 4",
            "-T",
            "fields",
            "-e",
            "tcp.stream",
            "-e",
            "websocket.payload.text",
        ])
        .output()
        .expect("tshark is there: cargo xtask setup installs it");
    let shown = String::from_utf8(output.stdout).unwrap();
    for (at, stream) in streams.iter().enumerate() {
        let theirs: Vec<&str> = shown.lines().filter_map(|line| line.strip_prefix(&format!("{at}\t"))).collect();
        let ours = texts(stream);
        let ours: Vec<&str> =
            ours.iter().map(|text| std::str::from_utf8(text).unwrap()).filter(|text| text.len() != 4).collect();
        assert_eq!(theirs, ours, "stream {at}: {:?}", stream.extension);
    }
}

/// Reads a head, byte by byte.
fn head(stream: &mut TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
}

#[test]
fn the_proxy_passes_every_stream_as_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Nearly nothing is shown: nobody reads it meanwhile.
    let (child, listening) = proxy(&listener.local_addr().unwrap().to_string(), &["--lint", "off", "--opcode", "15"]);
    for Stream { sender, bytes, extension } in corpus() {
        let (request, response) = heads(extension);
        let mut client = TcpStream::connect(&listening).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        head(&mut server);
        server.write_all(response.as_bytes()).unwrap();
        head(&mut client);
        let (mut from, mut to) = if sender == Sender::Client { (client, server) } else { (server, client) };
        let sent = bytes.clone();
        let writing = thread::spawn(move || {
            from.write_all(&sent).unwrap();
            from.shutdown(Shutdown::Write).unwrap();
            from
        });
        let mut came = Vec::new();
        to.read_to_end(&mut came).unwrap();
        writing.join().unwrap();
        assert!(came == bytes, "{sender:?} {extension:?}: {:02x?}", &bytes[..bytes.len().min(40)]);
    }
    interrupt(child);
}

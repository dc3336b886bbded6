//! Everything from the network is hostile: what is malformed gets its exact answer, and nobody else notices.

use std::net::SocketAddrV4;

use inkwire_protocol::{ClientMessage, ImageHash, ImageState, Operation, binary, json, limits};
use inkwire_tests::client::Client;
use inkwire_tests::image::png;
use inkwire_tests::patience::{PATIENCE, wait_until};
use inkwire_tests::raw::{Raw, client_frame, handshake};
use inkwire_tests::server::{Server, free_port, serve};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

const BINARY: &str = "Sec-WebSocket-Protocol: inkwire.v1\r\n";
const JSON: &str = "Sec-WebSocket-Protocol: inkwire.v1.json\r\n";

/// Requests and the status that answers each; `{}` stands for the server's address.
const REQUESTS: &[(&str, u16)] = &[
    ("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", 200),
    ("HEAD /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", 200),
    ("GET http://{}/readyz HTTP/1.1\r\nHost: {}\r\n\r\n", 200),
    ("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", 200),
    ("GET /b/x HTTP/1.1\r\nHost: {}\r\n\r\n", 200),
    ("GET /nothing HTTP/1.1\r\nHost: {}\r\n\r\n", 404),
    ("GET /b/ HTTP/1.1\r\nHost: {}\r\n\r\n", 404),
    ("GET /b/caf%C3%A9 HTTP/1.1\r\nHost: {}\r\n\r\n", 404),
    ("GET /b/a%20b HTTP/1.1\r\nHost: {}\r\n\r\n", 404),
    ("GET /b/__proto__ HTTP/1.1\r\nHost: {}\r\n\r\n", 200),
    ("GET /ws/x HTTP/1.1\r\nHost: {}\r\n\r\n", 426),
    ("GET /static/js/main.js HTTP/1.1\r\nHost: {}\r\n\r\n", 200),
    ("GET /static/../Cargo.toml HTTP/1.1\r\nHost: {}\r\n\r\n", 400),
    ("GET /static/%2e%2e/Cargo.toml HTTP/1.1\r\nHost: {}\r\n\r\n", 400),
    ("GET /static/..%2fCargo.toml HTTP/1.1\r\nHost: {}\r\n\r\n", 400),
    ("GET /static\\..\\Cargo.toml HTTP/1.1\r\nHost: {}\r\n\r\n", 400),
    ("GET //etc/passwd HTTP/1.1\r\nHost: {}\r\n\r\n", 400),
    ("GET /%00 HTTP/1.1\r\nHost: {}\r\n\r\n", 400),
    ("GET * HTTP/1.1\r\nHost: {}\r\n\r\n", 400),
    ("GET / HTTP/1.0\r\nHost: {}\r\n\r\n", 200),
    ("GET /healthz HTTP/1.0\r\n\r\n", 200),
    ("GET / HTTP/0.9\r\nHost: {}\r\n\r\n", 505),
    ("GET / HTTP/3.7\r\nHost: {}\r\n\r\n", 505),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("POST / HTTP/1.1\r\nHost: {}\r\n\r\n", 405),
    ("OPTIONS * HTTP/1.1\r\nHost: {}\r\n\r\n", 405),
    ("BREW / HTTP/1.1\r\nHost: {}\r\n\r\n", 405),
    ("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: 5\r\n\r\nhello", 413),
    ("GET / HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
    ("GET / HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: gzip, chunked\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n", 413),
    ("GET / HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello", 400),
    ("GET / HTTP/1.1\r\nHost: {}\r\nContent-Length: +5\r\n\r\nhello", 400),
    ("GET / HTTP/1.1\r\nHost: {}\r\nContent-Length: 5, 5\r\n\r\nhello", 400),
    ("GET / HTTP/1.1\r\nHost: {}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello", 400),
    ("GET / HTTP/1.1\r\nHost: {}\r\nExpect: 100-continue\r\n\r\n", 417),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x/healthz?\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: {}\r\nX-Name: caf\u{e9}\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: {}\r\nX-Name: a\r\n folded\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: {}\r\nX Name: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: {}\r\nX-Name: a\u{1}b\r\n\r\n", 400),
    ("GET http://{}?x=/healthz HTTP/1.1\r\nHost: {}\r\n\r\n", 200),
    ("GET HTTP://{}/healthz HTTP/1.1\r\nHost: {}\r\n\r\n", 200),
    ("GET http:///healthz HTTP/1.1\r\nHost: {}\r\n\r\n", 400),
    ("GET http://evil.example/healthz HTTP/1.1\r\nHost: {}\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding : chunked\r\n\r\n", 400),
    ("GET / HTTP/1.1\nHost: {}\n\n", 400),
    ("GET /healthz HTTP/1.1\nHost: {}\n\nGET /nothing HTTP/1.1\r\nHost: {}\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: {}\r\nX-Name: a\nX-Other: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: {}\r\nX-Name: a\rb\r\n\r\n", 400),
    ("nonsense\r\n\r\n", 400),
    ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}", 400),
];

#[test]
fn every_request_gets_its_exact_status() {
    let server = Server::start(&[]);
    for (request, status) in REQUESTS {
        let request = request.replace("{}", &server.address);
        let mut raw = Raw::connect(&server.address);
        raw.send(request.as_bytes());
        let head = raw.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {head}");
        if *status == 400 || *status == 413 {
            // Nothing behind a refused head is ever taken for a request.
            let rest = String::from_utf8(raw.rest()).unwrap();
            assert!(!rest.contains("HTTP/1.1 ") && head.contains("connection: close\r\n"), "{request:?}: {head}{rest}");
        }
        if *status == 426 {
            let named = ["connection: upgrade\r\n", "upgrade: websocket\r\n", "sec-websocket-version: 13\r\n"];
            assert!(named.iter().all(|header| head.contains(header)), "RFC 9110 section 7.8: {head}");
        }
    }
    assert_eq!(server.metric("inkwire_panics_total"), 0.0);
}

#[test]
fn a_reply_to_head_has_no_body_also_where_it_refuses() {
    let server = Server::start(&[]);
    for request in ["HEAD /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", "HEAD / HTTP/1.1\r\n\r\n"] {
        let mut raw = Raw::connect(&server.address);
        raw.send(request.replace("{}", &server.address).as_bytes());
        assert!(raw.head().starts_with("HTTP/1.1 "));
        assert_eq!(raw.rest(), b"");
    }
}

/// The answer to a request for a path under a Host.
fn status_for(address: &str, path: &str, host: &str) -> String {
    let mut raw = Raw::connect(address);
    raw.send(handshake(path, host, "").as_bytes());
    raw.head().get(9..12).unwrap_or_default().to_owned()
}

/// DNS rebinding: a name of another site that means this machine for a moment, so that its pages count as ours.
#[test]
fn a_server_on_loopback_is_reached_by_no_name_of_another_site() {
    let server = Server::start(&[]);
    let port = server.address.rsplit(':').next().unwrap();
    for path in ["/ws/x", "/echo", "/", "/new", "/b/x", "/static/js/main.js", "/healthz", "/readyz", "/metrics", "/x"] {
        for host in ["rebound.evil.example", &format!("rebound.evil.example:{port}"), "localhost.evil.example"] {
            assert_eq!(status_for(&server.address, path, host), "421", "{path} for {host}");
        }
    }
    let mut raw = Raw::connect(&server.address);
    let rebound = "Origin: http://rebound.evil.example\r\nConnection: close\r\n";
    raw.send(handshake("/ws/x", "rebound.evil.example", rebound).as_bytes());
    let answer = String::from_utf8(raw.rest()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 421 ") && answer.contains("--public-url"), "{answer}");
    for host in ["localhost", &format!("localhost:{port}"), "127.0.0.1", "[::1]:1", "192.168.1.5"] {
        assert_eq!(status_for(&server.address, "/ws/x", host), "101", "{host}");
    }
    assert_eq!(server.metric("inkwire_refused_total{limit=\"host\"}"), 31.0, "the operator sees them");
    let behind = Server::start(&["--behind-proxy"]);
    assert_eq!(status_for(&behind.address, "/ws/x", "draw.example.org"), "101", "the proxy decides");
}

#[test]
fn a_server_with_public_urls_answers_to_these_and_prints_the_first() {
    let address = format!("127.0.0.1:{}", free_port());
    let urls = ["--public-url", "https://draw.example.org/draw/", "--public-url", "http://ink.local:8081"];
    let flags = [&["--listen", &address, "--behind-proxy", "--base-path", "/draw"], &urls[..]].concat();
    let server = Server::start(&flags);
    assert_eq!(server.url, "https://draw.example.org/draw/");
    for (path, host, status) in [
        ("/draw/ws/x", "draw.example.org", "101"),
        ("/draw/ws/x", "draw.example.org:443", "101"),
        ("/draw/b/x", "ink.local:8081", "200"),
        ("/draw/ws/x", "ink.local", "421"),
        ("/draw/b/x", "evil.example", "421"),
        ("/draw", "evil.example", "421"),
        ("/draw/b/x", &address, "421"),
        ("/draw/ws/x", &address, "421"),
        ("/draw/readyz", &address, "200"),
        ("/draw/readyz", "evil.example", "421"),
    ] {
        assert_eq!(status_for(&address, path, host), status, "{path} for {host}");
    }
    for (origin, status) in [("https://draw.example.org", "101"), ("http://draw.example.org", "403"), ("null", "403")] {
        let mut raw = Raw::connect(&address);
        raw.send(handshake("/draw/ws/x", "draw.example.org", &format!("Origin: {origin}\r\n")).as_bytes());
        assert_eq!(raw.head().get(9..12), Some(status), "{origin}");
    }
}

#[test]
fn every_request_may_come_one_byte_at_a_time() {
    let server = Server::start(&[]);
    for (request, status) in REQUESTS {
        let mut raw = Raw::connect(&server.address);
        for byte in request.replace("{}", &server.address).bytes() {
            raw.send(&[byte]);
        }
        let head = raw.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {head}");
    }
}

/// Load balancers probe in HTTP/1.0, many of them without a Host.
#[test]
fn a_probe_in_http_1_0_is_answered_and_closed() {
    let server = Server::start(&[]);
    for head in ["GET /readyz HTTP/1.0\r\n\r\n", "HEAD /readyz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"] {
        let mut raw = Raw::connect(&server.address);
        raw.send(head.as_bytes());
        let reply = raw.head();
        assert!(reply.starts_with("HTTP/1.1 200 ") && reply.contains("connection: close\r\n"), "{reply}");
        assert_eq!(raw.rest(), if head.starts_with("GET") { &b"ready\n"[..] } else { b"" });
    }
    let mut raw = Raw::connect(&server.address);
    raw.send(b"GET /readyz HTTP/1.0\r\nHost: rebound.evil.example\r\n\r\n");
    assert!(raw.head().starts_with("HTTP/1.1 421 "));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(&server.address);
    let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{more}\r\n", server.address);
    raw.send((get("/healthz", "") + &get("/nothing", "") + &get("/readyz", "Connection: close\r\n")).as_bytes());
    let replies = String::from_utf8(raw.rest()).unwrap();
    let statuses: Vec<&str> =
        replies.lines().filter(|line| line.starts_with("HTTP/1.1 ")).map(|line| &line[9..12]).collect();
    assert_eq!(statuses, ["200", "404", "200"]);
}

#[test]
fn heads_are_bounded_in_length_and_number() {
    let server = Server::start(&[]);
    let before = server.memory();
    for request in [
        format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "a".repeat(9000)),
        format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: a\r\n".repeat(100)),
        format!("GET /{}", "a".repeat(8 * 1024 * 1024)),
    ] {
        let mut raw = Raw::connect(&server.address);
        raw.send(request.as_bytes());
        assert!(raw.head().starts_with("HTTP/1.1 431 "));
    }
    assert!(server.memory() < before + 1024 * 1024, "an endless line is not kept");
}

#[test]
fn a_slow_head_is_answered_408_and_closed() {
    let server = Server::start(&[]);
    let mut silent = Raw::connect(&server.address);
    let mut slow = Raw::connect(&server.address);
    slow.send(b"GET / HTTP/1.1\r\nHost: h\r\n");
    assert!(slow.head().starts_with("HTTP/1.1 408 "));
    assert!(silent.head().starts_with("HTTP/1.1 408 "));
    assert!(slow.rest().len() < 200, "only the line of text that explains it");
}

#[test]
fn the_handshake_is_checked() {
    let server = Server::start(&["--allow-origin", "https://friend.example"]);
    let host = &server.address;
    let good = handshake("/ws/x", host, BINARY);
    let cases: &[(String, u16)] = &[
        (good.clone(), 101),
        (handshake("/ws/x", host, ""), 101),
        (handshake("/echo", host, ""), 101),
        (
            good.replace("Upgrade: websocket", "upgrade: WebSocket")
                .replace("Connection: Upgrade", "Connection: keep-alive, upgrade"),
            101,
        ),
        (handshake("/ws/x", host, "Sec-WebSocket-Protocol: soap, inkwire.v1.json\r\n"), 101),
        (handshake("/ws/x", host, "Sec-WebSocket-Protocol: soap\r\n"), 400),
        (good.replace("Upgrade: websocket\r\n", ""), 426),
        (good.replace("Connection: Upgrade", "Connection: close"), 426),
        (good.replace("Upgrade: websocket", "Upgrade: h2c"), 426),
        (good.replace("Version: 13", "Version: 8"), 426),
        (good.replace("Sec-WebSocket-Version: 13\r\n", ""), 426),
        (good.replace("dGhlIHNhbXBsZSBub25jZQ==", "abc"), 400),
        (good.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400),
        (
            good.replace(
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            ),
            400,
        ),
        (handshake("/ws/x", host, &format!("Origin: http://{host}\r\n")), 101),
        (handshake("/ws/x", host, "Origin: https://friend.example\r\n"), 101),
        (handshake("/ws/x", host, "Origin: https://evil.example\r\n"), 403),
        (handshake("/ws/x", host, &format!("Origin: http://{host}.evil.example\r\n")), 403),
        (handshake("/ws/x", host, "Origin: null\r\n"), 403),
        (handshake("/ws/a.b", host, BINARY), 404),
        (handshake(&format!("/ws/{}", "n".repeat(65)), host, BINARY), 404),
        (good.replace("Connection: Upgrade", "Connection: keep-alive\r\nConnection: upgrade"), 101),
        (good.replace("dGhlIHNhbXBsZSBub25jZQ==", &"d".repeat(200)), 400),
        (good.replace("dGhlIHNhbXBsZSBub25jZQ==", ""), 400),
        (good.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j!Q=="), 400),
        (good.replace("Version: 13", "Version: 13\r\nSec-WebSocket-Version: 8"), 426),
        (good.replace("HTTP/1.1", "HTTP/1.0"), 426),
        (good.replace("GET", "HEAD"), 426),
        (good.replace("/ws/x", "/healthz"), 200),
    ];
    for (request, status) in cases {
        for piece in [request.len(), 1] {
            let mut raw = Raw::connect(host);
            request.as_bytes().chunks(piece).for_each(|part| raw.send(part));
            let head = raw.head();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
            if *status == 426 {
                assert!(head.contains("sec-websocket-version: 13\r\n"), "RFC 6455 section 4.2.2: {head}");
            }
        }
    }
    let mut raw = Raw::connect(host);
    raw.send(good.as_bytes());
    let head = raw.head();
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "RFC 6455 section 1.3: {head}");
    assert!(head.contains("Sec-WebSocket-Protocol: inkwire.v1\r\n"), "{head}");
}

fn hello() -> Vec<u8> {
    let hello = r##"{"type":"hello","clientId":"00112233445566778899aabbccddeeff","epoch":"0000000000000000","seq":0,
        "name":"Eve","colour":"#000000ff"}"##;
    binary::encode_client(&json::decode_client(hello).unwrap())
}

#[test]
fn frames_in_the_segment_of_the_handshake_are_not_lost() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(&server.address);
    let ping = binary::encode_client(&[ClientMessage::Ping { nonce: 77 }]);
    let frames = [client_frame(0x82, &hello()), client_frame(0x82, &ping)].concat();
    let (first, rest) = frames.split_at(5);
    raw.send(&[handshake("/ws/x", &server.address, BINARY).as_bytes(), first].concat());
    assert!(raw.head().starts_with("HTTP/1.1 101 "));
    raw.send(rest);
    let pong = [41, 1, 77];
    assert!(std::iter::from_fn(|| raw.frame()).any(|frame| frame.payload.ends_with(&pong)));
}

/// What is wrong with a frame or a packet, and the close code that the client must receive.
#[test]
fn every_violation_is_told_by_its_close_code() {
    let server = Server::start(&[]);
    let mut witness = Client::join(&server.address, "x", "witness");
    let text = |text: &str| client_frame(0x81, text.as_bytes());
    let binary = |bytes: &[u8]| client_frame(0x82, bytes);
    let huge = vec![0; limits::CLIENT_PACKET + 1];
    let half = &huge[..limits::CLIENT_PACKET / 2 + 1];
    let fragments = [client_frame(0x02, half), client_frame(0x80, half)].concat();
    let cases: &[(&str, &str, Vec<u8>, u16)] = &[
        ("an unmasked frame", BINARY, vec![0x82, 0], 1002),
        ("a reserved bit", BINARY, client_frame(0xc2, b""), 1002),
        ("a reserved opcode", BINARY, client_frame(0x83, b""), 1002),
        ("a continuation of nothing", BINARY, client_frame(0x80, b"x"), 1002),
        ("a fragmented ping", BINARY, client_frame(0x09, b""), 1002),
        ("a ping of 126 bytes", BINARY, client_frame(0x89, &[0; 126]), 1002),
        ("a close code that must not be sent", BINARY, client_frame(0x88, &1005u16.to_be_bytes()), 1002),
        ("text where binary is due", BINARY, text("{}"), 1003),
        ("binary where text is due", JSON, binary(&hello()), 1003),
        ("text that is not UTF-8", JSON, client_frame(0x81, &[0xff, 0xfe]), 1007),
        ("a message above the limit", BINARY, binary(&huge), 1009),
        ("fragments that add up above the limit", BINARY, fragments, 1009),
        ("an empty packet", BINARY, binary(&[]), 1007),
        ("a packet that is none", BINARY, binary(&[1, 2, 3]), 1007),
        ("JSON that is none", JSON, text("hello"), 1007),
        ("JSON that is deep", JSON, text(&"[".repeat(30_000)), 1007),
        ("a number that is none", JSON, text(r#"{"type":"ping","nonce":1e999}"#), 1007),
        ("operations before hello", BINARY, binary(&[5, 1, 0]), 1007),
        ("two hellos", BINARY, [binary(&hello()), binary(&hello())].concat(), 1007),
    ];
    for (what, protocol, bytes, code) in cases {
        let mut raw = Raw::upgrade(&server.address, "/ws/x", protocol);
        raw.send(bytes);
        assert_eq!(raw.close_code(), Some(*code), "{what}");
    }
    witness.round_trip();
    assert_eq!(server.metric("inkwire_panics_total"), 0.0);
}

#[test]
fn the_name_of_the_broken_rule_is_told() {
    let server = Server::start(&[]);
    let mut raw = Raw::upgrade(&server.address, "/ws/x", BINARY);
    raw.send(&client_frame(0x82, &[5, 2, 0x80, 0]));
    let close = std::iter::from_fn(|| raw.frame()).find(|frame| frame.opcode() == 8).expect("a close frame");
    assert_eq!(&close.payload[2..], b"numberNotMinimal");
}

#[test]
fn the_close_code_arrives_also_while_a_megabyte_is_in_flight() {
    let server = Server::start(&[]);
    for bytes in [client_frame(0x83, b""), client_frame(0x82, &vec![0; limits::CLIENT_PACKET + 1])] {
        let mut raw = Raw::upgrade(&server.address, "/ws/x", BINARY);
        let mut flood = bytes.clone();
        flood.resize(bytes.len() + 1024 * 1024, 0);
        let mut writer = raw.stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            use std::io::Write;
            let _ = writer.write_all(&flood);
        });
        assert!(matches!(raw.close_code(), Some(1002 | 1009)));
        sender.join().unwrap();
    }
}

#[test]
fn a_declared_length_reserves_nothing() {
    let server = Server::start(&[]);
    let before = server.memory();
    let mut raws: Vec<Raw> = (0..20).map(|_| Raw::upgrade(&server.address, "/ws/x", BINARY)).collect();
    for raw in &mut raws {
        raw.send(&[0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        assert!(matches!(raw.close_code(), Some(1002 | 1009)));
    }
    assert!(server.memory() < before + 2 * 1024 * 1024);
}

/// Eight sockets that send empty frames as fast as they can held up everybody else for seconds where reading was not
/// rationed. Here another member goes on; that it does at all within the patience of a round trip is the fact.
#[test]
fn flooders_do_not_hold_up_the_others() {
    let server = Server::start(&[]);
    let flood = client_frame(0x89, b"").repeat(4096);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let mut raw = Raw::upgrade(&server.address, "/ws/x", BINARY);
            let (flood, stop) = (&flood, &stop);
            scope.spawn(move || {
                raw.stream.set_write_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    raw.send(flood);
                }
            });
        }
        let mut member = Client::join(&server.address, "x", "member");
        for _ in 0..50 {
            member.round_trip();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(server.memory() < 64 * 1024 * 1024, "nothing piles up for those who never read");
}

#[test]
fn a_member_that_asks_and_never_reads_is_made_to_wait() {
    let server = Server::start(&[]);
    let before = server.memory();
    let mut raw = Raw::upgrade(&server.address, "/ws/x", BINARY);
    raw.send(&client_frame(0x82, &hello()));
    raw.stream.set_write_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    let reject = ClientMessage::Operations { first_cseq: 1, operations: vec![Operation::End { slot: 0 }; 1000].into() };
    let frame = client_frame(0x82, &binary::encode_client(&[reject]));
    use std::io::Write;
    let taken = (0..20_000).take_while(|_| raw.stream.write_all(&frame).is_ok()).count();
    assert!(taken < 20_000, "60 MB of questions were taken without an answer being read");
    assert!(server.memory() < before + 8 * 1024 * 1024);
    Client::join(&server.address, "x", "other").round_trip();
}

#[test]
fn operations_out_of_rule_are_rejected_and_the_connection_stays() {
    let server = Server::start(&[]);
    let mut client = Client::join(&server.address, "x", "ada");
    for operation in
        [Operation::End { slot: 0 }, Operation::Undo { gesture: 5 }, Operation::Unknown { tag: 77, body: vec![1] }]
    {
        client.does(operation).expect_err("it breaks a rule");
    }
    client.does(Operation::Clear { gesture_back: 0 }).expect("the connection stayed");
}

#[test]
fn names_are_cleaned_and_markup_is_only_text() {
    let server = Server::start(&[]);
    let _eve = Client::join(&server.address, "x", "<img src=x onerror=alert(1)>\u{202e}evil\u{0}\n");
    let mut bob = Client::join(&server.address, "x", "bob");
    bob.wait("both are here", |bob| bob.people.len() == 2);
    assert!(bob.people.values().any(|name| name == "<img src=x onerror=alert(1)>evil"));
}

#[test]
fn too_many_connections_are_answered_503_and_those_who_are_here_stay() {
    let server = Server::start(&["--max-connections", "3"]);
    let mut member = Client::join(&server.address, "x", "ada");
    let _more: Vec<Raw> = (0..2).map(|_| Raw::upgrade(&server.address, "/echo", "")).collect();
    let mut refused = Raw::connect(&server.address);
    assert!(refused.head().starts_with("HTTP/1.1 503 "));
    assert!(String::from_utf8(refused.rest()).unwrap().contains("the most is 3 (--max-connections)"));
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "), "how it is can still be asked");
    assert_eq!(server.metric("inkwire_refused_total{limit=\"connections\"}"), 1.0);
    member.round_trip();
}

/// A connection from another address of this machine.
fn connect_from(host: [u8; 4], to: &str) -> Raw {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddrV4::new(host.into(), 0)).unwrap();
    connect(&socket, &to.parse::<SocketAddrV4>().unwrap()).unwrap();
    let stream = std::net::TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Raw { stream }
}

#[test]
fn one_address_has_a_share_in_which_a_class_has_room_and_leaves_the_rest_to_others() {
    for (most, share) in [("1200", 1_100), ("5000", 1_250)] {
        let server = Server::start(&["--max-connections", most]);
        let _class: Vec<Raw> = (0..share).map(|_| Raw::upgrade(&server.address, "/echo", "")).collect();
        let mut refused = Raw::connect(&server.address);
        refused.send(handshake("/echo", &server.address, "").as_bytes());
        let answer = String::from_utf8(refused.rest()).unwrap();
        let why = format!("from this address: the most is {share} (--max-per-address)");
        assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains(&why), "{answer}");
        let mut other = connect_from([127, 0, 0, 2], &server.address);
        other.send(handshake("/echo", &server.address, "").as_bytes());
        assert!(other.head().starts_with("HTTP/1.1 101 "), "another address has its own share");
        assert_eq!(server.metric("inkwire_refused_total{limit=\"address\"}"), 1.0);
    }
}

#[test]
fn where_descriptors_are_short_health_and_the_operator_are_answered_and_members_draw() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("token"), "operators-own-token\n").unwrap();
    let admin = format!("127.0.0.1:{}", free_port());
    let flags = format!("--admin {admin} --admin-token-file {} --max-per-address 10000", path("token"));
    let serve = format!("serve --listen 127.0.0.1:0 --data {} {flags}", path("data"));
    let limited = format!("ulimit -n 256; exec {} {serve}", inkwire_tests::server::binary().display());
    let server = Server::spawn(std::process::Command::new("sh").args(["-c", &limited]));
    let mut member = Client::join(&server.address, "x", "ada");
    let most = server.metric("inkwire_max_connections");
    let mut held: Vec<Raw> = (0..300)
        .map(|_| {
            let mut raw = Raw::connect(&server.address);
            raw.send(handshake("/echo", &server.address, "").as_bytes());
            raw
        })
        .collect();
    let heads: Vec<String> = held.iter_mut().map(Raw::head).collect();
    let let_in = heads.iter().filter(|head| head.starts_with("HTTP/1.1 101 ")).count();
    assert!((100.0..256.0).contains(&most) && (1..most as usize).contains(&let_in), "{let_in} of {most}");
    for _ in 0..10 {
        wait_until("health is answered", || {
            let mut raw = Raw::connect(&server.address);
            raw.send(format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).as_bytes());
            raw.head().starts_with("HTTP/1.1 200 ")
        });
        let mut raw = Raw::connect(&admin);
        let token = "Authorization: Bearer operators-own-token\r\nConnection: close\r\n";
        raw.send(format!("GET /v1/boards HTTP/1.1\r\nHost: {admin}\r\n{token}\r\n").as_bytes());
        assert!(raw.head().starts_with("HTTP/1.1 200 "), "the operator is answered");
        member.round_trip();
    }
    let mut refused = Raw::connect(&server.address);
    refused.send(handshake("/echo", &server.address, "").as_bytes());
    let answer = String::from_utf8(refused.rest()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("(ulimit -n)"), "{answer}");
    assert!(server.descriptors() < 256);
}

#[test]
fn no_accept_error_ends_the_listener() {
    // In memory: the thread that takes orders of a data directory holds a descriptor's number while it waits in accept.
    let server = Server::start(&[]);
    // Behind its back, because it keeps its connections below a limit that it knows.
    let limit = Rlimit { current: Some(48), maximum: Some(48) };
    prlimit(Pid::from_raw(server.pid().try_into().unwrap()), Resource::Nofile, limit).unwrap();
    let mut held: Vec<Raw> = (0..60).map(|_| Raw::connect(&server.address)).collect();
    wait_until("the server is out of descriptors", || server.descriptors() >= 48);
    held.clear();
    wait_until("descriptors come back", || server.descriptors() < 40);
    let mut member = Client::join(&server.address, "x", "ada");
    member.round_trip();
}

#[test]
fn headers_keep_the_page_to_itself() {
    // A script or style inside the page is named by its hash (CSP 3 section 2.3.1): one of each, or none.
    for (form, hashes) in [("modules", 0), ("bundled", 2)] {
        let server = Server::start(&["--scripts", form]);
        let page = server.get("/b/x");
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(page.contains(header), "{header} in {page}");
        }
        assert!(!page.contains("unsafe-inline"));
        assert_eq!(page.matches("'sha256-").count(), hashes);
        let inside = page.matches("<style").count() + page.matches("<script").count()
            - page.matches("<script type=\"module\" src=").count();
        assert_eq!(inside - page.matches("<script async").count(), hashes, "{page}");
    }
}

#[test]
fn the_words_of_the_browsers_language_are_on_their_way_with_the_page() {
    let server = Server::start(&[]);
    let answer = |path: &str, wishes: &str| {
        let mut raw = Raw::connect(&server.address);
        let host = &server.address;
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Language: {wishes}\r\n\r\n").as_bytes());
        raw.head().to_lowercase()
    };
    let german = answer("/b/x", "de-AT,en;q=0.5");
    assert!(german.contains("\nlink: <../static/js/words/de.js>; rel=\"modulepreload\"\r\n"), "{german}");
    assert!(german.contains("\nvary: accept-encoding, accept-language\r\n"), "{german}");
    assert!(answer("/", "xx, fr").contains("<static/js/words/fr.js>"));
    for wishes in ["en-GB,de", "ja", "../../x", ";,;"] {
        assert!(!answer("/b/x", wishes).contains("\nlink:"), "{wishes}: English comes with the page");
    }
}

/// The first message fills a read to its last byte, the second one came in the same segment: nothing else wakes the connection.
#[test]
fn messages_right_behind_the_handshake_are_all_answered() {
    let server = Server::start(&["--ping-interval", "3600"]);
    let mut raw = Raw::connect(&server.address);
    let (first, second) = (vec![b'a'; 1016], b"second".to_vec());
    let mut bytes = handshake("/echo", &server.address, "").into_bytes();
    bytes.extend([client_frame(0x81, &first), client_frame(0x81, &second)].concat());
    raw.send(&bytes);
    assert!(raw.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(raw.frame().expect("its echo").payload, first);
    assert_eq!(raw.frame().expect("its echo").payload, second);
}

/// Three hundred messages that come at once are more than a session takes at once; nothing else wakes the connection.
#[test]
fn many_messages_in_one_segment_are_all_answered() {
    let server = Server::start(&["--ping-interval", "3600"]);
    let mut raw = Raw::upgrade(&server.address, "/echo", "");
    let message = |at: u32| at.to_string().into_bytes();
    raw.send(&(0..300).flat_map(|at| client_frame(0x81, &message(at))).collect::<Vec<u8>>());
    for at in 0..300 {
        assert_eq!(raw.frame().expect("its echo").payload, message(at));
    }
    let mut member = Client::join(&server.address, "x", "ada");
    for _ in 0..600 {
        member.submit(Operation::End { slot: 0 });
    }
    member.wait("all are rejected", |member| member.session.rejects().len() == 600);
}

#[test]
fn a_client_sequence_number_that_no_snapshot_could_write_is_refused() {
    let server = Server::start(&[]);
    let mut eve = Client::join(&server.address, "x", "eve");
    eve.session.count_from(limits::CSEQ - 1);
    eve.does(Operation::Clear { gesture_back: 0 }).expect("the last number is one");
    Client::join_json(&server.address, "x", "bob").wait_for_seq(1);
    eve.submit(Operation::Clear { gesture_back: 0 });
    assert_eq!(eve.wait_for_close(), 1007);
    let mut bob = Client::join_json(&server.address, "x", "carl");
    bob.wait_for_seq(1);
    assert_eq!(server.metric("inkwire_panics_total"), 0.0);
}

/// One undo of three bytes can work on thousands of elements: whoever asks that again and again waits for it, alone.
#[test]
fn undo_storms_are_rationed() {
    let server = Server::start(&[]);
    let mut eve = Client::join(&server.address, "x", "eve");
    for at in 0..3000 {
        let text = inkwire_protocol::Text {
            gesture_back: 0,
            colour: inkwire_protocol::Colour(0xff),
            size: 9,
            scale: 3,
            x: at,
            y: 0,
            text: "x".into(),
        };
        eve.submit(Operation::Text(text));
    }
    let clear = eve.does(Operation::Clear { gesture_back: 0 }).expect("an ordinary thing");
    let both = [Operation::Undo { gesture: clear }, Operation::Redo { gesture: clear }];
    let storm = both.into_iter().cycle().take(1000).collect();
    eve.say(&[ClientMessage::Operations { first_cseq: eve.session.cseq() + 1, operations: storm }]);
    let mut bob = Client::join(&server.address, "x", "bob");
    bob.round_trip();
    assert!(bob.session.board().seq() < 3900, "the storm takes its time");
    bob.does(Operation::Clear { gesture_back: 0 }).expect("and others draw meanwhile");
}

/// One message of 41 KB that clears eight thousand times. Each walked all elements, and none of them counted as work.
#[test]
fn a_storm_of_clearing_costs_what_it_deletes() {
    let server = Server::start(&[]);
    let mut ada = Client::join(&server.address, "x", "ada");
    let many = vec![inkwire_tests::client::text("x"); limits::OPERATIONS];
    ada.say(&[ClientMessage::Operations { first_cseq: 1, operations: many.into() }]);
    ada.wait_for_seq(1024);
    let mut eve = Client::join(&server.address, "x", "eve");
    let clears = |first: u64| {
        let clear = |cseq: u64| Operation::ClearAuthor { gesture_back: cseq - 1, author: 0 };
        let operations: Vec<_> = (first..first + limits::OPERATIONS as u64).map(clear).collect();
        ClientMessage::Operations { first_cseq: first, operations: operations.into() }
    };
    let storm: Vec<_> = (0..limits::CLIENT_MESSAGES as u64).map(|at| clears(1 + 1024 * at)).collect();
    eve.say(&storm);
    ada.session.count_from(1024);
    ada.does(inkwire_tests::client::text("meanwhile")).expect("an editor draws");
    ada.wait_for_seq(1025 + 8 * 1024);
    assert_eq!(ada.session.board().elements().filter(|element| element.is_visible()).count(), 1025);
    assert_eq!(server.metric("inkwire_panics_total"), 0.0);
}

/// A client that says a wrong state hash as often as it can. Each was a line at ERROR, written under the room's lock.
fn says_wrong_hashes(address: &str, packets: usize) -> Client {
    let mut eve = Client::join(address, "x", "eve");
    let wrong = ClientMessage::Check { seq: 0, hash: [0xff; 8] };
    for _ in 0..packets {
        eve.say(&vec![wrong.clone(); limits::CLIENT_MESSAGES]);
    }
    eve
}

#[test]
fn wrong_state_hashes_are_one_line_a_second_and_few_snapshots() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let mut command = serve(&[]);
    let started = std::time::Instant::now();
    let server = Server::spawn_logging(&mut command, log.reopen().expect("it is there"));
    let mut eve = says_wrong_hashes(&server.address, 500);
    eve.round_trip();
    assert_eq!(server.metric("inkwire_diverged_total"), 4000.0);
    let snapshots = server.metric("inkwire_snapshots_total");
    server.stop();
    let seconds = started.elapsed().as_secs() as usize + 1;
    let text = std::fs::read_to_string(log.path()).expect("text");
    let lines = text.lines().filter(|line| line.contains("is not the room's")).count();
    assert!((1..=seconds).contains(&lines), "{lines} lines in {seconds} s");
    assert!(snapshots as usize <= 2 + seconds / 5, "{snapshots} snapshots");
    assert!(text.contains("stopped"), "the last line is written as well: {text}");
}

#[test]
fn a_log_that_nobody_reads_holds_up_nobody() {
    let (log, nobody_reads) = std::io::pipe().expect("a pipe");
    let mut command = serve(&["--log", "trace"]);
    let server = Server::spawn_logging(&mut command, nobody_reads);
    // Each visit is some lines at DEBUG: far more than a pipe takes.
    for _ in 0..300 {
        drop(Client::join(&server.address, "x", "eve"));
    }
    let boards = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut members: Vec<Client> = boards.iter().map(|board| Client::join(&server.address, board, "ada")).collect();
    members.iter_mut().for_each(Client::round_trip);
    assert!(server.stop().success(), "and it stops");
    drop(log);
}

/// Sixteen members announce the largest image there may be, and send one byte of it. An announced length holds nothing, so
/// another member's image is kept.
#[test]
fn images_that_are_only_announced_keep_nobody_from_sending_one() {
    let server = Server::start(&[]);
    let mut holders: Vec<Client> =
        (0..16).map(|at| Client::join(&server.address, "x", &format!("holder {at}"))).collect();
    for holder in &mut holders {
        let (image, length) = (ImageHash([0; 32]), limits::IMAGE_BYTES as u64);
        holder.say(&[ClientMessage::ImagePart { image, length, offset: 0, bytes: vec![0] }]);
        holder.round_trip();
    }
    let mut ada = Client::join(&server.address, "x", "ada");
    let (image, bytes) = png(limits::IMAGE_BYTES, 1);
    assert_eq!(ada.sends_image(image, &bytes), ImageState::Kept);
}

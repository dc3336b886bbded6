//! Faults that were measured in the three C programs that this one follows (cketchbook, wslay's example, facil.io), one
//! test each, named after what it shows.

use std::net::Shutdown;
use std::time::{Duration, Instant};

use inkwire_tests::client::Client;
use inkwire_tests::patience::wait_until;
use inkwire_tests::raw::{Raw, client_frame, handshake};
use inkwire_tests::server::Server;

fn echo(server: &Server) -> Raw {
    Raw::upgrade(&server.address, "/echo", "")
}

#[test]
fn an_empty_frame_and_the_bytes_behind_it_do_no_harm() {
    let server = Server::start(&[]);
    let mut raw = echo(&server);
    raw.send(&client_frame(0x82, b""));
    assert_eq!(raw.frame().expect("its echo").payload, b"");
    raw.send(&client_frame(0x82, &[7; 8000]));
    assert_eq!(raw.frame().expect("its echo").payload, [7; 8000]);
}

#[test]
fn an_unmasked_frame_is_refused_with_1002() {
    let server = Server::start(&[]);
    let mut raw = echo(&server);
    raw.send(&[0x82, 4, 1, 2, 3, 4]);
    assert_eq!(raw.close_code(), Some(1002));
}

#[test]
fn a_request_in_one_packet_without_a_header_value_does_not_hang_the_others() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(&server.address);
    raw.send(b"GET / HTTP/1.1\nS\n\n");
    assert!(raw.head().starts_with("HTTP/1.1 400 "));
    Client::join(&server.address, "x", "ada").round_trip();
}

#[test]
fn a_half_closed_socket_does_not_spin() {
    let server = Server::start(&[]);
    let halves: Vec<Raw> = (0..20).map(|_| echo(&server)).collect();
    // One that is closed before its request is whole is only noticed by its time-out, and must not be polled until then.
    let mut unfinished = Raw::connect(&server.address);
    unfinished.send(b"GET / HTTP/1.1\r\n");
    let before = server.ticks();
    halves.iter().for_each(|half| half.stream.shutdown(Shutdown::Write).unwrap());
    for mut half in halves {
        assert_eq!(half.rest(), b"", "the server ends it too");
    }
    unfinished.stream.shutdown(Shutdown::Write).unwrap();
    unfinished.rest();
    assert!(server.ticks() - before < 50, "half a second of work for twenty closed sockets");
}

#[test]
fn a_message_is_answered_also_where_the_end_comes_right_behind_it() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(&server.address);
    // All of it is there before the server has read any: message and end are seen in one turn.
    raw.send(&[handshake("/echo", &server.address, "").as_bytes(), &client_frame(0x81, b"last words")].concat());
    raw.stream.shutdown(Shutdown::Write).unwrap();
    assert!(raw.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(raw.frame().expect("its echo").payload, b"last words");
    assert_eq!(raw.rest(), b"", "and then the end");
}

#[test]
fn an_orphan_continuation_is_refused_and_the_process_lives() {
    let server = Server::start(&[]);
    let mut raw = echo(&server);
    raw.send(&client_frame(0x80, b"orphan"));
    assert_eq!(raw.close_code(), Some(1002));
    Client::join(&server.address, "x", "ada").round_trip();
}

#[test]
fn a_close_does_not_overtake_the_echoes_before_it() {
    let server = Server::start(&[]);
    let mut raw = echo(&server);
    let message = "echo me ".repeat(1000);
    let mut bytes: Vec<u8> = (0..50).flat_map(|_| client_frame(0x81, message.as_bytes())).collect();
    bytes.extend(client_frame(0x88, &1000u16.to_be_bytes()));
    raw.send(&bytes);
    let frames: Vec<_> = std::iter::from_fn(|| raw.frame()).collect();
    assert_eq!(frames.iter().filter(|frame| frame.payload == message.as_bytes()).count(), 50);
    assert_eq!(frames.last().unwrap().close_code(), Some(1000), "and the close is answered with a close");
}

#[test]
fn two_hundred_and_fifty_connections_leave_no_descriptor() {
    let server = Server::start(&[]);
    let before = server.descriptors();
    for _ in 0..250 {
        let mut raw = echo(&server);
        raw.send(&client_frame(0x88, &1000u16.to_be_bytes()));
        raw.rest();
    }
    wait_until("all descriptors are back", || server.descriptors() <= before + 1);
}

#[test]
fn the_limit_is_for_the_message_also_when_it_comes_in_fragments() {
    let server = Server::start(&[]);
    let mut raw = echo(&server);
    raw.send(&client_frame(0x02, &[7; 40_000]));
    raw.send(&client_frame(0x80, &[7; 40_000]));
    assert_eq!(raw.close_code(), Some(1009));
}

#[test]
fn reserved_bits_long_pings_and_fragmented_pings_are_refused() {
    let server = Server::start(&[]);
    for bytes in [client_frame(0xc1, b"x"), client_frame(0x89, &[0; 126]), client_frame(0x09, b"x")] {
        let mut raw = echo(&server);
        raw.send(&bytes);
        assert_eq!(raw.close_code(), Some(1002));
    }
}

#[test]
fn a_length_that_is_not_in_its_shortest_form_is_refused_and_what_came_before_it_is_not() {
    let server = Server::start(&[]);
    for long in [&[0x82, 0xfe, 0, 2][..], &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 2], &[0x89, 0xfe, 0, 2]] {
        let mut raw = echo(&server);
        raw.send(&[&client_frame(0x82, b"first"), long, &[0, 0, 0, 0, 7, 7]].concat());
        assert_eq!(raw.frame().expect("its echo").payload, b"first");
        assert_eq!(raw.close_code(), Some(1002));
        // Also when it comes in the packet of the handshake.
        let mut raw = Raw::connect(&server.address);
        raw.send(&[handshake("/echo", &server.address, "").as_bytes(), long, &[0, 0, 0, 0, 7, 7]].concat());
        raw.head();
        assert_eq!(raw.close_code(), Some(1002));
    }
}

#[test]
fn a_new_message_inside_another_and_a_close_of_one_byte_are_refused() {
    let server = Server::start(&[]);
    let inside = [client_frame(0x01, b"first"), client_frame(0x81, b"second")].concat();
    for bytes in [inside, client_frame(0x8b, b""), client_frame(0x88, &[3])] {
        let mut raw = echo(&server);
        raw.send(&bytes);
        assert_eq!(raw.close_code(), Some(1002));
    }
}

#[test]
fn text_that_is_not_utf_8_is_never_sent_on() {
    let server = Server::start(&[]);
    let mut raw = echo(&server);
    raw.send(&client_frame(0x81, &[0xc3, 0x28]));
    assert_eq!(raw.close_code(), Some(1007));
}

#[test]
fn a_server_that_stops_sends_a_close_and_not_a_pong() {
    // Several times: the signal comes at another moment after the handshake each time, also within it on the server's side.
    for _ in 0..10 {
        let server = Server::start(&[]);
        let mut raw = echo(&server);
        server.signal(rustix::process::Signal::TERM);
        let frames: Vec<_> = std::iter::from_fn(|| raw.frame()).collect();
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].close_code(), Some(1012));
    }
}

#[test]
fn a_connection_over_ipv6_is_one_like_any_other() {
    // Where the machine has no IPv6, there is nothing to show.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        let server = Server::start(&["--listen", "[::1]:0"]);
        Client::join(&server.address, "x", "ada").round_trip();
    }
}

#[test]
fn a_peer_that_misses_its_pongs_is_closed() {
    let server = Server::start(&["--ping-interval", "0.1"]);
    let mut raw = echo(&server);
    assert_eq!(raw.frame().expect("a ping").opcode(), 9);
    assert!(raw.rest().len() < 100, "and then the end");
}

/// A thousand a second for half a minute, after ten seconds of the same: neither a descriptor nor memory is left behind.
#[test]
fn connections_that_open_and_close_leave_neither_bytes_nor_descriptors() {
    const THREADS: u32 = 4;
    const PACE: Duration = Duration::from_millis(THREADS as u64);
    let server = Server::start(&["--log", "warn"]);
    let churn = |count: u32| {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for turn in 0..count / THREADS {
                        std::thread::park_timeout((PACE * turn).saturating_sub(start.elapsed()));
                        let mut raw = Raw::connect(&server.address);
                        raw.send(handshake("/echo", &server.address, "").as_bytes());
                        raw.head();
                    }
                });
            }
        });
        wait_until("all are gone", || server.descriptors() < 20);
    };
    churn(10_000);
    let before = server.memory();
    churn(30_000);
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 256 * 1024, "{grown} bytes are left of 30,000 connections");
}

/// Ten thousand connections that say nothing are held, pinged, and cost little each.
#[test]
fn ten_thousand_idle_connections_are_held_and_pinged_at_8_kib_each() {
    const COUNT: usize = 10_000;
    inkwire_tests::fanout::allow_descriptors();
    let server = Server::start(&[
        "--log",
        "warn",
        "--ping-interval",
        "15",
        "--max-connections",
        "10100",
        "--max-per-address",
        "10100",
    ]);
    drop((0..50).map(|_| echo(&server)).collect::<Vec<_>>());
    let before = server.memory();
    let mut held: Vec<Raw> = (0..COUNT).map(|_| echo(&server)).collect();
    for at in (0..COUNT).chain(0..COUNT) {
        let raw = &mut held[at];
        assert_eq!(raw.frame().expect("a ping, and after its pong another").opcode(), 9);
        raw.send(&client_frame(0x8a, b""));
    }
    let each = server.memory().saturating_sub(before) / COUNT as u64;
    println!("{COUNT} idle connections: {each} bytes each");
    assert!(each <= 8 * 1024, "{each} bytes each");
    assert!(server.metric("inkwire_connections") >= COUNT as f64, "nobody is closed");
}

/// Everybody who has something coming to them gets it, then the close code, then the end; also who reads slowly.
#[test]
fn a_server_that_stops_under_load_delivers_what_is_queued_before_it_closes() {
    let server = Server::start(&["--drain", "15"]);
    let mut raws: Vec<Raw> = (0..20).map(|_| echo(&server)).collect();
    let message = vec![7; 60_000];
    let frame = client_frame(0x82, &message);
    for raw in &mut raws {
        (0..4).for_each(|_| raw.send(&frame));
    }
    // The server has read them: an echo of each has come.
    let mut echoes: Vec<usize> = raws.iter_mut().map(|raw| usize::from(raw.frame().is_some())).collect();
    wait_until("all is read", || server.metric("inkwire_received_bytes_total") >= (80 * frame.len()) as f64);
    server.signal(rustix::process::Signal::TERM);
    for (raw, echoes) in raws.iter_mut().zip(&mut echoes) {
        let frames: Vec<_> = std::iter::from_fn(|| raw.frame()).collect();
        *echoes += frames.iter().filter(|frame| frame.payload == message).count();
        assert_eq!(
            frames.last().and_then(inkwire_tests::raw::Frame::close_code),
            Some(1012),
            "the close is the last frame"
        );
        assert_eq!(raw.rest(), b"", "and then the end");
    }
    assert_eq!(echoes, [4; 20]);
    assert!(server.wait().success());
}

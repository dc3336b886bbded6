//! What `wsinspect` measures and finds out: pings, statistics, handshakes that fail.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::run::{connect, interrupt, listen, request, response, server, told, wsinspect};

#[test]
fn pings_are_counted_and_their_times_told() {
    let (child, url) = listen(&[]);
    let (code, out, error) = told(&wsinspect(&["ping", &url, "-c", "3", "-i", "1ms"]).output().unwrap());
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 4, "{out}");
    assert!(lines[0].starts_with("pong 1  ") && lines[2].starts_with("pong 3  "), "{out}");
    assert!(lines[3].starts_with("3 pings, 3 pongs; min ") && lines[3].ends_with(" ms"), "{out}");
    let (_, shown, _) = interrupt(child);
    assert_eq!(shown.matches("ping ").count(), 3, "they are pings, not messages: {shown}");
}

#[test]
fn a_server_that_answers_no_ping_is_told_and_has_an_exit_code() {
    let address = server(|mut stream| {
        let request = request(&mut stream);
        stream.write_all(&response(&request)).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    let url = format!("ws://{address}");
    let (code, out, error) = told(&wsinspect(&["ping", &url, "-c", "1", "-W", "50ms"]).output().unwrap());
    assert_eq!((code, error.as_str()), (Some(8), "wsinspect: no ping was answered\n"));
    assert_eq!(out, "no pong for ping 1\n1 pings, 0 pongs\n");
    let url = format!("ws://{}", crate::run::saying(&[0x88, 4, 0x03, 0xf3, b'n', b'o']));
    let (code, _, error) = told(&wsinspect(&["ping", &url, "-c", "3"]).output().unwrap());
    assert_eq!(code, Some(7));
    assert!(error.contains("the server closed with 1011 Internal Error \"no\" after 0 of "), "{error}");
    assert_eq!(wsinspect(&["ping", "ws://127.0.0.1:1", "-c", "1"]).output().unwrap().status.code(), Some(3));
}

#[test]
fn statistics_stand_at_the_end_beside_what_is_shown_or_as_its_last_line() {
    let (child, url) = listen(&["--echo", "--deflate"]);
    let address = url.trim_start_matches("ws://");
    let say = ["-x", "hello hello hello hello", "-c", "1", "--deflate", "--stats"];
    let (code, out, error) = connect(address, &say);
    assert_eq!(code, Some(0));
    assert!(!out.contains("1 connections") && error.contains("--> 2 frames, 1 messages"), "{error}");
    assert!(error.contains("23 bytes of messages went as "), "{error}");
    let (_, out, error) = connect(address, &[&say[..], &["--format", "jsonl"]].concat());
    let last: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (last["ev"].as_str(), last["receive"]["messages"].as_u64(), error.as_str()),
        (Some("stats"), Some(1), "")
    );
    interrupt(child);
}

/// A server that looks at the Origin, and refuses another one than this.
fn strict(origin: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = request(&mut stream);
            let answer = match request.get("Origin") {
                Some(other) if other != origin => b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec(),
                _ => response(&request),
            };
            stream.write_all(&answer).unwrap();
        }
    });
    format!("ws://{address}/chat")
}

#[test]
fn the_doctor_names_the_header_that_decides() {
    let url = strict("https://good.example");
    let (code, out, error) = told(&wsinspect(&["doctor", &url, "--origin", "http://bad.example"]).output().unwrap());
    assert_eq!((code, error), (Some(5), format!("wsinspect: {url} is refused\n")));
    assert!(out.starts_with("as asked                                  403 Forbidden\n"), "{out}");
    assert!(out.contains("without Origin                            101 Switching Protocols   <-- decides\n"), "{out}");
    assert!(out.ends_with("without Origin: this is what it takes\n"), "{out}");
    let (code, out, _) = told(&wsinspect(&["doctor", &url]).output().unwrap());
    assert_eq!(code, Some(0));
    assert!(out.contains("Origin: https://example.com: refused with 403 Forbidden"), "{out}");
    assert_eq!(wsinspect(&["doctor", "ws://127.0.0.1:1"]).output().unwrap().status.code(), Some(3));
}

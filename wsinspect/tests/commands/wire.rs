//! `wsinspect connect`, `proxy` and `show`, against servers that do as they are told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::thread;

use crate::run::{
    CLOSE, connect, frame, interrupt, proxy, recording, request, response, saying, server, told, wsinspect,
};

#[test]
fn a_conversation_is_shown_and_closed_properly() {
    let address = server(|mut stream| {
        let request = request(&mut stream);
        assert_eq!((request.target(), request.get("X-Name")), ("/chat?x=1", Some("ada")));
        stream.write_all(&response(&request)).unwrap();
        assert_eq!(frame(&mut stream), (0x81, b"hello".to_vec()));
        stream.write_all(&[0x89, 1, b'?', 0x01, 2, b'h', b'e', 0x80, 1, b'y']).unwrap();
        assert_eq!(frame(&mut stream), (0x8a, b"?".to_vec()), "a ping is answered");
        assert_eq!(frame(&mut stream), (0x88, vec![0x03, 0xe8]));
        stream.write_all(&CLOSE).unwrap();
    });
    let (code, out, error) = connect(&address, &["-x", "hello", "-H", "X-Name: ada", "--until", "^hey$"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    insta::assert_snapshot!(out.replace(&address, "HOST"));
}

/// What users of other tools ask for most: the input ends, and the answer still comes.
#[test]
fn a_reply_is_not_lost_at_the_end_of_the_input() {
    let address = server(|mut stream| {
        let request = request(&mut stream);
        stream.write_all(&response(&request)).unwrap();
        let (_, question) = frame(&mut stream);
        thread::park_timeout(std::time::Duration::from_millis(300));
        stream.write_all(&[&[0x81, question.len() as u8][..], &question].concat()).unwrap();
        assert_eq!(frame(&mut stream).0, 0x88, "and only then a close");
        stream.write_all(&CLOSE).unwrap();
    });
    let mut child = wsinspect(&[&format!("ws://{address}")]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a question\r\n").unwrap();
    let (code, out, _) = told(&child.wait_with_output().unwrap());
    assert_eq!(code, Some(0));
    assert!(out.contains("<-- text   FIN                  10  \"a question\""), "{out}");
}

/// Who writes a server must be able to send it what is wrong.
#[test]
fn what_is_sent_can_be_as_wrong_as_it_is_told_to_be() {
    let address = server(|mut stream| {
        let request = request(&mut stream);
        let authorization = "Basic YWRhOmxvdmVsYWNl";
        assert_eq!((request.get("Authorization"), request.get("Cookie")), (Some(authorization), Some("a=b")));
        stream.write_all(&response(&request)).unwrap();
        let mut came = [0; 3 + 4 + 4 + 3 + 4];
        stream.read_exact(&mut came).unwrap();
        assert_eq!(came[..3], [0xb3, 1, b'!'], "the bytes as they were given");
        assert_eq!(came[3..14], *b"\x35\x02he\x00\x02ll\x80\x01o", "in fragments, with RSV2 and RSV3, not masked");
        assert_eq!(came[14..], *b"\x88\x08\x0f\xa1", "the close that was asked for");
        let mut reason = [0; 6];
        stream.read_exact(&mut reason).unwrap();
        assert_eq!(&reason, b"enough");
        stream.write_all(&CLOSE).unwrap();
    });
    let wrong =
        ["--raw-hex", "b3 01 21", "-x", "hello", "--fragment", "2", "--send-opcode", "5", "--rsv", "2,3", "--no-mask"];
    let more = ["--close", "4001:enough", "--user", "ada:lovelace", "--cookie", "a=b", "--linger", "1ms"];
    let (code, out, error) = connect(&address, &[&wrong[..], &more].concat());
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("mask-missing") && out.contains("rsv3"), "and it is told of it: {out}");
    assert_eq!(connect(&address, &["--close", "70000"]).0, Some(2));
    assert_eq!(connect(&address, &["--raw-hex", "8"]).0, Some(2));
}

#[test]
fn every_way_to_end_has_its_exit_code_and_one_line() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (code, _, error) = connect(&free, &[]);
    assert_eq!((code, error.lines().count()), (Some(3), 1), "{error}");

    let refusing = server(|mut stream| {
        request(&mut stream);
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nnot\x1b[31myou").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    let (code, out, error) = connect(&refusing, &[]);
    assert_eq!(
        (code, error),
        (Some(5), format!("wsinspect: ws://{refusing}/chat?x=1: the server answers 403 Forbidden\n"))
    );
    assert!(out.contains(r#"<-- "not\u{1b}[31myou""#), "the body is shown, and orders nothing: {out}");

    let wrong = server(|mut stream| {
        request(&mut stream);
        let text = "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";
        stream.write_all(text.as_bytes()).unwrap();
    });
    let (code, _, error) = connect(&wrong, &[]);
    assert!(code == Some(5) && error.contains(": Sec-WebSocket-Accept is \"x\", for this key it is"), "{error}");

    let masking = [&[0x81, 0x80, 1, 2, 3, 4][..], &CLOSE].concat();
    let (code, _, error) = connect(&saying(&masking), &["--lint", "error"]);
    assert_eq!(
        (code, error.as_str()),
        (Some(6), "wsinspect: rules were broken 1 times, the first is mask-from-server\n")
    );
    assert_eq!(connect(&saying(&masking), &[]).0, Some(0));

    let (code, _, error) = connect(&saying(&[0x88, 4, 0x03, 0xf3, b'n', b'o']), &[]);
    assert_eq!((code, error.as_str()), (Some(7), "wsinspect: the server closed with 1011 Internal Error \"no\"\n"));
    let (code, out, error) = connect(&saying(&[0x81, 1, b'a', 0x81, 9]), &[]);
    assert_eq!((code, error.as_str()), (Some(7), "wsinspect: the server ended the connection without a close frame\n"));
    assert!(out.contains("\"a\"") && out.contains("cut off: 0 bytes of 9 came"), "what came is shown: {out}");

    let (code, _, error) = connect(&saying(&CLOSE), &["--count", "1"]);
    assert_eq!((code, error.as_str()), (Some(8), "wsinspect: 0 messages came, and not what was waited for\n"));
    let (code, _, error) = connect(&saying(&CLOSE), &["--write", "/nowhere/at/all"]);
    assert_eq!(code, Some(9));
    assert!(error.starts_with("wsinspect: /nowhere/at/all: "), "{error}");
    assert_eq!(connect(&free, &["--count", "many"]).0, Some(2));
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    let address = saying(&[&[0x81, 1, b'a'].repeat(100_000)[..], &CLOSE].concat());
    let mut child = wsinspect(&["connect", &format!("ws://{address}")]).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let (code, _, error) = told(&child.wait_with_output().unwrap());
    assert_eq!((code, error.as_str()), (Some(0), ""));
}

#[test]
fn a_proxy_outlives_a_server_that_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (child, listening) = proxy(&address, &[]);
    for _ in 0..2 {
        let mut client = TcpStream::connect(&listening).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n") && answer.contains("Connection refused"),
            "{answer}"
        );
    }
    assert_eq!(interrupt(child).0, Some(130));
    let (code, _, error) = told(&wsinspect(&["proxy", &listening, "ftp://x"]).output().unwrap());
    assert_eq!(
        (code, error.as_str()),
        (Some(2), "wsinspect: ftp://x: only ws://, wss://, http:// and https:// are understood\n")
    );
}

#[test]
fn a_proxy_passes_every_byte_as_it_is_and_shows_what_it_was() {
    // Rules are broken on both sides: wrong masks, reserved bits and opcodes, lengths in too many bytes, half a frame.
    let noise: Vec<u8> = (0..300_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let of_server =
        [&[0x81, 0x81, 1, 2, 3, 4, b'a' ^ 1, 0xf3, 0, 0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1, 7][..], &noise].concat();
    let of_client = [&[0x81, 1, b'x', 0x82, 0xfe, 0, 2, 0, 0, 0, 0, 1, 2][..], &noise].concat();
    let (sends, expected) = (of_server.clone(), of_client.clone());
    let address = server(move |mut stream| {
        let request = request(&mut stream);
        stream.write_all(&[response(&request), sends].concat()).unwrap();
        let mut came = Vec::new();
        stream.read_to_end(&mut came).unwrap();
        assert!(came == expected, "what the client sent");
        stream.write_all(b"after the client's end").unwrap();
    });
    let file = recording("noise.jsonl");
    let (child, listening) = proxy(&address, &["--write", file.to_str().unwrap(), "--time", "none"]);
    let mut client = TcpStream::connect(&listening).unwrap();
    let head = format!("GET /a HTTP/1.1\r\nHost: {listening}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    client.write_all(&[head.as_bytes(), &of_client].concat()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut came = Vec::new();
    client.read_to_end(&mut came).unwrap();
    let begins = came.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    assert!(came[begins..] == [&of_server[..], b"after the client's end"].concat(), "what the server sent");
    let (code, out, _) = interrupt(child);
    assert_eq!(code, Some(130));
    for line in ["mask-from-server", "length-not-shortest", "mask-missing", "rsv2", "reserved-opcode"] {
        assert!(out.contains(line), "{line} is told: {out}");
    }
    // The recording shows the same frames again.
    let (code, shown, _) = told(&wsinspect(&["show", file.to_str().unwrap(), "--time", "none"]).output().unwrap());
    let frames = |text: &str| text.lines().filter(|line| line.contains("--")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((code, frames(&shown)), (Some(0), frames(&out)));
}

#[test]
fn many_connections_pass_beside_each_other_with_numbers_of_their_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let request = request(&mut stream);
                stream.write_all(&[&response(&request)[..], &CLOSE].concat()).unwrap();
                stream.read_to_end(&mut Vec::new()).unwrap();
            });
        }
    });
    let (child, listening) = proxy(&address, &["--format", "jsonl"]);
    let clients: Vec<_> = (0..20)
        .map(|_| {
            thread::spawn({
                let listening = listening.clone();
                move || connect(&listening, &[])
            })
        })
        .collect();
    clients.into_iter().for_each(|client| assert_eq!(client.join().unwrap().0, Some(0)));
    let (code, out, _) = interrupt(child);
    assert_eq!(code, Some(130));
    let closes: Vec<_> = out.lines().filter(|line| line.contains(r#""ev":"close""#)).collect();
    assert_eq!(closes.len(), 20);
    assert!(closes.iter().all(|line| line.contains(r#""clean":true"#)));
    assert!((1..=20).all(|number| closes.iter().any(|line| line.contains(&format!(r#""conn":{number},"#)))));
}

#[test]
fn a_recording_that_is_cut_off_or_wrong_is_shown_up_to_there_and_told() {
    let file = recording("cut.jsonl");
    let whole = connect(&saying(&[&[0x81, 2, b'h', b'i'][..], &CLOSE].concat()), &["--write", file.to_str().unwrap()]);
    assert_eq!(whole.0, Some(0));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text[..text.find("\"ev\":\"message\"").unwrap()]).unwrap();
    let name = file.to_str().unwrap();
    let (code, out, error) = told(&wsinspect(&["show", name]).output().unwrap());
    assert_eq!(code, Some(9));
    assert!(out.contains("\"hi\""), "what is there is shown: {out}");
    assert!(
        error.starts_with(&format!("wsinspect: {name}:3: the line is cut off")) && error.lines().count() == 1,
        "{error}"
    );
    std::fs::write(&file, "{\"v\":2,\"ev\":\"frame\",\"conn\":1,\"ts\":\"2026-01-01T00:00:00Z\",\"t\":0}\n").unwrap();
    let (code, _, error) = told(&wsinspect(&["show", name]).output().unwrap());
    assert_eq!(code, Some(9));
    assert!(error.contains(":1: version 2 of the schema is not known here; this is version 1"), "{error}");
    assert_eq!(wsinspect(&["show", "/nowhere"]).output().unwrap().status.code(), Some(9));
}

/// The most memory that a process has had, in KiB.
fn peak(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_message_of_a_gibibyte_passes_and_is_shown_in_bounded_memory() {
    const LENGTH: u64 = 1 << 30;
    let address = server(|mut stream| {
        let request = request(&mut stream);
        stream.write_all(&[&response(&request)[..], &[0x82, 127], &LENGTH.to_be_bytes()].concat()).unwrap();
        let part = vec![7; 1 << 20];
        (0..1 << 10).for_each(|_| stream.write_all(&part).unwrap());
        stream.write_all(&CLOSE).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    let (child, listening) = proxy(&address, &[]);
    let mut client = TcpStream::connect(&listening).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").unwrap();
    let (mut came, mut buffer) = (0, vec![0; 1 << 20]);
    while came < LENGTH {
        came += client.read(&mut buffer).unwrap() as u64;
    }
    assert!(peak(&child) < 64 * 1024, "{} KiB", peak(&child));
    drop(client);
    let (_, out, _) = interrupt(child);
    assert!(out.contains("1073741824  07 07") && out.contains("and 1073741568 bytes more"), "{out}");
}

/// A server that never pauses, until the client has gone.
fn flooding() -> String {
    server(|mut stream| {
        let request = request(&mut stream);
        stream.write_all(&response(&request)).unwrap();
        let many = [0x81, 1, b'a'].repeat(10_000);
        while stream.write_all(&many).is_ok() {}
    })
}

#[test]
fn a_server_that_never_pauses_keeps_nothing_that_is_due_from_being_done() {
    let limits = ["--connect-timeout", "300ms", "--hide-control", "--opcode", "2"];
    let (code, _, error) = connect(&flooding(), &[&["--duration", "200ms"][..], &limits].concat());
    assert_eq!((code, error.as_str()), (Some(7), "wsinspect: the server does not answer our close frame\n"));
    let (_, out, _) = connect(&flooding(), &["--count", "5", "--connect-timeout", "300ms"]);
    assert_eq!(out.matches("<-- text").count(), 5, "no more are shown than were asked for");
    let child = wsinspect(&["connect", &format!("ws://{}", flooding()), "--opcode", "2"]).spawn().unwrap();
    thread::park_timeout(std::time::Duration::from_millis(500));
    assert!(peak(&child) < 64 * 1024, "an endless stream, {} KiB", peak(&child));
    assert_eq!(interrupt(child).0, Some(130));
}

#[test]
fn an_answer_to_our_own_ping_is_no_news_and_our_own_close_code_no_failure() {
    let (child, url) = crate::run::listen(&["--echo"]);
    let address = url.trim_start_matches("ws://");
    let pinging = ["-x", "a", "--ping-interval", "20ms", "--linger", "200ms", "--close", "4001:enough"];
    let (code, out, error) = connect(address, &pinging);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(out.matches("<-- pong").count() > 2, "{out}");
    interrupt(child);
}

#[test]
fn a_file_that_is_missing_is_told_before_anything_is_connected_to() {
    let (code, out, error) = connect("127.0.0.1:1", &["-x", "@/nowhere"]);
    assert_eq!((code, out.as_str()), (Some(9), ""));
    assert!(error.starts_with("wsinspect: /nowhere: No such file"), "{error}");
}

#[test]
fn a_line_that_cannot_be_sent_is_told_when_what_was_on_its_way_has_come() {
    let (child, url) = crate::run::listen(&["--echo"]);
    let mut command = wsinspect(&[&url, "--time", "none", "--input", "jsonl", "--linger", "200ms"]);
    let mut running = command.stdin(Stdio::piped()).spawn().unwrap();
    running.stdin.take().unwrap().write_all(b"{\"text\":\"a\"}\n{\"text\":1}\n").unwrap();
    let (code, out, error) = told(&running.wait_with_output().unwrap());
    assert_eq!(code, Some(9));
    assert!(out.contains("<-- text") && out.contains("was answered"), "{out}");
    assert!(error.starts_with("wsinspect: standard input:2: this is not one of {\"text\""), "{error}");
    interrupt(child);
}

#[test]
fn an_interrupt_is_heeded_while_it_waits_for_a_server_too() {
    let (accepted, is_accepted) = std::sync::mpsc::channel();
    let silent = server(move |mut stream| {
        request(&mut stream);
        accepted.send(()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let child = wsinspect(&["connect", &format!("ws://{silent}"), "--connect-timeout", "1h"]).spawn().unwrap();
    is_accepted.recv().unwrap();
    assert_eq!(interrupt(child).0, Some(130));
    let mut child = wsinspect(&["connect", "ws://127.0.0.1:1", "--reconnect=100"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("connecting again"), "{line}");
    assert_eq!(interrupt(child).0, Some(130));
}

#[test]
fn standard_input_is_lines_or_whatever_it_is_said_to_be() {
    let (child, url) = crate::run::listen(&["--echo"]);
    for (format, input, expected) in [
        ("lines", &b"a\r\nb"[..], &["text 1 a", "text 1 b"][..]),
        ("binary", b"a\n", &["binary 1 61"]),
        ("nul", b"a\nb\0c", &[r"text 3 a\nb", "text 1 c"]),
        ("hex", b"00 ff\n\n7f\n", &["binary 2 00 ff", "binary 1 7f"]),
        ("raw", b"a\nb\0", &["binary 4 61 0a 62 00"]),
        ("jsonl", b"{\"text\":\"a\"}\n{\"ping\":\"?\"}\n{\"hex\":\"00\"}\n", &["text 1 a", "pong 1 ?", "binary 1 00"]),
    ] {
        let mut command = wsinspect(&[&url, "--time", "none", "--input", format, "--linger", "200ms"]);
        let mut running = command.stdin(Stdio::piped()).spawn().unwrap();
        running.stdin.take().unwrap().write_all(input).unwrap();
        let (code, out, error) = told(&running.wait_with_output().unwrap());
        assert_eq!((code, error.as_str()), (Some(0), ""), "{format}");
        let came = out.lines().filter(|line| line.contains("<--") && !line.contains("close "));
        let words = |line: &str| {
            line.replace(['"', ' '], " ")
                .split_whitespace()
                .skip(2)
                .filter(|it| *it != "FIN")
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(came.map(words).collect::<Vec<_>>(), expected, "{format}: {out}");
    }
    interrupt(child);
}

#[test]
fn a_redirect_says_where_to() {
    let address = server(|mut stream| {
        request(&mut stream);
        stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: ws://other/\r\nContent-Length: 0\r\n\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    let (code, _, error) = connect(&address, &[]);
    assert_eq!(code, Some(5));
    assert!(error.ends_with(": the server answers 302 Found, and refers to ws://other/\n"), "{error}");
}

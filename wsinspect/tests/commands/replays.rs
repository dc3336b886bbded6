//! Recordings that are played again, by either side.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use crate::run::{
    CLOSE, answering, connect, frame, interrupt, listen, recording, request, response, saying, server, told, wsinspect,
};

/// A server that numbers what it answers with.
fn numbering(first: u8) -> String {
    server(move |mut stream| {
        let request = request(&mut stream);
        stream.write_all(&response(&request)).unwrap();
        let mut number = first;
        loop {
            let (opcode, _) = frame(&mut stream);
            if opcode == 0x88 {
                return stream.write_all(&CLOSE).unwrap();
            }
            let text = format!(r#"{{"n":{number}}}"#);
            stream.write_all(&[&[0x81, text.len() as u8][..], text.as_bytes()].concat()).unwrap();
            number += 1;
        }
    })
}

fn recorded(name: &str) -> String {
    let file = recording(name).to_str().unwrap().to_owned();
    assert_eq!(connect(&numbering(1), &["-x", "a", "-x", "b", "-c", "2", "-w", &file]).0, Some(0));
    file
}

fn replay(file: &str, more: &[&str]) -> (Option<i32>, String, String) {
    told(&wsinspect(&[&["replay", file, "--time", "none"], more].concat()).output().unwrap())
}

#[test]
fn a_server_that_says_the_same_is_told_to_and_one_that_does_not_with_both_sides() {
    let file = recorded("played.jsonl");
    let to = |first| format!("ws://{}", numbering(first));
    let (code, out, error) = replay(&file, &["--to", &to(1)]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    assert!(out.ends_with("3 messages were recorded, 3 came, 0 differ\n"), "{out}");
    let (code, out, _) = replay(&file, &["--to", &to(2), "--speed", "max"]);
    assert_eq!(code, Some(1));
    let told = "message 1\n  - text {\"n\":1}\n  + text {\"n\":2}\nmessage 2\n  - text {\"n\":2}\n  + text {\"n\":3}\n3 messages were recorded, 3 came, 2 differ\n";
    assert!(out.ends_with(told), "{out}");
    assert_eq!(replay(&file, &["--to", &to(2), "--speed", "10", "--ignore", "$.n"]).0, Some(0));
    let (code, out, _) = replay(&file, &["--to", &format!("ws://{}", saying(&CLOSE)), "--timeout", "100ms"]);
    assert!(code == Some(1) && out.contains("+ nothing"), "{out}");
}

#[test]
fn the_server_s_side_is_played_to_a_client_bit_for_bit() {
    // Fragments, a mask that must not be, and a length in too many bytes: all of it must come again.
    let bytes = [&[0x01, 0x81, 1, 2, 3, 4, b'a' ^ 1, 0x80, 126, 0, 1, b'b'][..], &CLOSE].concat();
    let file = recording("served.jsonl").to_str().unwrap().to_owned();
    let (code, first, _) = connect(&answering(&bytes), &["-x", "hello", "--linger", "1ms", "-w", &file]);
    assert_eq!(code, Some(0));
    for (say, expected) in [("hello", 0), ("other", 1)] {
        let mut child = wsinspect(&["replay", &file, "--serve", "127.0.0.1:0", "--time", "none"]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        let (_, again, _) = connect(&address, &["-x", say, "--linger", "1ms"]);
        let of_server =
            |text: &str| text.lines().filter(|line| line.contains("<--")).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(of_server(&again), of_server(&first));
        let (code, out, _) = told(&child.wait_with_output().unwrap());
        assert_eq!(code, Some(expected), "{out}");
        assert_eq!(out.contains("- text hello\n  + text other"), expected == 1, "{out}");
    }
}

#[test]
fn what_cannot_be_played_is_told() {
    let file = recorded("unplayed.jsonl");
    let (code, _, error) = replay(&file, &["--to", "ws://127.0.0.1:1", "--connection", "2"]);
    assert!(code == Some(9) && error.contains("it has no connection 2"), "{error}");
    assert_eq!(replay(&file, &[]).0, Some(2));
    assert_eq!(replay(&file, &["--to", "ws://127.0.0.1:1"]).0, Some(3));
    assert_eq!(replay(&file, &["--to", "ws://x", "--ignore", "$["]).0, Some(2));
    let cut = recording("uncut.jsonl").to_str().unwrap().to_owned();
    let (child, url) = listen(&["--echo"]);
    let address = url.trim_start_matches("ws://");
    assert_eq!(connect(address, &["-x", "hello", "-c", "1", "--keep", "2", "-w", &cut]).0, Some(0));
    interrupt(child);
    assert!(Path::new(&cut).exists());
    let (code, _, error) = replay(&cut, &["--to", &url]);
    assert!(code == Some(9) && error.contains("a frame of 5 bytes was not recorded whole"), "{error}");
}

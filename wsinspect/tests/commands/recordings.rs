//! What `wsinspect` records, and writes in other formats.

use std::path::Path;

use crate::run::{CLOSE, answering, connect, interrupt, listen, recording, saying, told, wsinspect};

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn frames(text: &str) -> Vec<String> {
    text.lines().filter(|line| line.contains("--") && !line.contains("close ")).map(str::to_owned).collect()
}

/// Shows a recording; its messages must be those that were shown when they passed.
fn shown(path: &Path) -> String {
    let (code, out, error) = told(&wsinspect(&["show", path.to_str().unwrap(), "--time", "none"]).output().unwrap());
    assert_eq!((code, error.as_str()), (Some(0), ""), "{}", path.display());
    out
}

#[test]
fn one_conversation_is_the_same_in_every_format_and_from_each_to_each() {
    let bytes = [&[0x81, 2, b'h', b'i', 0x82, 3, 0, 1, 0xff][..], &CLOSE].concat();
    let files = ["jsonl", "har", "pcapng"].map(|end| recording(&format!("formats.{end}")));
    let [jsonl, har, pcapng] = files.each_ref().map(|path| path.to_str().unwrap());
    let (code, out, _) =
        connect(&answering(&bytes), &["-x", "hello", "-w", jsonl, "--har", har, "--pcap", pcapng, "--linger", "1ms"]);
    assert_eq!(code, Some(0));
    let messages = frames(&out);
    assert_eq!(messages.len(), 3, "{out}");
    for from in &files {
        assert_eq!(frames(&shown(from)), messages, "{}", from.display());
        for end in ["jsonl", "har", "pcapng"] {
            let to = recording(&format!("converted-from-{}.{end}", from.extension().unwrap().to_str().unwrap()));
            let (from, name) = (from.to_str().unwrap(), to.to_str().unwrap());
            let (code, _, error) = told(&wsinspect(&["convert", from, name]).output().unwrap());
            assert_eq!((code, error.as_str()), (Some(0), ""), "{from} to {name}");
            assert_eq!(frames(&shown(&to)), messages, "{from} to {name}");
        }
    }
}

#[test]
fn secrets_are_recorded_only_where_they_are_asked_for() {
    for (keeps, word) in [(false, "REDACTED"), (true, "c2VjcmV0OnNlY3JldA==")] {
        let files = ["jsonl", "har", "pcapng"].map(|end| recording(&format!("secrets-{keeps}.{end}")));
        let [jsonl, har, pcapng] = files.each_ref().map(|path| path.to_str().unwrap());
        let address = saying(&CLOSE);
        let record = ["-w", jsonl, "--har", har, "--pcap", pcapng, "-u", "secret:secret", "--cookie", "id=mystery"];
        let keep: &[&str] = if keeps { &["--keep-secrets"] } else { &[] };
        let url = format!("ws://{address}/?token=riddle&room=a");
        let all = [&["connect", &url][..], &record, keep].concat();
        assert_eq!(wsinspect(&all).output().unwrap().status.code(), Some(0));
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            let has = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(has(word) && has("room=a"), "{}", file.display());
            for secret in ["c2VjcmV0OnNlY3JldA==", "mystery", "riddle"] {
                assert_eq!(has(secret), keeps, "{secret} in {}", file.display());
            }
        }
    }
}

#[test]
fn a_har_has_control_frames_only_where_they_are_asked_for() {
    let bytes = [&[0x89, 1, b'?', 0x01, 1, b'a', 0x80, 1, b'b'][..], &CLOSE].concat();
    for (more, types) in [(&[][..], &[1][..]), (&["--har-all"], &[9, 10, 1, 8, 8])] {
        let file = recording(&format!("control-{}.har", types.len()));
        let record = ["--har", file.to_str().unwrap(), "--linger", "1ms"];
        assert_eq!(connect(&saying(&bytes), &[&record[..], more].concat()).0, Some(0));
        let har: serde_json::Value = serde_json::from_str(&text(&file)).unwrap();
        let messages = har["log"]["entries"][0]["_webSocketMessages"].as_array().unwrap();
        let mut opcodes: Vec<_> = messages.iter().map(|message| message["opcode"].as_u64().unwrap()).collect();
        let mut expected = types.to_vec();
        opcodes.sort_unstable();
        expected.sort_unstable();
        assert_eq!(opcodes, expected);
        assert!(messages.iter().any(|message| message["data"] == "ab"), "a message is whole");
    }
}

#[test]
fn a_refusal_is_in_a_har_with_its_body() {
    let address = crate::run::server(|mut stream| {
        use std::io::{Read, Write};
        crate::run::request(&mut stream);
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    let file = recording("refused.har");
    assert_eq!(connect(&address, &["--har", file.to_str().unwrap()]).0, Some(5));
    let har: serde_json::Value = serde_json::from_str(&text(&file)).unwrap();
    let response = &har["log"]["entries"][0]["response"];
    assert_eq!((response["status"].as_u64(), response["content"]["text"].as_str()), (Some(403), Some("no")));
}

#[test]
fn what_cannot_be_converted_is_told_by_name() {
    let file = recording("nothing.jsonl");
    std::fs::write(&file, "").unwrap();
    let name = file.to_str().unwrap();
    for (from, to, words, expected) in [
        (name, "/tmp/x.mp3", "/tmp/x.mp3: its name ends in no format that is known", 2),
        (name, name, &format!("{name}: it is what is read; write another file"), 2),
        (name, "/nowhere/x.har", "/nowhere/x.har: No such file", 9),
        (name, recording("x.har").to_str().unwrap(), &format!("{name}: it has no connection in it"), 9),
        ("/nowhere.har", recording("y.har").to_str().unwrap(), "/nowhere.har: No such file", 9),
    ] {
        let (code, _, error) = told(&wsinspect(&["convert", from, to]).output().unwrap());
        assert_eq!(code, Some(expected), "{error}");
        assert!(error.starts_with(&format!("wsinspect: {words}")) && error.lines().count() == 1, "{error}");
    }
    let broken = recording("broken.har");
    std::fs::write(&broken, "{\"log\": {\"entries\": [{\"_resourceType\": \"websocket\"}]}}").unwrap();
    let (code, _, error) = told(&wsinspect(&["show", broken.to_str().unwrap()]).output().unwrap());
    assert!(code == Some(9) && error.contains("missing field"), "{error}");
}

#[test]
fn a_disk_that_is_full_is_told_with_the_file_that_it_is_about() {
    for flag in ["-w", "--har", "--pcap"] {
        let (code, _, error) = connect(&saying(&CLOSE), &[flag, "/dev/full"]);
        assert_eq!(
            (code, error.as_str()),
            (Some(9), "wsinspect: /dev/full: No space left on device (os error 28)\n"),
            "{flag}"
        );
    }
}

#[test]
fn nobody_is_echoed_a_part_of_what_they_said() {
    let (child, url) = listen(&["--echo", "--keep", "4"]);
    let (code, _, error) = told(&wsinspect(&[&url, "--time", "none", "-x", "hello", "-c", "1"]).output().unwrap());
    assert_eq!(code, Some(7));
    assert!(error.contains("1009 Message Too Big \"larger than --keep\""), "{error}");
    interrupt(child);
}

#[test]
fn a_listener_echoes_answers_from_a_file_and_speaks_a_subprotocol() {
    let (child, url) = listen(&["--echo", "--deflate", "--subprotocol", "b"]);
    let say = ["-x", "hello", "-b", "-c", "1", "--deflate", "-s", "a", "-s", "b"];
    let (code, out, _) = told(&wsinspect(&[&[url.as_str(), "--time", "none"], &say[..]].concat()).output().unwrap());
    assert_eq!(code, Some(0));
    assert!(out.contains("=== sub-protocol b") && out.contains("inflated to 5  68 65 6c 6c 6f"), "{out}");
    let (code, out, _) = interrupt(child);
    assert_eq!(code, Some(130));
    assert!(out.contains("=== the client closed with 1000 Normal Closure, and was answered"), "{out}");

    let replies = recording("replies.jsonl");
    std::fs::write(&replies, "{\"text\":\"one\"}\n{\"hex\":\"02\"}\n{\"close\":{\"code\":4000}}\n").unwrap();
    let (child, url) = listen(&["--reply", replies.to_str().unwrap()]);
    let (code, out, error) =
        told(&wsinspect(&[&url, "--time", "none", "-x", "a", "-x", "b", "-x", "c"]).output().unwrap());
    assert_eq!(code, Some(7), "{error}");
    assert!(out.contains("<-- text   FIN                   3  \"one\"") && out.contains("1  02"), "{out}");
    assert!(error.contains("4000"), "{error}");
    interrupt(child);
    std::fs::write(&replies, "{}\n").unwrap();
    let wrong = wsinspect(&["listen", "127.0.0.1:0", "--reply", replies.to_str().unwrap()]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(9));
}

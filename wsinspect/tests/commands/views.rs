//! How `wsinspect` shows what passes: formats, colours, messages, decoders, jq.

use crate::run::{CLOSE, connect, saying, told, wsinspect};

const TALK: &[u8] = b"\x01\x07{\"id\":1\x80\x0e,\"a\":\"\\u00e9\"}\x82\x03\x00\xff\x1b\x81\x02hi";

fn talk(more: &[&str]) -> String {
    let (code, out, error) = connect(&saying(&[TALK, &CLOSE].concat()), more);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    out
}

#[test]
fn messages_are_shown_whole_and_frames_alone() {
    let out = talk(&["--view", "messages", "--hide-control"]);
    let lines: Vec<&str> = out.lines().filter(|line| line.contains("<--")).collect();
    assert_eq!(
        lines,
        [
            r#"  1 <-- text   2 frames             21  "{\"id\":1,\"a\":\"\\u00e9\"}""#,
            "  1 <-- binary                       3  00 ff 1b",
            r#"  1 <-- text                         2  "hi""#,
        ]
    );
    let out = talk(&["--view", "frames"]);
    assert!(out.contains("<-- text   -                     7  message 1 fragment 1"), "{out}");
    let out = talk(&["--view", "messages", "--format", "jsonl"]);
    assert!(out.contains(r#""data":{"data":"{\"id\":1,\"a\":\"\\u00e9\"}","enc":"utf8"}"#), "{out}");
    assert!(!out.contains(r#""ev":"frame""#), "{out}");
}

#[test]
fn a_dump_stands_under_its_frame_and_raw_is_nothing_but_what_messages_carry() {
    let out = talk(&["--format", "hex", "--opcode", "2"]);
    assert!(out.contains("          00000000  00 ff 1b                                         |...|\n"), "{out}");
    let raw =
        wsinspect(&["connect", &format!("ws://{}", saying(&[TALK, &CLOSE].concat())), "-f", "raw"]).output().unwrap();
    let url = format!("ws://{}", saying(&[TALK, &CLOSE].concat()));
    let (_, out, error) =
        told(&wsinspect(&["connect", &url, "-f", "raw", "--keep", "2", "--opcode", "1"]).output().unwrap());
    assert_eq!(error, "wsinspect: 1 messages are cut; --keep 2 is less than they have\n", "{out}");
    assert_eq!(raw.stdout, b"{\"id\":1,\"a\":\"\\u00e9\"}\n\x00\xff\x1bhi\n");
}

#[test]
fn jq_chooses_messages_and_what_is_shown_of_them() {
    assert_eq!(talk(&["-f", "raw", "--jq", ".a"]), "é\n");
    let out = talk(&["--jq", "select(.id == 1) | {id}"]);
    let lines: Vec<&str> = out.lines().filter(|line| !line.contains("===")).collect();
    assert_eq!(lines.len(), 2, "only the last frame of the message, and what was made of it: {out}");
    assert!(lines[1].ends_with(r#"=  {"id":1}"#), "{out}");
    let out = talk(&["--jq", ".id", "-f", "jsonl"]);
    assert!(out.contains(r#""as":"jq","dir":"receive","error":null,"messages":[1]"#), "{out}");
    let (code, _, error) = told(&wsinspect(&["connect", "ws://x", "--jq", "(.a"]).output().unwrap());
    assert_eq!(code, Some(2));
    assert!(error.contains("closing parenthesis is expected"), "{error}");
}

#[test]
fn decoders_read_what_messages_say() {
    let out = talk(&["--decode", "json"]);
    assert!(out.contains("=  {\n") && out.contains("=    \"id\": 1\n"), "{out}");
    assert!(out.contains("!  this is no json: "), "{out}");
    let packed = [&[0x82, 3, 0x81, 0xa1, b'a'][..], &[0x82, 4, 0x81, 0xa1, b'a', 7], &CLOSE].concat();
    let (_, out, _) = connect(&saying(&packed), &["--decode", "msgpack"]);
    assert!(out.contains("this is no msgpack: ") && out.contains(r#"=  {"a":7}"#), "{out}");
    let out = talk(&["--decode", "exec:wc -c; echo $WSINSPECT_OP $WSINSPECT_DIR", "--view", "messages"]);
    assert!(out.contains("=  21\n") && out.contains("=  \"binary receive\"\n"), "{out}");
    let out = talk(&["--decode", "exec:exit 3"]);
    assert!(out.contains("!  exit 3 ends with exit status: 3"), "{out}");
    // What a program starts is ended with it.
    let out = talk(&["--decode", "exec:sleep 300; echo never", "--opcode", "2"]);
    assert!(out.contains("takes longer than 1s") && !out.contains("never\n"), "{out}");
    assert_eq!(wsinspect(&["connect", "ws://x", "--decode", "nonsense"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn there_are_colours_only_where_they_are_wanted() {
    assert!(!talk(&[]).contains('\x1b'), "not in a pipe");
    let out = talk(&["--color", "always"]);
    assert!(out.contains("\x1b[32m<-- text") && out.contains("\x1b[36m--> close") && out.contains("\x1b[0m"), "{out}");
    let url = || format!("ws://{}", saying(&[TALK, &CLOSE].concat()));
    let coloured = |name: &str, value: &str| {
        let output = wsinspect(&["connect", &url()]).env(name, value).output().unwrap();
        output.stdout.contains(&0x1b)
    };
    assert!(coloured("CLICOLOR_FORCE", "1"));
    assert!(!coloured("NO_COLOR", "1"));
}

#[test]
fn what_the_network_sends_orders_nothing_of_the_terminal() {
    let bytes = [&[0x81, 9, 0x1b, b'[', b'2', b'J', 0xe2, 0x80, 0xae, b'x', b'"'][..], &CLOSE].concat();
    for more in
        [&[][..], &["--view", "messages"], &["--format", "hex"], &["--decode", "json"], &["--decode", "exec:cat"]]
    {
        let (_, out, _) = connect(&saying(&bytes), more);
        assert!(!out.contains(['\x1b', '\u{202e}']) && out.contains("[2J"), "{more:?}: {out:?}");
    }
}

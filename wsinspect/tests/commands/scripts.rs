//! Scripts of sends and expectations, as they are run.

use crate::run::{
    CLOSE, connect, frame, interrupt, listen, recording, request, response, saying, server, told, wsinspect,
};
use std::io::{Read, Write};

fn script(name: &str, text: &str) -> String {
    let path = recording(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn test(file: &str, more: &[&str]) -> (Option<i32>, String, String) {
    told(&wsinspect(&[&["test", file], more].concat()).output().unwrap())
}

#[test]
fn a_script_talks_over_several_connections_and_captures_what_it_needs_later() {
    let (child, url) = listen(&["--echo", "--subprotocol", "chat.v1"]);
    let file = script(
        "talk.wst",
        r#"# An echo says what it was told.
connect {{url}}/a
  subprotocol chat.v1
  header X-Name: {{who}}
connect other = {{url}}/b
let word = joined
--> text {"op": "{{word}}", "id": 7}
<-- text within 2s
  $.op == "joined"
  $.id > 6
  capture id = $.id
other --> text {"id": {{id}}}
other --> binary 00 ff
other <-- binary
  skip
  == 00 ff
<-- nothing within 50ms
--> ping ?
<-- pong
  == ?
other --> close 4001 enough
other <-- close 4001
"#,
    );
    let (code, out, error) = test(&file, &["--var", &format!("url={url}"), "--var", "who=ada"]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    assert!(out.starts_with(&format!("ok    {file}  13 steps, ")) && out.ends_with("1 of 1 passed\n"), "{out}");
    let (_, shown, _) = interrupt(child);
    assert!(shown.contains(r#""{\"id\": 7}""#) && shown.contains("ws://"), "{shown}");
}

#[test]
fn what_does_not_hold_is_told_with_its_line_and_both_sides() {
    let (child, url) = listen(&["--echo"]);
    let failing = format!("connect {url}\n--> text {{\"id\": 1}}\n<-- text\n  $.id == 2\n");
    let file = script("failing.wst", &failing);
    let fine = script("fine.wst", &format!("connect {url}\n--> text a\n<-- text\n  == a\n"));
    let junit = recording("report.xml");
    let (code, out, _) = test(&file, &[&fine, "--junit", junit.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(
        out.starts_with(&format!("FAIL  {file}:4  <-- text\n        - $.id == 2\n        + 1\nok    {fine}")),
        "{out}"
    );
    assert!(out.ends_with("1 of 2 passed\n"), "{out}");
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(xml.contains(r#"tests="2" skipped="0" failures="1""#) && xml.contains("line 4: &lt;-- text"), "{xml}");
    let (code, out, _) = test(&file, &[&fine, "--tap"]);
    assert_eq!(code, Some(1));
    let expected = format!(
        "TAP version 14\n1..2\nnot ok 1 - {file}\n  ---\n  line: 4\n  step: \"<-- text\"\n  message: |\n    - $.id == 2\n    + 1\n  ...\nok 2 - {fine}\n"
    );
    assert_eq!(out, expected);
    interrupt(child);
}

#[test]
fn what_never_comes_and_what_comes_unasked_fail() {
    let bytes = [&[0x81, 1, b'a'][..], &[0x88, 2, 0x0f, 0xa1]].concat();
    let run = |steps: &str| {
        let file = script(&format!("never-{}.wst", steps.len()), &format!("connect ws://{}\n{steps}", saying(&bytes)));
        let (code, out, _) = test(&file, &[]);
        (code, out)
    };
    assert_eq!(run("<-- text\n  == a\n<-- close 4001\n").0, Some(0));
    let (code, out) = run("<-- nothing within 2s\n");
    assert!(code == Some(1) && out.contains("+ text a"), "{out}");
    let (code, out) = run("<-- text within 300ms\n  skip\n  == b\n");
    assert!(code == Some(1) && out.contains("- == b\n        + a\n"), "the nearest miss is told: {out}");
    let (code, out) = run("<-- text\n<-- close 1000\n");
    assert!(code == Some(1) && out.contains("- close 1000\n        + close 4001"), "{out}");
    let (code, out) = run("nobody <-- text\n");
    assert!(code == Some(1) && out.contains("there is no connection of this name"), "{out}");
    let (code, out) = run("--> text {{nothing}}\n");
    assert!(code == Some(1) && out.contains("--var nothing=VALUE gives it a meaning"), "{out}");
}

#[test]
fn a_refusal_can_be_what_is_expected() {
    let refusing = || {
        server(|mut stream| {
            request(&mut stream);
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
        })
    };
    let file = script("refused.wst", &format!("connect ws://{}\n  status 403\n", refusing()));
    assert_eq!(test(&file, &[]).0, Some(0));
    let file = script("refused-other.wst", &format!("connect ws://{}\n", refusing()));
    let (code, out, _) = test(&file, &[]);
    assert!(code == Some(1) && out.contains("the status is 403, and 101 was expected"), "{out}");
}

#[test]
fn a_script_that_is_wrong_is_told_with_a_caret_and_nothing_is_run() {
    let file = script("wrong.wst", "connect ws://127.0.0.1:1\n<-- text\n  $.a = 1\n");
    let (code, out, error) = test(&file, &[]);
    assert_eq!((code, out.as_str()), (Some(9), ""));
    let expected = format!(
        "wsinspect: {file}:3:7: ==, !=, <, <=, >, >=, contains, matches or exists is expected here\n    $.a = 1\n        ^\n"
    );
    assert_eq!(error, expected);
    assert_eq!(test("/nowhere.wst", &[]).0, Some(9));
    let (code, _, error) = test(&script("empty.wst", "# nothing\n"), &[]);
    assert!(code == Some(9) && error.ends_with("empty.wst: it has no steps\n"), "{error}");
}

#[test]
fn a_recording_becomes_a_script_that_holds_for_the_same_server() {
    let serve = || {
        server(|mut stream| {
            let request = request(&mut stream);
            stream.write_all(&response(&request)).unwrap();
            let (_, question) = frame(&mut stream);
            stream.write_all(&[&[0x81, question.len() as u8][..], &question, &[0x82, 1, 7]].concat()).unwrap();
            while frame(&mut stream).0 != 0x88 {}
            stream.write_all(&CLOSE).unwrap();
        })
    };
    let (jsonl, wst) = (recording("to-script.jsonl"), recording("to-script.wst"));
    let first = serve();
    assert_eq!(connect(&first, &["-x", "hello", "-c", "2", "-w", jsonl.to_str().unwrap()]).0, Some(0));
    let converted = wsinspect(&["convert", jsonl.to_str().unwrap(), wst.to_str().unwrap()]).output().unwrap();
    assert_eq!(converted.status.code(), Some(0));
    let text = std::fs::read_to_string(&wst).unwrap();
    assert_eq!(
        text.replace(&first, "HOST"),
        "connect c1 = ws://HOST/chat?x=1\nc1 --> text hello\nc1 <-- text\n  == hello\nc1 <-- binary\n  == 07\nc1 --> close 1000\nc1 <-- close 1000\n"
    );
    let again = script("again.wst", &text.replace(&first, &serve()));
    let (code, out, _) = test(&again, &[]);
    assert_eq!(code, Some(0), "{out}");
}

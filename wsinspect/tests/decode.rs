//! `wsinspect decode`, as it is run.

use assert_cmd::Command;

fn run(arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let output = Command::cargo_bin("wsinspect").unwrap().args(arguments).write_stdin(input).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The examples of RFC 6455 section 5.7: a masked text, a fragmented text, ping and pong, and two long binary messages.
const RFC: &str = "81 05 48 65 6c 6c 6f  81 85 37 fa 21 3d 7f 9f 4d 51 58  01 03 48 65 6c  80 02 6c 6f
    89 05 48 65 6c 6c 6f  8a 85 37 fa 21 3d 7f 9f 4d 51 58";

#[test]
fn the_examples_of_the_rfc_are_explained() {
    let (code, out, error) = run(&["decode"], RFC.as_bytes());
    assert_eq!((code, error.as_str()), (Some(0), ""));
    insta::assert_snapshot!(out);
}

#[test]
fn broken_rules_stand_under_their_frame_and_fail_where_they_are_to() {
    let arguments = ["decode", "--quiet", "--from", "client", "--lint", "error", "b3 00 88 02 03 ed 89 80 01 02 03 04"];
    let (code, out, error) = run(&arguments, b"");
    assert_eq!((code, error.as_str()), (Some(6), ""));
    insta::assert_snapshot!(out);
    let (code, out, _) = run(&["decode", "-q", "--lint", "off", "b3 00"], b"");
    assert_eq!((code, out.lines().count()), (Some(0), 1));
}

#[test]
fn what_is_cut_off_is_told() {
    let (code, out, _) = run(&["decode", "81 7e 01"], b"");
    assert_eq!((code, out.as_str()), (Some(0), "       !  cut off: 81 7e 01 is the beginning of a header\n"));
    let (_, out, _) = run(&["decode", "-q", "81 05 48"], b"");
    assert_eq!(out, "       !  cut off: 1 byte of 5 came\n");
}

/// RFC 7692 section 7.2.3.2: the second message refers to the first one, where its context is kept.
#[test]
fn compressed_messages_are_inflated() {
    let two = "c1 07 f2 48 cd c9 c9 07 00 c1 05 f2 00 11 00 00";
    let (code, out, _) = run(&["decode", "-q", "--deflate", two], b"");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((code, lines.len()), (Some(0), 2));
    assert!(lines.iter().all(|line| line.ends_with("inflated to 5  \"Hello\"")), "{out}");
    let (code, out, _) = run(&["decode", "-q", "--deflate", "--lint", "error", "c1 02 ff ff"], b"");
    assert_eq!(code, Some(6));
    assert!(out.ends_with("not-deflated: the message is no DEFLATE stream (RFC 7692 7.2.2)\n"), "{out}");
}

#[test]
fn raw_bytes_are_read_from_standard_input() {
    let (code, out, _) = run(&["decode", "--raw", "-q"], &[0x81, 2, b'h', b'i']);
    assert_eq!((code, out.as_str()), (Some(0), "       0  <-- text   FIN                   2  \"hi\"\n"));
}

#[test]
fn input_that_is_no_hex_is_one_line_and_the_exit_code_of_bad_input() {
    for (code, arguments, input, says) in [
        (2, &["decode", "81 zz"][..], &b""[..], "wsinspect: 'z' at character 4 is no hex digit\n"),
        (2, &["decode", "8"], b"", "wsinspect: a byte has two hex digits, the one at character 1 has one\n"),
        (9, &["decode"], &[0xff, 0xfe], "wsinspect: standard input is no hex; raw bytes need --raw\n"),
    ] {
        assert_eq!(run(arguments, input), (Some(code), String::new(), says.into()));
    }
    assert_eq!(run(&["decode", "--raw", "81"], b"").0, Some(2));
}

#[test]
fn the_help_says_it_all() {
    insta::assert_snapshot!(run(&["--help"], b"").1);
    let commands = [
        "connect",
        "listen",
        "proxy",
        "show",
        "convert",
        "replay",
        "test",
        "ping",
        "doctor",
        "decode",
        "completions",
        "man",
    ];
    for command in commands {
        insta::assert_snapshot!(format!("help_of_{command}"), run(&[command, "--help"], b"").1);
    }
}

#[test]
fn completions_and_the_man_page_come_from_the_flags() {
    assert!(run(&["completions", "bash"], b"").1.contains("--max-payload"));
    assert!(run(&["man"], b"").1.contains("decode"));
    let page = run(&["man", "connect"], b"").1;
    assert!(page.contains("wsinspect\\-connect") && page.contains("\\-\\-until"), "{page}");
    assert_eq!(run(&["man", "nothing"], b"").0, Some(2));
}

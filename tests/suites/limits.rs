//! The limits of the operator: new boards of one address, empty boards, bytes. A refusal names the limit.

use std::path::Path;
use std::process::Command;

use inkwire_protocol::{Operation, RejectReason, Role, Token};
use inkwire_tests::client::{Client, text};
use inkwire_tests::raw::{Raw, client_frame};
use inkwire_tests::server::{Server, binary};
use tempfile::TempDir;

fn serve(data: &Path, flags: &[&str]) -> Server {
    Server::start(&[&["--data", data.to_str().expect("a path of letters")], flags].concat())
}

fn boards(data: &Path, arguments: &[&str]) -> String {
    let output =
        Command::new(binary()).arg("boards").args(arguments).arg("--data").arg(data).output().expect("it runs");
    String::from_utf8(output.stdout).expect("text")
}

/// What the server says to a person at an address who opens a board.
fn says(server: &Server, address: &str, board: &str) -> String {
    let headers = format!("Sec-WebSocket-Protocol: inkwire.v1.json\r\nX-Forwarded-For: {address}\r\n");
    let mut raw = Raw::upgrade(&server.address, &format!("/ws/{board}"), &headers);
    let hello = format!(
        r#"[{{"type":"hello","clientId":"{:032x}","epoch":"0000000000000000","seq":0,"name":"x","colour":"\u0023e03231ff"}}]"#,
        board.len()
    );
    raw.send(&client_frame(0x81, hello.as_bytes()));
    String::from_utf8(raw.frame().expect("an answer").payload).expect("text")
}

#[test]
fn one_address_makes_so_many_new_boards_and_others_are_not_affected() {
    let server = Server::start(&["--behind-proxy", "--boards-per-address", "3"]);
    let refused: Vec<bool> =
        (0..6).map(|at| says(&server, "10.0.0.1", &format!("new-{at}")).contains("tooManyBoards")).collect();
    assert_eq!(refused, [false, false, false, false, true, true]);
    assert!(says(&server, "10.0.0.1", "new-5").contains("--boards-per-address"), "it says which limit");
    assert!(says(&server, "10.0.0.2", "new-5").contains("welcome"), "another address");
    assert_eq!(server.metric("inkwire_refused_total{limit=\"boards\"}"), 3.0);
    let mut class: Vec<Client> = (0..20).map(|at| Client::join(&server.address, &format!("of-{at}"), "ada")).collect();
    class.iter_mut().for_each(Client::round_trip);
}

#[test]
fn a_board_on_which_nothing_was_ever_drawn_expires_and_one_with_ink_never_does() {
    let data = TempDir::new().unwrap();
    let server = serve(data.path(), &[]);
    for board in ["drawn", "empty"] {
        let mut host = Client::join_by(&server.address, board, "Ada", Token([0x11; 16]));
        host.makes_link(Role::Viewer, 0);
        if board == "drawn" {
            let at = host.submit(text("ink"));
            host.wait("it is durable", |host| host.session.durable() >= at);
        }
    }
    assert!(server.stop().success());
    let connection = rusqlite::Connection::open(data.path().join("boards.sqlite")).unwrap();
    let age = |days: i64| connection.execute("UPDATE boards SET changed = unixepoch() - 86400 * ?1", [days]).unwrap();
    age(6);
    assert!(serve(data.path(), &[]).stop().success());
    assert!(boards(data.path(), &["list"]).contains("empty"));
    age(8);
    assert!(serve(data.path(), &["--empty-board-days", "0"]).stop().success());
    assert!(boards(data.path(), &["list"]).contains("empty"), "the operator wants to keep it");
    assert!(serve(data.path(), &[]).stop().success());
    let list = boards(data.path(), &["list"]);
    assert!(list.contains("drawn") && !list.contains("empty"), "{list}");
}

#[test]
fn a_board_that_is_as_large_as_it_may_be_takes_no_more_and_lets_go_of_what_it_has() {
    let data = TempDir::new().unwrap();
    let server = serve(data.path(), &["--max-board-size", "1"]);
    let mut ada = Client::join(&server.address, "x", "ada");
    let long = "x".repeat(4000);
    let rejected = (0..400).find_map(|_| ada.does(text(&long)).err());
    assert_eq!(rejected, Some(RejectReason::BoardFull));
    assert!(server.metric("inkwire_refused_total{limit=\"size\"}") >= 1.0);
    ada.does(Operation::Clear { gesture_back: 0 }).expect("what takes away goes on");
    Client::join(&server.address, "y", "bob").does(text("another board")).expect("it is not full");
}

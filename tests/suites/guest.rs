//! `inkwire draw` and `inkwire watch` as members of a board.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use assert_cmd::assert::Assert;
use inkwire_board::BoardElement;
use inkwire_protocol::{Action, Content, Operation, Role, ShapeKind, Token};
use inkwire_tests::client::Client;
use inkwire_tests::proxy::Proxy;
use inkwire_tests::server::{Server, binary};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

const SHAPE: &str = r##"{"type":"shape","kind":"ellipse","colour":"#e03231ff","fill":"#00000000","width":16,"scale":3,"x":0,"y":0,"dx":800,"dy":400}"##;
const SVG: &str = "<svg xmlns='http://www.w3.org/2000/svg' width='100' height='100'><circle cx='50' cy='50' r='40' stroke='red' fill='none'/></svg>";

fn draw(server: &Server, board: &str, flags: &[&str], input: impl Into<Vec<u8>>) -> Assert {
    let url = format!("{}b/{board}", server.url);
    assert_cmd::Command::new(binary()).arg("draw").arg(url).args(flags).write_stdin(input).assert()
}

fn errors(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

#[test]
fn a_script_draws_and_everybody_sees_it_happen() {
    let server = Server::start(&[]);
    let mut ada = Client::join(&server.address, "x", "Ada");
    let script = format!("# two things\n{SHAPE}\n\n{{\"type\":\"clear\"}}\n");
    let drew = draw(&server, "x", &["--name", "Plotter"], script).success();
    assert!(String::from_utf8_lossy(&drew.get_output().stdout).contains("drew 2 operations"));
    ada.wait_for_seq(2);
    assert_eq!(ada.session.board().elements().count(), 1);
    assert!(ada.session.board().elements().all(|it| !it.is_visible()));
}

#[test]
fn an_svg_is_drawn_as_strokes_at_a_chosen_speed() {
    let server = Server::start(&[]);
    let mut ada = Client::join(&server.address, "x", "Ada");
    draw(&server, "x", &["--speed", "3000", "--at", "-100,20", "--scale", "2"], SVG).success();
    let is_whole = |ada: &Client, count| {
        let board = ada.session.board();
        let is_live = |it: &BoardElement| matches!(it.wire().content, Content::Stroke { live: Some(_), .. });
        board.elements().count() == count && !board.elements().any(is_live)
    };
    ada.wait("the slow one", |ada| is_whole(ada, 1));
    let slow = ada.session.board().seq();
    draw(&server, "x", &["--speed", "0"], SVG).success();
    ada.wait("the fast one", |ada| is_whole(ada, 2));
    let fast = ada.session.board().seq() - slow;
    assert!(slow >= 4 && fast == 3, "a slow line grows in more parts: {slow} and {fast}");
}

#[test]
fn what_is_no_drawing_is_refused_and_what_stands_before_it_is_drawn() {
    let server = Server::start(&[]);
    for (input, words) in [
        ("hello", "line 1 is no operation"),
        ("<svg", "that is no SVG"),
        ("<html></html>", "that is no SVG"),
        ("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "nothing to draw"),
        ("{\"type\":\"end\",\"slot\":99}", "line 1 breaks a rule of the protocol"),
    ] {
        let refused = draw(&server, "x", &[], input).code(1);
        assert!(errors(&refused).contains(words), "{input}: {}", errors(&refused));
    }
    let half = draw(&server, "x", &[], format!("{SHAPE}\nhello\n")).code(1);
    assert!(errors(&half).contains("line 2") && errors(&half).contains("what stands before it is drawn"));
    let undo = draw(&server, "x", &[], "{\"type\":\"undo\",\"gesture\":7}").code(1);
    assert!(errors(&undo).contains("line 1: the server did not take it: noSuchGesture"), "{}", errors(&undo));
    let mut ada = Client::join(&server.address, "x", "Ada");
    ada.wait_for_seq(1);
    assert_eq!(ada.session.board().elements().count(), 1);
}

#[test]
fn a_link_a_password_and_an_address_are_checked_and_said() {
    let server = Server::start(&[]);
    let mut host = Client::join_by(&server.address, "x", "Ada", Token([1; 16]));
    let link = host.makes_link(Role::Viewer, 0);
    let hex = link.digits();
    let looks = draw(&server, &format!("x#t={hex}"), &[], SHAPE).code(1);
    assert!(errors(&looks).contains("only looks"), "{}", errors(&looks));
    assert!(!errors(&looks).contains(&hex), "no secret is printed");
    let wrong = draw(&server, &format!("x#t={}", "5a".repeat(16)), &[], SHAPE).code(1);
    assert!(errors(&wrong).contains("without a link that holds"), "{}", errors(&wrong));
    host.orders(Action::Lock { locked: true });
    let locked = draw(&server, "x", &[], SHAPE).code(1);
    assert!(errors(&locked).contains("only hosts draw on this board now"), "{}", errors(&locked));
    host.orders(Action::Lock { locked: false });
    host.orders(Action::Password { password: "Geheimwort".into() });
    draw(&server, "x", &[], SHAPE).code(1);
    draw(&server, "x", &["--password", "Geheimwort"], SHAPE).success();
    draw(&server, "a%20b", &[], SHAPE).code(2);
    let nobody =
        assert_cmd::Command::new(binary()).args(["draw", "http://127.0.0.1:1/b/x", "--patience", "0"]).assert();
    assert!(errors(&nobody.code(1)).starts_with("inkwire: 127.0.0.1:1"));
}

#[test]
fn a_script_on_a_board_that_is_locked_meanwhile_says_that_it_waits_and_goes_on() {
    let server = Server::start(&[]);
    let mut host = Client::join_by(&server.address, "x", "Ada", Token([1; 16]));
    let (mut script, mut input) = script(&server.address, Stdio::piped());
    let mut said = BufReader::new(script.0.stderr.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    writeln!(input, "{SHAPE}").expect("it reads");
    host.wait_for_seq(1);
    host.orders(Action::Lock { locked: true });
    assert!(said.next().expect("a line").ends_with("waits: only hosts draw on this board now"));
    writeln!(input, "{SHAPE}").expect("it reads");
    host.orders(Action::Lock { locked: false });
    assert!(said.next().expect("a line").ends_with("goes on"));
    host.wait_for_seq(2);
    drop(input);
    assert!(script.0.wait().expect("it ends").success());
}

#[test]
fn a_script_whose_connection_is_dead_without_a_word_makes_another_one() {
    let server = Server::start(&[]);
    let network = Proxy::start(&server.address, 0);
    network.heal();
    let (mut script, mut input) = script(&network.address, Stdio::null());
    let mut ada = Client::join(&server.address, "x", "Ada");
    writeln!(input, "{SHAPE}").expect("it reads");
    ada.wait_for_seq(1);
    network.silence();
    writeln!(input, "{SHAPE}").expect("it reads");
    drop(input);
    assert!(script.0.wait().expect("it ends").success());
    ada.wait_for_seq(2);
    assert_eq!(ada.session.board().elements().count(), 2);
}

/// A script that draws on a board, as fast as it can, what is written to it.
fn script(address: &str, errors: Stdio) -> (Running, ChildStdin) {
    let mut command = Command::new(binary());
    command.args(["draw", &format!("http://{address}/b/x"), "--speed", "0"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(errors).spawn().expect("it starts");
    let mut script = Running(child);
    let input = script.0.stdin.take().expect("a pipe");
    (script, input)
}

/// A process that is ended when this is let go.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_script_whose_server_is_killed_goes_on_with_the_next_and_nothing_is_lost_or_done_twice() {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().to_str().expect("a path");
    let server = Server::start(&["--data", data]);
    let address = server.address.clone();
    let (mut script, mut input) = script(&address, Stdio::null());
    let mut ada = Client::join(&address, "x", "Ada");
    for _ in 0..20 {
        writeln!(input, "{SHAPE}").expect("it reads");
    }
    ada.wait_for_seq(20);
    server.signal(Signal::KILL);
    server.wait();
    for _ in 0..20 {
        writeln!(input, "{SHAPE}").expect("it reads");
    }
    let server = Server::start(&["--data", data, "--listen", &address]);
    drop(input);
    assert!(script.0.wait().expect("it ends").success());
    let mut bob = Client::join(&server.address, "x", "Bob");
    bob.wait_for_seq(40);
    assert_eq!((bob.session.board().seq(), bob.session.board().elements().count()), (40, 40));
}

#[test]
fn watching_prints_what_others_do_as_lines_of_json() {
    let server = Server::start(&[]);
    let mut ada = Client::join(&server.address, "x", "Ada");
    let mut command = Command::new(binary());
    command.args(["watch", &format!("{}b/x", server.url), "--json", "--count", "2"]);
    let mut watching = Running(command.stdout(Stdio::piped()).spawn().expect("it starts"));
    let lines = BufReader::new(watching.0.stdout.take().expect("a pipe")).lines();
    let mut lines = lines.map(|line| serde_json::from_str::<Value>(&line.expect("a line")).expect("JSON"));
    assert_eq!(lines.next().expect("a line")["seq"], 0, "it says when it is there");
    let shape: Operation = serde_json::from_str(&SHAPE.replace("{", "{\"gestureBack\":0,")).expect("an operation");
    assert!(matches!(&shape, Operation::Shape(shape) if shape.kind == ShapeKind::Ellipse));
    ada.does(shape).expect("she draws");
    ada.does(Operation::Clear { gesture_back: 0 }).expect("she clears");
    let operations: Vec<Value> = lines.filter(|line| line.get("operation").is_some()).collect();
    assert_eq!(operations.len(), 2);
    assert_eq!((&operations[0]["seq"], &operations[0]["name"]), (&1.into(), &"Ada".into()));
    assert_eq!(operations[0]["operation"]["kind"], "ellipse");
    assert_eq!(operations[1]["operation"]["type"], "clear");
    assert!(watching.0.wait().expect("it ends").success());
}

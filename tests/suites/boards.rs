//! `inkwire boards`: what an operator does with boards, beside a running server and without one.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use assert_cmd::Command;
use inkwire_protocol::{Begin, Colour, Operation, Points, Reason, Role, Token, Tool};
use inkwire_tests::client::{Client, text};
use inkwire_tests::patience::PATIENCE;
use inkwire_tests::server::{Server, binary};
use tempfile::TempDir;

/// A data directory, and what a command says about it: exit code, output, error.
struct House {
    data: TempDir,
}

impl House {
    fn new() -> Self {
        Self { data: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self) -> &Path {
        self.data.path()
    }

    fn serve(&self) -> Server {
        Server::start(&["--data", self.path().to_str().expect("a path of letters")])
    }

    fn boards(&self, arguments: &[&str]) -> (i32, String, String) {
        Self::boards_in(self.path(), arguments)
    }

    fn boards_in(data: &Path, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(binary());
        command.timeout(PATIENCE).arg("boards").arg("--data").arg(data).args(arguments);
        let output = command.output().expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    fn good(&self, arguments: &[&str]) -> String {
        let (code, output, error) = self.boards(arguments);
        assert_eq!((code, error.as_str()), (0, ""), "{arguments:?}");
        output
    }

    /// A command that fails: one line on standard error, exit code 1.
    #[track_caller]
    fn bad(&self, arguments: &[&str], why: &str) {
        let (code, output, error) = self.boards(arguments);
        assert_eq!((code, output.as_str()), (1, ""), "{arguments:?}");
        assert!(error.starts_with("inkwire: ") && error.lines().count() == 1, "{arguments:?}: {error}");
        assert!(error.contains(why), "{arguments:?}: {error}");
    }

    /// Draws a text, a stroke with pressure and one without; undoes the text.
    fn draw(&self, server: &Server, board: &str) -> Client {
        let mut ada = Client::join(&server.address, board, "ada");
        ada.submit(text("<b>& hello"));
        let (tool, colour) = (Tool::Pen, Colour(0xe032_3180));
        let begin =
            Begin { slot: 0, gesture_back: 0, tool, colour, width: 32, scale: 3, x: 80, y: 800, pressure: None };
        for pressure in [None, Some(40)] {
            ada.submit(Operation::Begin(Begin { pressure, ..begin.clone() }));
            let steps: Vec<[i32; 2]> = (0..60).map(|at| [20, at % 9 - 4]).collect();
            let pressures = if pressure.is_some() { vec![2; 60] } else { Vec::new() };
            ada.submit(Operation::Points(Points { slot: 0, steps: steps.into(), pressures: pressures.into() }));
            ada.submit(Operation::End { slot: 0 });
        }
        let last = ada.submit(Operation::Undo { gesture: 1 });
        ada.wait("all is durable", |ada| ada.session.durable() == last);
        ada
    }
}

#[test]
fn boards_are_listed_and_shown_while_the_server_runs_and_after() {
    let house = House::new();
    let server = house.serve();
    house.draw(&server, "one");
    house.draw(&server, "two");
    for _ in ["while it runs", "after"] {
        let list = house.good(&["list"]);
        assert_eq!(
            list.lines().map(|line| line.split_whitespace().next().unwrap()).collect::<Vec<_>>(),
            ["one", "two"]
        );
        let show = house.good(&["show", "one"]);
        assert!(show.contains("operations  8\nelements    2 visible, 3 held\nauthors     1\n"), "{show}");
        let json: serde_json::Value = serde_json::from_str(&house.good(&["show", "one", "--json"])).unwrap();
        assert_eq!((json["seq"].as_u64(), json["elements"].as_u64()), (Some(8), Some(2)));
        let json: serde_json::Value = serde_json::from_str(&house.good(&["--json", "list"])).unwrap();
        assert_eq!(json.as_array().unwrap().len(), 2);
        assert!(house.good(&["verify"]).starts_with("one: good, 8 operations from 1\n"));
        if std::fs::exists(house.path().join("control.sock")).unwrap() {
            server.signal(rustix::process::Signal::TERM);
            inkwire_tests::patience::wait_until("it has stopped", || !house.path().join("control.sock").exists());
        }
    }
    assert!(server.wait().success());
    let left: Vec<_> = std::fs::read_dir(house.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "a clean stop leaves one file, the lock and the durable mark: {left:?}");
}

#[test]
fn a_board_that_has_a_host_and_no_ink_yet_is_a_board() {
    let house = House::new();
    let server = house.serve();
    let host = Token([7; 16]);
    drop(Client::join_by(&server.address, "planned", "Ada", host));
    drop(Client::join_by(&server.address, "dropped", "Ada", host));
    assert!(server.stop().success());
    let list = house.good(&["list"]);
    assert!(list.lines().all(|line| line.contains("  0 operations  made on ")) && list.lines().count() == 2, "{list}");
    let show = house.good(&["show", "planned"]);
    assert!(show.contains("operations  0\nelements    0 visible") && show.contains("first drawn not yet\n"), "{show}");
    assert!(house.good(&["verify"]).contains("planned: good, 0 operations"));
    house.good(&["compact"]);
    let file = house.path().join("planned.json");
    std::fs::write(&file, house.good(&["export", "planned"])).unwrap();
    house.good(&["delete", "dropped"]);
    house.bad(&["show", "dropped"], "there is no board dropped");
    house.bad(&["import", file.to_str().unwrap()], "there is a board planned already");
    let server = house.serve();
    let mut ada = Client::join_by(&server.address, "planned", "Ada", host);
    assert_eq!(ada.rights(), Some((Role::Host, true)), "she is its host still");
    let last = ada.submit(text("the first ink"));
    ada.wait("it is durable", |ada| ada.session.durable() == last);
    assert!(server.stop().success());
    assert!(house.good(&["list"]).contains("planned          1 operations  drawn on "));
    assert!(house.good(&["verify"]).contains("planned: good, 1 operations from 1"));
}

#[test]
fn an_export_is_the_same_byte_for_byte_and_can_be_imported() {
    let house = House::new();
    let server = house.serve();
    house.draw(&server, "one");
    let exports = |at: &str| -> Vec<String> {
        ["json", "svg"].iter().map(|format| house.good(&["export", "one", "--format", format, "--at", at])).collect()
    };
    let (now, early) = (exports("8"), exports("4"));
    assert_eq!(now[0], house.good(&["export", "one"]));
    house.good(&["compact", "one"]);
    assert_eq!((exports("8"), exports("4")), (now.clone(), early), "also when the records are in another order");
    assert!(exports("7")[1].contains("&lt;b&gt;&amp; hello</text>"), "markup is text");
    assert!(!now[1].contains("hello"), "and what is undone is not drawn");
    assert_eq!(exports("2100-01-01T00:00:00Z"), now, "by then all of it was drawn");
    let before = exports("2000-01-01T00:00:00Z");
    assert!(
        before[0].contains("\"elements\":[]") && !before[1].contains("<path"),
        "and by then nothing: {}",
        before[0]
    );
    let picture = house.path().join("one.png");
    house.good(&["export", "one", "--format", "png", "--output", picture.to_str().unwrap()]);
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG\r\n"));

    let file = house.path().join("one.json");
    std::fs::write(&file, &now[0]).unwrap();
    let file = file.to_str().unwrap();
    house.bad(&["import", file], "there is a board one already");
    house.good(&["import", file, "--name", "copy"]);
    assert_eq!(house.good(&["export", "copy"]), now[0].replace("\"name\":\"one\"", "\"name\":\"copy\""));
    let mut bob = Client::join(&server.address, "copy", "bob");
    bob.wait_for_seq(8);
    assert!(server.stop().success());
    house.good(&["import", file, "--name", "without-a-server"]);
    house.good(&["import", file, "--replace"]);
    assert_eq!(house.good(&["export", "one"]), now[0]);
    house.bad(&["export", "one", "--at", "4"], "board one has no record of operation 4: it goes from 8 to 8");
}

#[test]
fn a_board_that_is_deleted_tells_its_members_and_can_be_begun_anew() {
    let house = House::new();
    let server = house.serve();
    let mut ada = house.draw(&server, "one");
    house.good(&["delete", "one"]);
    assert_eq!(ada.wait_for_close(), 4001);
    assert_eq!(ada.farewell, Some(Reason::Deleted));
    house.bad(&["show", "one"], "there is no board one");
    let mut bob = Client::join(&server.address, "one", "bob");
    bob.does(text("anew")).unwrap();
    bob.wait("it is durable", |bob| bob.session.durable() == 1);
    assert_eq!(bob.session.board().seq(), 1);
    assert!(server.stop().success());
    house.good(&["delete", "one"]);
    assert_eq!(house.good(&["list"]), "");
}

#[test]
fn a_board_that_is_replaced_brings_its_members_back_to_the_new_one() {
    let house = House::new();
    let server = house.serve();
    let mut ada = house.draw(&server, "one");
    let file = house.path().join("one.json");
    std::fs::write(&file, house.good(&["export", "one", "--at", "4"])).unwrap();
    house.good(&["import", file.to_str().unwrap(), "--replace"]);
    assert_eq!(ada.wait_for_close(), 1012);
    let epoch = ada.session.epoch();
    ada.connect(&server.address);
    ada.round_trip();
    assert_ne!(ada.session.epoch(), epoch);
    ada.does(text("goes on")).unwrap();
    ada.round_trip();
    let mut bob = Client::join(&server.address, "one", "bob");
    bob.wait_for_seq(ada.session.board().seq());
    assert_eq!(bob.session.board().hash(), ada.session.board().hash());
}

#[test]
fn a_backup_of_a_live_server_is_whole_and_is_restored_as_a_new_lineage() {
    let house = House::new();
    let server = house.serve();
    let mut ada = house.draw(&server, "one");
    let backup = house.path().join("backup.sqlite");
    let backup = backup.to_str().unwrap();
    std::thread::scope(|scope| {
        let drawing = scope.spawn(|| {
            for at in 0..200 {
                ada.submit(text(&format!("text {at}")));
            }
            ada.wait("all is durable", |ada| ada.session.durable() == 208);
        });
        house.good(&["backup", backup]);
        drawing.join().unwrap();
    });
    ada.does(text("after the backup")).unwrap();
    ada.wait("it is durable", |ada| ada.session.durable() == 209);
    house.bad(&["backup", backup], "there is such a file already");
    house.bad(&["restore", backup], "is in use by process");
    let (epoch, seq) = (ada.session.epoch(), ada.session.board().seq());
    assert!(server.stop().success());
    let said = house.good(&["restore", backup]);
    assert!(said.starts_with("restored 1 boards; what was there before is "), "{said}");
    assert!(house.good(&["verify"]).contains(": good"));
    let server = house.serve();
    ada.connect(&server.address);
    ada.round_trip();
    assert_ne!(ada.session.epoch(), epoch, "nobody takes it for the log that it was");
    assert!(ada.session.board().seq() < seq);
}

#[test]
fn compaction_keeps_the_history_unless_it_is_to_be_forgotten() {
    let house = House::new();
    let server = house.serve();
    house.draw(&server, "one");
    house.good(&["compact"]);
    house.good(&["export", "one", "--at", "1"]);
    house.good(&["compact", "one", "--forget-history"]);
    house.bad(&["export", "one", "--at", "1"], "it goes from 8 to 8");
    assert!(house.good(&["verify", "one"]).contains("one: good"));
    assert!(server.stop().success());
    house.good(&["compact", "one"]);
}

#[test]
fn what_a_command_cannot_do_is_one_line_and_changes_nothing() {
    let house = House::new();
    let nowhere = house.path().join("nowhere");
    let file = house.path().join("file");
    std::fs::write(&file, "hello").unwrap();
    let file = file.to_str().unwrap();
    for command in [&["list"][..], &["show", "x"], &["export", "x"], &["delete", "x"], &["verify"], &["compact"]] {
        house.bad(command, "boards.sqlite: No such file");
    }
    for command in [&["import", file][..], &["restore", file], &["list"], &["delete", "x"], &["compact"]] {
        let (code, _, error) = House::boards_in(&nowhere, command);
        assert_eq!((code, error.lines().count()), (1, 1), "{command:?}: {error}");
    }
    assert!(!nowhere.exists(), "nothing is made");
    assert!(!house.path().join("boards.sqlite").exists());

    let server = house.serve();
    house.draw(&server, "one");
    let before = house.good(&["export", "one"]);
    for (command, why) in [
        (&["show", "nobody"][..], "there is no board nobody"),
        (&["export", "nobody"], "there is no board nobody"),
        (&["delete", "nobody"], "there is no board nobody"),
        (&["verify", "nobody"], "there is no board nobody"),
        (&["compact", "nobody"], "there is no board nobody"),
        (&["export", "one", "--at", "9"], "no record of operation 9"),
        (&["export", "one", "--output", "/no/such/folder/x"], "/no/such/folder/x cannot be written"),
        (&["import", "/no/such/file"], "/no/such/file: No such file"),
        (&["import", file], "not the JSON of a board"),
        (&["import", "/"], "/: Is a directory"),
        (&["backup", "/no/such/folder/x"], "/no/such/folder/x"),
        (&["restore", file], "file is not a database"),
    ] {
        house.bad(command, why);
    }
    for (from, to, why) in [
        ("inkwire board 1", "inkwire board 2", "not a board in the format"),
        ("\"seq\":8", "\"seq\":2", "not a board"),
        ("\"slot\":0", "\"slot\":9", "not a board"),
        ("\"elements\"", "\"others\"", "not the JSON of a board"),
        ("\"name\":\"one\"", "\"name\":\"../one\"", "a board's name is"),
    ] {
        std::fs::write(file, before.replacen(from, to, 1)).unwrap();
        house.bad(&["import", file, "--replace"], why);
    }
    let edited = before.replace("hello", "hullo");
    std::fs::write(file, edited).unwrap();
    house.bad(&["import", file, "--replace"], "the state hash does not fit");
    assert_eq!(house.good(&["export", "one"]), before);
    for wrong in [&["show"][..], &["show", "a/b"], &["export", "one", "--format", "gif"], &["nonsense"]] {
        assert_eq!(house.boards(wrong).0, 2, "{wrong:?}");
    }
}

#[test]
fn peers_that_give_no_order_hold_up_nobody_elses() {
    let house = House::new();
    let server = house.serve();
    house.draw(&server, "one");
    let socket = house.path().join("control.sock");
    let silent: Vec<UnixStream> = (0..5).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    house.good(&["link", "one", "--role", "host"]);
    for mut peer in &silent {
        peer.set_nonblocking(true).unwrap();
        let kind = peer.read(&mut [0]).unwrap_err().kind();
        assert_eq!(kind, std::io::ErrorKind::WouldBlock, "it was answered while these were silent still");
    }
    // More than are listened to.
    let mut many: Vec<UnixStream> = (0..30).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let mut answer = String::new();
    many.pop().unwrap().read_to_string(&mut answer).unwrap();
    assert!(answer.contains("16 others are giving orders"), "{answer}");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else gives orders");
}

#[test]
fn two_servers_never_have_one_directory_and_one_waits_for_the_other_where_it_is_told_to() {
    let house = House::new();
    let first = house.serve();
    house.draw(&first, "one");
    let data = house.path().to_str().unwrap();
    let mut second = Command::new(binary());
    let output =
        second.timeout(PATIENCE).args(["--listen", "127.0.0.1:0", "--log", "off", "--data", data]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains(&format!("is in use by process {}", first.pid())) && error.lines().count() == 1, "{error}");
    let waits = std::thread::scope(|scope| {
        let waits = scope.spawn(|| Server::start(&["--data", data, "--data-wait", "20"]));
        assert!(first.stop().success());
        waits.join().unwrap()
    });
    Client::join(&waits.address, "one", "bob").wait_for_seq(8);
}

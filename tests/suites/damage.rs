//! Data directories whose files are damaged, removed, or put in place of others: nothing durable goes without a word, and what
//! was private stays so.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use inkwire_protocol::{Action, Reason, Role, StorageState, Token};
use inkwire_tests::client::{Client, text};
use inkwire_tests::patience::wait_until;
use inkwire_tests::server::{self, Server, binary};
use rustix::process::Signal;
use tempfile::TempDir;

const HOST: Token = Token([0x11; 16]);
const PAGE: u64 = 4096;

fn serve(data: &Path) -> Server {
    Server::start(&["--data", data.to_str().expect("a path of letters")])
}

fn boards(data: &Path, arguments: &[&str]) -> Output {
    Command::new(binary()).arg("boards").args(arguments).arg("--data").arg(data).output().expect("it runs")
}

/// A board on which so many texts are durable.
fn drawn(data: &Path, count: u64) -> (Server, Client) {
    let server = serve(data);
    let mut ada = Client::join(&server.address, "x", "ada");
    draw(&mut ada, count);
    (server, ada)
}

/// Draws texts, each a commit of its own.
fn draw(client: &mut Client, count: u64) {
    for _ in 0..count {
        let at = client.submit(text(&format!("{} of {}", client.session.cseq(), client.name)));
        client.wait("it is durable", |client| client.session.durable() >= at);
    }
}

fn kill(server: Server) {
    server.signal(Signal::KILL);
    server.wait();
}

/// The lineage of a board, as `boards show` prints it.
fn epoch(data: &Path, board: &str) -> String {
    let shown = boards(data, &["show", board, "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("it is JSON");
    shown["epoch"].as_str().expect("a lineage").to_owned()
}

/// The first page of a table in a database that nobody has open.
fn page_of(data: &Path, table: &str) -> u64 {
    let connection = rusqlite::Connection::open(data.join("boards.sqlite")).unwrap();
    let root = "SELECT rootpage FROM sqlite_master WHERE name = ?1";
    connection.query_row(root, [table], |row| row.get::<_, i64>(0)).unwrap() as u64
}

fn damage(path: &Path, at: u64, bytes: &[u8]) {
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

/// A board that only those with a link see, on a server that was stopped.
fn private_board(data: &Path) -> Token {
    let server = serve(data);
    let mut host = Client::join_by(&server.address, "secret", "Ada", HOST);
    let link = host.makes_link(Role::Editor, 0);
    host.orders(Action::WithoutLink { role: None });
    draw(&mut host, 3);
    assert!(server.stop().success());
    link
}

#[test]
fn a_private_board_stays_private_if_the_page_of_its_access_is_damaged() {
    let data = TempDir::new().unwrap();
    private_board(data.path());
    let page = page_of(data.path(), "access");
    damage(&data.path().join("boards.sqlite"), (page - 1) * PAGE, &[0; 8]);
    let server = serve(data.path());
    let mut stranger = Client::away(&server.address, "secret", "eve");
    assert!(!stranger.try_connect(&server.address));
    assert_eq!(stranger.farewell, Some(Reason::Forbidden));
    let mut host = Client::join_by(&server.address, "secret", "Ada", HOST);
    assert_eq!(host.rights(), Some((Role::Host, true)), "the host still gets in");
    host.wait_for_seq(3);
    let link = host.makes_link(Role::Editor, 0);
    Client::join_by(&server.address, "secret", "Bob", link);
}

#[test]
fn a_bit_that_has_turned_in_a_record_of_access_is_seen_and_the_board_closed() {
    let data = TempDir::new().unwrap();
    let link = private_board(data.path());
    let connection = rusqlite::Connection::open(data.path().join("boards.sqlite")).unwrap();
    let changed = connection.execute("UPDATE access SET record = replace(record, 'editor', 'fditor')", []).unwrap();
    assert_eq!(changed, 1);
    drop(connection);
    let verified = boards(data.path(), &["verify"]);
    assert!(!verified.status.success());
    assert!(String::from_utf8_lossy(&verified.stdout).contains("who may do what are damaged"));
    let server = serve(data.path());
    let mut bob = Client::away(&server.address, "secret", "Bob");
    bob.token = Some(link);
    assert!(!bob.try_connect(&server.address), "only the host's link is known for certain");
    Client::join_by(&server.address, "secret", "Ada", HOST);
}

#[test]
fn a_board_of_which_nothing_is_known_lets_in_nobody_but_by_the_operator() {
    let data = TempDir::new().unwrap();
    private_board(data.path());
    let connection = rusqlite::Connection::open(data.path().join("boards.sqlite")).unwrap();
    connection.execute_batch("UPDATE access SET crc = crc + 1; UPDATE boards SET hosted = 0").unwrap();
    drop(connection);
    let server = serve(data.path());
    for token in [None, Some(HOST)] {
        let mut anybody = Client::away(&server.address, "secret", "Ada");
        anybody.token = token;
        assert!(!anybody.try_connect(&server.address), "{token:?}");
    }
    assert!(boards(data.path(), &["link", "secret", "--role", "host"]).status.success());
}

#[test]
fn a_backup_and_an_import_keep_a_private_board_private() {
    let data = TempDir::new().unwrap();
    private_board(data.path());
    let (backup, archive) = (data.path().join("backup"), data.path().join("archive.json"));
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    assert!(boards(data.path(), &["backup", &path(&backup)]).status.success());
    assert!(boards(data.path(), &["export", "secret", "--output", &path(&archive)]).status.success());
    assert!(boards(data.path(), &["restore", &path(&backup)]).status.success());
    assert!(boards(data.path(), &["import", &path(&archive), "--replace"]).status.success());
    assert!(boards(data.path(), &["verify"]).status.success());
    let server = serve(data.path());
    assert!(!Client::away(&server.address, "secret", "eve").try_connect(&server.address));
    Client::join_by(&server.address, "secret", "Ada", HOST);
}

/// Starts a server on a directory from which something durable has gone: it says so, every board is a new lineage, the page that
/// drew it is offered its ink again, and what is drawn next is durable.
fn reports_loss(data: &Path, before: &str, mut ada: Client) {
    let verified = boards(data, &["verify"]);
    assert!(!verified.status.success(), "verify reports it: {}", String::from_utf8_lossy(&verified.stdout));
    let server = serve(data);
    assert!(server.metric("inkwire_lost_commits") >= 1.0);
    ada.connect(&server.address);
    ada.round_trip();
    draw(&mut ada, 2);
    assert!(server.stop().success());
    assert_ne!(epoch(data, "x"), before);
    assert!(data.join("set-aside").is_dir(), "what was there is kept");
    assert!(boards(data, &["verify"]).status.success(), "it is reported once");
}

#[test]
fn a_bit_that_has_turned_in_the_log_is_reported_and_begins_a_new_lineage() {
    let data = TempDir::new().unwrap();
    let (server, ada) = drawn(data.path(), 20);
    let before = epoch(data.path(), "x");
    kill(server);
    let log = data.path().join("boards.sqlite-wal");
    let bytes = fs::read(&log).unwrap();
    let at = bytes.len() / 10;
    damage(&log, at as u64, &[bytes[at] ^ 1]);
    reports_loss(data.path(), &before, ada);
}

#[test]
fn a_log_that_was_removed_is_reported_and_begins_a_new_lineage() {
    let data = TempDir::new().unwrap();
    assert!(drawn(data.path(), 5).0.stop().success());
    let (server, ada) = {
        let server = serve(data.path());
        let mut ada = Client::join(&server.address, "x", "bob");
        draw(&mut ada, 5);
        (server, ada)
    };
    let before = epoch(data.path(), "x");
    kill(server);
    fs::create_dir(data.path().join("set-aside")).unwrap();
    fs::remove_file(data.path().join("boards.sqlite-wal")).unwrap();
    reports_loss(data.path(), &before, ada);
}

#[test]
fn a_killed_server_whose_log_is_good_is_the_same_lineage() {
    let data = TempDir::new().unwrap();
    let (server, _ada) = drawn(data.path(), 20);
    let before = epoch(data.path(), "x");
    kill(server);
    assert!(boards(data.path(), &["verify"]).status.success());
    let server = serve(data.path());
    assert_eq!(server.metric("inkwire_lost_commits"), 0.0);
    assert!(server.stop().success());
    assert_eq!(epoch(data.path(), "x"), before);
    assert!(!data.path().join("set-aside").exists());
}

#[test]
fn a_restored_backup_never_meets_the_log_of_the_database_before_it() {
    let data = TempDir::new().unwrap();
    let backup = data.path().join("backup");
    let (server, mut ada) = drawn(data.path(), 5);
    assert!(boards(data.path(), &["backup", backup.to_str().unwrap()]).status.success());
    draw(&mut ada, 20);
    kill(server);
    fs::remove_file(data.path().join("boards.sqlite")).unwrap();
    assert!(boards(data.path(), &["restore", backup.to_str().unwrap()]).status.success());
    let server = serve(data.path());
    let mut eve = Client::join(&server.address, "x", "eve");
    eve.round_trip();
    assert_eq!(eve.session.board().seq(), 5, "the board of the backup, and nothing of the log");
    kill(server);
    let server = serve(data.path());
    assert_eq!(server.metric("inkwire_lost_commits"), 0.0);
    assert!(server.stop().success());
    assert!(boards(data.path(), &["verify"]).status.success());
}

#[test]
fn a_backup_that_was_copied_in_place_by_hand_never_meets_the_log_of_the_database_before_it() {
    let data = TempDir::new().unwrap();
    let backup = data.path().join("backup");
    let (server, mut ada) = drawn(data.path(), 5);
    assert!(boards(data.path(), &["backup", backup.to_str().unwrap()]).status.success());
    draw(&mut ada, 20);
    kill(server);
    fs::copy(&backup, data.path().join("boards.sqlite")).unwrap();
    let server = serve(data.path());
    let mut eve = Client::join(&server.address, "x", "eve");
    eve.round_trip();
    assert_eq!(eve.session.board().seq(), 5);
    assert!(data.path().join("set-aside").is_dir(), "the log is kept");
}

#[test]
fn a_data_directory_that_vanishes_turns_the_storage_to_failing_and_nothing_more_is_called_durable() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let (server, mut ada) = drawn(&data, 3);
    fs::rename(&data, folder.path().join("away")).unwrap();
    ada.wait("the page is told", |ada| ada.session.storage() == Some(StorageState::Failing));
    assert!(server.get("/readyz").starts_with("HTTP/1.1 503 "));
    ada.submit(text("drawn on nothing"));
    ada.round_trip();
    assert_eq!(ada.session.durable(), 3);
    fs::rename(folder.path().join("away"), &data).unwrap();
    ada.wait("all is durable when it is back", |ada| ada.session.durable() == 4);
    fs::remove_dir_all(&data).unwrap();
    ada.submit(text("drawn on nothing again"));
    ada.wait("the page is told", |ada| ada.session.storage() == Some(StorageState::Failing));
    assert_eq!(ada.session.durable(), 4);
    assert!(!data.exists(), "no second database is begun");
}

#[test]
fn a_second_server_is_refused_also_if_the_lock_file_is_deleted() {
    let data = TempDir::new().unwrap();
    let (_server, mut ada) = drawn(data.path(), 3);
    fs::remove_file(data.path().join("lock")).unwrap();
    let mut second = server::serve(&["--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()]);
    let second = second.stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("it runs");
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("is in use by"));
    draw(&mut ada, 3);
}

#[test]
fn what_somebody_else_has_written_to_a_board_is_not_written_over() {
    let data = TempDir::new().unwrap();
    let (server, mut ada) = drawn(data.path(), 3);
    let connection = rusqlite::Connection::open(data.path().join("boards.sqlite")).unwrap();
    let row = "INSERT INTO log SELECT board, 4, 4, hash, crc, 0, bytes FROM log WHERE first_seq = 3";
    assert_eq!(connection.execute(row, []).unwrap(), 1);
    drop(connection);
    ada.submit(text("in the place of another"));
    wait_until("it is refused", || server.metric("inkwire_fenced_total") >= 1.0);
    assert_eq!(ada.wait_for_close(), 1012, "the page comes back, and is given the board as it is on the disk");
    assert_eq!(ada.session.durable(), 3);
}

#[test]
fn a_damaged_record_of_one_board_ends_the_compaction_of_no_other() {
    let data = TempDir::new().unwrap();
    let (server, mut ada) = drawn(data.path(), 3);
    let mut bob = Client::join(&server.address, "y", "bob");
    draw(&mut bob, 1);
    let connection = rusqlite::Connection::open(data.path().join("boards.sqlite")).unwrap();
    connection.execute("UPDATE log SET bytes = x'00' WHERE first_seq = 2", []).unwrap();
    drop(connection);
    let compacted = || server.metric("inkwire_compactions_total");
    let long = "x".repeat(4000);
    let overflow = |client: &mut Client| {
        (0..100).for_each(|at| _ = client.submit(text(&format!("{at} {long}"))));
        let last = client.session.cseq();
        client.wait("all is durable", |client| client.session.durable() == last);
    };
    overflow(&mut ada);
    wait_until("the damaged board is reported", || server.metric("inkwire_compaction_failing") == 1.0);
    overflow(&mut bob);
    wait_until("the other one is compacted", || compacted() >= 1.0);
    let verified = boards(data.path(), &["verify"]);
    assert!(String::from_utf8_lossy(&verified.stdout).contains("x: DAMAGED"));
    assert!(String::from_utf8_lossy(&verified.stdout).contains("y: good"));
}

#[test]
fn everything_in_a_data_directory_is_the_owners_alone_and_what_is_not_is_refused_if_asked() {
    let data = TempDir::new().unwrap();
    let backup = data.path().join("backup");
    let (server, _ada) = drawn(data.path(), 1);
    assert!(boards(data.path(), &["backup", backup.to_str().unwrap()]).status.success());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for entry in fs::read_dir(data.path()).unwrap() {
        let path = entry.unwrap().path();
        assert!(mode(&path) & 0o077 == 0 || path.ends_with("control.sock"), "{}: {:o}", path.display(), mode(&path));
    }
    assert!(server.stop().success());
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&backup, fs::Permissions::from_mode(0o644)).unwrap();
    let start = |flags: &[&str]| {
        let all = ["--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()];
        server::serve(&[&all, flags].concat()).stderr(Stdio::piped()).output().expect("it runs")
    };
    let refused = start(&["--private-files", "refuse"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("chmod go="));
    drop(serve(data.path()));
}

#[test]
fn times_are_kept_also_after_a_clock_that_was_ahead_once() {
    let data = TempDir::new().unwrap();
    let (server, mut ada) = drawn(data.path(), 1);
    let connection = rusqlite::Connection::open(data.path().join("boards.sqlite")).unwrap();
    let moments = || connection.query_row("SELECT count(*) FROM moments", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(moments(), 1);
    connection.execute("UPDATE moments SET at = at + 1000000000000", []).unwrap();
    draw(&mut ada, 1);
    assert_eq!(moments(), 2, "the order of moments is that of the log, and the time a label");
    drop(server);
}

#[test]
fn a_board_that_was_set_aside_can_be_listed_exported_and_removed() {
    let data = TempDir::new().unwrap();
    assert!(drawn(data.path(), 5).0.stop().success());
    let connection = rusqlite::Connection::open(data.path().join("boards.sqlite")).unwrap();
    connection.execute("UPDATE log SET bytes = x'00' WHERE first_seq > 3", []).unwrap();
    drop(connection);
    let server = serve(data.path());
    let mut eve = Client::join(&server.address, "x", "eve");
    eve.wait_for_seq(3);
    let aside = "x (damaged 1)";
    let list = String::from_utf8(boards(data.path(), &["list"]).stdout).unwrap();
    assert!(list.contains(aside), "{list}");
    let exported = boards(data.path(), &["export", aside, "--format", "svg"]);
    assert!(String::from_utf8_lossy(&exported.stdout).contains("2 of ada"), "{exported:?}");
    assert!(boards(data.path(), &["verify"]).status.success(), "it is no fault of the boards that are there");
    assert!(boards(data.path(), &["delete", aside]).status.success());
    assert!(!String::from_utf8(boards(data.path(), &["list"]).stdout).unwrap().contains(aside));
}

#[test]
fn a_number_that_no_server_writes_is_damage_and_the_server_starts_and_goes_on() {
    let data = TempDir::new().unwrap();
    let (server, _) = drawn(data.path(), 5);
    assert!(server.stop().success());
    let columns = [
        ("log", "first_seq"),
        ("log", "last_seq"),
        ("boards", "seq"),
        ("boards", "snapshot_seq"),
        ("boards", "snapshot_bytes"),
        ("boards", "tail_bytes"),
        ("boards", "last_author"),
        ("boards", "reserved_author"),
        ("snapshots", "seq"),
        ("clients", "author"),
        ("moments", "seq"),
        ("moments", "at"),
        ("commits", "number"),
    ];
    for (table, column) in columns {
        for number in [0, -1, i64::MIN, i64::MAX] {
            let copy = TempDir::new().unwrap();
            fs::copy(data.path().join("boards.sqlite"), copy.path().join("boards.sqlite")).unwrap();
            let connection = rusqlite::Connection::open(copy.path().join("boards.sqlite")).unwrap();
            let change = format!("UPDATE OR REPLACE {table} SET {column} = {number}");
            connection.execute(&change, []).unwrap();
            drop(connection);
            let server = serve(copy.path());
            // A board whose record is damaged is closed: it says to whom the board belongs.
            let mut eve = Client::away(&server.address, "x", "eve");
            if eve.try_connect(&server.address) {
                draw(&mut eve, 1);
            } else {
                assert_eq!((table, eve.farewell), ("boards", Some(Reason::Forbidden)), "{change}");
            }
            let mut ada = Client::join(&server.address, "another", "ada");
            draw(&mut ada, 1);
            drop((eve, ada));
            assert!(server.stop().success(), "{change}");
        }
    }
}

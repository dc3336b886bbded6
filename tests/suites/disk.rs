//! Disks that fill up, files that break, power that fails, clocks that jump, descriptors that run out.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use inkwire_protocol::{Reason, StorageState};
use inkwire_tests::client::{Client, text};
use inkwire_tests::dice::Dice;
use inkwire_tests::mount::{Mount, can_mount};
use inkwire_tests::patience::wait_until;
use inkwire_tests::server::{Server, binary};
use inkwire_tests::tools::are_there;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

#[track_caller]
fn serve(data: &Path) -> Server {
    let mut command = inkwire_tests::server::serve(&["--data", data.to_str().expect("a path of letters")]);
    Server::try_spawn(&mut command).unwrap_or_else(|said| panic!("the server does not start: {said}"))
}

/// Draws so many texts of some length and waits until all of them are durable.
fn draw_durably(client: &mut Client, count: u64, words: &str) {
    let last = client.session.cseq() + count;
    for at in client.session.cseq() + 1..=last {
        client.submit(text(&format!("{at} {words}")));
    }
    client.wait("all is durable", |client| client.session.durable() == last);
}

/// Draws until a disk of so many bytes takes nothing, and twice as much waits as it could ever hold: a database that was
/// full can have room for a little once its log is checkpointed.
fn overfill(client: &mut Client, disk: u64) {
    const LETTERS: usize = 4000;
    let long = "x".repeat(LETTERS);
    while client.session.storage() != Some(StorageState::Failing)
        || (client.session.cseq() - client.session.durable()) * (LETTERS as u64) < 2 * disk
    {
        for at in 0..50 {
            client.submit(text(&format!("{at} {long}")));
        }
        client.round_trip();
        assert!(client.session.cseq() < 20_000, "the disk does not fill up");
    }
}

#[test]
fn on_a_full_disk_drawing_goes_on_and_all_is_written_when_there_is_room_again() {
    if !can_mount("the full disk") {
        return;
    }
    let disk = Mount::tmpfs("2m").unwrap();
    let server = serve(disk.path());
    let mut ada = Client::join(&server.address, "x", "ada");
    let mut bob = Client::join(&server.address, "x", "bob");
    draw_durably(&mut ada, 10, "there is room");
    assert!(server.get("/readyz").starts_with("HTTP/1.1 200 "));
    overfill(&mut ada, 2 << 20);
    assert!(server.get("/readyz").starts_with("HTTP/1.1 503 "));
    let (durable, mark) = (ada.session.durable(), ada.session.mark());
    ada.does(text("drawn on a full disk")).unwrap();
    bob.wait_for_seq(ada.session.board().seq());
    bob.does(text("and so is this")).unwrap();
    ada.round_trip();
    assert_eq!((ada.session.durable(), ada.session.mark()), (durable, mark), "nothing of it is called durable");
    assert!(server.metric("inkwire_storage_failures_total") >= 1.0);
    disk.resize("64m");
    let last = ada.session.cseq();
    ada.wait("all is durable", |ada| ada.session.durable() == last);
    ada.wait("the page may say so", |ada| ada.session.storage() == Some(StorageState::Disk));
    bob.wait("his too", |bob| bob.session.durable() == 1);
    assert!(server.get("/readyz").starts_with("HTTP/1.1 200 "));
    let (seq, hash) = (ada.session.board().seq().max(bob.session.board().seq()), bob.session.board().hash());
    server.signal(Signal::KILL);
    server.wait();
    let server = serve(disk.path());
    let mut eve = Client::join(&server.address, "x", "eve");
    eve.wait_for_seq(seq);
    assert_eq!(eve.session.board().hash(), hash);
}

#[test]
fn a_server_that_stops_on_a_full_disk_says_what_is_not_written() {
    if !can_mount("the full disk") {
        return;
    }
    let disk = Mount::tmpfs("1m").unwrap();
    let server = Server::start(&["--data", disk.path().to_str().unwrap(), "--drain", "1"]);
    let mut ada = Client::join(&server.address, "x", "ada");
    overfill(&mut ada, 1 << 20);
    assert_eq!(server.stop().code(), Some(1));
    // The page has what the disk has not.
    disk.resize("64m");
    let server = serve(disk.path());
    ada.connect(&server.address);
    let last = ada.session.cseq();
    ada.wait("all is durable", |ada| ada.session.durable() == last);
    assert_eq!(ada.session.board().elements().count() as u64, last, "once");
}

#[test]
fn a_server_goes_on_with_the_file_that_it_has_when_its_rights_are_taken_away_and_does_not_start_without_them() {
    if !rustix::process::geteuid().is_root() {
        return inkwire_tests::tools::skipped("a server of another user can be started by root only");
    }
    const NOBODY: u32 = 65_534;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let mut command = Command::new(binary_for_nobody(folder.path()));
    command.args(["--listen", "127.0.0.1:0", "--data"]).arg(&data).uid(NOBODY).gid(NOBODY);
    let server = Server::spawn(&mut command);
    let mut ada = Client::join(&server.address, "x", "ada");
    draw_durably(&mut ada, 3, "text");
    let database = data.join("boards.sqlite");
    set_mode(&database, 0o000);
    draw_durably(&mut ada, 3, "more text");
    let mut bob = Client::join(&server.address, "other", "bob");
    draw_durably(&mut bob, 3, "on another board");
    assert!(server.stop().success());
    let output = command.stderr(std::process::Stdio::piped()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.starts_with("inkwire: ") && error.contains("boards.sqlite"), "{error}");
}

/// A copy of the binary where another user can run it.
fn binary_for_nobody(folder: &Path) -> PathBuf {
    let copy = folder.join("inkwire");
    fs::copy(binary(), &copy).unwrap();
    set_mode(folder, 0o755);
    set_mode(&copy, 0o755);
    copy
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Boards of a directory, and the state hash of each at every sequence number.
fn drawn(data: &Path) -> BTreeMap<String, BTreeMap<u64, String>> {
    let server = serve(data);
    let mut boards = BTreeMap::new();
    for name in ["one", "two", "three"] {
        let mut ada = Client::join(&server.address, name, "ada");
        let mut hashes = BTreeMap::from([(0, ada.session.board().hash().to_string())]);
        for at in 0..60 {
            ada.does(text(&format!("{name} {at} {}", "word ".repeat(at % 30)))).unwrap();
            hashes.insert(ada.session.board().seq(), ada.session.board().hash().to_string());
        }
        let last = ada.session.cseq();
        ada.wait("all is durable", |ada| ada.session.durable() == last);
        boards.insert(name.to_owned(), hashes);
    }
    // One is packed, two are as they came.
    let compacted = Command::new(binary()).args(["boards", "compact", "one", "--data"]).arg(data).output().unwrap();
    assert!(compacted.status.success());
    assert!(server.stop().success());
    boards
}

/// Opens every board of a directory that something has happened to: the server must start, and each board must be what it was
/// at some time, or closed if nobody knows any more to whom it belongs. Returns how many operations are there of how many:
/// `verify` reports any damage by which there are fewer.
fn served(data: &Path, boards: &BTreeMap<String, BTreeMap<u64, String>>, what: &str) -> (u64, u64) {
    let server = serve(data);
    let (mut there, mut all, mut closed) = (0, 0, 0);
    for (name, hashes) in boards {
        all += hashes.keys().last().unwrap();
        let mut eve = Client::away(&server.address, name, "eve");
        if !eve.try_connect(&server.address) {
            assert_eq!(eve.farewell, Some(Reason::Forbidden), "{what}: {name}");
            closed += 1;
            continue;
        }
        eve.round_trip();
        let board = eve.session.board();
        assert_eq!(hashes.get(&board.seq()), Some(&board.hash().to_string()), "{what}: {name} at {}", board.seq());
        there += board.seq();
        eve.does(text("and it goes on")).unwrap();
        eve.wait("it is durable", |eve| eve.session.durable() == 1);
    }
    assert!(server.stop().success(), "{what}");
    let verified = Command::new(binary()).args(["boards", "verify", "--data"]).arg(data).output().unwrap();
    let report = String::from_utf8_lossy(&verified.stdout).into_owned();
    // The history behind a good snapshot may be damaged: then `verify` says so, and everything is served all the same.
    let is_good = report.lines().filter(|line| line.contains(": good")).count() + closed >= 3;
    assert!(is_good || there == all, "{what}: {report}");
    (there, all)
}

fn copy_of(data: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(data).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
    }
    copy
}

#[test]
fn of_a_file_that_was_cut_off_anywhere_what_is_good_is_served_and_the_rest_is_set_aside() {
    let mut dice = Dice::of_a_new_seed();
    let data = tempfile::tempdir().unwrap();
    let boards = drawn(data.path());
    let size = fs::metadata(data.path().join("boards.sqlite")).unwrap().len();
    let mut cuts = vec![0, 1, 99, 100, 4096, size - 1];
    cuts.extend((0..10).map(|_| dice.below(size)));
    let mut saved = 0;
    for cut in cuts {
        let copy = copy_of(data.path());
        let file = fs::OpenOptions::new().write(true).open(copy.path().join("boards.sqlite")).unwrap();
        file.set_len(cut).unwrap();
        let (there, all) = served(copy.path(), &boards, &format!("cut at {cut} of {size}"));
        // The last page may hold nothing any more, or history that no board needs to be whole.
        assert!(there == all || copy.path().join("set-aside").is_dir(), "cut at {cut}: what was there is kept");
        println!("cut at {cut} of {size}: {there} of {all} operations are served");
        saved += there;
    }
    assert!(saved > 0, "of a file that lost its end, something is good");
}

#[test]
fn a_byte_that_was_changed_anywhere_is_never_taken_for_ink() {
    let mut dice = Dice::of_a_new_seed();
    let data = tempfile::tempdir().unwrap();
    let boards = drawn(data.path());
    let size = fs::metadata(data.path().join("boards.sqlite")).unwrap().len();
    for _ in 0..15 {
        let copy = copy_of(data.path());
        let path = copy.path().join("boards.sqlite");
        let mut bytes = fs::read(&path).unwrap();
        let at = dice.below(size) as usize;
        bytes[at] ^= 1 + dice.below(255) as u8;
        fs::write(&path, bytes).unwrap();
        let (there, all) = served(copy.path(), &boards, &format!("byte {at} of {size}"));
        println!("byte {at} of {size}: {there} of {all} operations are served");
    }
}

#[test]
fn a_torn_end_of_the_write_ahead_log_costs_only_what_was_torn() {
    let mut dice = Dice::of_a_new_seed();
    let data = tempfile::tempdir().unwrap();
    let server = serve(data.path());
    let mut ada = Client::join(&server.address, "one", "ada");
    let mut hashes = BTreeMap::from([(0, ada.session.board().hash().to_string())]);
    for at in 0..60 {
        ada.does(text(&format!("text {at}"))).unwrap();
        hashes.insert(ada.session.board().seq(), ada.session.board().hash().to_string());
    }
    ada.wait("all is durable", |ada| ada.session.durable() == 60);
    server.signal(Signal::KILL);
    server.wait();
    let size = fs::metadata(data.path().join("boards.sqlite-wal")).unwrap().len();
    for _ in 0..10 {
        let copy = copy_of(data.path());
        let cut = dice.below(size);
        let wal = fs::OpenOptions::new().write(true).open(copy.path().join("boards.sqlite-wal")).unwrap();
        wal.set_len(cut).unwrap();
        let server = serve(copy.path());
        // Who has seen more than is left is not left with it: it sends its own again.
        let mut eve = Client::join(&server.address, "one", "eve");
        eve.round_trip();
        let board = eve.session.board();
        assert_eq!(hashes.get(&board.seq()), Some(&board.hash().to_string()), "cut at {cut} of {size}");
    }
}

#[test]
fn after_a_power_cut_every_durable_operation_is_there() {
    if !can_mount("the power cut") || !are_there("the power cut", &[Path::new("/usr/sbin/mkfs.ext4")]) {
        return;
    }
    let mut dice = Dice::of_a_new_seed();
    let folder = tempfile::tempdir().unwrap();
    let (image, copy) = (folder.path().join("image"), folder.path().join("copy"));
    let mount = Mount::ext4(&image, 64).expect("root mounts an image");
    let mut ada: Option<Client> = None;
    for round in 0..4 {
        let server = serve(mount.path());
        let mut client = ada.take().unwrap_or_else(|| Client::away(&server.address, "x", "ada"));
        client.connect(&server.address);
        let target = client.session.durable() + 20 + dice.below(200);
        while client.session.durable() < target {
            client.submit(text(&format!("{} in round {round}", client.session.cseq())));
            client.listen(std::time::Duration::from_millis(dice.below(3)));
        }
        // What this client was told when the power went, and much that is still on its way.
        let durable = client.session.durable();
        (0..100).for_each(|at| _ = client.submit(text(&format!("late {at} in round {round}"))));
        server.signal(Signal::STOP);
        mount.power_cut(&copy);
        server.signal(Signal::KILL);
        server.wait();
        let after = Mount::image(&copy).expect("root mounts an image");
        let server = serve(after.path());
        client.connect(&server.address);
        assert!(
            client.session.welcomed_at().1 >= durable,
            "{durable} were durable, and {} are there",
            client.session.welcomed_at().1
        );
        println!(
            "round {round}: {durable} were durable, {} are there, {} were sent",
            client.session.welcomed_at().1,
            client.session.cseq()
        );
        let last = client.session.cseq();
        client.wait("all is durable again", |client| client.session.durable() == last);
        assert!(server.stop().success());
        ada = Some(client);
    }
}

#[test]
fn a_clock_that_jumps_disturbs_nobody() {
    let library = Path::new("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1");
    if !are_there("the jumping clock", &[library]) {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let clock = data.path().join("clock");
    let set = |offset: &str| fs::write(&clock, offset).unwrap();
    set("+0");
    let mut command = Command::new(binary());
    command.args(["--listen", "127.0.0.1:0", "--ping-interval", "0.5", "--data"]).arg(data.path().join("data"));
    // The wall clock jumps; the clock that never does, does not.
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &clock).env("FAKETIME_NO_CACHE", "1");
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let server = Server::spawn(&mut command);
    let mut ada = Client::join(&server.address, "x", "ada");
    for offset in ["-3d", "+1h", "+4000d", "+0", "-40y"] {
        set(offset);
        draw_durably(&mut ada, 20, offset);
    }
    assert!(ada.is_connected(), "no time-out rang early");
    assert_eq!(server.metric("inkwire_panics_total"), 0.0);
    let hash = ada.session.board().hash();
    assert!(server.stop().success());
    let server = serve(&data.path().join("data"));
    let mut bob = Client::join(&server.address, "x", "bob");
    bob.wait_for_seq(100);
    assert_eq!(bob.session.board().hash(), hash);
}

#[test]
fn when_descriptors_run_out_who_is_there_draws_on_and_others_come_when_they_are_back() {
    let data = tempfile::tempdir().unwrap();
    let server = serve(data.path());
    let mut ada = Client::join(&server.address, "x", "ada");
    draw_durably(&mut ada, 5, "before");
    let limit = |current: Option<u64>| {
        let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap());
        prlimit(pid, Resource::Nofile, Rlimit { current, maximum: Some(20_000) }).expect("a limit is set")
    };
    let before = limit(Some(server.descriptors() as u64));
    let waiting: Vec<_> = (0..5).map(|_| inkwire_tests::raw::Raw::connect(&server.address)).collect();
    draw_durably(&mut ada, 50, "meanwhile");
    drop(waiting);
    limit(before.current);
    let mut bob = Client::join(&server.address, "other", "bob");
    draw_durably(&mut bob, 5, "after");
    wait_until("nothing is left open", || server.descriptors() < 40);
    assert_eq!(server.metric("inkwire_panics_total"), 0.0);
}

//! What a room promises its members: joining, resuming, presence, and a clean end.

use std::time::Duration;

use inkwire_protocol::{ClientMessage, Colour, ElementRef, Operation, Points, Reason, limits};
use inkwire_tests::client::{Client, text};
use inkwire_tests::patience::wait_until;
use inkwire_tests::pen::begin;
use inkwire_tests::server::Server;
use rustix::process::Signal;

#[test]
fn a_newcomer_has_the_same_board() {
    let server = Server::start(&[]);
    let mut ada = Client::join(&server.address, "x", "ada");
    for at in 0..300 {
        ada.submit(text(&format!("text {at}")));
    }
    ada.wait("all is in the log", |ada| ada.session.pending().is_empty());
    let mut bob = Client::join(&server.address, "x", "bob");
    let mut eve = Client::join_json(&server.address, "x", "eve");
    for late in [&mut bob, &mut eve] {
        late.wait_for_seq(300);
        assert_eq!(late.session.board().hash(), ada.session.board().hash());
    }
}

#[test]
fn boards_are_apart() {
    let server = Server::start(&[]);
    let mut ada = Client::join(&server.address, "one", "ada");
    let mut bob = Client::join(&server.address, "two", "bob");
    ada.does(text("here")).unwrap();
    bob.round_trip();
    assert_eq!(bob.session.board().seq(), 0);
}

#[test]
fn who_lost_the_connection_goes_on_from_the_last_number_and_nothing_is_done_twice() {
    let server = Server::start(&[]);
    let mut ada = Client::join(&server.address, "x", "ada");
    let mut bob = Client::join(&server.address, "x", "bob");
    ada.does(text("one")).unwrap();
    ada.submit(text("two, whose answer is lost"));
    bob.wait_for_seq(2);
    ada.vanish();
    bob.does(text("three")).unwrap();
    ada.submit(text("four, drawn while away"));
    let snapshots = server.metric("inkwire_snapshots_total");
    ada.connect(&server.address);
    ada.wait("what was kept is in the log", |ada| ada.session.pending().is_empty());
    bob.wait_for_seq(4);
    assert_eq!(ada.session.board().hash(), bob.session.board().hash());
    assert_eq!(bob.session.board().elements().count(), 4);
    assert_eq!(server.metric("inkwire_snapshots_total"), snapshots, "the tail was enough");
}

#[test]
fn who_fell_far_behind_gets_a_snapshot() {
    let server = Server::start(&[]);
    let mut ada = Client::join(&server.address, "x", "ada");
    let mut bob = Client::join(&server.address, "x", "bob");
    ada.does(text("known to both")).unwrap();
    bob.wait_for_seq(1);
    bob.vanish();
    let long = "x".repeat(limits::TEXT);
    for _ in 0..400 {
        ada.submit(text(&long));
    }
    ada.wait("all is in the log", |ada| ada.session.pending().is_empty());
    let snapshots = server.metric("inkwire_snapshots_total");
    bob.connect(&server.address);
    bob.wait_for_seq(401);
    assert_eq!(bob.session.board().hash(), ada.session.board().hash());
    assert!(server.metric("inkwire_snapshots_total") > snapshots);
}

/// Megabytes pass by a member that reads nothing: the server keeps none of it for that member, and when it reads again it
/// is given a snapshot.
#[test]
fn who_reads_nothing_costs_nothing_and_is_given_a_snapshot_when_it_reads() {
    let server = Server::start(&[]);
    let mut ada = Client::join(&server.address, "x", "ada");
    // What is deleted for good is not held: the log grows, and the board does not.
    let mut draw = |megabytes: usize| {
        for _ in 0..megabytes * 256 {
            let cseq = ada.submit(text(&"x".repeat(limits::TEXT)));
            let elements = vec![ElementRef { author: 0, cseq }];
            ada.submit(Operation::Delete { gesture_back: 1, elements });
        }
        ada.wait("all is in the log", |ada| ada.session.pending().is_empty());
        // The harness keeps operations because nothing is durable; that memory is not the server's.
        ada.session.forget_received();
    };
    draw(6);
    let before = server.memory();
    let mut bob = Client::join(&server.address, "x", "bob");
    bob.round_trip();
    bob.narrow();
    let snapshots = server.metric("inkwire_snapshots_total");
    draw(8);
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 4 * 1024 * 1024, "{grown} bytes for 8 MiB that somebody did not read");
    bob.round_trip();
    bob.wait_for_seq(14 * 512);
    assert!(server.metric("inkwire_snapshots_total") > snapshots, "what passed by is not sent any more");
    let mut eve = Client::join(&server.address, "x", "eve");
    eve.wait_for_seq(14 * 512);
    assert_eq!(bob.session.board().hash(), eve.session.board().hash());
}

/// Draws texts of so many MiB in all.
fn draws_texts(client: &mut Client, megabytes: usize) {
    let long = "x".repeat(limits::TEXT);
    (0..megabytes * 256).for_each(|_| _ = client.submit(text(&long)));
    client.wait("all is in the log", |client| client.session.pending().is_empty());
    // The harness keeps operations because nothing is durable; that memory is not the server's.
    client.session.forget_received();
}

/// Joins, and reads nothing of the snapshot.
fn joins_and_reads_nothing(server: &Server, name: &str) -> Client {
    let mut client = Client::join(&server.address, "x", name);
    client.narrow();
    client
}

#[test]
fn slow_newcomers_share_what_of_their_snapshots_is_the_same() {
    let server = Server::start(&[]);
    let mut ada = Client::join(&server.address, "x", "ada");
    draws_texts(&mut ada, 4);
    let before = server.memory();
    let (mebibyte, mut slow) = (f64::from(1 << 20), Vec::new());
    for at in 0..4 {
        slow.push(joins_and_reads_nothing(&server, &format!("slow {at}")));
        let whole = f64::from(4 + at) * mebibyte;
        wait_until("its snapshot is encoded", || server.metric("inkwire_in_flight_bytes") > whole);
        draws_texts(&mut ada, 1);
    }
    let (held, grown) = (server.metric("inkwire_in_flight_bytes"), server.memory().saturating_sub(before));
    println!("4 slow newcomers to a board of 4 to 7 MiB: {held} bytes in flight, memory grew by {grown}");
    assert!(held < 9.0 * mebibyte, "{held} bytes for 4 snapshots");
    // The board itself has grown by 4 MiB.
    assert!(grown < 24 << 20, "{grown}");
    for member in &mut slow {
        member.wait_for_seq(8 * 256);
        assert_eq!(member.session.board().hash(), ada.session.board().hash());
    }
    assert_eq!(server.metric("inkwire_slow_readers_total"), 0.0);
    wait_until("nothing is kept when all have read", || server.metric("inkwire_in_flight_bytes") == 0.0);
}

#[test]
fn when_too_many_snapshots_are_read_slowly_the_oldest_reader_is_disconnected() {
    let server = Server::start(&["--max-in-flight", "16"]);
    let mut ada = Client::join(&server.address, "x", "ada");
    draws_texts(&mut ada, 9);
    let mut first = joins_and_reads_nothing(&server, "first");
    wait_until("its snapshot is encoded", || server.metric("inkwire_in_flight_bytes") > 9e6);
    // A newcomer would be given the same snapshot, had not so much been drawn since; and no part of it is in the next one, because
    // every element is a deleted one now. All is done by one client, soon: after half a minute the first one is disconnected because
    // it takes nothing, even if nobody needs the room.
    draws_texts(&mut ada, 3);
    ada.does(Operation::Clear { gesture_back: 0 }).unwrap();
    let mut last = 12 * 256 + 1;
    // Until the first one has read for so long that it counts as slow, snapshots go above the bound.
    wait_until("the first one is disconnected", || {
        ada.does(text("one more")).unwrap();
        last += 1;
        let second = joins_and_reads_nothing(&server, "second");
        // Each is a snapshot to encode: a few in a second are enough.
        ada.listen(Duration::from_millis(300));
        drop(second);
        server.metric("inkwire_slow_readers_total") >= 1.0
    });
    let mut second = Client::join(&server.address, "x", "second");
    second.wait_for_seq(last);
    assert_eq!(second.session.board().hash(), ada.session.board().hash());
    assert_eq!((first.wait_for_close(), first.farewell), (1008, Some(Reason::TimedOut)));
    first.connect(&server.address);
    first.wait_for_seq(last);
    assert_eq!(first.session.board().hash(), ada.session.board().hash(), "and when it comes back it has all");
}

#[test]
fn a_client_that_joins_again_takes_its_own_place() {
    let server = Server::start(&[]);
    let mut old = Client::join(&server.address, "x", "ada");
    let mut new = Client::join(&server.address, "x", "ada");
    assert_eq!(old.wait_for_close(), 4000);
    assert_eq!(new.session.author(), old.session.author());
    new.does(text("still me")).unwrap();
    new.wait("alone", |new| new.people.len() == 1);
}

#[test]
fn everybody_knows_who_is_here_and_where_they_point() {
    let server = Server::start(&[]);
    let mut ada = Client::join(&server.address, "x", "ada");
    let mut bob = Client::join_json(&server.address, "x", "bob");
    ada.wait("bob is here", |ada| ada.people.values().any(|name| name == "bob"));
    bob.say(&[ClientMessage::Presence { cursor: Some([64, -64]) }]);
    ada.wait("his pointer", |ada| ada.cursors.values().any(|at| *at == [64, -64]));
    bob.say(&[ClientMessage::Profile { name: "Robert".into(), colour: Colour(1) }]);
    ada.wait("his new name", |ada| ada.people.values().any(|name| name == "Robert"));
    bob.vanish();
    ada.wait("he has gone", |ada| ada.people.len() == 1);
}

#[test]
fn a_member_that_gives_no_sign_of_life_is_let_go() {
    let server = Server::start(&["--ping-interval", "0.2"]);
    let silent = inkwire_tests::raw::Raw::upgrade(&server.address, "/ws/x", "");
    let mut lively = Client::join(&server.address, "x", "ada");
    // Its pongs are written while it reads.
    wait_until("the silent one is let go", || {
        lively.round_trip();
        server.metric("inkwire_connections") < 3.0
    });
    drop(silent);
}

#[test]
fn a_server_that_stops_tells_everybody_to_come_back() {
    for (signal, code) in [(Signal::TERM, 1012), (Signal::INT, 1001)] {
        let server = Server::start(&[]);
        let mut ada = Client::join(&server.address, "x", "ada");
        let mut bob = Client::join(&server.address, "x", "bob");
        ada.submit(text("the last word"));
        bob.wait_for_seq(1);
        server.signal(signal);
        assert_eq!(ada.wait_for_close(), code);
        assert_eq!(bob.wait_for_close(), code);
        assert!(server.wait().success());
    }
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let server = Server::start(&["--linger", "0.1"]);
    let mut members: Vec<Client> = Vec::new();
    let before = server.descriptors();
    for round in 0..5 {
        members.extend((0..40).map(|at| Client::join(&server.address, "x", &format!("member {at}"))));
        members.iter_mut().for_each(|member| if round % 2 == 0 { member.leave() } else { member.vanish() });
        members.clear();
        wait_until("all descriptors are back", || server.descriptors() <= before + 1);
    }
    assert_eq!(server.metric("inkwire_members"), 0.0);
    assert_eq!(server.metric("inkwire_panics_total"), 0.0);
    wait_until("the room is closed", || server.metric("inkwire_rooms") == 0.0);
    // That of the connection that asks is left, and none that waits for a member that is long gone.
    wait_until("all tasks have ended", || server.metric("inkwire_tasks") == 1.0);
}

#[test]
fn a_stroke_of_many_points_arrives_whole() {
    let server = Server::start(&[]);
    let mut ada = Client::join(&server.address, "x", "ada");
    let mut bob = Client::join(&server.address, "x", "bob");
    ada.submit(begin());
    for _ in 0..limits::STROKE_POINTS / limits::POINTS {
        ada.submit(Operation::Points(Points {
            slot: 0,
            steps: vec![[3, -2]; limits::POINTS].into(),
            pressures: Default::default(),
        }));
    }
    ada.does(Operation::End { slot: 0 }).unwrap();
    bob.wait_for_seq(ada.session.board().seq());
    assert_eq!(ada.session.board().hash(), bob.session.board().hash());
}

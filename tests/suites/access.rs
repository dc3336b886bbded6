//! Who may do what, asked by clients that try what they may not: the server decides, and nobody else notices.

use std::time::Instant;

use inkwire_board::{BoardElement, ClientSession, Refused};
use inkwire_protocol::{
    Action, Begin, ClientId, ClientMessage, Colour, ElementRef, Operation, Patch, Points, Property, Reaction, Reason,
    RejectReason, Role, SUBPROTOCOL_BINARY, ServerMessage, Shape, ShapeKind, Token, Tool, binary, limits,
};
use inkwire_tests::client::{Client, client_id, text};
use inkwire_tests::patience::{PATIENCE, wait_until};
use inkwire_tests::pen;
use inkwire_tests::raw::{Raw, client_frame};
use inkwire_tests::server::{Server, binary as program};
use tempfile::TempDir;

const HOST: Token = Token([0x11; 16]);

/// A server with a data directory, and a board on it that Ada hosts.
fn hosted(flags: &[&str]) -> (TempDir, Server, Client) {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().to_str().expect("a path").to_owned();
    let flags: Vec<&str> = ["--data", &data].into_iter().chain(flags.iter().copied()).collect();
    let server = Server::start(&flags);
    let host = Client::join_by(&server.address, "x", "Ada", HOST);
    assert_eq!(host.rights(), Some((Role::Host, true)), "who comes first with a secret is the host");
    (directory, server, host)
}

fn begin(slot: u8) -> Operation {
    let (colour, tool) = (Colour(0xff), Tool::Pen);
    Operation::Begin(Begin { slot, gesture_back: 0, tool, colour, width: 9, scale: 3, x: 0, y: 0, pressure: None })
}

fn line() -> Shape {
    let (kind, colour, fill) = (ShapeKind::Line, Colour(0xff), Colour(0));
    Shape { gesture_back: 0, kind, colour, fill, width: 16, scale: 3, x: 0, y: 0, dx: 80, dy: 40 }
}

fn points(slot: u8, count: usize) -> Operation {
    Operation::Points(Points { slot, steps: vec![[1, 1]; count].into(), pressures: Default::default() })
}

#[track_caller]
fn is_told(client: &mut Client, what: (Role, bool)) {
    client.wait(&format!("to be told {what:?}"), |client| client.rights() == Some(what));
}

#[test]
fn the_server_rejects_whatever_a_viewer_draws_and_the_host_notices_nothing() {
    let (_directory, server, mut host) = hosted(&[]);
    let own = host.does(text("the host's")).expect("a host draws");
    let link = host.makes_link(Role::Viewer, 0);
    let mut viewer = Client::join_by(&server.address, "x", "Vera", link);
    assert_eq!(viewer.rights(), Some((Role::Viewer, false)));
    viewer.wait_for_seq(1);
    let element = ElementRef { author: host.session.author(), cseq: own };
    let property = Property::Text { text: "changed".into() };
    for operation in [
        begin(0),
        text("a viewer's"),
        Operation::Patch(Patch { gesture_back: 0, element, property }),
        Operation::Delete { gesture_back: 0, elements: vec![element] },
        Operation::Clear { gesture_back: 0 },
        Operation::ClearAuthor { gesture_back: 0, author: host.session.author() },
        Operation::Undo { gesture: own },
    ] {
        assert_eq!(viewer.does(operation.clone()), Err(RejectReason::ReadOnly), "{operation:?}");
    }
    host.round_trip();
    assert_eq!((host.session.board().seq(), host.session.rejects().len()), (1, 0));
}

#[test]
fn a_viewer_who_has_the_host_as_client_id_is_a_viewer_all_the_same() {
    let (_directory, server, mut host) = hosted(&[]);
    let link = host.makes_link(Role::Viewer, 0);
    let mut thief = Client::away(&server.address, "x", "Ada");
    thief.token = Some(link);
    thief.connect(&server.address);
    is_told(&mut thief, (Role::Viewer, false));
    assert_eq!(thief.does(text("stolen")), Err(RejectReason::ReadOnly));
    let refused = thief.orders(Action::Lock { locked: true });
    assert!(matches!(&refused[..], [ServerMessage::NotDone { text }] if text.contains("host")), "{refused:?}");
}

#[test]
fn nobody_undoes_or_signs_for_somebody_else() {
    let (_directory, server, mut host) = hosted(&[]);
    let gesture = host.does(text("the host's")).expect("a host draws");
    let mut other = Client::join(&server.address, "x", "Bob");
    let own = other.does(text("another's")).expect("an editor draws");
    assert_eq!(other.does(Operation::Undo { gesture: gesture + 7 }), Err(RejectReason::NoSuchGesture));
    other.does(Operation::Undo { gesture: own }).expect("one's own");
    let whose = Operation::ClearAuthor { gesture_back: 0, author: host.session.author() };
    assert_eq!(other.does(whose), Err(RejectReason::HostOnly));
    host.wait_for_seq(3);
    let board = host.session.board();
    let element = |author, cseq| board.element(ElementRef { author, cseq });
    assert!(
        element(host.session.author(), gesture).is_some_and(BoardElement::is_visible),
        "what the host drew is there"
    );
    assert_eq!(
        element(other.session.author(), own).map(BoardElement::is_visible),
        Some(false),
        "and is of who drew it"
    );
}

#[test]
fn a_link_that_is_revoked_lets_its_people_go_and_nobody_comes_back_by_it() {
    let (_directory, server, mut host) = hosted(&[]);
    let link = host.makes_link(Role::Editor, 0);
    let mut bob = Client::join_by(&server.address, "x", "Bob", link);
    bob.does(text("drawn in time")).expect("an editor draws");
    host.orders(Action::RevokeLink { role: Role::Editor });
    assert_eq!(bob.wait_for_close(), 4003);
    assert_eq!(bob.farewell, Some(Reason::Forbidden));
    assert_eq!(bob.is_kept_out(), (Reason::Forbidden, 4003), "resuming is joining");
    let again = host.makes_link(Role::Editor, 0);
    bob.token = Some(again);
    bob.connect(&server.address);
    bob.round_trip();
    assert_eq!(bob.session.board().seq(), 1, "what it drew is not lost");
}

#[test]
fn a_link_expires() {
    let (_directory, server, mut host) = hosted(&[]);
    let link = host.makes_link(Role::Viewer, 1);
    let mut late = Client::away(&server.address, "x", "Late");
    late.token = Some(link);
    let deadline = Instant::now() + PATIENCE;
    while late.try_connect(&server.address) {
        assert!(Instant::now() < deadline, "it expires");
    }
    assert_eq!(late.is_kept_out(), (Reason::Expired, 4003));
}

#[test]
fn a_link_that_expires_ends_the_visits_of_those_who_came_in_by_it() {
    let (_directory, server, mut host) = hosted(&[]);
    let link = host.makes_link(Role::Editor, 2);
    let mut guest = Client::join_by(&server.address, "x", "Gina", link);
    assert_eq!((guest.wait_for_close(), guest.farewell), (4003, Some(Reason::Expired)));
    host.does(text("the host draws on")).expect("her link does not expire");
}

#[test]
fn who_came_without_a_link_is_what_such_people_are_from_now_on() {
    let (_directory, server, mut host) = hosted(&[]);
    let link = host.makes_link(Role::Editor, 0);
    let mut invited = Client::join_by(&server.address, "x", "Ida", link);
    let mut walked_in = Client::join(&server.address, "x", "Wim");
    host.orders(Action::WithoutLink { role: Some(Role::Viewer) });
    is_told(&mut walked_in, (Role::Viewer, false));
    assert_eq!(walked_in.does(text("no more")), Err(RejectReason::ReadOnly));
    host.orders(Action::WithoutLink { role: None });
    assert_eq!((walked_in.wait_for_close(), walked_in.farewell), (4003, Some(Reason::Forbidden)));
    invited.does(text("she has a link")).expect("an editor draws");
}

#[test]
fn who_makes_the_host_link_anew_stays_and_who_came_by_the_old_one_goes() {
    let (_directory, server, mut host) = hosted(&[]);
    let mut other = Client::join_by(&server.address, "x", "Otto", HOST);
    let link = host.makes_link(Role::Host, 0);
    assert_eq!(other.wait_for_close(), 4003);
    assert_eq!(other.is_kept_out(), (Reason::Forbidden, 4003));
    assert!(matches!(host.orders(Action::Rules)[..], [ServerMessage::Rules { .. }]), "she is a host still");
    host.vanish();
    host.token = Some(link);
    host.connect(&server.address);
    is_told(&mut host, (Role::Host, true));
}

#[test]
fn guessing_is_slowed_down_for_the_address_and_a_link_that_holds_is_not() {
    let (_directory, server, _host) = hosted(&[]);
    let mut guesser = Client::away(&server.address, "x", "Eve");
    let mut told = Vec::new();
    for guess in 0..16 {
        guesser.token = Some(Token([guess; 16]));
        told.push(guesser.is_kept_out().0);
    }
    assert_eq!(told[..10], [Reason::Forbidden; 10]);
    assert!(told[11..].iter().all(|reason| *reason == Reason::TooManyTries), "{told:?}");
    Client::join_by(&server.address, "x", "Otto", HOST);
    Client::join(&server.address, "x", "Nobody");
}

#[test]
fn a_password_is_asked_of_everybody_but_the_host_and_is_not_guessed() {
    let (_directory, server, mut host) = hosted(&[]);
    let told = host.orders(Action::Password { password: "Geheimwort ✎".into() });
    assert!(matches!(told[..], [ServerMessage::Rules { has_password: true, .. }]), "{told:?}");
    let mut bob = Client::away(&server.address, "x", "Bob");
    assert_eq!(bob.is_kept_out(), (Reason::PasswordNeeded, 4003));
    bob.password = "geheimwort".into();
    assert_eq!(bob.is_kept_out(), (Reason::PasswordNeeded, 4003));
    bob.password = "Geheimwort ✎".into();
    bob.connect(&server.address);
    bob.does(text("in")).expect("an editor draws");
    let mut eve = Client::away(&server.address, "x", "Eve");
    for guess in 0..20 {
        eve.password = format!("guess {guess}");
        eve.is_kept_out();
    }
    eve.password = "Geheimwort ✎".into();
    assert_eq!(eve.is_kept_out().0, Reason::TooManyTries, "not even the right one, so that nobody learns it");
    Client::join_by(&server.address, "x", "Otto", HOST);
}

#[test]
fn only_a_host_has_passwords_hashed_and_the_memory_for_it_is_bounded_and_given_back() {
    const MIB: u64 = 1024 * 1024;
    let (_directory, server, mut host) = hosted(&[]);
    let mut bob = Client::join(&server.address, "x", "Bob");
    let action = Action::Password { password: "p".repeat(limits::PASSWORD) };
    let orders = vec![ClientMessage::Moderate { action }; limits::CLIENT_MESSAGES];
    bob.round_trip();
    let before = server.memory();
    for _ in 0..10 {
        bob.say(&orders);
    }
    let is_refused = |told: &&ServerMessage| matches!(told, ServerMessage::NotDone { text } if text.contains("host"));
    bob.wait("all are refused", |bob| bob.told.iter().filter(is_refused).count() == 80);
    assert!(server.memory() < before + 8 * MIB, "nothing was hashed");
    for _ in 0..3 {
        host.say(&orders);
    }
    let is_done = |told: &&ServerMessage| matches!(told, ServerMessage::Rules { has_password: true, .. });
    host.wait("all are carried out", |host| host.told.iter().filter(is_done).count() == 24);
    assert!(server.memory() < before + 2 * 19 * MIB + 10 * MIB, "{} MiB more", (server.memory() - before) / MIB);
    wait_until("the memory is given back", || server.memory() < before + 10 * MIB);
}

#[test]
fn a_password_that_no_memory_is_left_for_is_refused_and_the_next_one_is_checked() {
    let (directory, server, mut host) = hosted(&[]);
    host.orders(Action::Password { password: "Geheimwort".into() });
    server.stop();
    let server = Server::start(&["--data", directory.path().to_str().expect("a path")]);
    host.connect(&server.address);
    host.orders(Action::Rules);
    server.limit_address_space(Some(24 * 1024 * 1024));
    let mut bob = Client::away(&server.address, "x", "Bob");
    bob.password = "Geheimwort".into();
    for _ in 0..4 {
        let told = host.orders(Action::Password { password: "another".into() });
        assert!(matches!(&told[..], [ServerMessage::NotDone { text }] if text.contains("memory")), "{told:?}");
        assert_eq!(bob.is_kept_out(), (Reason::TooManyTries, 4003));
    }
    server.limit_address_space(None);
    bob.connect(&server.address);
    bob.does(text("in")).expect("an editor draws");
    assert_eq!(server.metric("inkwire_panics_total"), 0.0);
}

#[test]
fn who_had_the_link_of_a_viewer_does_not_host_the_board_that_comes_after_it() {
    let (_directory, server, mut host) = hosted(&[]);
    let link = host.makes_link(Role::Viewer, 0);
    let own = host.makes_link(Role::Host, 0);
    // As boards are once the memory that they were kept in is gone.
    let mut pupil = Client::join_by(&server.address, "after", "Pupil", link);
    assert!(matches!(pupil.orders(Action::Rules)[..], [ServerMessage::NotDone { .. }]));
    let mut ada = Client::join_by(&server.address, "as-well", "Ada", own);
    assert!(matches!(ada.orders(Action::Rules)[..], [ServerMessage::Rules { .. }]));
}

#[test]
fn a_class_that_comes_with_its_password_at_once_comes_in() {
    let (_directory, server, mut host) = hosted(&[]);
    host.orders(Action::Password { password: "Geheimwort".into() });
    let address = &server.address;
    std::thread::scope(|scope| {
        for number in 0..40 {
            scope.spawn(move || {
                let mut pupil = Client::away(address, "x", &format!("pupil {number}"));
                pupil.password = "Geheimwort".into();
                pupil.connect(address);
                pupil.does(text("here")).expect("an editor draws");
            });
        }
    });
    host.wait_for_seq(40);
}

#[test]
fn a_lock_a_mute_and_a_lent_pen_are_the_servers_and_ending_a_stroke_is_always_allowed() {
    let (_directory, server, mut host) = hosted(&[]);
    let mut bob = Client::join(&server.address, "x", "Bob");
    bob.does(begin(0)).expect("an editor draws");
    host.orders(Action::Lock { locked: true });
    assert_eq!(bob.does(points(0, 3)), Err(RejectReason::BoardLocked));
    bob.does(Operation::End { slot: 0 }).expect("what is begun can be ended");
    is_told(&mut bob, (Role::Editor, false));
    host.orders(Action::Lend { author: bob.session.author(), seconds: 1 });
    is_told(&mut bob, (Role::Editor, true));
    bob.does(text("lent")).expect("with the pen");
    is_told(&mut bob, (Role::Editor, false));
    assert_eq!(bob.does(text("too late")), Err(RejectReason::BoardLocked), "the pen is given back by itself");
    host.orders(Action::Lock { locked: false });
    host.orders(Action::Mute { author: bob.session.author(), muted: true });
    assert_eq!(bob.does(text("muted")), Err(RejectReason::Muted));
    host.wait("to see it", |host| host.standings.get(&bob.session.author()).is_some_and(|it| it.2));
    bob.vanish();
    bob.connect(&server.address);
    assert_eq!(bob.does(text("muted still")), Err(RejectReason::Muted), "coming back changes nothing");
    host.orders(Action::Mute { author: bob.session.author(), muted: false });
    bob.does(text("free")).expect("an editor draws");
}

#[test]
fn a_muted_person_keeps_the_name_that_the_others_see() {
    let (_directory, server, mut host) = hosted(&[]);
    let mut mallory = Client::away(&server.address, "x", "Mallory");
    mallory.visitor = Some(Token([5; 16]));
    mallory.connect(&server.address);
    let author = mallory.session.author();
    host.orders(Action::Mute { author, muted: true });
    let shouts = [ClientMessage::Profile { name: "spoken by name".into(), colour: Colour(0xff) }];
    mallory.say(&shouts);
    mallory.round_trip();
    mallory.vanish();
    mallory.name = "spoken by coming back".into();
    mallory.connect(&server.address);
    let mut other_tab = Client::away(&server.address, "x", "spoken by another tab");
    other_tab.visitor = mallory.visitor;
    other_tab.connect(&server.address);
    // One who has drawn nothing may be given another number when she comes back.
    let both = [mallory.session.author(), other_tab.session.author()];
    host.wait("both are here", |host| host.people.len() == 3 && both.iter().all(|it| host.people.contains_key(it)));
    let names = |client: &Client| client.people.values().cloned().collect::<Vec<_>>();
    assert_eq!(names(&host), ["Ada", "Mallory", "Mallory"]);
    mallory.leave();
    other_tab.leave();
    host.wait("both have gone", |host| host.people.len() == 1);
    mallory.connect(&server.address);
    host.wait("she is here again", |host| host.people.contains_key(&mallory.session.author()));
    assert_eq!(names(&host), ["Ada", "Mallory"]);
    host.orders(Action::Mute { author: mallory.session.author(), muted: false });
    mallory.say(&shouts);
    host.wait("she may speak again", |host| host.people.values().any(|name| name == "spoken by name"));
}

#[test]
fn a_removed_person_comes_back_and_a_banned_browser_does_not_under_whatever_client() {
    let (_directory, server, mut host) = hosted(&[]);
    let mut mallory = Client::away(&server.address, "x", "Mallory");
    mallory.visitor = Some(Token([5; 16]));
    mallory.connect(&server.address);
    host.orders(Action::Remove { author: mallory.session.author() });
    assert_eq!((mallory.wait_for_close(), mallory.farewell), (4003, Some(Reason::Removed)));
    mallory.connect(&server.address);
    let mut other_tab = Client::away(&server.address, "x", "Mallory's other tab");
    other_tab.visitor = mallory.visitor;
    other_tab.connect(&server.address);
    host.orders(Action::Ban { author: mallory.session.author(), address: false });
    assert_eq!((mallory.wait_for_close(), mallory.farewell), (4003, Some(Reason::Banned)));
    assert_eq!((other_tab.wait_for_close(), other_tab.farewell), (4003, Some(Reason::Banned)));
    assert_eq!(mallory.is_kept_out(), (Reason::Banned, 4003));
    mallory.is_now(ClientId([9; 16]));
    assert_eq!(mallory.is_kept_out(), (Reason::Banned, 4003), "another tab of the same browser");
    mallory.visitor = None;
    mallory.is_now(client_id("Mallory"));
    assert_eq!(mallory.is_kept_out(), (Reason::Banned, 4003), "the same client without its browser's secret");
    Client::join(&server.address, "x", "Bob");
    host.orders(Action::Unban { ban: 1 });
    mallory.connect(&server.address);
}

#[test]
fn whoever_has_gone_can_still_be_muted_and_banned_but_not_removed() {
    let (_directory, server, mut host) = hosted(&[]);
    let mut mallory = Client::join(&server.address, "x", "Mallory");
    let author = mallory.session.author();
    mallory.does(text("once")).expect("she may");
    host.wait("she is here", |host| host.people.contains_key(&author));
    mallory.leave();
    host.wait("she has gone", |host| !host.people.contains_key(&author));
    let told = host.orders(Action::Remove { author });
    assert!(matches!(&told[..], [ServerMessage::NotDone { text }] if text.contains("not here any more")), "{told:?}");
    host.orders(Action::Mute { author, muted: true });
    mallory.connect(&server.address);
    assert!(mallory.does(text("spoiled")).is_err(), "she is muted");
    host.wait("she is here again", |host| host.people.contains_key(&author));
    mallory.leave();
    host.wait("she has gone again", |host| !host.people.contains_key(&author));
    host.orders(Action::Ban { author, address: false });
    assert_eq!(mallory.is_kept_out(), (Reason::Banned, 4003));
}

#[test]
fn an_address_is_banned_by_choice_but_never_a_host_at_it() {
    let (_directory, server, mut host) = hosted(&[]);
    let mallory = Client::join(&server.address, "x", "Mallory");
    let mut neighbour = Client::join(&server.address, "x", "Nora");
    host.orders(Action::Ban { author: mallory.session.author(), address: true });
    assert_eq!(neighbour.wait_for_close(), 4003);
    assert_eq!(Client::away(&server.address, "x", "New").is_kept_out(), (Reason::Banned, 4003));
    host.does(text("the host draws on")).expect("from the same address");
}

#[test]
fn a_host_takes_back_all_that_one_person_drew_and_takes_that_back_too() {
    let (_directory, server, mut host) = hosted(&[]);
    let mut mallory = Client::join(&server.address, "x", "Mallory");
    host.does(text("the host's")).expect("a host draws");
    mallory.does(text("one")).expect("an editor draws");
    mallory.does(text("two")).expect("an editor draws");
    let clear = Operation::ClearAuthor { gesture_back: 0, author: mallory.session.author() };
    let gesture = host.does(clear).expect("a host may");
    let seen = |client: &Client| client.session.board().elements().filter(|it| it.is_visible()).count();
    assert_eq!(seen(&host), 1);
    host.does(Operation::Undo { gesture }).expect("it is a gesture like any other");
    mallory.wait_for_seq(5);
    assert_eq!((seen(&host), seen(&mallory)), (3, 3));
    let told = host.orders(Action::Audit);
    let [ServerMessage::Audit { records }] = &told[..] else { panic!("{told:?}") };
    let said: Vec<_> = records.iter().map(|record| (&*record.who, &*record.what, &*record.whom)).collect();
    assert_eq!(said[..2], [("Ada", "undoClearAuthor", "Mallory"), ("Ada", "clearAuthor", "Mallory")]);
    let author = mallory.session.author();
    mallory.leave();
    host.wait("Mallory has gone", |host| !host.people.contains_key(&author));
    host.does(Operation::Redo { gesture }).expect("whoever drew it has gone");
    let told = host.orders(Action::Audit);
    let [ServerMessage::Audit { records }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((&*records[0].what, &*records[0].whom), ("redoClearAuthor", "Mallory"), "the board knows the name");
}

#[test]
fn what_is_set_holds_over_a_restart_and_the_audit_list_says_who_did_what() {
    let (directory, server, mut host) = hosted(&[]);
    let bob = Client::join(&server.address, "x", "Bob");
    host.orders(Action::Mute { author: bob.session.author(), muted: true });
    host.orders(Action::WithoutLink { role: None });
    host.makes_link(Role::Viewer, 3600);
    host.orders(Action::Ban { author: bob.session.author(), address: false });
    host.orders(Action::Unban { ban: 1 });
    host.orders(Action::Password { password: "Geheimwort".into() });
    host.orders(Action::Password { password: String::new() });
    drop((host, bob));
    server.stop();
    let data = directory.path().to_str().expect("a path").to_owned();
    let server = Server::start(&["--data", &data]);
    assert_eq!(Client::away(&server.address, "x", "Carl").is_kept_out(), (Reason::Forbidden, 4003));
    let mut host = Client::join_by(&server.address, "x", "Ada", HOST);
    let told = host.orders(Action::Audit);
    let [ServerMessage::Audit { records }] = &told[..] else { panic!("{told:?}") };
    let lines: Vec<String> = records.iter().map(|it| format!("{} {} {}", it.who, it.what, it.whom)).collect();
    let set = ["Ada makeLink viewer 3600 ", "Ada withoutLink nobody ", "Ada mute Bob"];
    let undone = ["Ada noPassword ", "Ada password ", "Ada unban Bob", "Ada ban Bob"];
    assert_eq!(lines, [&undone[..], &set].concat());
}

#[test]
fn no_secret_is_in_the_log_the_metrics_or_the_data_directory() {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().to_str().expect("a path").to_owned();
    let log = directory.path().join("log");
    let mut command = std::process::Command::new("sh");
    let server = format!(
        "exec '{}' --listen 127.0.0.1:0 --log trace --data '{data}' 2>'{}'",
        program().display(),
        log.display()
    );
    command.args(["-c", &server]);
    let server = Server::spawn(&mut command);
    let mut host = Client::join_by(&server.address, "x", "Ada", HOST);
    let link = host.makes_link(Role::Editor, 0);
    host.orders(Action::Password { password: "Geheimwort".into() });
    let mut bob = Client::away(&server.address, "x", "Bob");
    (bob.token, bob.password) = (Some(link), "Geheimwort".into());
    bob.connect(&server.address);
    let metrics = server.get("/metrics");
    drop((host, bob));
    server.stop();
    let mut all = vec![("the metrics".to_owned(), metrics.into_bytes())];
    for file in std::fs::read_dir(directory.path()).expect("the directory").flatten() {
        all.push((file.path().display().to_string(), std::fs::read(file.path()).expect("a file")));
    }
    assert!(all.len() > 2);
    for (place, bytes) in all {
        for secret in [HOST, link] {
            let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!has(&secret.0) && !has(secret.digits().as_bytes()), "a secret is in {place}");
            assert!(!has(b"Geheimwort"), "the password is in {place}");
        }
    }
}

#[test]
fn a_hand_is_seen_and_a_muted_person_shows_nothing() {
    let (_directory, server, mut host) = hosted(&[]);
    let mut bob = Client::join(&server.address, "x", "Bob");
    host.wait("Bob is here", |host| host.people.contains_key(&bob.session.author()));
    bob.say(&[ClientMessage::Hand { raised: true }, ClientMessage::React { reaction: Reaction::Heart }]);
    host.wait("the hand", |host| host.standings.get(&bob.session.author()).is_some_and(|it| it.3));
    host.orders(Action::LowerHand { author: bob.session.author() });
    host.wait("the hand is down", |host| host.standings.get(&bob.session.author()).is_some_and(|it| !it.3));
    bob.say(&[ClientMessage::Laser { at: [1, 1] }, ClientMessage::Draft { shape: Some(line()) }]);
    host.wait("what he drags out", |host| host.drafts.get(&bob.session.author()) == Some(&line()));
    host.wait("what he showed", |host| {
        host.shown == [(bob.session.author(), Some(Reaction::Heart)), (bob.session.author(), None)]
    });
    host.orders(Action::Mute { author: bob.session.author(), muted: true });
    bob.say(&[ClientMessage::React { reaction: Reaction::Clap }, ClientMessage::Laser { at: [2, 2] }]);
    bob.say(&[ClientMessage::Draft { shape: Some(line()) }]);
    host.wait("his pointer", |host| host.cursors.get(&bob.session.author()) == Some(&[2, 2]));
    bob.round_trip();
    host.round_trip();
    assert!(host.drafts.is_empty(), "nor a shape that is dragged out");
    assert_eq!(host.shown.len(), 2, "neither a reaction nor a laser");
}

#[test]
fn a_board_has_so_many_members_and_elements_as_the_operator_says_and_a_server_so_many_boards() {
    let (_directory, server, mut host) = hosted(&["--max-members", "2", "--max-elements", "3", "--max-boards", "2"]);
    let mut bob = Client::join(&server.address, "x", "Bob");
    assert_eq!(Client::away(&server.address, "x", "Carl").is_kept_out(), (Reason::Full, 4004));
    bob.vanish();
    bob.connect(&server.address);
    (0..2).for_each(|_| _ = host.does(text("one of three")).expect("there is room"));
    host.does(pen::begin()).expect("there is room for the last");
    let (steps, pressures) = ([[8, 0], [8, 8]].into_iter().collect(), [].into_iter().collect());
    host.does(Operation::Points(Points { slot: 0, steps, pressures })).expect("and for all of it");
    host.does(Operation::End { slot: 0 }).expect("and for its end");
    assert_eq!(bob.does(text("one more")), Err(RejectReason::BoardFull));
    host.does(Operation::Clear { gesture_back: 0 }).expect("what is there can be deleted");
    (0..3).for_each(|_| _ = bob.does(text("another one of three")).expect("that makes room"));
    assert_eq!(bob.does(text("one more")), Err(RejectReason::BoardFull));
    let mut second = Client::join(&server.address, "second", "Ada");
    second.does(text("a second board")).expect("there is room");
    second.wait("it is on the disk", |second| second.session.mark() >= 1);
    assert_eq!(Client::away(&server.address, "third", "Ada").is_kept_out(), (Reason::TooManyBoards, 4004));
    Client::join(&server.address, "second", "Bob");
    assert_eq!(Client::away(&server.address, "x", "Carl").is_kept_out(), (Reason::Full, 4004));
    Client::join_by(&server.address, "x", "Otto", HOST);
}

#[test]
fn boards_that_are_open_and_still_empty_count_as_well() {
    for data in ["memory", "disk"] {
        let directory = TempDir::new().expect("a directory");
        let kept = if data == "memory" { ":memory:" } else { directory.path().to_str().expect("a path") };
        let server = Server::start(&["--data", kept, "--max-boards", "2"]);
        let mut open: Vec<Client> =
            ["first", "second"].iter().map(|name| Client::join(&server.address, name, "Ada")).collect();
        assert_eq!(
            Client::away(&server.address, "third", "Ada").is_kept_out(),
            (Reason::TooManyBoards, 4004),
            "{data}"
        );
        open.iter_mut().for_each(|ada| _ = ada.does(text("there is room for this")).expect("there is room"));
        Client::join(&server.address, "first", "Bob");
    }
}

#[test]
fn who_makes_a_board_of_a_moment_is_its_host_and_others_may_draw_on_it() {
    let (_directory, server, mut host) = hosted(&[]);
    host.does(text("what was")).expect("a host draws");
    let mut bob = Client::join(&server.address, "x", "Bob");
    bob.wait_for_seq(1);
    host.wait("it is on the disk", |host| host.session.mark() >= 1);
    bob.say(&[ClientMessage::Branch { seq: 1 }]);
    let branched = |told: &ServerMessage| match told {
        ServerMessage::Branched { name, token } => Some((name.clone(), *token)),
        _ => None,
    };
    bob.wait("an answer", |bob| bob.told.iter().any(|told| branched(told).is_some()));
    let (name, token) = bob.told.iter().find_map(branched).expect("it was waited for");
    let mut owner = Client::join_by(&server.address, &name, "Bob", token);
    owner.orders(Action::Lock { locked: true });
    let mut carl = Client::join(&server.address, &name, "Carl");
    carl.wait_for_seq(1);
    assert_eq!(carl.does(text("not now")), Err(RejectReason::BoardLocked));
    owner.orders(Action::Lock { locked: false });
    carl.wait("the lock is off", |carl| carl.rights().is_some_and(|(_, draws)| draws));
    carl.does(text("now")).expect("an editor draws");
}

#[test]
fn who_draws_too_fast_is_told_and_then_waits_and_loses_nothing() {
    // A bucket holds what comes in within fifty seconds; bytes are counted in KiB.
    let pen: Vec<Operation> = std::iter::once(begin(0)).chain((0..12).map(|_| points(0, 1000))).collect();
    let words: Vec<Operation> = (0..26).map(|_| text(&"word ".repeat(400))).collect();
    for (flag, rate, drawn) in [
        ("--points-rate", "200", &pen),
        ("--board-points-rate", "200", &pen),
        ("--bytes-rate", "1", &words),
        ("--board-bytes-rate", "1", &words),
    ] {
        let (_directory, server, mut host) = hosted(&[flag, rate]);
        let mut bob = Client::join(&server.address, "x", "Bob");
        drawn.iter().for_each(|operation| _ = bob.submit(operation.clone()));
        let slows_down =
            |client: &Client| client.told.iter().any(|told| matches!(told, ServerMessage::SlowDown { .. }));
        bob.wait("to be told", |bob| slows_down(bob));
        host.does(text("the host is not slowed down")).expect("a host draws");
        bob.wait("everything is done", |bob| bob.session.pending().is_empty());
        assert_eq!((bob.session.rejects().len(), bob.farewell), (0, None), "{flag}");
        assert!(!slows_down(&host), "{flag}");
        host.wait_for_seq(drawn.len() as u64 + 1);
    }
}

#[test]
fn who_waits_for_long_because_it_drew_too_fast_is_not_taken_for_gone() {
    // Nothing is read of it for some twenty seconds, not even its answers to pings, which are waited for for ten.
    let (_directory, server, _host) = hosted(&["--bytes-rate", "1", "--ping-interval", "1"]);
    let mut bob = Client::join(&server.address, "x", "Bob");
    (0..35).for_each(|_| _ = bob.submit(text(&"word ".repeat(400))));
    let begin = std::time::Instant::now();
    bob.wait("everything is done", |bob| bob.session.pending().is_empty());
    bob.round_trip();
    assert!(begin.elapsed().as_secs() > 11, "it had to wait longer than pings are waited for");
    assert_eq!((bob.session.rejects().len(), bob.farewell), (0, None));
}

#[test]
fn a_class_of_forty_behind_one_address_is_not_one_person() {
    let (_directory, server, mut host) = hosted(&["--points-rate", "2000"]);
    let mut class: Vec<Client> =
        (0..40).map(|number| Client::join(&server.address, "x", &format!("pupil {number}"))).collect();
    for pupil in &mut class {
        pupil.submit(begin(0));
    }
    // More than one connection may draw at once and for long, of all of them together.
    for _ in 0..4 {
        class.iter_mut().for_each(|pupil| _ = pupil.submit(points(0, 1000)));
    }
    for pupil in &mut class {
        pupil.wait("all of it is done", |pupil| pupil.session.pending().is_empty());
        assert!(pupil.told.is_empty() && pupil.session.rejects().is_empty(), "{:?}", pupil.told);
    }
    host.wait_for_seq(200);
}

#[test]
fn two_hundred_viewers_see_what_one_host_draws() {
    let (_directory, server, mut host) = hosted(&[]);
    let link = host.makes_link(Role::Viewer, 0);
    let mut viewers: Vec<Client> = (0..200)
        .map(|number| {
            let mut viewer = Client::away(&server.address, "x", &format!("viewer {number}"));
            viewer.token = Some(link);
            viewer.connect(&server.address);
            viewer
        })
        .collect();
    host.does(begin(0)).expect("a host draws");
    for _ in 0..20 {
        host.does(points(0, 50)).expect("a host draws");
    }
    let (seq, hash) = (host.session.board().seq(), host.session.board().hash());
    for viewer in &mut viewers {
        viewer.wait_for_seq(seq);
        assert_eq!(viewer.session.board().hash(), hash);
    }
    viewers[7].say(&[ClientMessage::Operations { first_cseq: 1, operations: [text("not for a viewer")].into() }]);
    viewers[7].wait("a refusal", |viewer| viewer.session.rejects() == [(1, RejectReason::ReadOnly)]);
}

#[test]
fn a_malformed_credential_is_refused_by_name_like_any_packet() {
    let (_directory, server, mut host) = hosted(&[]);
    let mut raw = Client::away(&server.address, "x", "Raw");
    raw.token = Some(HOST);
    raw.connect(&server.address);
    raw.say(&[ClientMessage::Credentials { token: None, visitor: None, password: String::new() }]);
    assert_eq!(raw.wait_for_close(), 1007, "credentials come before hello");
    host.does(text("nobody else notices")).expect("a host draws");
}

#[test]
fn an_operator_makes_a_host_link_with_and_without_a_server() {
    let (directory, server, host) = hosted(&[]);
    drop(host);
    let link = |expected: &str| {
        let boards = assert_cmd::Command::new(program())
            .args(["boards", "--data", directory.path().to_str().expect("a path"), "link", "x"])
            .assert()
            .success();
        let line = String::from_utf8(boards.get_output().stdout.clone()).expect("text");
        let token = line.trim().strip_prefix("b/x#t=").unwrap_or_else(|| panic!("{expected}: {line}")).to_owned();
        Token::of_digits(&token).expect("32 hex digits")
    };
    let through = link("through the server");
    let mut otto = Client::join_by(&server.address, "x", "Otto", through);
    assert_eq!(otto.rights(), Some((Role::Host, true)));
    otto.leave();
    server.stop();
    let alone = link("without a server");
    let server = Server::start(&["--data", directory.path().to_str().expect("a path")]);
    let mut old = Client::away(&server.address, "x", "Old");
    old.token = Some(through);
    assert_eq!(old.is_kept_out(), (Reason::Forbidden, 4003));
    Client::join_by(&server.address, "x", "New", alone);
}

/// A new board has all that this one has, and its past: whoever asks for one after the other would fill the disk.
#[test]
fn of_one_board_only_so_many_new_ones_are_made_at_once() {
    let (_directory, _server, mut ada) = hosted(&[]);
    ada.does(text("hello")).expect("she draws");
    ada.wait("the disk", |ada| ada.session.mark() == 1);
    ada.told.clear();
    for asked in 1..=9 {
        ada.say(&[ClientMessage::Branch { seq: 1 }]);
        ada.wait("an answer", |ada| ada.told.len() == asked);
    }
    let made = ada.told.iter().filter(|told| matches!(told, ServerMessage::Branched { .. })).count();
    assert!((5..=6).contains(&made), "{:?}", ada.told);
    let others =
        ada.told.iter().filter(|told| matches!(told, ServerMessage::NotDone { text } if text.contains("wait")));
    assert_eq!(made + others.count(), 9);
}

/// Operations between a hello that is refused and one that is not are dropped, with their bytes.
#[test]
fn operations_before_a_second_hello_of_one_packet_are_neither_drawn_nor_relayed() {
    let (_directory, server, mut host) = hosted(&[]);
    let hello = || ClientSession::new(client_id("Eve"), Refused::LetGo).hello("Eve", Colour(0xff));
    let shows = |token| ClientMessage::Credentials { token, visitor: None, password: String::new() };
    let draws = |words| ClientMessage::Operations { first_cseq: 1, operations: [text(words)].into() };
    let packet = [shows(Some(Token([9; 16]))), hello(), draws("refused"), shows(None), hello(), draws("drawn")];
    let mut eve = Raw::upgrade(&server.address, "/ws/x", &format!("Sec-WebSocket-Protocol: {SUBPROTOCOL_BINARY}\r\n"));
    eve.send(&client_frame(0x82, &binary::encode_client(&packet)));
    host.wait_for_seq(1);
    let texts: Vec<_> =
        host.session.board().elements().map(|element| format!("{:?}", element.wire().content)).collect();
    assert!(texts.len() == 1 && texts[0].contains("\"drawn\""), "{texts:?}");
    let mut late = Client::join(&server.address, "x", "late");
    late.wait_for_seq(1);
    assert_eq!(late.session.board().hash(), host.session.board().hash(), "the log is what was drawn");
}

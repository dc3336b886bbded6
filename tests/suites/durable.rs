//! What is drawn stays: over restarts, kills, full disks and broken files.

use inkwire_protocol::{ClientMessage, ServerMessage, StorageState, limits};
use inkwire_tests::client::{Client, text};
use inkwire_tests::server::Server;
use rustix::process::Signal;

fn server(data: &tempfile::TempDir) -> Server {
    Server::start(&["--data", data.path().to_str().expect("a path of letters")])
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn a_board_is_there_after_a_restart_and_a_resend_is_dropped() {
    let data = folder();
    for signal in [Signal::TERM, Signal::KILL] {
        let first = server(&data);
        let mut ada = Client::join(&first.address, "x", &format!("ada {signal:?}"));
        ada.wait("a board", |ada| ada.session.storage() == Some(StorageState::Disk));
        for at in 0..50 {
            ada.submit(text(&format!("text {at}")));
        }
        ada.wait("all is durable", |ada| ada.session.durable() == 50);
        first.signal(signal);
        first.wait();
        let second = server(&data);
        let elements = ada.session.board().elements().count();
        ada.connect(&second.address);
        ada.say(&[ClientMessage::Operations {
            first_cseq: 7,
            operations: vec![text("sent again"), text("and again")].into(),
        }]);
        ada.round_trip();
        let mut bob = Client::join(&second.address, "x", "bob");
        bob.wait_for_seq(ada.session.board().seq());
        assert_eq!(bob.session.board().hash(), ada.session.board().hash());
        assert_eq!(bob.session.board().elements().count(), elements);
        assert_eq!(second.metric("inkwire_duplicates_total"), 2.0);
        assert_eq!(second.metric("inkwire_resynchronised_total"), 0.0);
        second.stop();
    }
}

#[test]
fn the_names_of_very_many_authors_are_told_in_parts() {
    const ALL: u32 = 520;
    let data = folder();
    let server = server(&data);
    for at in 1..=ALL {
        Client::join(&server.address, "x", &format!("guest {at}")).does(text("x")).expect("a text");
    }
    let mut ada = Client::join(&server.address, "x", "ada");
    ada.wait("all is durable", |ada| ada.session.mark() == u64::from(ALL));
    let mut names = Vec::new();
    ada.say(&[ClientMessage::Chronicle]);
    loop {
        let part = |told: &ServerMessage| match told {
            ServerMessage::Chronicle { names, .. } | ServerMessage::Authors { names } => Some(names.clone()),
            _ => None,
        };
        ada.wait("names", |ada| ada.told.iter().any(|told| part(told).is_some()));
        let part = ada.told.drain(..).find_map(|told| part(&told)).expect("just seen");
        let (count, last) = (part.len(), part.last().map_or(0, |name| name.author));
        names.extend(part.into_iter().map(|name| (name.author, name.name)));
        if count < limits::AUTHORS {
            break;
        }
        ada.say(&[ClientMessage::Authors { from: last + 1 }]);
    }
    let all: Vec<(u32, String)> = (1..=ALL).map(|at| (at, format!("guest {at}"))).collect();
    assert_eq!(names, all);
}

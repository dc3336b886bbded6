//! What is drawn stays: over restarts, kills, full disks and broken files.

use inkwire_protocol::{ClientMessage, StorageState};
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
        ada.wait("a board", |ada| ada.storage == Some(StorageState::Disk));
        for at in 0..50 {
            ada.submit(text(&format!("text {at}")));
        }
        ada.wait("all is durable", |ada| ada.durable == 50);
        first.signal(signal);
        first.wait();
        let second = server(&data);
        let elements = ada.replica.board().elements().count();
        ada.connect(&second.address);
        ada.say(&[ClientMessage::Operations {
            first_cseq: 7,
            operations: vec![text("sent again"), text("and again")].into(),
        }]);
        ada.round_trip();
        let mut bob = Client::join(&second.address, "x", "bob");
        bob.wait_for_seq(ada.replica.board().seq());
        assert_eq!(bob.replica.board().hash(), ada.replica.board().hash());
        assert_eq!(bob.replica.board().elements().count(), elements);
        assert_eq!(second.metric("inkwire_duplicates_total"), 2.0);
        assert_eq!(second.metric("inkwire_resynchronised_total"), 0.0);
        second.stop();
    }
}

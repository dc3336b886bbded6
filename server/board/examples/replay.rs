//! Prints `replay.json`: a session's log with the state hash after every step, and its snapshot, for the page's twin.
//!
//! `cargo xtask vectors` writes the file; `tests/replay.rs` fails when it is stale.

#[allow(dead_code, missing_docs, unreachable_pub)]
#[path = "../tests/session.rs"]
mod session;

use inkwire_board::Board;
use inkwire_protocol::{ServerMessage, binary, hex};

#[allow(dead_code, reason = "the test that includes this file calls `document` alone")]
fn main() {
    print!("{}", document());
}

/// The whole file, as committed.
pub fn document() -> String {
    let (played, log) = session::play(20_26, 3, 500);
    let mut board = Board::default();
    let mut steps = Vec::new();
    for (seq, entry) in (1..).zip(log) {
        board.replay(seq, &entry).expect("a log replays");
        let packet = binary::encode_server(&[ServerMessage::Operations { first_seq: seq, entries: vec![entry] }]);
        steps.push(format!(r#"{{"bytes":"{}","hash":"{}"}}"#, hex::encode(&packet), board.hash()));
    }
    assert_eq!(board.hash(), played.hash());
    let snapshot = hex::encode(&board.packets().flatten().collect::<Vec<u8>>());
    format!("{{\n\"steps\": [\n{}\n],\n\"snapshot\": \"{snapshot}\"\n}}\n", steps.join(",\n"))
}

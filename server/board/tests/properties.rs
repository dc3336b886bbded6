//! What holds of every board, over random sessions.

#[allow(missing_docs, unreachable_pub)]
mod session;

use inkwire_board::{Board, Replica, Submitted};
use inkwire_protocol::*;
use proptest::prelude::*;
use session::{Dice, operation, play};

fn replay(log: &[Entry]) -> Board {
    let mut board = Board::default();
    for (seq, entry) in (1..).zip(log) {
        board.replay(seq, entry).expect("a log replays");
    }
    board
}

/// The hash as a newcomer would compute it, from nothing but the elements.
fn hash_anew(board: &Board) -> String {
    Board::restore(board.snapshot()).expect("a snapshot restores").hash().to_string()
}

/// The board of a replica that was given the packets of a snapshot.
fn taken_over(packets: &[u8]) -> Board {
    let mut replica = Replica::default();
    for message in binary::decode_server(packets).expect("packets decode") {
        replica.receive(message).expect("they follow");
    }
    replica.into_board()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn replaying_the_log_gives_the_same_board(seed: u64, people in 1..5u64) {
        let (board, log) = play(seed, people, 300);
        prop_assert_eq!(replay(&log).snapshot(), board.snapshot());
        prop_assert_eq!(board.seq(), log.len() as u64);
    }

    #[test]
    fn clearing_deletes_exactly_what_is_visible(seed: u64, people in 1..5u64) {
        let (board, _) = play(seed, people, 300);
        for whose in 0..=people as u32 {
            let mut cleared = board.clone();
            let clear = match whose {
                0 => Operation::Clear { gesture_back: 0 },
                author => Operation::ClearAuthor { gesture_back: 0, author },
            };
            cleared.submit(9, 1, clear).expect("anybody may clear a board");
            for element in board.elements() {
                let is_meant = whose == 0 || element.id().author == whose;
                let now = cleared.element(element.id()).expect("it is held for undo");
                prop_assert_eq!(now.is_visible(), element.is_visible() && !is_meant);
            }
        }
    }

    #[test]
    fn the_rolling_hash_is_the_hash_of_the_state(seed: u64, people in 1..5u64) {
        let (board, _) = play(seed, people, 300);
        prop_assert_eq!(hash_anew(&board), board.hash().to_string());
    }

    #[test]
    fn a_snapshot_and_the_tail_give_the_same_board(seed: u64, at in 0..300usize) {
        let (board, log) = play(seed, 3, 300);
        let at = at.min(log.len());
        let mut late = taken_over(&replay(&log[..at]).packets().flatten().collect::<Vec<u8>>());
        for (seq, entry) in (at as u64 + 1..).zip(&log[at..]) {
            late.replay(seq, entry).expect("the tail follows the snapshot");
        }
        prop_assert_eq!(late.snapshot(), board.snapshot());
    }

    #[test]
    fn a_member_that_gets_the_packets_of_a_snapshot_has_the_same_board(seed: u64) {
        let (board, _) = play(seed, 3, 300);
        let replica = taken_over(&board.packets().flatten().collect::<Vec<u8>>());
        prop_assert_eq!(replica.snapshot(), board.snapshot());
    }

    #[test]
    fn undo_then_redo_changes_nothing(seed: u64) {
        let (mut board, _) = play(seed, 3, 200);
        let before = board.hash();
        for author in board.snapshot().authors {
            let mut cseq = author.cseq;
            for gesture in author.gestures {
                let gesture_id = gesture.gesture;
                let (there, back) = (Operation::Undo { gesture: gesture_id }, Operation::Redo { gesture: gesture_id });
                let both = if gesture.undone { [back, there] } else { [there, back] };
                for operation in both {
                    cseq += 1;
                    let logged = board.submit(author.author, cseq, operation);
                    prop_assert!(matches!(logged, Ok(Submitted::Logged(_))), "{:?}", logged);
                }
                prop_assert_eq!(board.hash(), before);
            }
        }
    }

    #[test]
    fn duplicates_are_dropped(seed: u64) {
        let mut dice = Dice(seed);
        let (mut board, log) = play(seed, 3, 200);
        let before = board.snapshot();
        for author in before.authors.clone() {
            for _ in 0..20 {
                let cseq = 1 + dice.below(author.cseq.max(1));
                if author.cseq > 0 {
                    let again = board.submit(author.author, cseq, operation(&mut dice, 3, cseq));
                    prop_assert_eq!(again, Ok(Submitted::Duplicate));
                }
            }
        }
        prop_assert_eq!(board.snapshot(), before);
        prop_assert_eq!(board.seq(), log.len() as u64);
    }

    #[test]
    fn a_rejected_operation_changes_nothing(seed: u64) {
        let mut dice = Dice(seed);
        let (mut board, _) = play(seed, 3, 100);
        for _ in 0..100 {
            let author = 1 + dice.below(3) as u32;
            let cseq = board.cseq(author) + 1;
            let before = board.clone();
            if board.submit(author, cseq, operation(&mut dice, 3, cseq)).is_err() {
                prop_assert_eq!(board.snapshot(), before.snapshot());
            }
        }
    }

    /// Ink and its undo belong to their author alone, so people who only draw and undo come to the same picture in
    /// whatever order the server happens to hear them.
    #[test]
    fn every_order_of_arrival_of_ink_converges(seed: u64, shuffle: u64) {
        let people = 3u32;
        let mut dice = Dice(seed);
        let streams: Vec<Vec<(u64, Operation)>> = (0..people)
            .map(|_| (1..60).map(|cseq| (cseq, operation(&mut dice, 1, cseq))).filter(|(_, one)| is_own(one)).collect())
            .collect();
        prop_assert_eq!(arrive(&streams, shuffle), arrive(&streams, !shuffle));
    }

    #[test]
    fn broken_bytes_of_a_snapshot_never_panic(seed: u64, at in any::<prop::sample::Index>(), byte: u8) {
        let (board, _) = play(seed, 2, 40);
        let mut bytes: Vec<u8> = board.packets().flatten().collect();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        for part in [&bytes[..], &bytes[..at]] {
            let mut replica = Replica::default();
            let packet = binary::decode_server(part).unwrap_or_default();
            let _ = packet.into_iter().try_for_each(|message| replica.receive(message));
        }
    }
}

fn is_own(operation: &Operation) -> bool {
    use Operation::{Clear, ClearAuthor, Delete, Patch};
    !matches!(operation, Patch(_) | Delete { .. } | Clear { .. } | ClearAuthor { .. })
}

/// Lets the streams arrive in a shuffled order, each in its own order, and gives back what is seen, without the
/// sequence numbers that depend on the order.
fn arrive(streams: &[Vec<(u64, Operation)>], shuffle: u64) -> Vec<(ElementRef, Content)> {
    let mut dice = Dice(shuffle);
    let mut next = vec![0; streams.len()];
    let mut board = Board::default();
    while next.iter().zip(streams).any(|(next, stream)| *next < stream.len()) {
        let who = dice.below(streams.len() as u64) as usize;
        if let Some((cseq, operation)) = streams[who].get(next[who]) {
            let _ = board.submit(who as u32 + 1, *cseq, operation.clone());
            next[who] += 1;
        }
    }
    let mut seen: Vec<_> = board
        .elements()
        .filter(|element| element.is_visible())
        .map(|element| (element.id(), element.wire().content.clone()))
        .collect();
    seen.sort_by_key(|(id, _)| *id);
    seen
}

//! The room as its callers drive it.

use std::time::{Duration, Instant};

use inkwire_board::StateHash;
use inkwire_protocol::{ClientId, Colour, Epoch, Operation, Reason, ServerMessage, Text, binary};

use crate::access::{Identity, JoinRequest};
use crate::clock::Now;
use crate::encoding::Encoding;
use crate::hello::Hello;
use crate::joining::Joined;
use crate::output::Wake;
use crate::position::Position;
use crate::room::{Cost, Kept, Room, Surroundings, WORK, Work};
use crate::submission::Submission;
use crate::tick::Tick;

fn now() -> Now {
    Now { at: Instant::now(), since_1970: 1 }
}

fn open() -> Room {
    Room::new(Kept::new(Epoch([1; 8])), Surroundings::default(), now())
}

fn hello() -> Hello {
    let (client_id, epoch, colour) = (ClientId([1; 16]), Epoch::default(), Colour(0xff));
    Hello { client_id, epoch, seq: 0, hash: StateHash::default(), name: "Ada".into(), colour }
}

fn join(room: &mut Room, member: u64, hello: &Hello) -> Joined {
    let request =
        JoinRequest { identity: Identity::new(hello.client_id, None), token: None, begins: false, address: None };
    room.join(member, hello, request, None, now()).expect("everybody is let in")
}

fn submit(room: &mut Room, operations: impl IntoIterator<Item = (u64, Operation)>) -> Work {
    let mut submissions = operations.into_iter().map(|(cseq, operation)| Submission::encoded(cseq, operation));
    room.submit(1, &mut submissions, Cost::default(), false, now())
}

fn text() -> Operation {
    let (gesture_back, colour, size, scale) = (0, Colour(0xff), 9, 3);
    Operation::Text(Text { gesture_back, colour, size, scale, x: 0, y: 0, text: "x".into() })
}

fn pulled(room: &mut Room, position: &mut Position) -> Vec<ServerMessage> {
    let mut messages = Vec::new();
    while let Some(frame) = room.next(position, Encoding::Binary, &now) {
        messages.extend(binary::decode_server(&frame[2..]).expect("a small frame"));
    }
    messages
}

fn ends(reason: Reason, end: impl Fn(&mut Room)) {
    let mut room = open();
    join(&mut room, 1, &hello());
    let asked = room.dismissals();
    assert_eq!(room.dismissal(1), None);
    while room.poll_wake().is_some() {}
    end(&mut room);
    assert!(room.dismissals() > asked, "{reason:?}");
    assert!(std::iter::from_fn(|| room.poll_wake()).any(|wake| wake == Wake::Member(1)), "{reason:?}");
    assert_eq!(room.dismissal(1), Some(reason));
}

#[test]
fn a_member_that_is_to_go_is_woken_and_told_why() {
    ends(Reason::Removed, |room| assert!(room.disconnect(1, now()).is_some()));
    ends(Reason::Replaced, |room| _ = join(room, 2, &hello()));
    ends(Reason::Restart, |room| room.evict(Reason::Restart));
}

#[test]
fn the_durable_mark_is_told_when_the_storage_moves_it_and_not_before() {
    let mut room = open();
    let mut joined = join(&mut room, 1, &hello());
    submit(&mut room, [(1, text()), (2, text())]);
    room.flush_now(now().at);
    let is_mark = |message: &ServerMessage| matches!(message, ServerMessage::Mark { .. });
    assert!(!pulled(&mut room, &mut joined.position).iter().any(is_mark));
    assert!(!room.is_durable());
    room.persisted(2);
    room.flush_now(now().at);
    assert!(room.is_durable());
    assert_eq!(pulled(&mut room, &mut joined.position), [ServerMessage::Mark { seq: 2 }]);
    assert_eq!(pulled(&mut room, &mut joined.position), [], "once");
}

#[test]
fn ink_does_not_wait_for_the_flush_of_pointers() {
    let mut room = open();
    let joined = join(&mut room, 1, &hello());
    room.flush_now(now().at);
    room.cursor(joined.author, Some([1, 1]));
    let pointers = room.poll_timeout().expect("a flush is due for the pointer");
    room.tick = Tick::new(now().at + Duration::from_millis(5));
    submit(&mut room, [(1, text())]);
    assert!(room.poll_timeout().expect("an earlier one is due for the ink") < pointers);
}

#[test]
fn a_member_with_another_past_gets_a_snapshot_and_one_with_this_past_does_not() {
    let mut room = open();
    join(&mut room, 1, &hello());
    submit(&mut room, [(1, text())]);
    room.flush_now(now().at);
    let (epoch, hash) = (room.epoch(), room.hash());
    let mut is_snapshot = |hello: &Hello| join(&mut room, 2, hello).position.waits_for_snapshot();
    assert!(!is_snapshot(&Hello { epoch, seq: 1, hash, ..hello() }));
    assert!(is_snapshot(&Hello { epoch, seq: 1, ..hello() }), "another state at the same number");
    assert!(is_snapshot(&Hello { epoch, seq: 2, hash, ..hello() }), "ahead of the log");
    assert!(is_snapshot(&Hello { seq: 1, hash, ..hello() }), "another lineage");
    assert_eq!(room.take_counts().resynchronised, 2);
}

#[test]
fn a_member_whose_board_is_another_is_noticed_and_given_a_snapshot() {
    let mut room = open();
    let mut joined = join(&mut room, 1, &hello());
    submit(&mut room, [(1, text())]);
    room.flush_now(now().at);
    pulled(&mut room, &mut joined.position);
    let hash = room.hash();
    assert_eq!(room.check(&mut joined.position, 1, hash, now().at), None);
    assert_eq!(pulled(&mut room, &mut joined.position), []);
    let wrong = StateHash::default();
    assert_eq!(room.check(&mut joined.position, 1, wrong, now().at), Some(hash));
    let first = pulled(&mut room, &mut joined.position).swap_remove(0);
    assert!(matches!(first, ServerMessage::Snapshot { seq: 1, .. }));
    for _ in 0..8 {
        room.check(&mut joined.position, 1, wrong, now().at);
    }
    assert_eq!(room.take_counts().diverged, 9);
    assert_eq!(pulled(&mut room, &mut joined.position), [], "it has been given one just now");
}

#[test]
fn operations_that_touch_nothing_or_are_refused_are_work_as_well() {
    let mut room = open();
    join(&mut room, 1, &hello());
    let clear = Operation::ClearAuthor { gesture_back: 0, author: 0 };
    for operation in [clear, Operation::End { slot: 0 }] {
        let cseq = room.seq() + 1;
        let mut storm = (cseq..cseq + 8 * 1024).map(|cseq| Submission::encoded(cseq, operation.clone()));
        let work = room.submit(1, &mut storm, Cost::default(), false, now());
        assert_eq!((work.elements, storm.count()), (WORK, 8 * 1024 - WORK as usize));
    }
}

#[test]
fn an_operation_is_relayed_as_the_bytes_that_came_and_is_not_encoded_again() {
    let mut room = open();
    let mut joined = join(&mut room, 1, &hello());
    pulled(&mut room, &mut joined.position);
    // Bytes of another operation, which no encoder makes of this one.
    let bytes = binary::encode_operation(&Operation::End { slot: 3 });
    let submission = Submission { cseq: 1, operation: text(), bytes: bytes.into() };
    let mut submission = std::iter::once(submission);
    room.submit(1, &mut submission, Cost::default(), false, now());
    let due = room.poll_timeout().expect("something was drawn");
    room.handle_timeout(due);
    let messages = pulled(&mut room, &mut joined.position);
    let is_relayed = |message: &ServerMessage| match message {
        ServerMessage::Operations { entries, .. } => entries[0].operation == Operation::End { slot: 3 },
        _ => false,
    };
    assert!(messages.iter().any(is_relayed), "{messages:?}");
}

#[test]
fn a_snapshot_is_shared_by_those_who_join_together_and_dropped_after_the_last_of_them() {
    let mut room = open();
    let mut joined =
        [1, 2].map(|member| join(&mut room, member, &Hello { client_id: ClientId([member as u8; 16]), ..hello() }));
    submit(&mut room, [(1, text())]);
    let mut first = |joined: &mut Joined| {
        let frame = room.next(&mut joined.position, Encoding::Binary, &now).expect("a small board");
        frame.as_ptr()
    };
    let firsts = joined.each_mut().map(&mut first);
    assert_eq!(firsts[0], firsts[1], "the same bytes");
    let [mut one, other] = joined;
    pulled(&mut room, &mut one.position);
    assert!(room.snapshots.is_some());
    drop(other);
    room.leave(2);
    assert!(room.snapshots.is_none());
}

#[test]
fn a_reader_that_lets_go_of_its_snapshot_is_sent_nothing_more() {
    let mut room = open();
    let mut joined = join(&mut room, 1, &hello());
    submit(&mut room, [(1, text())]);
    assert!(room.next(&mut joined.position, Encoding::Binary, &now).is_some());
    assert!(joined.position.reads_snapshot());
    joined.position.ends_snapshot();
    assert_eq!(pulled(&mut room, &mut joined.position), []);
}

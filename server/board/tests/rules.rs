//! The rules of a board, one by one.

use inkwire_board::{Board, Submitted};
use inkwire_protocol::*;

const INK: Colour = Colour(0x0000_00ff);

fn begin(slot: u8) -> Operation {
    let (tool, colour, width, scale) = (Tool::Pen, INK, 32, 3);
    Operation::Begin(Begin { slot, gesture_back: 0, tool, colour, width, scale, x: 0, y: 0, pressure: None })
}

fn points(slot: u8, count: usize) -> Operation {
    Operation::Points(Points { slot, steps: vec![[8, 8]; count].into(), pressures: Default::default() })
}

fn text(words: &str) -> Operation {
    Operation::Text(Text { gesture_back: 0, colour: INK, size: 100, scale: 3, x: 0, y: 0, text: words.into() })
}

fn own(cseq: u64) -> ElementRef {
    ElementRef { author: 0, cseq }
}

fn offset(author: u32, cseq: u64, x: i32, gesture_back: u64) -> Operation {
    let property = Property::Offset { x, y: 0 };
    Operation::Patch(Patch { gesture_back, element: ElementRef { author, cseq }, property })
}

/// A board and the client sequence number of everybody, so that a test only says who does what.
#[derive(Default)]
struct Room {
    board: Board,
    cseqs: [u64; 4],
}

impl Room {
    fn tries(&mut self, author: u32, operation: Operation) -> Result<Submitted, RejectReason> {
        let cseq = &mut self.cseqs[author as usize];
        *cseq += 1;
        self.board.submit(author, *cseq, operation)
    }

    #[track_caller]
    fn does(&mut self, author: u32, operation: Operation) -> u64 {
        let done = self.tries(author, operation);
        assert!(matches!(done, Ok(Submitted::Logged(_))), "{done:?}");
        self.cseqs[author as usize]
    }

    #[track_caller]
    fn refuses(&mut self, author: u32, operation: Operation, reason: RejectReason) {
        assert_eq!(self.tries(author, operation), Err(reason));
    }

    fn visible(&self) -> Vec<(u32, u64)> {
        let visible = self.board.elements().filter(|element| element.is_visible());
        visible.map(|element| (element.id().author, element.id().cseq)).collect()
    }
}

#[test]
fn sequence_numbers_are_dense_and_pass_over_what_was_rejected() {
    let mut room = Room::default();
    room.does(1, begin(0));
    room.refuses(1, begin(0), RejectReason::SlotBusy);
    let logged = room.tries(1, points(0, 3)).unwrap();
    assert!(matches!(logged, Submitted::Logged(Entry { skip: 1, .. })));
    assert_eq!(room.board.seq(), 2);
}

#[test]
fn points_need_a_live_stroke() {
    let mut room = Room::default();
    room.refuses(1, points(0, 1), RejectReason::SlotFree);
    room.does(1, begin(0));
    room.does(1, Operation::End { slot: 0 });
    room.refuses(1, points(0, 1), RejectReason::SlotFree);
    room.refuses(1, Operation::End { slot: 0 }, RejectReason::SlotFree);
}

#[test]
fn a_cancelled_stroke_has_never_been() {
    let mut room = Room::default();
    let before = room.board.hash();
    room.does(1, begin(2));
    room.does(1, points(2, 9));
    room.does(1, Operation::Cancel { slot: 2 });
    assert_eq!(room.board.hash(), before);
    assert!(room.board.snapshot().authors[0].gestures.is_empty(), "there is nothing to undo");
    room.does(1, begin(2));
}

#[test]
fn a_stroke_is_full_at_its_limit_and_not_before() {
    let mut room = Room::default();
    room.does(1, begin(0));
    for _ in 0..limits::STROKE_POINTS / limits::POINTS {
        room.does(1, points(0, limits::POINTS));
    }
    room.does(1, points(0, limits::STROKE_POINTS % limits::POINTS));
    room.refuses(1, points(0, 1), RejectReason::StrokeFull);
}

#[test]
fn points_may_not_leave_the_coordinates_nor_mix_pressure() {
    let mut room = Room::default();
    room.does(1, begin(0));
    let far = |dx| Operation::Points(Points { slot: 0, steps: vec![[dx, 0]].into(), pressures: Default::default() });
    room.does(1, far(limits::COORDINATE));
    room.refuses(1, far(1), RejectReason::OutOfRange);
    let pressed = Operation::Points(Points { slot: 0, steps: vec![[-1, 0]].into(), pressures: vec![1].into() });
    room.refuses(1, pressed, RejectReason::PressureMismatch);
}

#[test]
fn undo_takes_back_only_ones_own_gesture() {
    let mut room = Room::default();
    let ada = room.does(1, text("Ada"));
    let bob = room.does(2, text("Bob"));
    room.does(1, Operation::Undo { gesture: ada });
    assert_eq!(room.visible(), [(2, bob)]);
    room.refuses(1, Operation::Undo { gesture: ada }, RejectReason::NoSuchGesture);
    room.refuses(3, Operation::Undo { gesture: bob }, RejectReason::NoSuchGesture);
    room.does(1, Operation::Redo { gesture: ada });
    assert_eq!(room.visible(), [(1, ada), (2, bob)]);
}

#[test]
fn a_gesture_of_several_operations_is_undone_as_one() {
    let mut room = Room::default();
    let first = room.does(1, text("a"));
    let second = room.does(1, text("b"));
    let erase = room.does(1, Operation::Delete { gesture_back: 0, elements: vec![own(first)] });
    room.does(1, Operation::Delete { gesture_back: 1, elements: vec![own(second)] });
    assert_eq!(room.visible(), []);
    room.does(1, Operation::Undo { gesture: erase });
    assert_eq!(room.visible().len(), 2);
}

#[test]
fn a_new_gesture_ends_what_could_be_redone() {
    let mut room = Room::default();
    let gone = room.does(1, text("gone"));
    room.does(1, Operation::Undo { gesture: gone });
    room.does(1, text("new"));
    room.refuses(1, Operation::Redo { gesture: gone }, RejectReason::NoSuchGesture);
    assert_eq!(room.board.elements().count(), 1, "nothing of it is kept");
}

#[test]
fn gestures_beyond_the_depth_stand_for_good() {
    let mut room = Room::default();
    let first = room.does(1, text("first"));
    for _ in 0..limits::UNDO_DEPTH {
        room.does(1, text("more"));
    }
    room.refuses(1, Operation::Undo { gesture: first }, RejectReason::NoSuchGesture);
    room.does(1, Operation::Clear { gesture_back: 0 });
    for _ in 0..limits::UNDO_DEPTH {
        room.does(1, text("again"));
    }
    assert_eq!(room.board.elements().count(), limits::UNDO_DEPTH, "what was cleared for good takes no room");
}

#[test]
fn what_one_author_made_is_cleared_as_one_gesture_that_can_be_taken_back() {
    let mut room = Room::default();
    room.does(1, text("mine"));
    room.does(2, text("theirs"));
    room.does(2, text("theirs too"));
    let seen = |room: &Room| room.board.elements().filter(|element| element.is_visible()).count();
    let gesture = room.does(1, Operation::ClearAuthor { gesture_back: 0, author: 2 });
    assert_eq!(seen(&room), 1);
    room.does(1, Operation::Undo { gesture });
    assert_eq!(seen(&room), 3);
    room.does(2, Operation::ClearAuthor { gesture_back: 0, author: 0 });
    assert_eq!(seen(&room), 1, "0 is oneself");
}

#[test]
fn clearing_is_work_for_what_it_deletes_and_so_is_all_that_follows_from_it() {
    let mut room = Room::default();
    (0..300).for_each(|_| _ = room.does(1, text("x")));
    let mut work = room.board.work();
    let mut costs = |room: &mut Room, operation: Operation| {
        let gesture = room.does(2, operation);
        (gesture, room.board.work() - std::mem::replace(&mut work, room.board.work()))
    };
    let clear = Operation::Clear { gesture_back: 0 };
    assert_eq!(costs(&mut room, Operation::ClearAuthor { gesture_back: 0, author: 0 }).1, 0, "2 has no ink");
    let (gesture, cost) = costs(&mut room, clear.clone());
    assert_eq!(cost, 300);
    assert_eq!(costs(&mut room, clear).1, 0, "nothing is visible");
    assert_eq!(costs(&mut room, Operation::Undo { gesture }).1, 300);
    assert_eq!(costs(&mut room, Operation::Redo { gesture }).1, 300);
    let (_, cost) = costs(&mut room, Operation::Undo { gesture });
    assert_eq!(cost, 300);
    assert_eq!(costs(&mut room, text("the end of redoing")).1, 301, "300 are settled");
}

#[test]
fn an_element_of_much_text_or_of_many_patches_is_more_work() {
    let mut room = Room::default();
    let cseq = room.does(1, text(&"x".repeat(limits::TEXT)));
    assert_eq!(room.board.work(), 17);
    room.does(1, text("x"));
    let before = room.board.work();
    (0..80).for_each(|x| _ = room.does(1, offset(1, cseq, x, 0)));
    assert!(room.board.work() - before > 80 * 17 + 80 * 80 / 2 / 8 - 80, "{}", room.board.work() - before);
}

#[test]
fn strokes_that_are_cancelled_leave_nothing_in_their_gesture_that_later_ones_walk() {
    let mut room = Room::default();
    let first = room.does(1, begin(0));
    let mut most = 0;
    for at in 1..100 {
        // Always one lives, behind all that were cancelled.
        let (next, last) = (at % 2, (at + 1) % 2);
        let Operation::Begin(stroke) = begin(next) else { unreachable!() };
        let gesture_back = room.cseqs[1] + 1 - first;
        room.does(1, Operation::Begin(Begin { gesture_back, ..stroke }));
        let before = room.board.work();
        room.does(1, Operation::Cancel { slot: last });
        most = most.max(room.board.work() - before);
    }
    assert_eq!(most, 2, "the one that is cancelled, and the one that lives");
}

#[test]
fn only_the_latest_gesture_can_be_joined() {
    let mut room = Room::default();
    let first = room.does(1, text("first"));
    room.does(1, text("second"));
    room.refuses(1, offset(0, first, 5, 2), RejectReason::GestureClosed);
    room.refuses(1, offset(0, first, 5, 99), RejectReason::GestureClosed);
}

#[test]
fn the_last_writer_wins_and_undo_of_an_earlier_one_changes_nothing() {
    let mut room = Room::default();
    let element = room.does(1, text("move me"));
    let early = room.does(1, offset(1, element, 10, 0));
    room.does(2, offset(1, element, 20, 0));
    let before = room.board.hash();
    room.does(1, Operation::Undo { gesture: early });
    room.does(1, Operation::Redo { gesture: early });
    assert_eq!(room.board.hash(), before);
}

#[test]
fn deleted_elements_can_be_neither_patched_nor_deleted() {
    let mut room = Room::default();
    let element = room.does(1, text("x"));
    room.does(2, Operation::Delete { gesture_back: 0, elements: vec![ElementRef { author: 1, cseq: element }] });
    room.refuses(1, offset(0, element, 1, 0), RejectReason::NoSuchElement);
    let again = Operation::Delete { gesture_back: 0, elements: vec![own(element)] };
    room.refuses(1, again, RejectReason::NoSuchElement);
}

#[test]
fn a_property_must_be_one_of_the_element() {
    let mut room = Room::default();
    let element = room.does(1, begin(0));
    let property = Property::Text { text: "no".into() };
    let patch = Patch { gesture_back: 0, element: own(element), property };
    room.refuses(1, Operation::Patch(patch), RejectReason::NoSuchProperty);
}

#[test]
fn texts_hold_no_control_characters() {
    let mut room = Room::default();
    room.does(1, text("lines\nand\ttabs, <b>markup</b>, \u{202e}direction"));
    room.refuses(1, text("bell\u{7}"), RejectReason::ControlCharacter);
}

#[test]
fn a_board_is_full_at_its_limit_in_bytes_and_what_is_deleted_for_good_makes_room() {
    let mut room = Room { board: Board::of_at_most(1024 * 1024), ..Room::default() };
    let long = "x".repeat(limits::TEXT);
    let texts = (0..300).take_while(|_| room.tries(1, text(&long)).is_ok()).count();
    assert!((200..256).contains(&texts), "a text takes what it says and a little more: {texts}");
    room.refuses(1, text("one more"), RejectReason::BoardFull);
    room.does(1, Operation::Clear { gesture_back: 0 });
    room.refuses(1, text("what can still be undone takes its room"), RejectReason::BoardFull);
    (0..limits::UNDO_DEPTH).for_each(|_| _ = room.does(1, Operation::Clear { gesture_back: 0 }));
    room.does(1, text("and now there is room"));
}

#[test]
fn operations_of_a_later_version_are_rejected() {
    let mut room = Room::default();
    room.refuses(1, Operation::Unknown { tag: 99, body: vec![] }, RejectReason::UnknownOperation);
    // In the log of a later server they have their number, and everything behind them goes on.
    let mut replica = Board::default();
    let entry = |operation| Entry { author: 1, skip: 0, operation };
    replica.replay(1, &entry(Operation::Unknown { tag: 99, body: vec![] })).unwrap();
    replica.replay(2, &entry(text("known"))).unwrap();
    assert_eq!((replica.seq(), replica.cseq(1)), (2, 2));
}

#[test]
fn a_live_stroke_goes_on_after_a_save() {
    let mut room = Room::default();
    room.does(1, begin(3));
    room.board = Board::restore(room.board.snapshot()).unwrap();
    room.does(1, points(3, 2));
    room.does(1, Operation::End { slot: 3 });
}

#[test]
fn a_client_keeps_its_author_number_once_it_has_drawn() {
    let mut board = Board::default();
    let (looker, drawer) = (ClientId([1; 16]), ClientId([2; 16]));
    assert_eq!(board.author_for(looker), 1);
    let number = board.author_for(drawer);
    board.remember(drawer, number);
    assert_eq!(board.author_for(drawer), number);
    assert_eq!(board.author_for(looker), 3, "numbers are never given out twice");
    let mut again = Board::default();
    again.remember(drawer, number);
    assert_eq!((again.author_for(drawer), again.author_for(looker)), (number, 3), "also after a save");
}

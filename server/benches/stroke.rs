//! The parts of a stroke's way, each by itself and with what it allocates: `cargo bench`. Times are for comparison within one run.

use std::sync::Arc;
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use inkwire::net::worker::Workers;
use inkwire::rooms::{Encoding, Limits, Member, Rooms};
use inkwire::storage::Memory;
use inkwire::ws::{Message, Outgoing, Session};
use inkwire_board::{Board, Replica, Submitted};
use inkwire_protocol::{
    Begin, ClientId, ClientMessage, Colour, Entry, Epoch, Operation, Points, ServerMessage, Tool, binary, json,
};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// The operations of a stroke: its beginning, what a pen draws in each frame of about eight seconds, and its end.
const STROKE: u64 = 500;
/// Strokes on a board that is not new.
const MANY: usize = 10_000;

fn main() {
    divan::main();
}

/// The operation of this number, of somebody who draws stroke after stroke.
fn drawn(number: u64, per_stroke: u64) -> Operation {
    let (tool, colour) = (Tool::Pen, Colour(0x1c1c_28ff));
    match number % per_stroke {
        0 => Operation::Begin(Begin {
            slot: 0,
            gesture_back: 0,
            tool,
            colour,
            width: 32,
            scale: 3,
            x: 40,
            y: 70,
            pressure: None,
        }),
        last if last == per_stroke - 1 => Operation::End { slot: 0 },
        at => {
            let back_and_forth = if at % 2 == 0 { 23 } else { -23 };
            let steps = [[back_and_forth, 4], [5, -3], [2, 0], [-1, 6]].into();
            Operation::Points(Points { slot: 0, steps, pressures: Default::default() })
        }
    }
}

fn said(number: u64) -> ClientMessage {
    ClientMessage::Operations { first_cseq: number + 1, operations: [drawn(number, STROKE)].into() }
}

/// What ten people draw within a tick.
fn flushed() -> ServerMessage {
    let entry = |author| Entry { author, skip: 0, operation: drawn(1, STROKE) };
    ServerMessage::Operations { first_seq: 20_000, entries: (1..=10).map(entry).collect() }
}

/// A board with so many short strokes.
fn board(strokes: usize) -> Board {
    const SHORT: u64 = 22;
    let mut board = Board::default();
    let author = board.author_for(ClientId([1; 16]));
    for number in 0..strokes as u64 * SHORT {
        let done = board.submit(author, number + 1, drawn(number, SHORT));
        assert!(matches!(done, Ok(Submitted::Logged(_))), "{done:?}");
    }
    board
}

mod codec {
    use super::*;

    #[divan::bench]
    fn encode_what_a_pen_draws_in_a_frame(bencher: Bencher<'_, '_>) {
        let packet = [said(1)];
        bencher.bench(|| binary::encode_client(black_box(&packet)));
    }

    #[divan::bench]
    fn decode_what_a_pen_draws_in_a_frame(bencher: Bencher<'_, '_>) {
        let bytes = binary::encode_client(&[said(1)]);
        bencher.bench(|| binary::decode_client(black_box(&bytes)).is_ok());
    }

    #[divan::bench]
    fn decode_what_a_pen_draws_in_a_frame_from_json(bencher: Bencher<'_, '_>) {
        let text = json::encode(&[said(1)]);
        bencher.bench(|| json::decode_client(black_box(&text)).is_ok());
    }

    #[divan::bench]
    fn encode_what_ten_draw_in_a_tick(bencher: Bencher<'_, '_>) {
        let packet = [flushed()];
        bencher.bench(|| binary::encode_server(black_box(&packet)));
    }

    #[divan::bench]
    fn decode_what_ten_draw_in_a_tick(bencher: Bencher<'_, '_>) {
        let bytes = binary::encode_server(&[flushed()]);
        bencher.bench(|| binary::decode_server(black_box(&bytes)).is_ok());
    }
}

mod apply {
    use super::*;

    /// An operation gets its place in the log. What is on the board already must make no difference.
    #[divan::bench(args = [0, MANY])]
    fn submit_behind_strokes(bencher: Bencher<'_, '_>, strokes: usize) {
        let mut board = board(strokes);
        let author = board.author_for(ClientId([2; 16]));
        let mut number = 0;
        bencher.bench_local(|| {
            let done = board.submit(author, number + 1, drawn(number, STROKE));
            number += 1;
            done.is_ok()
        });
    }

    /// Somebody without ink deletes all of their ink. What is on the board must make no difference here either.
    #[divan::bench(args = [0, MANY])]
    fn clear_nothing_behind_strokes(bencher: Bencher<'_, '_>, strokes: usize) {
        let mut board = board(strokes);
        let author = board.author_for(ClientId([2; 16]));
        let mut number = 0;
        bencher.bench_local(|| {
            number += 1;
            board.submit(author, number, Operation::ClearAuthor { gesture_back: 0, author: 0 }).is_ok()
        });
    }
}

mod flush {
    use super::*;

    /// One operation from its packet to the frames of all members. The system calls are not in it.
    #[divan::bench(args = [2, 10, 100, 1000])]
    fn of_one_operation_to_members(bencher: Bencher<'_, '_>, count: usize) {
        let metrics: Arc<inkwire::metrics::Metrics> = Arc::default();
        let workers = Workers::start(None, metrics.tasks.clone()).expect("threads");
        let much = f64::from(u32::MAX);
        let limits = Limits { points: much, bytes: much, board_points: much, board_bytes: much, ..Limits::default() };
        let rooms = Rooms::new(Arc::new(Memory::new(0)), metrics, workers, Duration::from_secs(60), limits);
        let name = "x".parse().expect("a name");
        let mut members: Vec<Member> = (0..count).map(|number| seated(&rooms, &name, number)).collect();
        let room = rooms.open_room_of(&name).expect("it is open");
        let (mut number, before) = (0, room.seq());
        bencher.counter(ItemsCount::new(count)).bench_local(|| {
            let packet = binary::encode_client(&[said(number)]);
            number += 1;
            members[0].on_message(Message::Binary(&packet)).expect("a packet");
            room.flush_now();
            for member in &mut members {
                member.pull(black_box(&mut Outgoing::default()));
            }
        });
        assert_eq!(room.seq() - before, number, "everything was drawn");
    }

    fn seated(rooms: &Arc<Rooms>, name: &inkwire::name::BoardName, number: usize) -> Member {
        let place = smol::block_on(rooms.room(name)).expect("memory opens every board");
        let mut member = Member::new(rooms.clone(), place, Encoding::Binary, None, Arc::default());
        let mut client_id = ClientId([0; 16]);
        client_id.0[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
        let (epoch, name, colour) = (Epoch::default(), format!("member {number}"), Colour(0xff));
        let hello = ClientMessage::Hello { client_id, epoch, seq: 0, hash: [0; 8], name, colour };
        member.on_message(Message::Binary(&binary::encode_client(&[hello]))).expect("a hello");
        member
    }
}

mod snapshot {
    use super::*;

    #[divan::bench(args = [100, MANY])]
    fn encode_strokes(bencher: Bencher<'_, '_>, strokes: usize) {
        let board = board(strokes);
        bencher.bench_local(|| board.packets().map(|packet| packet.len()).sum::<usize>());
    }

    #[divan::bench(args = [100, MANY])]
    fn restore_strokes(bencher: Bencher<'_, '_>, strokes: usize) {
        let packets: Vec<Vec<u8>> = board(strokes).packets().collect();
        bencher.bench_local(|| {
            let mut replica = Replica::default();
            for packet in &packets {
                for message in binary::decode_server(packet).expect("a packet") {
                    replica.receive(message).expect("it follows");
                }
            }
            replica
        });
    }
}

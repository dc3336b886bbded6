//! What a stroke allocates on its way from one socket to all others. A binary of its own, because the whole process is counted.

use std::io::Read;
use std::time::Duration;

use clap::Parser;
use inkwire::cli::Serve;
use inkwire_protocol::{Begin, ClientMessage, Operation, Points, SUBPROTOCOL_BINARY, ServerMessage, binary};
use inkwire_tests::fanout::hello;
use inkwire_tests::patience::wait_until;
use inkwire_tests::pen;
use inkwire_tests::raw::{Raw, client_frame, whole_frame};
use inkwire_tests::server::free_port;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const MEMBERS: usize = 20;
/// So long nothing more comes when everything has.
const QUIET: Duration = Duration::from_millis(100);
/// Writes of the one who draws, and the operations of each.
const WRITES: usize = 100;
const OPERATIONS: usize = 50;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    serve: Serve,
}

/// A server in this process, as `inkwire serve --data DATA` runs it.
fn start(data: &str) -> String {
    let address = format!("127.0.0.1:{}", free_port());
    let flags = Flags::parse_from(["inkwire", "--listen", &address, "--data", data]);
    std::thread::spawn(|| inkwire::serve::run(flags.serve));
    wait_until("the server listens", || std::net::TcpStream::connect(&address).is_ok());
    address
}

fn drawn(first_cseq: usize, operation: Operation) -> Vec<u8> {
    let message = ClientMessage::Operations { first_cseq: first_cseq as u64, operations: [operation].into() };
    client_frame(0x82, &binary::encode_client(&[message]))
}

fn join(address: &str, number: usize) -> Raw {
    let mut member = Raw::upgrade(address, "/ws/x", &format!("Sec-WebSocket-Protocol: {SUBPROTOCOL_BINARY}\r\n"));
    member.send(&client_frame(0x82, &hello(number)));
    member
}

/// Everything that has come, once nothing more comes for a while; memory is there for it.
fn hear(member: &mut Raw, heard: &mut Vec<u8>, patience: Duration) {
    member.stream.set_read_timeout(Some(patience)).expect("a time limit");
    let mut buffer = [0; 4096];
    while let Ok(read) = member.stream.read(&mut buffer) {
        assert!(heard.len() + read <= heard.capacity(), "more has come than was thought of");
        heard.extend_from_slice(&buffer[..read]);
    }
}

/// The operations in frames of a server.
fn operations_of(mut frames: &[u8]) -> usize {
    let mut count = 0;
    while let Some((start, end)) = whole_frame(frames) {
        let messages = binary::decode_server(&frames[start..end]).expect("a packet");
        let entries = messages.iter().map(|message| match message {
            ServerMessage::Operations { entries, .. } => entries.len(),
            _ => 0,
        });
        count += entries.sum::<usize>();
        frames = &frames[end..];
    }
    assert!(frames.is_empty(), "half a frame came");
    count
}

#[test]
fn a_stroke_costs_no_allocation_for_an_operation_and_none_for_a_member_in_memory_and_on_a_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    // One after the other: what is counted is the process.
    // On a disk each of these writes is a commit as well, which takes some twenty.
    for (data, most) in [(":memory:", OPERATIONS / 4), (directory.path().to_str().expect("a path"), OPERATIONS * 3 / 4)]
    {
        let (allocations, writes) = draws_and_counts(&start(data));
        println!(
            "{data}: {allocations} allocations for {writes} writes of {OPERATIONS} operations to {MEMBERS} members"
        );
        assert!(allocations < writes * most, "{data}: {allocations} for {writes} writes");
    }
}

/// What was allocated for so many writes; of both it is each flush and each read of the socket, of which many operations go into one.
fn draws_and_counts(address: &str) -> (usize, usize) {
    let mut members: Vec<Raw> = (0..MEMBERS).map(|number| join(address, number)).collect();
    let mut heard: Vec<Vec<u8>> = members.iter().map(|_| Vec::with_capacity(1 << 20)).collect();
    let step = |at| {
        let steps = [[3, at % 7], [2, -3]].into_iter().collect();
        Operation::Points(Points { slot: 0, steps, pressures: [1, -1].into_iter().collect() })
    };
    let writes: Vec<Vec<u8>> = (0..WRITES)
        .map(|at| at * OPERATIONS..(at + 1) * OPERATIONS)
        .map(|range| range.flat_map(|at| drawn(at + 2, step(at as i32))).collect())
        .collect();
    let (warm, counted) = writes.split_at(WRITES / 5);
    let draw = |writes: &[Vec<u8>], pen: &mut Raw, heard: &mut Vec<u8>| {
        for write in writes {
            pen.send(write);
            hear(pen, heard, Duration::from_millis(3));
        }
    };
    let Operation::Begin(begin) = pen::begin() else { panic!("a stroke begins with its beginning") };
    members[0].send(&drawn(1, Operation::Begin(Begin { pressure: Some(128), ..begin })));
    draw(warm, &mut members[0], &mut heard[0]);
    members.iter_mut().zip(&mut heard).for_each(|(member, heard)| hear(member, heard, QUIET));
    heard.iter_mut().for_each(Vec::clear);

    let region = Region::new(ALLOCATOR);
    draw(counted, &mut members[0], &mut heard[0]);
    members.iter_mut().zip(&mut heard).for_each(|(member, heard)| hear(member, heard, QUIET));
    let change = region.change();

    let operations = counted.len() * OPERATIONS;
    let all = vec![operations; MEMBERS];
    assert_eq!(heard.iter().map(|frames| operations_of(frames)).collect::<Vec<_>>(), all, "everybody has everything");
    (change.allocations + change.reallocations, counted.len())
}

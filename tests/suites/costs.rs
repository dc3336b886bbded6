//! What ink costs: bytes on the wire, and memory where somebody does not read. Facts, not times.

use std::time::Duration;

use inkwire_protocol::{ClientMessage, Entry, ImageHash, ImageState, Operation, ServerMessage, binary, limits};
use inkwire_tests::client::Client;
use inkwire_tests::fanout::{Crowd, Peer, Plan};
use inkwire_tests::image::png;
use inkwire_tests::patience::{PATIENCE, wait_until};
use inkwire_tests::pen::{chunks, recorded};
use inkwire_tests::raw::Raw;
use inkwire_tests::server::{self, Server};
use inkwire_tests::stored;

/// A WebSocket frame's header: two bytes below 126 bytes of payload, and a mask key of four from a client.
fn framed(payload: usize, mask: usize) -> usize {
    payload + 2 + mask + if payload >= 126 { 2 } else { 0 }
}

#[test]
fn ink_costs_about_four_bytes_a_point_on_the_wire() {
    let points = recorded();
    let count = (points.len() - 1) as f64;
    let mut worst = 0f64;
    for (milliseconds, per_chunk) in [(16, 4), (33, 8)] {
        let operations = chunks(&points, per_chunk);
        let sent: usize = operations
            .iter()
            .enumerate()
            .map(|(at, operation)| {
                let message =
                    ClientMessage::Operations { first_cseq: 200 + at as u64, operations: [operation.clone()].into() };
                framed(binary::encode_client(&[message]).len(), 4)
            })
            .sum();
        let entry = |operation: &Operation| Entry { author: 3, skip: 0, operation: operation.clone() };
        let flush = |first_seq, entries| {
            framed(binary::encode_server(&[ServerMessage::Operations { first_seq, entries }]).len(), 0)
        };
        let alone: usize =
            operations.iter().enumerate().map(|(at, one)| flush(20_000 + at as u64, vec![entry(one)])).sum();
        let merged: usize = operations.iter().map(|one| flush(20_000, vec![entry(one); 10])).sum::<usize>() / 10;
        let [sent, alone, merged] = [sent, alone, merged].map(|bytes| bytes as f64 / count);
        println!(
            "{milliseconds} ms chunks: {sent:.2} bytes a point to the server, {alone:.2} to a viewer on a quiet board, \
             {merged:.2} where ten draw at once"
        );
        worst = worst.max(alone);
        assert!(merged < 4.0, "merged: {merged}");
    }
    assert!(worst < 5.0, "quiet: {worst}");
}

/// A hundred members, one of which never reads, ten of which draw: the others get everything, and the server's memory
/// stays where it was but for the board itself.
#[test]
fn a_member_that_never_reads_costs_neither_memory_nor_the_others() {
    let server = Server::start(&[]);
    let mut crowd = Crowd::new(Peer::Inkwire);
    crowd.join(&server.address, 0, 99);
    crowd.join_deaf(&server.address, 0, 1);
    // The snapshots with which everybody begins are none of those that a member gets who is too far behind.
    crowd.listen(Duration::from_secs(1));
    let memory = server.memory();
    crowd.run(&Plan { who: (0..10).collect(), rate: 60.0, lasts: Duration::from_secs(4) });
    let heard = crowd.drain(PATIENCE);
    let grown = server.memory().saturating_sub(memory);
    println!("{} operations, {} bytes a member, memory grew by {grown}", heard.sent, heard.bytes / 99);
    assert!(heard.sent > 1000, "they drew: {}", heard.sent);
    assert!(heard.is_whole(), "every reader has the whole log: {heard:?}");
    assert!(grown < heard.bytes / 99 * 4 + 6 * 1024 * 1024, "{grown}");
}

#[test]
fn a_large_board_takes_less_than_twice_its_snapshot_on_disk_and_thrice_in_memory() {
    let big = stored::big(5_000);
    println!("{big}");
    // What SQLite and the allocator take once is not the board's: 256 free pages, and what a first connection needs. A
    // hundred thousand strokes, where that does not count, are `cargo xtask bench big`.
    assert!(big.file <= 2 * big.snapshot + 1280 * 1024, "{big}");
    assert!(big.memory <= 3 * big.snapshot + 3 * 1024 * 1024, "{big}");
}

#[test]
fn ten_thousand_boards_on_disk_take_no_memory() {
    let memory = stored::unopened(10_000);
    println!("10,000 boards on disk: {memory} bytes");
    // A page cache of SQLite, and one board that somebody is on.
    assert!(memory < 4 * 1024 * 1024, "{memory} bytes");
}

#[test]
fn ink_is_durable_soon_and_many_operations_at_once() {
    let durable = stored::durable(&server::binary(), Duration::from_secs(3));
    println!("{durable}");
    assert!(durable.commits < durable.operations, "a commit is shared: {durable}");
}

/// As many images of the largest size as the server keeps for this test, by a member that has left.
fn keeps_images(server: &Server, count: u32) -> Vec<ImageHash> {
    let mut ada = Client::join(&server.address, "x", "ada");
    let mut send = |number| {
        let (image, bytes) = png(limits::IMAGE_BYTES, number);
        assert_eq!(ada.sends_image(image, &bytes), ImageState::Kept);
        image
    };
    (0..count).map(&mut send).collect()
}

/// Asks for an image, and reads nothing but the head of the reply.
fn asks_for(server: &Server, image: ImageHash) -> (Raw, String) {
    let raw = Raw::connect(&server.address);
    rustix::net::sockopt::set_socket_recv_buffer_size(&raw.stream, 4096).expect("a buffer may be small");
    asks_on(raw, server, image)
}

/// Asks for an image, and gives the head of the answer.
fn asks_on(mut raw: Raw, server: &Server, image: ImageHash) -> (Raw, String) {
    raw.send(format!("GET /images/{image} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).as_bytes());
    let head = raw.head();
    (raw, head)
}

#[test]
fn readers_of_one_image_share_its_bytes() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(&["--data", data.path().to_str().unwrap()]);
    let image = keeps_images(&server, 1)[0];
    let before = server.memory();
    let readers: Vec<_> = (0..150).map(|_| asks_for(&server, image)).collect();
    assert!(readers.iter().all(|(_, head)| head.starts_with("HTTP/1.1 200 ")));
    let grown = server.memory().saturating_sub(before);
    println!("150 readers that read nothing of an image of 4 MiB: memory grew by {grown}");
    assert_eq!(server.metric("inkwire_in_flight_bytes"), limits::IMAGE_BYTES as f64, "one buffer");
    assert!(grown < 4 * limits::IMAGE_BYTES as u64 + 150 * 32 * 1024, "{grown}");
    // A reader with a narrow window would take most of two minutes.
    let (mut last, _) = asks_on(Raw::connect(&server.address), &server, image);
    let mut body = vec![0; limits::IMAGE_BYTES];
    std::io::Read::read_exact(&mut last.stream, &mut body).expect("and who reads gets all of it");
    assert_eq!(body, png(limits::IMAGE_BYTES, 0).1);
    drop((readers, last));
    wait_until("the buffer is given back", || server.metric("inkwire_in_flight_bytes") == 0.0);
}

#[test]
fn when_too_many_images_are_read_slowly_the_oldest_reader_is_disconnected() {
    let server = Server::start(&["--max-in-flight", "16"]);
    let images = keeps_images(&server, 5);
    let mut readers: Vec<_> = images.iter().map(|image| asks_for(&server, *image)).collect();
    assert!(readers.iter().all(|(_, head)| head.starts_with("HTTP/1.1 200 ")), "the last one waits for the first");
    assert_eq!(server.metric("inkwire_slow_readers_total"), 1.0);
    assert!(server.metric("inkwire_in_flight_bytes") <= 16.0 * 1024.0 * 1024.0);
    let (mut oldest, _) = readers.remove(0);
    assert!(oldest.rest().len() < limits::IMAGE_BYTES, "it does not get the rest");
}

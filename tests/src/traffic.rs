//! One of several equal rounds of traffic, with all that a server meets: what is left behind after each is a leak.

use std::time::{Duration, Instant};

use async_tungstenite::tungstenite::Message;
use inkwire_protocol::{Operation, Points, SUBPROTOCOL_BINARY, limits};
use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size};

use crate::client::{Client, text};
use crate::dice::Dice;
use crate::fanout::hello;
use crate::patience::PATIENCE;
use crate::pen::begin;
use crate::raw::{Raw, client_frame, handshake};
use crate::server::{get, metric};

/// What a server must be without when nobody is connected but whoever asks: its gauges, and what the asking adds.
const GAUGES: [(&str, f64); 4] =
    [("inkwire_connections", 1.0), ("inkwire_members", 0.0), ("inkwire_rooms", 0.0), ("inkwire_tasks", 1.0)];

/// How long a peer that gives no sign of life is borne with, beside the ping interval.
const PONG_PATIENCE: Duration = Duration::from_secs(10);

/// A round.
#[derive(Debug, Clone)]
pub struct Round {
    /// `HOST:PORT` of the server.
    pub address: String,
    /// Of everything that is chosen at random.
    pub seed: u64,
    /// Which of the rounds; equal ones differ in it.
    pub number: u64,
    /// How often each kind of traffic comes in it.
    pub times: u64,
    /// On the same boards as in every round, as the same people: from the second one on the server has what they send.
    /// A server that keeps boards in memory grows with what is drawn, and so do its rooms.
    pub again: bool,
    /// Peers that fall silent are waited for, which takes more than ten seconds.
    pub silent: bool,
}

/// What a round came to.
#[derive(Debug)]
pub struct Done {
    /// Connections that were opened.
    pub connections: u64,
    /// The server's own gauges, once all of them were over.
    pub gauges: Vec<(&'static str, f64)>,
}

/// One kind of traffic; says how many connections it took.
type Kind = fn(&Scene) -> u64;

/// All kinds, each of which asserts that it did what it is for.
const KINDS: [Kind; 12] = [
    draws_and_joins_late,
    speaks_json,
    comes_back_in_a_storm,
    is_replaced,
    resets_in_mid_frame,
    ends_half_open,
    reads_slowly,
    sends_too_much,
    breaks_the_rules,
    sends_fragments_and_control_frames,
    opens_many_boards,
    asks_by_http,
];

/// On how many boards all kinds together leave ink.
const DRAWN: u64 = 12;

/// Where one kind of traffic takes place.
struct Scene {
    address: String,
    /// A name for its boards that no other scene of the round has.
    board: String,
    dice: Dice,
}

impl Scene {
    fn join(&self, name: &str) -> Client {
        Client::join(&self.address, &self.board, name)
    }

    /// A connection past the handshake that speaks what this one says.
    fn upgraded(&self) -> Raw {
        let protocol = format!("Sec-WebSocket-Protocol: {SUBPROTOCOL_BINARY}\r\n");
        Raw::upgrade(&self.address, &format!("/ws/{}", self.board), &protocol)
    }

    fn echo(&self) -> Raw {
        Raw::upgrade(&self.address, "/echo", "")
    }
}

impl Round {
    /// Makes the round, and waits until the server is through with it.
    ///
    /// # Panics
    /// If a part of it did not do what it should.
    pub fn run(&self) -> Done {
        let silent: Vec<Raw> = if self.silent { self.fall_silent() } else { Vec::new() };
        let mut connections = silent.len() as u64;
        let content = self.content();
        for time in 0..self.times {
            for (at, kind) in (0..).zip(KINDS) {
                let place = (content * self.times + time) * KINDS.len() as u64 + at;
                let (address, board) = (self.address.clone(), format!("r{place}"));
                connections += kind(&Scene { address, board, dice: Dice::part(self.seed, place) });
            }
        }
        for mut raw in silent {
            assert!(raw.close_code().is_none_or(|code| code == 1008), "a silent peer is let go");
        }
        Done { connections, gauges: self.settle() }
    }

    /// What a round draws, and on which boards, goes by this number.
    fn content(&self) -> u64 {
        if self.again { 0 } else { self.number }
    }

    /// Members, and such as have not even said hello, that will answer no ping.
    fn fall_silent(&self) -> Vec<Raw> {
        let (address, board) = (self.address.clone(), format!("silent-{}", self.content()));
        let scene = Scene { address, board, dice: Dice(self.seed) };
        (0..4 * self.times)
            .map(|at| {
                let mut raw = scene.upgraded();
                raw.stream.set_read_timeout(Some(PATIENCE + PONG_PATIENCE)).expect("a time limit");
                if at % 2 == 0 {
                    raw.send(&client_frame(0x82, &hello(at as usize)));
                }
                raw
            })
            .collect()
    }

    /// Waits until the server has let everything go, and reads its gauges; what is still there then stands in them.
    fn settle(&self) -> Vec<(&'static str, f64)> {
        let deadline = Instant::now() + PATIENCE;
        let gauges = || GAUGES.map(|(name, own)| (name, metric(&self.address, name) - own));
        loop {
            let now = gauges();
            let [(_, connections), (_, members), (_, rooms), (_, tasks)] = now;
            // A room that stays, as one with ink does in memory, has a task that looks now and then whether it may close.
            let stay = if self.again { (DRAWN * self.times) as f64 } else { 0.0 };
            let is_over = connections + members == 0.0 && rooms == stay && tasks == stay;
            if is_over || Instant::now() > deadline {
                return now.to_vec();
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

/// A stroke of a pen with as many points as there are.
fn stroke(dice: &mut Dice, chunks: u64) -> Vec<Operation> {
    let mut step = || [dice.below(60) as i32 - 30, dice.below(60) as i32 - 30];
    let mut operations = vec![begin()];
    operations.extend((0..chunks).map(|_| {
        let steps = (0..8).map(|_| step()).collect();
        Operation::Points(Points { slot: 0, steps, pressures: Default::default() })
    }));
    operations.push(Operation::End { slot: 0 });
    operations
}

fn draw(member: &mut Client, operations: Vec<Operation>) {
    operations.into_iter().for_each(|operation| _ = member.submit(operation));
    member.wait("the stroke is in the log", |member| member.session.pending().is_empty());
    assert!(member.session.rejects().is_empty(), "{:?}", member.session.rejects());
}

fn draws_and_joins_late(scene: &Scene) -> u64 {
    let (mut ada, mut bob) = (scene.join("ada"), scene.join("bob"));
    draw(&mut ada, stroke(&mut scene.dice.clone(), 20));
    bob.wait_for_seq(ada.session.board().seq());
    let mut late = scene.join("late");
    late.wait_for_seq(ada.session.board().seq());
    late.round_trip();
    assert_eq!(late.session.board().hash(), ada.session.board().hash(), "everybody has the same board");
    [ada, bob, late].iter_mut().for_each(Client::leave);
    3
}

fn speaks_json(scene: &Scene) -> u64 {
    let mut json = Client::join_json(&scene.address, &scene.board, "json");
    draw(&mut json, vec![text("a word")]);
    json.leave();
    1
}

/// The connection is lost again and again, with something on its way each time; none of it is lost or doubled.
fn comes_back_in_a_storm(scene: &Scene) -> u64 {
    const TIMES: u64 = 10;
    let mut ada = scene.join("ada");
    for time in 0..TIMES {
        ada.submit(text(&format!("word {time}")));
        ada.vanish();
        ada.connect(&scene.address);
    }
    ada.wait("all of it is in the log", |ada| {
        ada.session.board().cseq(ada.session.author()) >= TIMES && ada.session.pending().is_empty()
    });
    ada.round_trip();
    assert_eq!(ada.session.board().cseq(ada.session.author()), TIMES, "every operation is there once");
    ada.leave();
    TIMES + 1
}

fn is_replaced(scene: &Scene) -> u64 {
    let (mut before, mut after) = (scene.join("ada"), scene.join("ada"));
    assert_eq!(before.wait_for_close(), 4000, "whoever joins again replaces himself");
    after.leave();
    2
}

fn resets_in_mid_frame(scene: &Scene) -> u64 {
    const TIMES: usize = 4;
    for at in 0..TIMES {
        let mut raw = scene.upgraded();
        raw.send(&client_frame(0x82, &hello(at)));
        raw.frame().expect("a welcome");
        let frame = client_frame(0x82, &[0; 1000]);
        raw.send(&frame[..frame.len() / (at + 2)]);
        // Closing resets: nothing is to be waited for.
        set_socket_linger(&raw.stream, Some(Duration::ZERO)).expect("a socket may be reset");
    }
    TIMES as u64
}

/// Ends of one direction only, at the beginning, within the handshake and after it.
fn ends_half_open(scene: &Scene) -> u64 {
    let request = handshake("/echo", &scene.address, "");
    for sent in ["", &request[..40]] {
        let mut raw = Raw::connect(&scene.address);
        raw.send(sent.as_bytes());
        raw.stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        raw.rest();
    }
    let mut raw = scene.upgraded();
    raw.send(&client_frame(0x82, &hello(1)));
    raw.frame().expect("a welcome");
    raw.stream.shutdown(std::net::Shutdown::Write).expect("it is open");
    raw.rest();
    3
}

/// Takes nothing while another draws, and gets all of it in the end.
fn reads_slowly(scene: &Scene) -> u64 {
    let (mut slow, mut ada) = (scene.join("slow"), scene.join("ada"));
    slow.narrow();
    draw(&mut ada, stroke(&mut scene.dice.clone(), 120));
    slow.wait_for_seq(ada.session.board().seq());
    slow.round_trip();
    assert_eq!(slow.session.board().hash(), ada.session.board().hash(), "the slow one has everything");
    // One that never reads: what waits for it is let go with it.
    let mut never = scene.echo();
    set_socket_recv_buffer_size(&never.stream, 4096).expect("a buffer may be small");
    for _ in 0..20 {
        never.send(&client_frame(0x82, &[7; 16 * 1024]));
    }
    [slow, ada].iter_mut().for_each(Client::leave);
    3
}

fn sends_too_much(scene: &Scene) -> u64 {
    let mut raw = scene.upgraded();
    let mut frame = client_frame(0x82, &vec![0; limits::CLIENT_PACKET + 1]);
    frame.truncate(1000);
    raw.send(&frame);
    assert_eq!(raw.close_code(), Some(1009), "a message above the limit");
    let mut raw = Raw::connect(&scene.address);
    raw.send(format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "a".repeat(9000)).as_bytes());
    assert!(raw.head().starts_with("HTTP/1.1 431 "), "a head above the limit");
    2
}

fn breaks_the_rules(scene: &Scene) -> u64 {
    let frames: [(Vec<u8>, u16); 5] = [
        (vec![0x82, 1, 0], 1002),
        (client_frame(0x83, b""), 1002),
        (client_frame(0xc2, b""), 1002),
        (client_frame(0x82, &[0xff; 40]), 1007),
        (client_frame(0x81, b"text"), 1003),
    ];
    let count = frames.len();
    for (frame, code) in frames {
        let mut raw = scene.upgraded();
        raw.send(&frame);
        assert_eq!(raw.close_code(), Some(code), "{frame:?}");
    }
    let mut member = scene.join("mallory");
    member.does(Operation::End { slot: 3 }).expect_err("no stroke is live there");
    member.send_raw(Message::binary(vec![0xff; 100]));
    assert_eq!(member.wait_for_close(), 1007, "a malformed packet of a member");
    count as u64 + 1
}

fn sends_fragments_and_control_frames(scene: &Scene) -> u64 {
    let mut raw = scene.echo();
    raw.send(&client_frame(0x01, "in thr".as_bytes()));
    raw.send(&client_frame(0x89, b"are you there?"));
    raw.send(&client_frame(0x00, "ee frag".as_bytes()));
    raw.send(&client_frame(0x8a, b"nobody asked"));
    raw.send(&client_frame(0x80, "ments".as_bytes()));
    let pong = raw.frame().expect("a pong");
    assert_eq!((pong.opcode(), &pong.payload[..]), (0xa, &b"are you there?"[..]));
    assert_eq!(raw.frame().expect("the message").payload, b"in three fragments");
    raw.send(&client_frame(0x88, &1000u16.to_be_bytes()));
    assert_eq!(raw.close_code(), Some(1000));
    1
}

fn opens_many_boards(scene: &Scene) -> u64 {
    const BOARDS: usize = 8;
    let mut members: Vec<Client> =
        (0..BOARDS).map(|at| Client::join(&scene.address, &format!("{}-{at}", scene.board), "ada")).collect();
    members.iter_mut().for_each(|member| draw(member, vec![text("here")]));
    members.iter_mut().for_each(Client::leave);
    BOARDS as u64
}

fn asks_by_http(scene: &Scene) -> u64 {
    let board = format!("/b/{}", scene.board);
    let replies =
        [(&board[..], 200), ("/static/js/main.js", 200), ("/nothing", 404), ("/healthz", 200), ("/ws/x", 426)];
    for (path, status) in replies {
        let reply = get(&scene.address, path);
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {reply}");
    }
    let mut foreign = Raw::connect(&scene.address);
    foreign.send(handshake("/echo", &scene.address, "Origin: http://elsewhere.example\r\n").as_bytes());
    assert!(foreign.head().starts_with("HTTP/1.1 403 "), "another site's page is refused");
    let mut bad = Raw::connect(&scene.address);
    bad.send(b"nonsense\r\n\r\n");
    assert!(bad.head().starts_with("HTTP/1.1 400 "));
    replies.len() as u64 + 2
}

//! Kills with bits that turn in the files between them: what was durable is there, or it is reported and the lineage is new.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use inkwire_protocol::{Action, Content, Epoch, Reason, Role, Token};
use rustix::process::Signal;

use crate::chaos::{Survived, Trial};
use crate::client::{Client, text};
use crate::dice::Dice;
use crate::server::{Server, binary, serve};

const HOST: Token = Token([0x11; 16]);
/// A board that everybody sees, and one that only its host does. Either is closed if nobody knows any more who may do what.
const BOARDS: [&str; 2] = ["open", "private"];

/// The operations of a board that were promised.
struct Promised {
    name: &'static str,
    epoch: Epoch,
    /// Texts that are durable.
    texts: BTreeSet<String>,
    /// The secret by which one comes to it.
    token: Option<Token>,
}

impl Promised {
    /// Draws texts, and waits until they are durable.
    fn draw(&mut self, server: &Server, round: u64, count: u64) {
        // A client of its own in each round: what it knows of the board is what the server says.
        let mut client = joined(server, self.name, &format!("{} {round}", self.name), self.token);
        if self.name == BOARDS[1] && self.texts.is_empty() && client.rights() == Some((Role::Host, true)) {
            client.orders(Action::WithoutLink { role: None });
        }
        let texts: Vec<String> = (0..count).map(|at| format!("{} {round} {at}", self.name)).collect();
        texts.iter().for_each(|words| _ = client.submit(text(words)));
        client.wait("all is durable", |client| client.session.durable() == count);
        self.texts.extend(texts);
        self.epoch = client.session.epoch();
    }

    /// Compares what a server has with what was promised; says whether something durable is gone.
    fn compare(&mut self, server: &Server, data: &Path, what: &str) -> bool {
        let mut host = Client::away(&server.address, self.name, "reader");
        host.token = self.token;
        if !host.try_connect(&server.address) {
            // Its host cannot be read any more: it is closed, and the operator has a way in.
            assert_eq!(host.farewell, Some(Reason::Forbidden), "{what}");
            self.token = Some(link_of_the_operator(data, self.name));
        }
        let client = joined(server, self.name, "reader", self.token);
        let there = texts(&client);
        let lost = self.texts.difference(&there).count();
        if lost > 0 {
            assert_ne!(client.session.epoch(), self.epoch, "{what}: {lost} durable texts of {} are gone", self.name);
        }
        (self.texts, self.epoch) = (there, client.session.epoch());
        lost > 0
    }
}

/// A host's link, made by `inkwire boards link`.
fn link_of_the_operator(data: &Path, board: &str) -> Token {
    let made = Command::new(binary()).args(["boards", "link", board, "--role", "host", "--data"]).arg(data).output();
    let link = String::from_utf8(made.expect("it runs").stdout).expect("text");
    let secret = link.trim().rsplit('=').next().and_then(Token::of_digits);
    secret.expect("32 hex digits")
}

fn joined(server: &Server, board: &str, name: &str, token: Option<Token>) -> Client {
    let mut client = Client::away(&server.address, board, name);
    client.token = token;
    client.connect(&server.address);
    client.round_trip();
    client
}

fn texts(client: &Client) -> BTreeSet<String> {
    let texts = client.session.board().elements().filter_map(|element| match &element.wire().content {
        Content::Text(text) => Some(text.text.clone()),
        _ => None,
    });
    texts.collect()
}

/// A bit of a file.
#[derive(Debug, Clone, Copy)]
struct Bit {
    file: &'static str,
    at: u64,
    mask: u8,
}

impl Bit {
    fn of(data: &Path, dice: &mut Dice) -> Self {
        let file = ["boards.sqlite", "boards.sqlite-wal"][dice.below(2) as usize];
        let size = |file: &str| fs::metadata(data.join(file)).map_or(0, |it| it.len());
        let file = if size(file) == 0 { "boards.sqlite" } else { file };
        Self { file, at: dice.below(size(file)), mask: 1 << dice.below(8) }
    }

    fn turn(self, data: &Path) {
        let file = OpenOptions::new().read(true).write(true).open(data.join(self.file)).expect("it is there");
        let mut byte = [0];
        file.read_exact_at(&mut byte, self.at).expect("within the file");
        file.write_all_at(&[byte[0] ^ self.mask], self.at).expect("it can be written");
    }
}

/// A server on a directory, or what it says when it does not start.
fn start(data: &Path) -> Result<Server, String> {
    Server::try_spawn(&mut serve(&["--data", data.to_str().expect("a path of letters"), "--log", "error"]))
}

/// Two boards are drawn on while the server is killed, and before it comes back a bit turns in its database or in its log.
///
/// # Panics
/// If something durable goes without a report, or a stranger sees a private board; with the seed.
pub fn turned(data: &str, trial: Trial) -> Survived {
    let Trial { seed, faults, .. } = trial;
    println!("chaos: {faults} kills with a bit that turns, seed {seed} (INKWIRE_SEED={seed} does it again)");
    let (data, mut dice) = (Path::new(data), Dice(seed));
    let mut boards = BOARDS.map(|name| {
        let token = (name == BOARDS[1]).then_some(HOST);
        Promised { name, epoch: Epoch::default(), texts: BTreeSet::new(), token }
    });
    let (mut operations, mut reported, mut refused) = (0, 0, 0);
    let mut server = start(data).expect("a new directory");
    for round in 0..faults {
        for board in &mut boards {
            let count = 1 + dice.below(6);
            board.draw(&server, round, count);
            operations += count;
        }
        server.signal(Signal::KILL);
        server.wait();
        let bit = Bit::of(data, &mut dice);
        let what = format!("seed {seed}, round {round}, {bit:?}");
        let aside = || fs::read_dir(data.join("set-aside")).map_or(0, Iterator::count);
        let before = aside();
        bit.turn(data);
        server = match start(data) {
            Ok(server) => server,
            Err(said) => {
                assert!(said.starts_with("inkwire: ") && said.lines().count() == 1, "{what}: {said}");
                (refused, reported) = (refused + 1, reported + 1);
                bit.turn(data);
                start(data).expect("the bit has turned back")
            }
        };
        let mut stranger = Client::away(&server.address, BOARDS[1], "stranger");
        let sees = if stranger.try_connect(&server.address) { texts(&stranger).len() } else { 0 };
        assert_eq!(sees, 0, "{what}: a stranger is on the private board");
        let lost: Vec<bool> = boards.iter_mut().map(|board| board.compare(&server, data, &what)).collect();
        if lost.contains(&true) {
            assert!(aside() > before || server.metric("inkwire_lost_commits") >= 1.0, "{what}: nothing is reported");
            reported += 1;
        }
    }
    server.stop();
    println!(
        "chaos: {faults} bits turned, {reported} losses reported, {refused} of them by a server that did not start"
    );
    Survived { faults, operations }
}

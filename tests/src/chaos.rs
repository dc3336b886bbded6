//! Breaking the server on purpose: people who draw through kills and cuts, and keep the ledger of what they were promised.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use inkwire_board::Board;
use inkwire_protocol::{Begin, Colour, Operation, Points, Tool};
use rustix::process::Signal;

use crate::client::{Client, text};
use crate::dice::Dice;
use crate::patience::PATIENCE;
use crate::proxy::Proxy;
use crate::server::{Server, free_port};

const BOARD: &str = "chaos";
/// Events of a person's history that are kept: enough to see what was promised and what was broken.
const HISTORY: usize = 24;
/// How often each half of a trial that failed is tried.
const ATTEMPTS: usize = 3;
/// How long smaller trials are looked for.
const SHRINKING: Duration = Duration::from_secs(120);

/// A person who draws whatever happens, and keeps the ledger.
#[derive(Debug)]
struct Drawer {
    client: Client,
    dice: Dice,
    has_live_stroke: bool,
    history: VecDeque<String>,
}

impl Drawer {
    fn new(address: &str, seed: u64, number: u64) -> Self {
        let client = Client::away(address, BOARD, &format!("drawer {number:02}"));
        Self { client, dice: Dice::part(seed, number), has_live_stroke: false, history: VecDeque::new() }
    }

    fn note(&mut self, event: String) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(event);
    }

    /// Draws a little, or comes back first.
    fn go_on(&mut self, address: &str) {
        if !self.client.is_connected() && !self.come_back(address) {
            std::thread::park_timeout(Duration::from_millis(5));
            return;
        }
        for _ in 0..=self.dice.below(4) {
            self.draw();
        }
        let before = self.client.session.durable();
        self.client.listen(Duration::from_millis(1 + self.dice.below(8)));
        if self.client.session.durable() > before {
            self.note(format!("{} is durable", self.client.session.durable()));
        }
    }

    fn come_back(&mut self, address: &str) -> bool {
        if !self.client.try_connect(address) {
            return false;
        }
        let (has, durable) = (self.client.session.welcomed_at().1, self.client.session.durable());
        self.note(format!("came back, the server has {has}"));
        assert!(
            has >= durable,
            "{}: {durable} was durable, and the server has only {has}\n{}",
            self.client.name,
            self.told()
        );
        true
    }

    fn draw(&mut self) {
        let number = self.client.session.cseq() + 1;
        let operation = match (self.has_live_stroke, self.dice.below(6)) {
            (true, 0) => Operation::End { slot: 0 },
            (true, 1..=4) => {
                let steps = (0..1 + self.dice.below(6)).map(|_| [self.dice.below(40) as i32, 3]).collect();
                Operation::Points(Points { slot: 0, steps, pressures: Default::default() })
            }
            (false, 0..=2) => Operation::Begin(Begin {
                slot: 0,
                gesture_back: 0,
                tool: Tool::Pen,
                colour: Colour(0xff),
                width: 32,
                scale: 3,
                x: number as i32,
                y: 0,
                pressure: None,
            }),
            // What it says is said once on the whole board.
            _ => text(&format!("{} {number}", self.client.name)),
        };
        match operation {
            Operation::Begin(_) => self.has_live_stroke = true,
            Operation::End { .. } => self.has_live_stroke = false,
            _ => {}
        }
        self.client.submit(operation);
    }

    /// Waits until everything is durable; the faults are over.
    fn finish(&mut self, address: &str) {
        let deadline = Instant::now() + 2 * PATIENCE;
        while self.client.session.durable() < self.client.session.cseq() {
            assert!(Instant::now() < deadline, "{} waits in vain for durability\n{}", self.client.name, self.told());
            if self.client.is_connected() || self.come_back(address) {
                self.client.listen(Duration::from_millis(20));
            } else {
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
    }

    fn told(&self) -> String {
        let events: Vec<&str> = self.history.iter().map(String::as_str).collect();
        format!("history of {}, latest last:\n  {}", self.client.name, events.join("\n  "))
    }
}

/// How hard a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Of everything that is chosen at random; what the machine does between is its own.
    pub seed: u64,
    /// How often something is broken.
    pub faults: u64,
    /// How many draw meanwhile.
    pub people: u64,
}

impl Trial {
    /// The next smaller ones: half the faults, or half the people.
    fn halves(self) -> Vec<Self> {
        let calmer = Self { faults: self.faults / 2, ..self };
        let emptier = Self { people: self.people / 2, ..self };
        [calmer, emptier].into_iter().filter(|trial| trial.faults > 0 && trial.people > 0).collect()
    }

    /// Makes the run, and where it fails, smaller ones as long as they fail too.
    ///
    /// # Panics
    /// If it fails; with the smallest trial that does, and what it said.
    pub fn survive(self, run: impl Fn(Self) -> Survived) -> Survived {
        let attempt = |trial: Self| catch_unwind(AssertUnwindSafe(|| run(trial))).map_err(|said| words(&*said));
        let mut said = match attempt(self) {
            Ok(survived) => return survived,
            Err(said) => said,
        };
        let mut smallest = self;
        let deadline = Instant::now() + SHRINKING;
        // The machine is not repeated by a seed, so a trial that passes once is not yet one that passes.
        while let Some((trial, says)) = (smallest.halves().repeat(ATTEMPTS).into_iter())
            .take_while(|_| Instant::now() < deadline)
            .find_map(|trial| Some((trial, attempt(trial).err()?)))
        {
            (smallest, said) = (trial, says);
        }
        panic!("{self:?} fails; the smallest that was seen to fail is {smallest:?}:\n{said}");
    }
}

/// What a panic said.
fn words(said: &(dyn std::any::Any + Send)) -> String {
    let text = said.downcast_ref::<String>().map(String::as_str);
    text.or(said.downcast_ref::<&str>().copied()).unwrap_or("it said nothing").to_owned()
}

/// What a run came to.
#[derive(Debug, Clone, Copy)]
pub struct Survived {
    /// How often something was broken.
    pub faults: u64,
    /// How many operations are on the board.
    pub operations: u64,
}

/// Starts a server on a directory again, however its last life ended.
fn start(data: &str, address: &str) -> Server {
    Server::start(&["--data", data, "--listen", address, "--log", "error"])
}

/// People draw while the server is killed again and again, at random moments.
///
/// # Panics
/// If a promise was broken; with the seed, and the history of whom it was broken to.
pub fn kills(data: &str, trial: Trial) -> Survived {
    let Trial { seed, faults: kills, people } = trial;
    println!("chaos: {kills} kills of {people} people, seed {seed} (INKWIRE_SEED={seed} does it again)");
    // So that a server can come back to it.
    let address = format!("127.0.0.1:{}", free_port());
    let mut dice = Dice(seed);
    let is_over = AtomicBool::new(false);
    let (server, drawers, killed) = std::thread::scope(|scope| {
        let (mut server, mut killed) = (start(data, &address), 0);
        let drawing: Vec<_> = (0..people)
            .map(|number| {
                let (address, is_over) = (&address, &is_over);
                scope.spawn(move || {
                    let mut drawer = Drawer::new(address, seed, number);
                    while !is_over.load(Ordering::Relaxed) {
                        drawer.go_on(address);
                    }
                    drawer.finish(address);
                    drawer
                })
            })
            .collect();
        for _ in 0..kills {
            std::thread::park_timeout(Duration::from_millis(20 + dice.below(250)));
            server.signal(Signal::KILL);
            server.wait();
            server = start(data, &address);
            killed += 1;
            if drawing.iter().any(ScopedJoinHandle::is_finished) {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        (server, joined(drawing), killed)
    });
    let operations = agree(drawers, &server.address);
    assert!(server.stop().success());
    check_again(data, &address, operations);
    Survived { faults: killed, operations }
}

/// People draw through a network that fails so often.
///
/// # Panics
/// As [`kills`].
pub fn cuts(data: &str, trial: Trial) -> Survived {
    let Trial { seed, faults: cuts, people } = trial;
    println!("chaos: {cuts} cuts of {people} people, seed {seed} (INKWIRE_SEED={seed} does it again)");
    let server = start(data, "127.0.0.1:0");
    let proxy = Proxy::start(&server.address, seed);
    let alive = AtomicU64::new(people);
    let drawers = std::thread::scope(|scope| {
        let drawing: Vec<_> = (0..people)
            .map(|number| {
                let (proxy, alive) = (&proxy, &alive);
                scope.spawn(move || {
                    let mut drawer = Drawer::new(&proxy.address, seed, number);
                    while proxy.faults() < cuts {
                        drawer.go_on(&proxy.address);
                    }
                    // The last of them mends the network.
                    if alive.fetch_sub(1, Ordering::SeqCst) == 1 {
                        proxy.heal();
                    }
                    drawer.finish(&proxy.address);
                    drawer
                })
            })
            .collect();
        joined(drawing)
    });
    let faults = proxy.faults();
    let operations = agree(drawers, &server.address);
    assert!(server.stop().success());
    Survived { faults, operations }
}

/// Those who drew; whoever was broken a promise says it in his own words.
fn joined(drawing: Vec<ScopedJoinHandle<'_, Drawer>>) -> Vec<Drawer> {
    drawing.into_iter().map(|drawer| drawer.join().unwrap_or_else(|said| resume_unwind(said))).collect()
}

/// Everybody has the same board, and on it everything that was drawn, once and in the order of its author.
fn agree(drawers: Vec<Drawer>, address: &str) -> u64 {
    let mut witness = Client::join(address, BOARD, "witness");
    witness.round_trip();
    let board = witness.session.board();
    let mut clients = Vec::new();
    for mut drawer in drawers {
        // Past the proxy, whose last connections still end as they must.
        drawer.client.connect(address);
        drawer.client.wait_for_seq(board.seq());
        drawer.client.round_trip();
        assert_eq!(drawer.client.session.board().hash(), board.hash(), "{}", drawer.told());
        assert_eq!(board.cseq(drawer.client.session.author()), drawer.client.session.cseq(), "{}", drawer.told());
        assert!(drawer.client.session.rejects().is_empty(), "{:?}\n{}", drawer.client.session.rejects(), drawer.told());
        clients.push(drawer.client);
    }
    check_order(board);
    let submitted: u64 = clients.iter().map(|client| client.session.cseq()).sum();
    assert_eq!(board.seq(), submitted, "every operation is in the log, once");
    board.seq()
}

/// What a person made is in the order in which it was made, and nothing is said twice.
fn check_order(board: &Board) {
    let mut last: BTreeMap<u32, u64> = BTreeMap::new();
    let mut said = std::collections::BTreeSet::new();
    for element in board.elements() {
        let id = element.id();
        let before = last.insert(id.author, id.cseq).unwrap_or(0);
        assert!(before < id.cseq, "author {}: {} stands behind {before}", id.author, id.cseq);
        if let inkwire_protocol::Content::Text(text) = &element.wire().content {
            assert!(said.insert(text.text.clone()), "{:?} is there twice", text.text);
        }
    }
}

/// A server that was stopped cleanly comes back with all of it, and every record is good.
fn check_again(data: &str, address: &str, operations: u64) {
    let verified =
        std::process::Command::new(crate::server::binary()).args(["boards", "verify", "--data", data]).output();
    let verified = verified.expect("it runs");
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let server = start(data, address);
    let mut witness = Client::join(&server.address, BOARD, "another witness");
    witness.round_trip();
    assert_eq!(witness.session.board().seq(), operations);
    assert!(server.stop().success());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that fails from so many faults and people on, and passes every third time.
    fn fails_from(faults: u64, people: u64) -> impl Fn(Trial) -> Survived {
        let runs = AtomicU64::new(0);
        move |trial| {
            let passes = runs.fetch_add(1, Ordering::Relaxed) % 3 == 1;
            assert!(trial.faults < faults || trial.people < people || passes, "{} are too many", trial.people);
            Survived { faults: trial.faults, operations: 1 }
        }
    }

    #[test]
    fn a_failure_is_told_as_the_smallest_trial_that_fails() {
        let trial = Trial { seed: 7, faults: 100, people: 10 };
        assert_eq!(trial.survive(fails_from(101, 1)).faults, 100);
        let said = catch_unwind(|| trial.survive(fails_from(20, 2))).map_err(|said| words(&*said)).unwrap_err();
        let smallest =
            "the smallest that was seen to fail is Trial { seed: 7, faults: 25, people: 2 }:\n2 are too many";
        assert!(said.ends_with(smallest), "{said}");
    }
}

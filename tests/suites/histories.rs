//! Random histories of a room: members, faults and orders, in simulated time. Each holds what ARCHITECTURE.md says of a room.

use inkwire_board::Refused;
use inkwire_protocol::{Action, ClientMessage, Role, Token};
use inkwire_tests::dice::{Dice, seed};
use inkwire_tests::simulation::Simulation;

use super::people;

/// Histories, and the events of each.
const HISTORIES: u64 = 10_000;
const EVENTS: u64 = 30;
const NAMES: [&str; 4] = ["ada", "bob", "eve", "carl"];

/// A history: the dice decide.
struct History {
    simulation: Simulation,
    dice: Dice,
    people: people::Dice,
    /// Whether the disk fails.
    is_failing: bool,
}

impl History {
    fn of(seed: u64, part: u64) -> Self {
        let mut dice = Dice::part(seed, part);
        let people = people::Dice(dice.below(1 << 31));
        let mut simulation = Simulation::default();
        for name in &NAMES[..2 + dice.below(3) as usize] {
            let refused = if dice.below(3) == 0 { Refused::Waits } else { Refused::LetGo };
            let who = simulation.add(name, refused);
            simulation.people[who].latency = dice.below(30_000);
            if dice.below(3) == 0 {
                simulation.people[who].capacity = 1 + dice.below(3) as usize;
            }
        }
        if dice.below(2) == 0 {
            simulation.people[0].token = Some(Token([7; 16]).made(false));
        }
        Self { simulation, dice, people, is_failing: false }
    }

    fn anybody(&mut self) -> usize {
        self.dice.below(self.simulation.people.len() as u64) as usize
    }

    fn goes_on(&mut self) {
        let who = self.anybody();
        match self.dice.below(24) {
            0..=9 => {
                let cseq = self.simulation.people[who].session.cseq() + 1;
                let operation = people::operation(&mut self.people, 3, cseq);
                self.simulation.submit(who, operation);
            }
            10..=13 => self.simulation.pass(self.dice.below(40_000)),
            14..=16 if !self.simulation.people[who].is_here() => _ = self.simulation.join(who),
            17 => self.simulation.lose(who),
            // Another connection of the same client takes the place.
            18 if self.dice.below(3) == 0 => _ = self.simulation.join(who),
            19 => {
                self.is_failing = !self.is_failing && self.dice.below(2) == 0;
                self.simulation.disk_fails(self.is_failing);
            }
            20 if self.dice.below(2) == 0 => self.simulation.kill(),
            21 | 22 => self.orders(),
            _ => {
                let cursor = Some([self.dice.below(99) as i32, 0]);
                self.simulation.say(who, vec![ClientMessage::Presence { cursor }]);
            }
        }
    }

    /// The host gives an order. One that is refused is no matter.
    fn orders(&mut self) {
        let about = self.anybody();
        let author = self.simulation.author(about);
        let action = match self.dice.below(7) {
            0 => Action::Lock { locked: true },
            1 => Action::Lock { locked: false },
            2 => Action::Mute { author, muted: self.dice.below(2) == 0 },
            3 => Action::Lend { author, seconds: self.dice.below(2) },
            4 => Action::WithoutLink { role: Some(Role::Viewer) },
            5 => Action::WithoutLink { role: Some(Role::Editor) },
            _ => Action::Remove { author },
        };
        _ = self.simulation.order(0, &action);
    }

    /// The faults are over, and everybody is here and may draw.
    fn ends(&mut self) {
        self.simulation.disk_fails(false);
        let all = 0..self.simulation.people.len();
        all.clone().for_each(|who| assert!(self.simulation.join(who), "{} is let in", NAMES[who]));
        self.simulation.rest();
        _ = self.simulation.order(0, &Action::WithoutLink { role: Some(Role::Editor) });
        _ = self.simulation.order(0, &Action::Lock { locked: false });
        for who in all.clone() {
            let author = self.simulation.author(who);
            _ = self.simulation.order(0, &Action::Mute { author, muted: false });
        }
        self.simulation.rest();
        let room = self.simulation.room();
        assert!(room.is_durable(), "all that is drawn is on the disk");
        assert_eq!(self.simulation.kept().hash(), room.hash(), "and it is the same board");
        assert_eq!(self.simulation.diverged, 0, "nobody had another board");
        for (who, person) in self.simulation.people.iter().enumerate() {
            let (session, name) = (&person.session, &person.name);
            assert_eq!(self.simulation.lost(who), [0; 0], "{name} has drawn that");
            assert!(person.is_here(), "{name} is here: {:?}", person.farewell);
            assert_eq!(
                (session.board().seq(), session.board().hash()),
                (room.seq(), room.hash()),
                "{name} sees the board"
            );
            assert!(session.pending().is_empty(), "{name} waits for {:?}", session.pending());
            assert!(session.received().is_empty(), "{name} still keeps {:?}", session.received());
        }
    }
}

#[test]
fn whatever_happens_everybody_has_the_same_board_in_the_end_and_nothing_durable_is_lost() {
    let seed = seed();
    println!("seed {seed} (INKWIRE_SEED={seed} does it again)");
    let run = |part: u64| {
        let mut history = History::of(seed, part);
        (0..EVENTS).for_each(|_| history.goes_on());
        history.ends();
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    std::thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                for part in (first..HISTORIES).step_by(threads as usize) {
                    let done = std::panic::catch_unwind(|| run(part));
                    assert!(done.is_ok(), "history {part} of seed {seed}");
                }
            });
        }
    });
}

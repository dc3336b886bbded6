//! A world without sockets and without waiting: the real room, and messages that take simulated time.

use inkwire_board::{Board, Refused};
use inkwire_protocol::{ClientMessage, Operation};

use super::{Outcome, World};
use crate::simulation::Simulation;

/// The world.
#[derive(Debug, Default)]
pub struct Simulated {
    simulation: Simulation,
}

impl Simulated {
    fn who(&self, name: &str) -> usize {
        let found = self.simulation.people.iter().position(|person| person.name == name);
        found.expect("somebody who has joined")
    }
}

impl World for Simulated {
    fn joins(&mut self, name: &str) {
        let is_known = self.simulation.people.iter().any(|person| person.name == name);
        let who = if is_known { self.who(name) } else { self.simulation.add(name, Refused::LetGo) };
        assert!(self.simulation.join(who), "{name} is let in");
        // What was kept is in the log before the script goes on, however slow others are.
        while !self.simulation.people[who].session.has_joined()
            || !self.simulation.people[who].session.pending().is_empty()
        {
            self.simulation.pass(1_000);
        }
    }

    fn goes(&mut self, name: &str, _: bool) {
        self.simulation.lose(self.who(name));
    }

    fn does(&mut self, name: &str, operation: Operation) -> Outcome {
        let who = self.who(name);
        let cseq = self.simulation.submit(who, operation);
        if !self.simulation.people[who].is_here() {
            return Outcome::Kept;
        }
        loop {
            let session = &self.simulation.people[who].session;
            if let Some((_, reason)) = session.rejects().iter().find(|(rejected, _)| *rejected == cseq) {
                return Outcome::Rejected(*reason);
            }
            if session.pending().is_empty() {
                return Outcome::Logged(session.board().seq());
            }
            self.simulation.pass(1_000);
        }
    }

    fn repeats(&mut self, name: &str, cseq: u64, operation: Operation) {
        let message = ClientMessage::Operations { first_cseq: cseq, operations: [operation].into() };
        self.simulation.say(self.who(name), vec![message]);
        self.simulation.rest();
    }

    fn slows(&mut self, name: &str, milliseconds: u64) {
        let who = self.who(name);
        self.simulation.people[who].latency = milliseconds * 1_000;
    }

    fn settles(&mut self) {
        self.simulation.rest();
    }

    fn author(&self, name: &str) -> u32 {
        self.simulation.author(self.who(name))
    }

    fn board(&self, name: &str) -> &Board {
        self.simulation.people[self.who(name)].session.board()
    }

    fn present(&self) -> Vec<String> {
        self.simulation.people.iter().filter(|person| person.is_here()).map(|person| person.name.clone()).collect()
    }
}

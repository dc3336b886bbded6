//! A world without sockets and without waiting: the board alone, and messages that take simulated time.

use std::collections::BTreeMap;

use inkwire_board::{Board, Replica, Submitted};
use inkwire_protocol::{Entry, Epoch, Operation, ServerMessage, binary};

use super::{Outcome, World};
use crate::client::client_id;

/// What a message takes to a member where a script says nothing, in milliseconds.
const LATENCY: u64 = 5;
/// Entries of the log that a member who returns can still be given; one that is further behind gets a snapshot.
const TAIL: u64 = 8;

#[derive(Debug)]
struct Person {
    author: u32,
    replica: Replica,
    is_here: bool,
    latency: u64,
    cseq: u64,
    kept: Vec<(u64, Operation)>,
    /// Messages on their way, with the moment at which they arrive.
    arriving: Vec<(u64, ServerMessage)>,
}

/// The world.
#[derive(Debug, Default)]
pub struct Simulated {
    now: u64,
    board: Board,
    log: Vec<Entry>,
    people: BTreeMap<String, Person>,
    order: Vec<String>,
}

impl Simulated {
    fn send(&mut self, to: &str, message: ServerMessage) {
        let now = self.now;
        let person = self.people.get_mut(to).expect("somebody who has joined");
        // A connection keeps its order, even when it becomes faster.
        let last = person.arriving.last().map_or(0, |(at, _)| *at);
        person.arriving.push((last.max(now + person.latency), message));
    }

    /// Lets time pass up to a moment.
    fn pass(&mut self, until: u64) {
        self.now = self.now.max(until);
        for person in self.people.values_mut().filter(|person| person.is_here) {
            let (arrived, rest) = std::mem::take(&mut person.arriving).into_iter().partition(|(at, _)| *at <= self.now);
            person.arriving = rest;
            let arrived: Vec<(u64, ServerMessage)> = arrived;
            for (_, message) in arrived {
                person.replica.receive(message).expect("the board's messages follow");
            }
        }
    }

    fn submit(&mut self, author: u32, cseq: u64, operation: Operation) -> Outcome {
        match self.board.submit(author, cseq, operation) {
            Ok(Submitted::Logged(entry)) => {
                self.log.push(entry.clone());
                let first_seq = self.board.seq();
                let here: Vec<String> =
                    self.people.iter().filter(|(_, one)| one.is_here).map(|(name, _)| name.clone()).collect();
                for name in here {
                    self.send(&name, ServerMessage::Operations { first_seq, entries: vec![entry.clone()] });
                }
                Outcome::Logged(first_seq)
            }
            Ok(Submitted::Duplicate) => Outcome::Logged(self.board.seq()),
            Err(reason) => Outcome::Rejected(reason),
        }
    }

    /// What a member that has everything up to `seq` is told: the tail, or a snapshot.
    fn catch_up(&mut self, name: &str, seq: u64) {
        if seq > 0 && self.board.seq() - seq <= TAIL {
            let entries = self.log[seq as usize..].to_vec();
            if !entries.is_empty() {
                self.send(name, ServerMessage::Operations { first_seq: seq + 1, entries });
            }
        } else {
            let packets: Vec<u8> = self.board.packets().flatten().collect();
            for message in binary::decode_server(&packets).expect("a snapshot decodes") {
                self.send(name, message);
            }
        }
    }
}

impl World for Simulated {
    fn joins(&mut self, name: &str) {
        let client = client_id(name);
        let author = self.board.author_for(client);
        self.board.remember(client, author);
        if !self.people.contains_key(name) {
            self.order.push(name.into());
        }
        let person = self.people.entry(name.into()).or_insert_with(|| Person {
            author,
            replica: Replica::default(),
            is_here: true,
            latency: LATENCY,
            cseq: 0,
            kept: Vec::new(),
            arriving: Vec::new(),
        });
        person.is_here = true;
        person.arriving.clear();
        let (seq, kept) = (person.replica.board().seq(), std::mem::take(&mut person.kept));
        let (epoch, cseq) = (Epoch([1; 8]), self.board.cseq(author));
        self.send(name, ServerMessage::Welcome { author, epoch, seq: self.board.seq(), cseq, mark: 0 });
        self.catch_up(name, seq);
        for (cseq, operation) in kept {
            self.submit(author, cseq, operation);
        }
    }

    fn goes(&mut self, name: &str, _: bool) {
        self.people.get_mut(name).expect("somebody who has joined").is_here = false;
    }

    fn does(&mut self, name: &str, operation: Operation) -> Outcome {
        let person = self.people.get_mut(name).expect("somebody who has joined");
        person.cseq += 1;
        let (author, cseq) = (person.author, person.cseq);
        if !person.is_here {
            person.kept.push((cseq, operation));
            return Outcome::Kept;
        }
        self.submit(author, cseq, operation)
    }

    fn repeats(&mut self, name: &str, cseq: u64, operation: Operation) {
        self.submit(self.author(name), cseq, operation);
    }

    fn slows(&mut self, name: &str, milliseconds: u64) {
        self.people.get_mut(name).expect("somebody who has joined").latency = milliseconds;
    }

    fn settles(&mut self) {
        let last = self.people.values().flat_map(|person| person.arriving.iter().map(|(at, _)| *at)).max();
        self.pass(last.unwrap_or(0));
    }

    fn author(&self, name: &str) -> u32 {
        self.people[name].author
    }

    fn board(&self, name: &str) -> &Board {
        self.people[name].replica.board()
    }

    fn present(&self) -> Vec<String> {
        self.order.iter().filter(|name| self.people[*name].is_here).cloned().collect()
    }
}

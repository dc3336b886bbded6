//! A world of real sockets: a server process and a client for everybody.

use std::collections::BTreeMap;

use inkwire_board::Board;
use inkwire_protocol::{ClientMessage, Operation};

use super::{Outcome, World};
use crate::client::Client;
use crate::server::Server;

/// The world. Every other person speaks JSON, so that scripts hold both encodings to each other.
#[derive(Debug)]
pub struct Sockets {
    server: Server,
    board: String,
    people: BTreeMap<String, Client>,
    order: Vec<String>,
    seq: u64,
}

impl Sockets {
    /// A world on a board of a server of its own.
    pub fn new() -> Self {
        let (people, order) = Default::default();
        Self { server: Server::start(&[]), board: "scenario".into(), people, order, seq: 0 }
    }

    fn person(&mut self, name: &str) -> &mut Client {
        self.people.get_mut(name).expect("somebody who has joined")
    }
}

impl Default for Sockets {
    fn default() -> Self {
        Self::new()
    }
}

impl World for Sockets {
    fn joins(&mut self, name: &str) {
        let address = self.server.address.clone();
        match self.people.get_mut(name) {
            Some(client) => {
                client.connect(&address);
                client.wait("the server has what was kept", |client| client.session.pending().is_empty());
                self.seq = self.seq.max(client.session.board().seq());
            }
            None => {
                let join = if self.order.len().is_multiple_of(2) { Client::join } else { Client::join_json };
                self.people.insert(name.into(), join(&address, &self.board, name));
                self.order.push(name.into());
            }
        }
    }

    fn goes(&mut self, name: &str, with_a_word: bool) {
        let client = self.person(name);
        if with_a_word { client.leave() } else { client.vanish() }
    }

    fn does(&mut self, name: &str, operation: Operation) -> Outcome {
        let client = self.person(name);
        if !client.is_connected() {
            client.submit(operation);
            return Outcome::Kept;
        }
        match client.does(operation) {
            Ok(_) => {
                let seq = client.session.board().seq();
                self.seq = self.seq.max(seq);
                Outcome::Logged(seq)
            }
            Err(reason) => Outcome::Rejected(reason),
        }
    }

    fn repeats(&mut self, name: &str, cseq: u64, operation: Operation) {
        let client = self.person(name);
        client.say(&[ClientMessage::Operations { first_cseq: cseq, operations: [operation].into() }]);
        client.round_trip();
    }

    /// Real time is not stretched.
    fn slows(&mut self, _: &str, _: u64) {}

    fn settles(&mut self) {
        let seq = self.seq;
        for client in self.people.values_mut().filter(|client| client.is_connected()) {
            client.wait_for_seq(seq);
        }
    }

    fn author(&self, name: &str) -> u32 {
        self.people[name].session.author()
    }

    fn board(&self, name: &str) -> &Board {
        self.people[name].session.board()
    }

    fn present(&self) -> Vec<String> {
        self.order.iter().filter(|name| self.people[*name].is_connected()).cloned().collect()
    }
}

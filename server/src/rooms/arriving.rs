//! Joining of a member: hello, credentials, a password that is checked elsewhere, or a reason to stay out.

use std::time::{Duration, Instant};

use inkwire_board::StateHash;
use inkwire_protocol::{ClientMessage, Reason};
use inkwire_room::{Digest, Hello, Identity, JoinRequest, Refusal};

use super::background::Completion;
use super::entering::Credentials;
use super::hashing::Memory;
use super::member::Member;
use super::shared::Seated;
use crate::metrics::Refused;
use crate::ws::Close;

impl Member {
    /// Not let in, for this reason.
    fn stays_out(&mut self, reason: Reason, wait: Duration) {
        if let Some(entering) = &mut self.entering {
            entering.refused = Some((reason, wait));
        }
    }

    /// Takes a message of a member that has not joined.
    pub(super) fn receive_first(&mut self, message: ClientMessage) -> Result<(), Close> {
        match message {
            ClientMessage::Hello { client_id, epoch, seq, hash, name, colour } => {
                let hash = StateHash::from_bytes(hash);
                self.join(Hello { client_id, epoch, seq, hash, name, colour }, None);
            }
            ClientMessage::Credentials { token, visitor, password } => {
                if let Some(entering) = &mut self.entering {
                    entering.credentials = Credentials { token, visitor, password };
                }
            }
            _ if self.entering.as_ref().is_some_and(|entering| entering.refused.is_some()) => {}
            _ => return Err(self.refuse("the first message must be hello")),
        }
        Ok(())
    }

    pub(super) fn password_checked(&mut self, hash: &str, fits: Result<bool, Duration>) {
        let Some(entering) = &mut self.entering else { return };
        let Some(hello) = entering.joining.take() else { return };
        let held = std::mem::take(&mut entering.held);
        match fits {
            Ok(true) => self.join(hello, Some(hash)),
            Ok(false) => self.stays_out(Reason::PasswordNeeded, Duration::ZERO),
            Err(wait) => self.stays_out(Reason::TooManyTries, wait),
        }
        // Whether it goes was asked before this was known.
        self.wakeup.wake();
        for message in held {
            if self.receive(message, &mut std::iter::empty()).is_err() {
                break;
            }
        }
    }

    /// Returns the time until this address may make a board, if this is a new one.
    fn makes_too_many(&self) -> Option<Duration> {
        if !self.room.is_unmade() {
            return None;
        }
        let wait = self.rooms.creations().begin(self.address, Instant::now());
        match wait {
            Some(_) => self.rooms.metrics().refuse(Refused::Boards),
            None => self.room.is_made(),
        }
        wait
    }

    /// Joins, or has the password checked first, or is not let in.
    pub(super) fn join(&mut self, hello: Hello, knows: Option<&str>) {
        if let Some(wait) = self.makes_too_many() {
            return self.stays_out(Reason::TooManyBoards, wait);
        }
        let Some(entering) = &self.entering else { return };
        let Credentials { token, visitor, .. } = &entering.credentials;
        let (is_with_link, identity) = (token.is_some(), Identity::new(hello.client_id, *visitor));
        let begins = token.is_some_and(|token| !token.is_for_others());
        let token = token.map(|token| Digest::of(&token.0));
        let request = JoinRequest { identity, token, begins, address: self.address };
        match self.room.join(self.id, &hello, request, knows, self.wakeup.clone()) {
            Ok(joined) => {
                self.span().in_scope(|| tracing::debug!(author = joined.author, "joined"));
                self.answers.push(joined.welcome);
                self.answers.extend(joined.access);
                self.answers.push(joined.storage);
                self.seat = Some(Seated::new(joined.author, joined.position));
                self.entering = None;
                if joined.begins {
                    let room = self.room.clone();
                    self.keep(move || room.keep_access(Vec::new()));
                }
            }
            Err(Refusal::Password(hash)) => self.check_password(hello, hash),
            Err(Refusal::Reason(reason)) => {
                let now = Instant::now();
                let wait = self.rooms.auth_throttle().wait(self.address, now);
                let is_try = reason == Reason::Forbidden && is_with_link;
                if is_try {
                    self.rooms.auth_throttle().tried(self.address, now);
                }
                match wait.filter(|_| is_try) {
                    Some(wait) => self.stays_out(Reason::TooManyTries, wait),
                    None => self.stays_out(reason, Duration::ZERO),
                }
            }
        }
    }

    fn check_password(&mut self, hello: Hello, hash: String) {
        let Some(entering) = &mut self.entering else { return };
        let password = std::mem::take(&mut entering.credentials.password);
        if password.is_empty() {
            return self.stays_out(Reason::PasswordNeeded, Duration::ZERO);
        }
        if let Some(wait) = self.rooms.auth_throttle().wait(self.address, Instant::now()) {
            return self.stays_out(Reason::TooManyTries, wait);
        }
        entering.joining = Some(hello);
        let (rooms, address) = (self.rooms.clone(), self.address);
        let hashing = rooms.hashing().clone();
        let check = move |memory: &mut Memory| {
            let fits = rooms.auth_throttle().try_password(memory, address, &password, &hash);
            (hash, fits)
        };
        self.background().begin_hashing(&hashing, check, |(hash, fits)| Completion::Password(hash, fits));
    }
}

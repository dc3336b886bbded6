//! Questions and orders of a member: the past of its board, a branch of it, and its access. All of it is done elsewhere.

use std::time::Instant;

use inkwire_protocol::{Action, ServerMessage};
use inkwire_room::{Access, OrderError, is_question};

use super::background::Completion;
use super::hashing::{HashError, Memory};
use super::member::Member;
use super::questions::{Question, Questions, Turn};
use super::registry::Rooms;
use super::shared::{SharedRoom, now};
use crate::metrics::Refused;
use crate::name::BoardName;
use crate::random;
use crate::storage::{LogPage, Storage, StorageError};

/// The work of an order or a question beside its answer, in elements: a thread, the lock of the room, a look at the disk.
const ASKED: u64 = 250;
/// The work of hashing a password: some ten milliseconds of a processor.
const HASHED: u64 = 10_000;

impl Member {
    /// Keeps something of who may do what, and says where that cannot be.
    pub(super) fn keep(&mut self, keeps: impl FnOnce() -> Result<(), StorageError> + Send + 'static) {
        self.background().begin(move || {
            let kept = keeps();
            Completion::Answers(kept.err().map(|error| not_done(&error)).into_iter().collect())
        });
    }

    /// Whether a question is to be answered now. One that is asked too often is told so.
    pub(super) fn begins(&mut self, question: Question) -> bool {
        let now = Instant::now();
        let turn = self.questions.get_or_insert_with(|| Box::new(Questions::new(now))).begin(question, now);
        if turn == Turn::TooOften {
            self.answers.push(ServerMessage::NotDone { text: "asked too often: wait a few seconds".into() });
        }
        turn == Turn::Now
    }

    pub(super) fn ask_past(&mut self, from: u64) {
        if self.begins(Question::Past(from)) {
            self.ask_storage(Question::Past(from), move |storage, name| past(storage.past(name, from)?));
        }
    }

    pub(super) fn ask_chronicle(&mut self) {
        if !self.begins(Question::Chronicle) {
            return;
        }
        let room = self.room.clone();
        self.ask_storage(Question::Chronicle, move |_, _| {
            let chronicle = room.chronicle()?;
            let (moments, names) = (chronicle.moments.clone(), chronicle.names_from(0).to_vec());
            Ok(ServerMessage::Chronicle { moments, names })
        });
    }

    pub(super) fn ask_authors(&mut self, from: u32) {
        if !self.begins(Question::Authors(from)) {
            return;
        }
        let room = self.room.clone();
        self.ask_storage(Question::Authors(from), move |_, _| {
            Ok(ServerMessage::Authors { names: room.chronicle()?.names_from(from).to_vec() })
        });
    }

    /// Has a host's order carried out, and kept, before it is answered.
    pub(super) fn moderate(&mut self, action: Action) {
        self.spend(ASKED);
        // Before any work: a member that does not host has nothing hashed, and no thread.
        if !self.room.with(|room| room.is_host(self.id)) {
            return self.answers.push(not_done(&StorageError::Order(OrderError::NotHost.to_string())));
        }
        let question = match action {
            Action::Rules => Some(Question::Rules),
            Action::Audit => Some(Question::Audit),
            _ => None,
        };
        if question.is_some_and(|question| !self.begins(question)) {
            return;
        }
        let (rooms, room, member) = (self.rooms.clone(), self.room.clone(), self.id);
        match action {
            Action::Password { password } if !password.is_empty() => {
                self.spend(HASHED);
                let hashing = self.rooms.hashing().clone();
                let hash = move |memory: &mut Memory| memory.hash(&password);
                let then = move |hash: Result<String, HashError>| {
                    let done = hash.map_err(|error| StorageError::Order(error.to_string())).and_then(|hash| {
                        let action = Action::Password { password: String::new() };
                        obey(&rooms, &room, member, &action, Some(hash))
                    });
                    Completion::Answers(done.unwrap_or_else(|error| vec![not_done(&error)]))
                };
                self.background().begin_hashing(&hashing, hash, then);
            }
            action => self.background().begin(move || {
                let done = obey(&rooms, &room, member, &action, None);
                let answers = done.unwrap_or_else(|error| vec![not_done(&error)]);
                match question {
                    Some(question) => Completion::Answered(question, answers),
                    None => Completion::Answers(answers),
                }
            }),
        }
    }

    fn ask_storage(
        &mut self,
        question: Question,
        ask: impl FnOnce(&dyn Storage, &BoardName) -> Result<ServerMessage, StorageError> + Send + 'static,
    ) {
        self.spend(ASKED);
        let (storage, name) = (self.rooms.storage().clone(), self.room.name().clone());
        self.background().begin(move || {
            let answer = ask(&*storage, &name);
            Completion::Answered(question, vec![answer.unwrap_or_else(|error| not_done(&error))])
        });
    }

    pub(super) fn branch(&mut self, seq: u64) {
        if !self.begins(Question::Branch) {
            let text = "a new board is being made of this one already".into();
            return self.answers.push(ServerMessage::NotDone { text });
        }
        if let Some(text) = self.refuses_branch() {
            self.questions.iter_mut().for_each(|questions| _ = questions.done(Question::Branch));
            return self.answers.push(ServerMessage::NotDone { text: text.into() });
        }
        let (most, uncounted) = (self.rooms.limits().boards, self.rooms.uncounted());
        self.ask_storage(Question::Branch, move |storage, name| {
            if storage.count()? + uncounted >= most {
                return Err(StorageError::Order("this server keeps no more boards".into()));
            }
            let (branch, token) = (BoardName::unguessable(), random::token());
            let lease = storage.branch(name, seq, &branch)?;
            // Nobody knows its name yet who could become its host.
            let access = Access::hosted_by(&token, now().since_1970).record();
            storage.keep_access(&branch, access, Vec::new(), &lease)?;
            Ok(ServerMessage::Branched { name: branch.to_string(), token })
        });
    }

    /// Why no board may be made of this one now. The address is asked first: what it may not do costs the others nothing.
    fn refuses_branch(&self) -> Option<&'static str> {
        if self.rooms.creations().begin(self.address, Instant::now()).is_some() {
            self.rooms.metrics().refuse(Refused::Boards);
            return Some("many new boards came from this address (--boards-per-address): try again later");
        }
        let is_too_often = !self.room.with(|room| room.may_branch(Instant::now()));
        is_too_often.then_some("many new boards were made of this one just now: wait a minute")
    }
}

fn past(past: LogPage) -> Result<ServerMessage, StorageError> {
    let LogPage { first_seq, last_seq, hash, entries } = past;
    Ok(ServerMessage::Past { first_seq, last_seq, hash, entries })
}

/// Has a host's order carried out and kept, with the hash of a password that is set; gives what the host is told.
fn obey(
    rooms: &Rooms,
    room: &SharedRoom,
    member: u64,
    action: &Action,
    password: Option<String>,
) -> Result<Vec<ServerMessage>, StorageError> {
    let (done, record) =
        room.moderate(member, action, password).map_err(|error| StorageError::Order(error.to_string()))?;
    if *action == Action::Audit {
        return Ok(vec![ServerMessage::Audit { records: rooms.storage().audit(room.name())? }]);
    }
    // It holds as long as the room is open also where the disk takes nothing now; a secret that was made must be told.
    let kept = if is_question(action) { Ok(()) } else { room.keep_access(vec![record]) };
    let not_kept = kept.err().map(|error| not_done(&error));
    Ok(done.answer.into_iter().chain(not_kept).chain([room.with(|room| room.rules())]).collect())
}

fn not_done(error: &StorageError) -> ServerMessage {
    let mut text = error.to_string();
    while text.len() > inkwire_protocol::limits::REASON_TEXT {
        text.pop();
    }
    ServerMessage::NotDone { text }
}

//! A client's session on a board: its operations on their way, the log as it comes, and what must be sent again.
//!
//! It knows no socket, clock or disk: messages of the server go in by [`ClientSession::receive`], and those to it come out of
//! [`ClientSession::take_messages`]. The page's twin is `static/js/session/session.js`, held to it by `tests/suites/twins.rs`.
//!
//! Safety: an operation is let go only when the log has it at or below the durable mark, or the server rejected it.
//! Liveness: after every welcome, all that the server does not have is sent again with the numbers it had.

use std::collections::{BTreeMap, VecDeque};

use inkwire_protocol::{
    ClientId, ClientMessage, Colour, Epoch, Operation, RejectReason, Role, ServerMessage, StorageState,
};

use crate::board::Board;
use crate::replica::{Replica, ReplicaError};
use crate::resend::{Numbered, own_only, runs};

/// Operations of the log between two comparisons of state hashes with the server.
const CHECK_EVERY: u64 = 256;
/// The nonce of the session's own pings, which ask whether every refusal from before is known.
const BEHIND_REFUSALS: u64 = 1;

/// An operation that the log has and the disk may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The operation.
    pub numbered: Numbered,
    /// A sequence number at or below which it stands in the log.
    pub seq: u64,
}

/// The rights of a client, as the server said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Its role.
    pub role: Role,
    /// Whether its operations are taken now.
    pub draws: bool,
    /// Whether a host has muted it.
    pub muted: bool,
}

/// The treatment of operations that the server refuses only for now: the board is locked, the client is muted or only looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refused {
    /// They are sent all the same, and are rejected for good.
    #[default]
    LetGo,
    /// They wait, and are sent (again) under their numbers when they may be taken.
    Waits,
}

/// A session.
#[derive(Debug, Clone)]
pub struct ClientSession {
    client_id: ClientId,
    refused: Refused,
    replica: Replica,
    author: u32,
    cseq: u64,
    counts_itself: bool,
    pending: VecDeque<Numbered>,
    received: VecDeque<Received>,
    rejects: Vec<(u64, RejectReason)>,
    /// Pending operations that were refused for now, and why.
    held: BTreeMap<u64, RejectReason>,
    /// Questions to the server that belong to no operation.
    questions: Vec<ClientMessage>,
    joined: bool,
    welcomed_seq: u64,
    welcomed_cseq: u64,
    /// The last number that was sent on this connection.
    sent: u64,
    mark: u64,
    durable: u64,
    storage: Option<StorageState>,
    access: Option<Access>,
    /// The log here has what the server had not written when it was killed: a snapshot will come.
    is_stale: bool,
    /// The next hello asks for a snapshot instead of the tail of the log.
    wants_snapshot: bool,
    /// The log has an operation of a later version: the state hash here is another one, and that is no mistake.
    is_outdated: bool,
    checked_at: u64,
}

impl ClientSession {
    /// A session of a client that has nothing of the board.
    pub fn new(client_id: ClientId, refused: Refused) -> Self {
        Self {
            client_id,
            refused,
            replica: Replica::default(),
            author: 0,
            cseq: 0,
            counts_itself: false,
            pending: VecDeque::new(),
            received: VecDeque::new(),
            rejects: Vec::new(),
            held: BTreeMap::new(),
            questions: Vec::new(),
            joined: false,
            welcomed_seq: 0,
            welcomed_cseq: 0,
            sent: 0,
            mark: 0,
            durable: 0,
            storage: None,
            access: None,
            is_stale: false,
            wants_snapshot: false,
            is_outdated: false,
            checked_at: 0,
        }
    }

    /// Has the next operation follow this client sequence number, whatever the server says that it has: an earlier session of the
    /// client used those before, or its operations are repeated.
    pub fn count_from(&mut self, cseq: u64) {
        (self.cseq, self.counts_itself) = (cseq, true);
    }

    /// The board of the log, as far as it has come. Pending operations are not on it.
    pub fn board(&self) -> &Board {
        self.replica.board()
    }

    /// The lineage of that log.
    pub fn epoch(&self) -> Epoch {
        self.replica.epoch()
    }

    /// The client's author number; 0 before the first welcome.
    pub fn author(&self) -> u32 {
        self.author
    }

    /// The last client sequence number that was used.
    pub fn cseq(&self) -> u64 {
        self.cseq
    }

    /// Operations that the log does not have, in order.
    pub fn pending(&self) -> &VecDeque<Numbered> {
        &self.pending
    }

    /// Operations that the log has and that are not durable, in order.
    pub fn received(&self) -> &VecDeque<Received> {
        &self.received
    }

    /// The last client sequence number that was durable.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Operations that the server has rejected, and why.
    pub fn rejects(&self) -> &[(u64, RejectReason)] {
        &self.rejects
    }

    /// The durable mark, a sequence number of the log.
    pub fn mark(&self) -> u64 {
        self.mark
    }

    /// The place at which the server keeps the log, once it has said so.
    pub fn storage(&self) -> Option<StorageState> {
        self.storage
    }

    /// The rights of the client, as the server has said last.
    pub fn access(&self) -> Option<Access> {
        self.access
    }

    /// Whether the server has welcomed the client on this connection.
    pub fn has_joined(&self) -> bool {
        self.joined
    }

    /// The last sequence number of the log, and the last client sequence number of its own in it, at the last welcome.
    pub fn welcomed_at(&self) -> (u64, u64) {
        (self.welcomed_seq, self.welcomed_cseq)
    }

    /// Whether all of the log is here that there was at the welcome.
    pub fn is_caught_up(&self) -> bool {
        self.joined && self.board().seq() >= self.welcomed_seq
    }

    /// The connection is lost.
    pub fn left(&mut self) {
        self.joined = false;
    }

    /// The message with which a connection begins, behind credentials.
    pub fn hello(&mut self, name: &str, colour: Colour) -> ClientMessage {
        self.joined = false;
        self.held.clear();
        self.questions.clear();
        let (epoch, seq) = if self.wants_snapshot { Default::default() } else { (self.epoch(), self.board().seq()) };
        let hash = self.board().hash().to_bytes();
        ClientMessage::Hello { client_id: self.client_id, epoch, seq, hash, name: name.into(), colour }
    }

    /// Takes an operation to be sent, and keeps it until it is let go. Returns its client sequence number.
    ///
    /// Before the first welcome the numbers of a client that has been on the board must be known ([`ClientSession::count_from`]).
    pub fn submit(&mut self, operation: Operation) -> u64 {
        self.cseq += 1;
        self.pending.push_back(Numbered { cseq: self.cseq, operation });
        self.cseq
    }

    /// Returns the messages that carry what has not been sent on this connection: nothing before the welcome.
    pub fn take_messages(&mut self) -> Vec<ClientMessage> {
        let mut messages = std::mem::take(&mut self.questions);
        if self.joined && !self.waits() {
            let sent = self.sent;
            messages.extend(runs(self.pending.iter().filter(|it| it.cseq > sent)));
            self.sent = self.pending.back().map_or(sent, |last| last.cseq.max(sent));
            messages.extend(self.check());
        }
        messages
    }

    /// Whether nothing is sent now: it would be refused, or builds on what was. The end of what was begun is always taken.
    fn waits(&self) -> bool {
        let needs_access = |it: &Numbered| {
            !matches!(it.operation, Operation::Points(_) | Operation::End { .. } | Operation::Cancel { .. })
        };
        let is_refused = || self.is_refused_now() && self.pending.iter().any(needs_access);
        self.refused == Refused::Waits && (!self.held.is_empty() || is_refused())
    }

    fn is_refused_now(&self) -> bool {
        self.access.is_some_and(|access| !access.draws)
    }

    /// Now and then, the state hash: if it is not the server's, a snapshot comes.
    fn check(&mut self) -> Option<ClientMessage> {
        let (seq, hash) = (self.board().seq(), self.board().hash().to_bytes());
        if self.is_stale || self.is_outdated || seq < self.checked_at + CHECK_EVERY {
            return None;
        }
        self.checked_at = seq;
        Some(ClientMessage::Check { seq, hash })
    }

    /// Takes a packet of the server.
    ///
    /// # Errors
    /// If it does not follow from what came before. The next [`ClientSession::hello`] then asks for a snapshot.
    pub fn receive(&mut self, messages: &[ServerMessage]) -> Result<(), ReplicaError> {
        for message in messages {
            let epoch = self.epoch();
            self.replica.receive(message.clone()).inspect_err(|_| self.wants_snapshot = true)?;
            self.take(message, epoch);
        }
        self.settle();
        Ok(())
    }

    /// Takes a message that the replica has taken; `before` is the lineage that it followed until then.
    fn take(&mut self, message: &ServerMessage, before: Epoch) {
        match message {
            ServerMessage::Welcome { author, seq, cseq, mark, .. } => {
                self.welcomed(before, *seq, *cseq);
                (self.author, self.mark) = (*author, *mark);
                self.is_stale = self.board().cseq(*author) > *cseq;
            }
            ServerMessage::SnapshotEnd { .. } => (self.is_stale, self.wants_snapshot) = (false, false),
            ServerMessage::Operations { entries, .. } => {
                self.is_outdated |= entries.iter().any(|it| matches!(it.operation, Operation::Unknown { .. }));
            }
            ServerMessage::Mark { seq } => self.mark = self.mark.max(*seq),
            ServerMessage::Storage { state } => self.storage = Some(*state),
            ServerMessage::Access { role, draws, muted, .. } => {
                self.access = Some(Access { role: *role, draws: *draws, muted: *muted });
                if !self.held.is_empty() {
                    self.ask_for_refusals();
                }
            }
            ServerMessage::Reject { cseq, reason } => self.rejected(*cseq, *reason),
            ServerMessage::Pong { nonce: BEHIND_REFUSALS } => self.take_up(),
            _ => {}
        }
    }

    /// Operations that the server has lost are pending again.
    fn welcomed(&mut self, before: Epoch, seq: u64, cseq: u64) {
        let there = self.received.partition_point(|it| it.numbered.cseq <= cseq);
        for missing in self.received.split_off(there).into_iter().rev() {
            self.pending.push_front(missing.numbered);
        }
        if before == self.epoch() {
            // A server that lost what others drew has a shorter log: what it still has of this client is at or below its end.
            self.received.iter_mut().for_each(|it| it.seq = it.seq.min(seq));
        } else {
            self.received.iter_mut().for_each(|it| it.seq = seq);
            if before != Epoch::default() {
                self.pending = own_only(std::mem::take(&mut self.pending));
            }
            self.checked_at = 0;
        }
        (self.joined, self.welcomed_seq, self.welcomed_cseq, self.sent) = (true, seq, cseq, cseq);
        if !self.counts_itself {
            self.cseq = self.cseq.max(cseq);
        }
    }

    /// An operation that may be taken later is kept if it is to wait, and so are those refused behind it: they build on it.
    fn rejected(&mut self, cseq: u64, reason: RejectReason) {
        let is_for_now = matches!(reason, RejectReason::ReadOnly | RejectReason::BoardLocked | RejectReason::Muted);
        if self.refused == Refused::Waits && (is_for_now || !self.held.is_empty()) {
            if self.held.is_empty() {
                // It may be taken again already, and the server have said so before this.
                self.ask_for_refusals();
            }
            self.held.insert(cseq, reason);
        } else {
            self.pending.retain(|it| it.cseq != cseq);
            self.rejects.push((cseq, reason));
        }
    }

    /// Has the server say when all is known that it has refused, if it takes operations now.
    fn ask_for_refusals(&mut self) {
        if !self.is_refused_now() {
            self.questions.push(ClientMessage::Ping { nonce: BEHIND_REFUSALS });
        }
    }

    /// Everything from the first operation on that was refused is sent again.
    fn take_up(&mut self) {
        if !self.is_refused_now()
            && let Some((first, _)) = self.held.pop_first()
        {
            self.sent = first - 1;
            self.held.clear();
        }
    }

    /// Operations in the log are no longer pending, and durable ones are let go.
    fn settle(&mut self) {
        if self.is_stale {
            return;
        }
        let (cseq, seq) = (self.board().cseq(self.author), self.board().seq());
        let there = self.pending.partition_point(|it| it.cseq <= cseq);
        for numbered in self.pending.drain(..there) {
            match self.held.remove(&numbered.cseq) {
                // One behind it was taken, the end of a stroke for example: its number has passed.
                Some(reason) => self.rejects.push((numbered.cseq, reason)),
                None => self.received.push_back(Received { numbered, seq }),
            }
        }
        let durable = self.received.partition_point(|it| it.seq <= self.mark);
        if let Some(last) = self.received.drain(..durable).next_back() {
            self.durable = last.numbered.cseq;
        }
    }

    /// Lets go of what the log has: the server keeps nothing on a disk, and a client that does not stay cannot give it back.
    pub fn forget_received(&mut self) {
        self.received.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEHIND: ServerMessage = ServerMessage::Pong { nonce: BEHIND_REFUSALS };

    /// A session that has joined and has sent the three operations of a stroke.
    fn drawing() -> ClientSession {
        let mut session = ClientSession::new(ClientId([1; 16]), Refused::Waits);
        hear(&mut session, ServerMessage::Welcome { author: 1, epoch: Epoch([1; 8]), seq: 0, cseq: 0, mark: 0 });
        (0..3).for_each(|_| _ = session.submit(Operation::End { slot: 0 }));
        assert_eq!(numbers(&session.take_messages()), [1, 2, 3]);
        session
    }

    fn hear(session: &mut ClientSession, message: ServerMessage) {
        session.receive(&[message]).expect("it follows");
    }

    fn may_draw(session: &mut ClientSession, draws: bool) {
        hear(session, ServerMessage::Access { role: Role::Editor, draws, locked: !draws, muted: false, hosted: true });
    }

    fn refuse(session: &mut ClientSession, cseq: u64, reason: RejectReason) {
        hear(session, ServerMessage::Reject { cseq, reason });
    }

    fn numbers(messages: &[ClientMessage]) -> Vec<u64> {
        let run = |message: &ClientMessage| match message {
            ClientMessage::Operations { first_cseq, operations } => *first_cseq..first_cseq + operations.len() as u64,
            _ => 0..0,
        };
        messages.iter().flat_map(run).collect()
    }

    #[test]
    fn operations_under_way_when_a_board_is_locked_are_sent_again_behind_the_last_refusal() {
        let mut session = drawing();
        may_draw(&mut session, false);
        refuse(&mut session, 1, RejectReason::BoardLocked);
        refuse(&mut session, 2, RejectReason::SlotFree);
        may_draw(&mut session, true);
        refuse(&mut session, 3, RejectReason::SlotFree);
        assert_eq!(numbers(&session.take_messages()), [0; 0], "another refusal may be on its way");
        hear(&mut session, BEHIND);
        assert_eq!(numbers(&session.take_messages()), [1, 2, 3]);
        assert_eq!(session.rejects(), []);
        refuse(&mut session, 1, RejectReason::BoardFull);
        assert_eq!((session.pending().len(), session.rejects()), (2, &[(1, RejectReason::BoardFull)][..]));
    }

    #[test]
    fn a_refusal_that_comes_when_operations_are_taken_again_holds_nothing_up() {
        let mut session = drawing();
        may_draw(&mut session, true);
        refuse(&mut session, 1, RejectReason::BoardLocked);
        assert_eq!(session.take_messages(), [ClientMessage::Ping { nonce: BEHIND_REFUSALS }]);
        hear(&mut session, BEHIND);
        assert_eq!(numbers(&session.take_messages()), [1, 2, 3]);
    }

    #[test]
    fn a_lock_that_falls_again_before_that_is_waited_for() {
        let mut session = drawing();
        refuse(&mut session, 1, RejectReason::Muted);
        may_draw(&mut session, true);
        may_draw(&mut session, false);
        hear(&mut session, BEHIND);
        assert_eq!(numbers(&session.take_messages()), [0; 0]);
        assert_eq!(session.pending().len(), 3);
    }

    #[test]
    fn a_session_that_does_not_wait_sends_all_and_lets_go_of_what_is_refused() {
        let mut session = ClientSession { refused: Refused::LetGo, ..drawing() };
        may_draw(&mut session, false);
        let cseq = session.submit(Operation::Clear { gesture_back: 0 });
        assert_eq!(numbers(&session.take_messages()), [cseq]);
        refuse(&mut session, cseq, RejectReason::ReadOnly);
        assert_eq!((session.pending().len(), session.rejects()), (3, &[(cseq, RejectReason::ReadOnly)][..]));
    }

    #[test]
    fn a_log_that_does_not_follow_has_the_next_hello_ask_for_a_snapshot() {
        let mut session = drawing();
        let gap = ServerMessage::Operations {
            first_seq: 7,
            entries: [inkwire_protocol::Entry { author: 1, skip: 0, operation: Operation::Clear { gesture_back: 0 } }]
                .into(),
        };
        assert!(session.receive(&[gap]).is_err());
        let hello = session.hello("Ada", Colour(0xff));
        assert!(matches!(hello, ClientMessage::Hello { epoch, seq: 0, .. } if epoch == Epoch::default()), "{hello:?}");
    }
}

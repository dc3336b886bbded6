//! Joining and leaving: who is let in, in which slot, and from where in the log.

use inkwire_protocol::{ClientId, Reason, Role, ServerMessage};

use crate::access::{Admission, JoinRequest};
use crate::clock::Now;
use crate::hello::Hello;
use crate::persist::{Persist, RESERVED};
use crate::position::{LogPosition, Position};
use crate::room::Room;
use crate::slots::MemberSlot;

/// The answer to a newcomer.
#[derive(Debug)]
pub struct Joined {
    /// Its author number.
    pub author: u32,
    /// The welcome.
    pub welcome: ServerMessage,
    /// Its rights.
    pub access: Option<ServerMessage>,
    /// The place at which the log is kept.
    pub storage: ServerMessage,
    /// Its position, for [`Room::next`].
    pub position: Position,
    /// Whether this member has begun to host the board, which is to be kept.
    pub begins: bool,
}

/// The reason for which somebody has not joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// For good, as far as this connection goes.
    Reason(Reason),
    /// Not before the password is known to be that of this hash.
    Password(String),
}

impl Room {
    /// A member joins with what it has: its client id, the epoch and sequence number it knows, what it has to show, and the hash of
    /// the password that it is known to know.
    ///
    /// # Errors
    /// Why it is not let in.
    pub fn join(
        &mut self,
        member: u64,
        hello: &Hello,
        request: JoinRequest,
        knows: Option<&str>,
        now: Now,
    ) -> Result<Joined, Refusal> {
        let (role, begins) = self.admit(hello, &request, knows, now)?;
        self.flush(now.at);
        let author = self.slot(member, hello.client_id, role, request);
        self.reserve_authors();
        let permissions = self.access.permissions(role, &request.identity, now.since_1970);
        // A name is speech too: leaving and coming back is no way round a mute.
        let known = if permissions.muted { self.known_name(&request) } else { None };
        self.feed.presence.here(author, known.as_deref().unwrap_or(&hello.name), hello.colour);
        self.feed.presence.permissions(author, permissions);
        if self.board.remembers(hello.client_id) {
            self.keep_name(author);
        }
        let log = self.place_in_log(hello);
        let (seq, cseq, mark, storage_state) =
            (self.board.seq(), self.board.cseq(author), self.mark, self.around.storage_state);
        let welcome = ServerMessage::Welcome { author, epoch: self.epoch, seq, cseq, mark };
        let mut position = Position {
            member,
            log,
            presence: 0,
            mark,
            storage_state: Some(storage_state),
            access: 0,
            changes_at: None,
            again_at: None,
            corrected: None,
        };
        // Before the log, so that nothing is sent that would not be taken.
        let access = self.access_of(&mut position, now);
        let storage = ServerMessage::Storage { state: storage_state };
        Ok(Joined { author, welcome, access, storage, position, begins })
    }

    /// Whether a newcomer is let in, as what, and whether the board gets its first host by that.
    fn admit(
        &mut self,
        hello: &Hello,
        request: &JoinRequest,
        knows: Option<&str>,
        now: Now,
    ) -> Result<(Role, bool), Refusal> {
        if self.around.is_beyond && self.board.seq() == 0 {
            return Err(Refusal::Reason(Reason::TooManyBoards));
        }
        let now = now.since_1970;
        let is_other = |slot: &&MemberSlot| slot.is_taken() && slot.client != hello.client_id;
        let others = self.slots.values().filter(is_other).count();
        // There is always room for the one who keeps order in it.
        let is_host = || matches!(self.access.admit(request, now), Admission::Welcome(Role::Host));
        if others >= self.around.limits.members && !is_host() {
            return Err(Refusal::Reason(Reason::Full));
        }
        let begins = self.begins_hosting(request, now);
        match self.access.admit(request, now) {
            Admission::Welcome(role) => Ok((role, begins)),
            Admission::WithPassword(role, hash) if knows == Some(hash.as_str()) => Ok((role, begins)),
            Admission::WithPassword(_, hash) => Err(Refusal::Password(hash)),
            Admission::Refused(reason) => Err(Refusal::Reason(reason)),
        }
    }

    /// The first who comes to a board that nobody has drawn on or hosts, with a secret that is not that of a link for others, is its
    /// host: a board that is gone must not come back as that of somebody who had only looked on.
    fn begins_hosting(&mut self, request: &JoinRequest, now: u64) -> bool {
        let is_free = !self.access.is_hosted() && self.board.seq() == 0 && self.slots.is_empty();
        let secret = request.token.filter(|_| is_free && request.begins);
        secret.into_iter().for_each(|secret| self.access.begin(secret, now));
        secret.is_some()
    }

    /// Seats a member, in the place of an earlier connection of the same client if there is one.
    fn slot(&mut self, member: u64, client: ClientId, role: Role, request: JoinRequest) -> u32 {
        let mut author = None;
        for slot in self.slots.values_mut().filter(|slot| slot.client == client && !slot.replaced) {
            slot.replaced = true;
            author = Some(slot.author);
        }
        if author.is_some() {
            self.lets_go();
        }
        let author = author.unwrap_or_else(|| self.board.author_for(client));
        self.slots.insert(member, MemberSlot { client, author, replaced: false, role, request, dismissed: None });
        author
    }

    /// Has the next block of author numbers reserved while half of the last one is left.
    fn reserve_authors(&mut self) {
        if self.board.last_author().saturating_add(RESERVED / 2) > self.reserved_author {
            self.reserved_author = self.reserved_author.saturating_add(RESERVED);
            self.output.persist(Persist::Authors(self.reserved_author));
        }
    }

    /// A newcomer goes on in the ring if it has a state that the log has had there, and begins with a snapshot otherwise.
    fn place_in_log(&mut self, hello: &Hello) -> LogPosition {
        let is_of_this = hello.epoch == self.epoch;
        match self.ring.after(hello.seq) {
            Some(next) if is_of_this && self.ring.hash_at(hello.seq) == Some(hello.hash) => LogPosition::Ring(next),
            _ => {
                let is_another = is_of_this && self.has_another_past(hello);
                self.output.count().resynchronised += u64::from(is_another);
                self.waiting()
            }
        }
    }

    /// Whether somebody of this lineage has what the log does not: it was told what a server that was killed had not written yet.
    fn has_another_past(&self, hello: &Hello) -> bool {
        hello.seq > self.board.seq() || self.ring.hash_at(hello.seq).is_some_and(|hash| hash != hello.hash)
    }

    /// A member has gone.
    pub fn leave(&mut self, member: u64) {
        let Some(slot) = self.slots.remove(&member) else { return };
        self.points.leave(member);
        self.tick.left(member);
        self.bytes.leave(member);
        self.drop_unused_snapshots();
        if !slot.replaced {
            self.goes(&slot);
        }
    }

    /// Why a member must go: another connection has taken its place, a host says so, or the room is no longer that of its board.
    pub fn dismissal(&self, member: u64) -> Option<Reason> {
        self.evicted.or_else(|| self.slots.get(&member)?.dismissal())
    }

    /// Those who are to go are told so.
    pub(crate) fn lets_go(&mut self) {
        self.dismissals += 1;
        let is_over = self.evicted.is_some();
        let goes = self.slots.iter().filter(|(_, slot)| is_over || !slot.is_taken());
        self.output.wake(goes.map(|(member, _)| *member));
    }
}

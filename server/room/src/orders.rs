//! Orders about a room and its members: of hosts, and of the operator.

use inkwire_protocol::{Action, AuditRecord, Reason, Role, ServerMessage};

use crate::access::{self, Caller, Digest, Done, Ingredients, OrderError, Target, Verdict};
use crate::clock::Now;
use crate::moderation::{Clearing, Deed};
use crate::room::Room;
use crate::seats::{MemberRecord, Seat};

impl Room {
    /// Whether a member hosts the board now.
    pub fn is_host(&self, member: u64) -> bool {
        self.host(member).is_some()
    }

    /// Carries out an order of a host. The access is to be kept then ([`Room::access`]), with what the audit list says.
    ///
    /// # Errors
    /// If the member hosts nothing here, or the rule of access that forbids it.
    pub fn moderate(
        &mut self,
        member: u64,
        action: &Action,
        with: Ingredients,
    ) -> Result<(Done, AuditRecord), OrderError> {
        let host = self.host(member).ok_or(OrderError::NotHost)?;
        let who = self.name(host);
        self.ordered(Some(member), who, action, with)
    }

    /// Carries out an order of the operator. The access is to be kept then, as behind [`Room::moderate`].
    ///
    /// # Errors
    /// The rule of access that forbids it.
    pub fn operate(&mut self, action: &Action, with: Ingredients) -> Result<(Done, AuditRecord), OrderError> {
        self.ordered(None, "operator".into(), action, with)
    }

    /// Ends somebody's connections, also those of a host. Returns what the audit list says, if there was one.
    pub fn disconnect(&mut self, author: u32, now: Now) -> Option<AuditRecord> {
        let whom = self.name(author);
        let mut found = false;
        for seat in self.seats.values_mut().filter(|seat| seat.author == author && seat.is_taken()) {
            seat.dismissed = Some(Reason::Removed);
            found = true;
        }
        self.lets_go();
        found.then(|| AuditRecord { at: now.since_1970, who: "operator".into(), what: "remove".into(), whom })
    }

    /// The rules that hosts have set.
    pub fn rules(&self) -> ServerMessage {
        self.access.rules()
    }

    /// Everybody who is here, by author number.
    pub fn members(&self, now: Now) -> Vec<MemberRecord> {
        let taken = self.seats.values().filter(|seat| seat.is_taken());
        let mut all: Vec<MemberRecord> = taken
            .map(|seat| MemberRecord {
                author: seat.author,
                name: self.name(seat.author),
                address: seat.caller.address,
                standing: self.access.standing(seat.role, &seat.caller.someone, now.since_1970),
            })
            .collect();
        all.sort_by_key(|member| member.author);
        all
    }

    fn ordered(
        &mut self,
        by: Option<u64>,
        who: String,
        action: &Action,
        with: Ingredients,
    ) -> Result<(Done, AuditRecord), OrderError> {
        let at = with.now;
        let (done, whom) = self.order(by, action, with)?;
        let record = AuditRecord { at, who, what: done.what.clone(), whom };
        Ok((done, record))
    }

    /// Carries out an order of a member, or of the operator; gives what came of it, and the name of the one it was about.
    fn order(&mut self, by: Option<u64>, action: &Action, with: Ingredients) -> Result<(Done, String), OrderError> {
        let now = with.now;
        let whom = access::target_of(action);
        let target = whom.and_then(|author| self.target(author).or_else(|| self.gone_target(action, author)));
        let name = match (action, &target) {
            (_, Some((_, target))) => target.name.clone(),
            (Action::Unban { ban }, None) => self.access.banned(*ban).unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        let done = self.access.order(action, target.as_ref().map(|(_, target)| target), with)?;
        if let Some((author, target)) = target {
            self.let_go(action, author, &target);
        }
        self.revoke(by, &done);
        self.reassess(now);
        Ok((done, name))
    }

    /// Those who came by a link that is revoked go, but for the one who replaced it: that one has the new link.
    fn revoke(&mut self, by: Option<u64>, done: &Done) {
        let came_by = |seat: &Seat| done.revoked.is_some() && seat.caller.token == done.revoked;
        for (id, seat) in self.seats.iter_mut().filter(|(_, seat)| came_by(seat)) {
            match &done.answer {
                Some(ServerMessage::Link { token, .. }) if Some(*id) == by => {
                    seat.caller.token = Some(Digest::of(&token.0));
                }
                _ => seat.dismissed = Some(Reason::Forbidden),
            }
        }
    }

    fn target(&self, author: u32) -> Option<(u32, Target)> {
        let seat = self.seats.values().find(|seat| seat.author == author && seat.is_taken())?;
        Some((author, self.target_at(seat)))
    }

    fn target_at(&self, seat: &Seat) -> Target {
        let Caller { someone, address, .. } = seat.caller;
        Target { someone, address, name: self.name(seat.author), role: seat.role }
    }

    /// The one an order is about that also holds for those who are going or have gone: somebody who spoils a board does not wait for
    /// a host.
    fn gone_target(&self, action: &Action, author: u32) -> Option<(u32, Target)> {
        if !matches!(action, Action::Ban { .. } | Action::Mute { .. }) {
            return None;
        }
        let goes = self.seats.values().find(|seat| seat.author == author && !seat.replaced);
        let gone = || self.moderation.gone().find(|(gone, _)| *gone == author).cloned();
        goes.map(|seat| (author, self.target_at(seat))).or_else(gone)
    }

    /// Nobody is at a seat any more. If nobody hosts, nobody will ask for the one who was.
    pub(crate) fn goes(&mut self, seat: &Seat) {
        let author = seat.author;
        if self.access.is_hosted() {
            let target = self.target_at(seat);
            self.moderation.has_gone(author, target);
        }
        self.feed.presence.gone(author);
    }

    /// Applies an order to the member that it names.
    fn let_go(&mut self, action: &Action, author: u32, target: &Target) {
        let (reason, by_address) = match action {
            Action::Remove { .. } => (Reason::Removed, false),
            Action::Ban { address, .. } => (Reason::Banned, *address),
            Action::LowerHand { .. } => return self.feed.presence.hand(author, false),
            _ => return,
        };
        // Also in another tab, which is another client; but no host goes along.
        let is_same = |seat: &Seat| {
            let caller = &seat.caller;
            caller.someone.is(&target.someone) || (by_address && caller.address == target.address)
        };
        for seat in self.seats.values_mut() {
            if seat.author == author || (seat.role != Role::Host && is_same(seat)) {
                seat.dismissed = seat.dismissed.or(Some(reason));
            }
        }
    }

    /// Everybody may do something else now, perhaps: what lets newcomers in, and as what, holds for those who are here, but for
    /// the password. `now` is in milliseconds since 1970.
    pub(crate) fn reassess(&mut self, now: u64) {
        self.access_version += 1;
        for seat in self.seats.values_mut().filter(|seat| seat.is_taken()) {
            match self.access.admit(&seat.caller, now) {
                Verdict::Welcome(role) | Verdict::WithPassword(role, _) => seat.role = role,
                Verdict::Refused(reason) => seat.dismissed = Some(reason),
            }
        }
        self.lets_go();
        for seat in self.seats.values().filter(|seat| !seat.replaced) {
            let standing = self.access.standing(seat.role, &seat.caller.someone, now);
            self.feed.presence.standing(seat.author, standing);
        }
        self.output.wake_all();
    }

    /// The name of an author; nothing if it is not known.
    pub(crate) fn name(&self, author: u32) -> String {
        self.feed.presence.name(author).unwrap_or_default().to_owned()
    }

    /// The author number of a member who hosts the board.
    fn host(&self, member: u64) -> Option<u32> {
        let host = self.seats.get(&member).filter(|seat| seat.is_taken() && seat.role == Role::Host)?;
        self.access.is_hosted().then_some(host.author)
    }

    /// The name by which somebody is known here: that of another connection, or of one that has gone.
    pub(crate) fn known_name(&self, caller: &Caller) -> Option<String> {
        let is_same = |seat: &&Seat| seat.caller.someone.is(&caller.someone);
        let here = self.seats.values().filter(is_same).find_map(|seat| self.feed.presence.name(seat.author));
        let gone = self.moderation.gone().find(|(_, gone)| gone.someone.is(&caller.someone));
        here.or(gone.map(|(_, gone)| &*gone.name)).map(ToOwned::to_owned)
    }

    /// The entry of the audit list for a deed, which is remembered.
    pub(crate) fn did(&mut self, what: &str, clearing: Clearing, now: u64) -> Deed {
        let Clearing { by, whose, .. } = clearing;
        self.moderation.remember(clearing);
        let record = AuditRecord { at: now, who: self.name(by), what: what.into(), whom: self.name(whose) };
        Deed { record, whose }
    }
}

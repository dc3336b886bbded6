//! Orders about a room and its members: of hosts, and of the operator.

use inkwire_protocol::{Action, AuditRecord, Reason, Role, ServerMessage};

use crate::access::{self, Admission, Digest, JoinRequest, OrderContext, OrderError, OrderOutcome, Target};
use crate::clock::Now;
use crate::moderation::{AuditEvent, Clearing};
use crate::room::Room;
use crate::slots::{MemberRecord, MemberSlot};

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
        with: OrderContext,
    ) -> Result<(OrderOutcome, AuditRecord), OrderError> {
        let host = self.host(member).ok_or(OrderError::NotHost)?;
        let who = self.name(host);
        self.ordered(Some(member), who, action, with)
    }

    /// Carries out an order of the operator. The access is to be kept then, as behind [`Room::moderate`].
    ///
    /// # Errors
    /// The rule of access that forbids it.
    pub fn operate(&mut self, action: &Action, with: OrderContext) -> Result<(OrderOutcome, AuditRecord), OrderError> {
        self.ordered(None, "operator".into(), action, with)
    }

    /// Ends somebody's connections, also those of a host. Returns what the audit list says, if there was one.
    pub fn disconnect(&mut self, author: u32, now: Now) -> Option<AuditRecord> {
        let whom = self.name(author);
        let mut found = false;
        for slot in self.slots.values_mut().filter(|slot| slot.author == author && slot.is_taken()) {
            slot.dismissed = Some(Reason::Removed);
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
        let taken = self.slots.values().filter(|slot| slot.is_taken());
        let mut all: Vec<MemberRecord> = taken
            .map(|slot| MemberRecord {
                author: slot.author,
                name: self.name(slot.author),
                address: slot.request.address,
                permissions: self.access.permissions(slot.role, &slot.request.identity, now.since_1970),
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
        with: OrderContext,
    ) -> Result<(OrderOutcome, AuditRecord), OrderError> {
        let at = with.now;
        let (done, whom) = self.order(by, action, with)?;
        let record = AuditRecord { at, who, what: done.what.clone(), whom };
        Ok((done, record))
    }

    /// Carries out an order of a member, or of the operator; gives what came of it, and the name of the one it was about.
    fn order(
        &mut self,
        by: Option<u64>,
        action: &Action,
        with: OrderContext,
    ) -> Result<(OrderOutcome, String), OrderError> {
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
    fn revoke(&mut self, by: Option<u64>, done: &OrderOutcome) {
        let came_by = |slot: &MemberSlot| done.revoked.is_some() && slot.request.token == done.revoked;
        for (id, slot) in self.slots.iter_mut().filter(|(_, slot)| came_by(slot)) {
            match &done.answer {
                Some(ServerMessage::Link { token, .. }) if Some(*id) == by => {
                    slot.request.token = Some(Digest::of(&token.0));
                }
                _ => slot.dismissed = Some(Reason::Forbidden),
            }
        }
    }

    fn target(&self, author: u32) -> Option<(u32, Target)> {
        let slot = self.slots.values().find(|slot| slot.author == author && slot.is_taken())?;
        Some((author, self.target_at(slot)))
    }

    fn target_at(&self, slot: &MemberSlot) -> Target {
        let JoinRequest { identity, address, .. } = slot.request;
        Target { identity, address, name: self.name(slot.author), role: slot.role }
    }

    /// The one an order is about that also holds for those who are going or have gone: somebody who spoils a board does not wait for
    /// a host.
    fn gone_target(&self, action: &Action, author: u32) -> Option<(u32, Target)> {
        if !matches!(action, Action::Ban { .. } | Action::Mute { .. }) {
            return None;
        }
        let goes = self.slots.values().find(|slot| slot.author == author && !slot.replaced);
        let gone = || self.moderation.gone().find(|(gone, _)| *gone == author).cloned();
        goes.map(|slot| (author, self.target_at(slot))).or_else(gone)
    }

    /// A slot is empty. Without a host nobody will ask who was in it.
    pub(crate) fn goes(&mut self, slot: &MemberSlot) {
        let author = slot.author;
        if self.access.is_hosted() {
            let target = self.target_at(slot);
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
        let is_same = |slot: &MemberSlot| {
            let request = &slot.request;
            request.identity.is(&target.identity) || (by_address && request.address == target.address)
        };
        for slot in self.slots.values_mut() {
            if slot.author == author || (slot.role != Role::Host && is_same(slot)) {
                slot.dismissed = slot.dismissed.or(Some(reason));
            }
        }
    }

    /// Everybody may do something else now, perhaps: what lets newcomers in, and as what, holds for those who are here, but for
    /// the password. `now` is in milliseconds since 1970.
    pub(crate) fn reassess(&mut self, now: u64) {
        self.access_version += 1;
        for slot in self.slots.values_mut().filter(|slot| slot.is_taken()) {
            match self.access.admit(&slot.request, now) {
                Admission::Welcome(role) | Admission::WithPassword(role, _) => slot.role = role,
                Admission::Refused(reason) => slot.dismissed = Some(reason),
            }
        }
        self.lets_go();
        for slot in self.slots.values().filter(|slot| !slot.replaced) {
            let permissions = self.access.permissions(slot.role, &slot.request.identity, now);
            self.feed.presence.permissions(slot.author, permissions);
        }
        self.output.wake_all();
    }

    /// The name of an author; nothing if it is not known.
    pub(crate) fn name(&self, author: u32) -> String {
        self.feed.presence.name(author).unwrap_or_default().to_owned()
    }

    /// The author number of a member who hosts the board.
    fn host(&self, member: u64) -> Option<u32> {
        let host = self.slots.get(&member).filter(|slot| slot.is_taken() && slot.role == Role::Host)?;
        self.access.is_hosted().then_some(host.author)
    }

    /// The name by which somebody is known here: that of another connection, or of one that has gone.
    pub(crate) fn known_name(&self, request: &JoinRequest) -> Option<String> {
        let is_same = |slot: &&MemberSlot| slot.request.identity.is(&request.identity);
        let here = self.slots.values().filter(is_same).find_map(|slot| self.feed.presence.name(slot.author));
        let gone = self.moderation.gone().find(|(_, gone)| gone.identity.is(&request.identity));
        here.or(gone.map(|(_, gone)| &*gone.name)).map(ToOwned::to_owned)
    }

    /// The entry of the audit list for a deed, which is remembered.
    pub(crate) fn did(&mut self, what: &str, clearing: Clearing, now: u64) -> AuditEvent {
        let Clearing { by, whose, .. } = clearing;
        self.moderation.remember(clearing);
        let record = AuditRecord { at: now, who: self.name(by), what: what.into(), whom: self.name(whose) };
        AuditEvent { record, whose }
    }
}

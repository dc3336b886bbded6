//! Access to a board: its links, password, lock, mutes and bans. It knows no socket, no clock and no disk.
//!
//! Secrets are kept as their SHA-256: they are 16 random bytes, so nothing slower is needed. Hashes are compared in
//! constant time. A password is kept as argon2id (RFC 9106) says, which is worked out elsewhere.

use std::net::IpAddr;

use inkwire_board::Permissions;
use inkwire_protocol::{
    Action, BanRecord, ClientId, LinkRecord, Operation, Reason, RejectReason, Role, ServerMessage, Token,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::persist::{AccessRecord, KeptAccess};

/// People who are banned, muted or have a pen, at most; the oldest are forgotten.
const LISTED: usize = 1_000;

/// The hash of a secret; comparing two takes the same time wherever they differ.
#[derive(Debug, Clone, Copy, Eq, Serialize, Deserialize)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The hash of a secret.
    pub fn of(secret: &[u8; 16]) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Somebody, as known again: by the client id, or by the secret of the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    client: Digest,
    visitor: Option<Digest>,
}

impl Identity {
    /// The person at a client, in a browser with a secret of its own if it has one.
    pub fn new(client: ClientId, visitor: Option<Token>) -> Self {
        Self { client: Digest::of(&client.0), visitor: visitor.map(|visitor| Digest::of(&visitor.0)) }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        self.client == other.client || (self.visitor.is_some() && self.visitor == other.visitor)
    }
}

/// Somebody who wants to come in, with what they have to show.
#[derive(Debug, Clone, Copy)]
pub struct JoinRequest {
    /// The person.
    pub identity: Identity,
    /// The secret of the link that they came by.
    pub token: Option<Digest>,
    /// Whether that is a secret by which a board can be begun; see [`Token::is_for_others`].
    pub begins: bool,
    /// Their address, if it is known.
    pub address: Option<IpAddr>,
}

/// The admission of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Come in, as this.
    Welcome(Role),
    /// Come in, as this, where the password is that of the hash.
    WithPassword(Role, String),
    /// Stay out.
    Refused(Reason),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Link {
    role: Role,
    hash: Digest,
    made: u64,
    /// In milliseconds since 1970; 0 for never.
    expires: u64,
}

impl Link {
    fn has_expired(&self, now: u64) -> bool {
        self.expires != 0 && now >= self.expires
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ban {
    number: u64,
    name: String,
    /// Records of earlier versions have it by this name.
    #[serde(rename = "someone")]
    identity: Identity,
    address: Option<IpAddr>,
    at: u64,
}

/// Somebody who is here, or was, as an order names them.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) identity: Identity,
    pub(crate) address: Option<IpAddr>,
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// The context of an order.
#[derive(Debug, Clone)]
pub struct OrderContext {
    /// Milliseconds since 1970.
    pub now: u64,
    /// The secret of a link that is made.
    pub secret: Token,
    /// The hash of a password that is set.
    pub password: Option<String>,
}

/// An order that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderOutcome {
    /// The answer to its giver, beside the rules.
    pub answer: Option<ServerMessage>,
    /// Members that came in by this link are disconnected.
    pub revoked: Option<Digest>,
    /// Its record in the audit list.
    pub what: String,
}

/// Why an order was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The one who gives it hosts nothing here.
    #[error("only a host may do that")]
    NotHost,
    /// It is about somebody who is not here.
    #[error("that person is not here any more")]
    NotHere,
    /// It is about a host.
    #[error("that cannot be done to a host: make the host link anew, and whoever came in by the old one is let go")]
    OfHost,
    /// It would make everybody a host.
    #[error("nobody is a host without a link")]
    HostWithoutLink,
    /// It would leave the board without a host link.
    #[error("a board keeps its host link: make it anew instead")]
    LastHostLink,
    /// It makes a link of a board that nobody hosts.
    #[error("nobody hosts this board yet: make its host link first")]
    NoHostYet,
    /// It ends a ban that does not exist.
    #[error("there is no such ban")]
    NoSuchBan,
    /// It bans an address that is not known.
    #[error("this person's address is not known")]
    NoAddress,
}

/// The access of a board. One without a host is everybody's.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    hosted: bool,
    without_link: Option<Role>,
    links: Vec<Link>,
    password: Option<String>,
    locked: bool,
    muted: Vec<Identity>,
    /// Until when, in milliseconds since 1970.
    lent: Vec<(Identity, u64)>,
    bans: Vec<Ban>,
    last_ban: u64,
}

impl Access {
    /// The access of a board as far as the storage still has it. In doubt only the operator lets people in: the record may have said so.
    /// Returns beside it what follows from a damaged record.
    pub fn of(kept: &KeptAccess) -> (Self, Option<&'static str>) {
        const CLOSED: &str = "nobody is let in; `inkwire boards link` makes a way in";
        match kept {
            KeptAccess::Everybody => (Self::default(), None),
            KeptAccess::Record(record) => match serde_json::from_str(&record.text) {
                Ok(access) => (access, None),
                Err(_) => (Self::closed(), Some(CLOSED)),
            },
            KeptAccess::HostLink(link) => {
                let link = Link { role: Role::Host, hash: Digest(*link), made: 0, expires: 0 };
                (Self { links: vec![link], ..Self::closed() }, Some("only the link of the host lets somebody in"))
            }
            KeptAccess::Unreadable => (Self::closed(), Some(CLOSED)),
        }
    }

    /// Nobody is let in.
    pub(crate) fn closed() -> Self {
        Self { hosted: true, ..Self::default() }
    }

    pub(crate) fn to_record(&self) -> String {
        serde_json::to_string(self).expect("Bug: plain data always serializes")
    }

    /// The record for the storage, with what it keeps a second time.
    pub fn record(&self) -> AccessRecord {
        let host = self.links.iter().find(|link| link.role == Role::Host);
        AccessRecord { text: self.to_record(), hosted: self.hosted, host_link: host.map(|link| link.hash.0) }
    }

    pub(crate) fn is_hosted(&self) -> bool {
        self.hosted
    }

    /// The board gets its first host, who has this secret; others are let in without one.
    pub(crate) fn begin(&mut self, host: Digest, now: u64) {
        let link = Link { role: Role::Host, hash: host, made: now, expires: 0 };
        *self = Self { hosted: true, without_link: Some(Role::Editor), links: vec![link], ..Self::default() };
    }

    /// Returns the access of a new board whose host has this secret.
    pub fn hosted_by(secret: &Token, now: u64) -> Self {
        let mut access = Self::default();
        access.begin(Digest::of(&secret.0), now);
        access
    }

    /// Whether somebody may come in, and as what.
    pub(crate) fn admit(&self, request: &JoinRequest, now: u64) -> Admission {
        if !self.hosted {
            return Admission::Welcome(Role::Editor);
        }
        let link = request.token.and_then(|token| self.links.iter().find(|link| link.hash == token));
        let is_host = link.is_some_and(|link| link.role == Role::Host);
        if !is_host && self.is_banned(request) {
            return Admission::Refused(Reason::Banned);
        }
        let role = match (request.token, link) {
            (_, Some(link)) if link.has_expired(now) => return Admission::Refused(Reason::Expired),
            (_, Some(link)) => link.role,
            (Some(_), None) => return Admission::Refused(Reason::Forbidden),
            (None, None) => match self.without_link {
                Some(role) => role,
                None => return Admission::Refused(Reason::Forbidden),
            },
        };
        match &self.password {
            Some(hash) if role != Role::Host => Admission::WithPassword(role, hash.clone()),
            _ => Admission::Welcome(role),
        }
    }

    fn is_banned(&self, request: &JoinRequest) -> bool {
        let at = |ban: &Ban| ban.address.is_some() && ban.address == request.address;
        self.bans.iter().any(|ban| ban.identity.is(&request.identity) || at(ban))
    }

    /// Why what somebody draws is not taken now; nothing where it is.
    pub(crate) fn rejects(&self, role: Role, identity: &Identity, now: u64) -> Option<RejectReason> {
        if !self.hosted || role == Role::Host {
            return None;
        }
        if self.muted.iter().any(|muted| muted.is(identity)) {
            return Some(RejectReason::Muted);
        }
        if self.lent_until(identity).is_some_and(|until| now < until) {
            return None;
        }
        match role {
            Role::Viewer => Some(RejectReason::ReadOnly),
            _ if self.locked => Some(RejectReason::BoardLocked),
            _ => None,
        }
    }

    /// The same for one operation: ending what one has begun is always allowed, and what touches all that somebody else
    /// made is a host's.
    pub(crate) fn rejects_operation(
        &self,
        rejection: Option<RejectReason>,
        role: Role,
        author: u32,
        operation: &Operation,
    ) -> Option<RejectReason> {
        match operation {
            Operation::End { .. } | Operation::Cancel { .. } => None,
            Operation::ClearAuthor { author: whose, .. }
                if *whose != 0 && *whose != author && (role != Role::Host || !self.hosted) =>
            {
                Some(rejection.unwrap_or(RejectReason::HostOnly))
            }
            _ => rejection,
        }
    }

    /// Until when somebody has the pen, in milliseconds since 1970.
    pub(crate) fn lent_until(&self, identity: &Identity) -> Option<u64> {
        self.lent.iter().find(|(who, _)| who.is(identity)).map(|(_, until)| *until)
    }

    /// When the link that somebody has shown holds no more, in milliseconds since 1970.
    pub(crate) fn link_expires(&self, request: &JoinRequest) -> Option<u64> {
        let link = self.links.iter().find(|link| Some(link.hash) == request.token)?;
        (link.expires != 0).then_some(link.expires)
    }

    /// Returns the permissions of a member, as the others see them.
    pub(crate) fn permissions(&self, role: Role, identity: &Identity, now: u64) -> Permissions {
        let muted = self.hosted && role != Role::Host && self.muted.iter().any(|muted| muted.is(identity));
        Permissions { role, draws: self.rejects(role, identity, now).is_none(), muted }
    }

    /// Returns the message that tells a member its permissions.
    pub(crate) fn message(&self, Permissions { role, draws, muted }: Permissions) -> ServerMessage {
        ServerMessage::Access { role, draws, muted, locked: self.locked, hosted: self.hosted }
    }

    /// Returns the rules that hosts have set.
    pub(crate) fn rules(&self) -> ServerMessage {
        let link = |link: &Link| LinkRecord { role: link.role, made: link.made, expires: link.expires };
        let ban = |ban: &Ban| BanRecord {
            ban: ban.number,
            name: ban.name.clone(),
            address: ban.address.is_some(),
            at: ban.at,
        };
        ServerMessage::Rules {
            without_link: self.without_link,
            has_password: self.password.is_some(),
            links: self.links.iter().map(link).collect(),
            bans: self.bans.iter().map(ban).collect(),
        }
    }

    /// Carries out an order of a host, on somebody where it names one.
    pub(crate) fn order(
        &mut self,
        action: &Action,
        target: Option<&Target>,
        with: OrderContext,
    ) -> Result<OrderOutcome, OrderError> {
        let mut done = OrderOutcome { answer: None, revoked: None, what: name_of(action).into() };
        let target = || target.ok_or(OrderError::NotHere);
        let guest = || target().and_then(|it| if it.role == Role::Host { Err(OrderError::OfHost) } else { Ok(it) });
        match action {
            Action::Remove { .. } => drop(guest()?),
            Action::Ban { address, .. } => self.ban(guest()?, *address, with.now)?,
            Action::Unban { ban } => self.unban(*ban)?,
            Action::Mute { muted, .. } => {
                let identity = guest()?.identity;
                self.muted.retain(|it| !it.is(&identity));
                if *muted {
                    push(&mut self.muted, identity);
                } else {
                    done.what = "unmute".into();
                }
            }
            Action::Lend { seconds, .. } => {
                let identity = guest()?.identity;
                self.lent.retain(|(it, until)| !it.is(&identity) && *until > with.now);
                done.what = "unlend".into();
                if *seconds > 0 {
                    push(&mut self.lent, (identity, with.now + seconds * 1000));
                    done.what = format!("lend {seconds}");
                }
            }
            Action::Lock { locked } => {
                self.locked = *locked;
                done.what = if *locked { "lock".into() } else { "unlock".into() };
            }
            Action::MakeLink { role, .. } if !self.hosted && *role != Role::Host => return Err(OrderError::NoHostYet),
            Action::MakeLink { role, seconds } => self.make_link(*role, *seconds, &with, &mut done),
            Action::RevokeLink { role: Role::Host } => return Err(OrderError::LastHostLink),
            Action::RevokeLink { role } => {
                done.revoked = self.remove_link(*role);
                done.what = format!("revokeLink {role}");
            }
            Action::WithoutLink { role: Some(Role::Host) } => return Err(OrderError::HostWithoutLink),
            Action::WithoutLink { role } => {
                self.without_link = *role;
                done.what = role.map_or("withoutLink nobody".into(), |role| format!("withoutLink {role}"));
            }
            Action::Password { .. } => {
                self.password = with.password;
                if self.password.is_none() {
                    done.what = "noPassword".into();
                }
            }
            Action::LowerHand { .. } => drop(target()?),
            Action::Rules | Action::Audit => {}
        }
        Ok(done)
    }

    /// Makes a link in the place of the one of that role. The first host link of a board begins to host it.
    fn make_link(&mut self, role: Role, seconds: u64, with: &OrderContext, done: &mut OrderOutcome) {
        done.revoked = self.remove_link(role);
        let expires = if seconds == 0 { 0 } else { with.now + seconds * 1000 };
        let secret = with.secret.made(role != Role::Host);
        self.links.push(Link { role, hash: Digest::of(&secret.0), made: with.now, expires });
        done.answer = Some(ServerMessage::Link { role, token: secret, expires });
        done.what = format!("makeLink {role}");
        if seconds > 0 {
            done.what += &format!(" {seconds}");
        }
        if !std::mem::replace(&mut self.hosted, true) {
            self.without_link = Some(Role::Editor);
        }
    }

    fn remove_link(&mut self, role: Role) -> Option<Digest> {
        let at = self.links.iter().position(|link| link.role == role)?;
        Some(self.links.remove(at).hash)
    }

    fn ban(&mut self, target: &Target, by_address: bool, at: u64) -> Result<(), OrderError> {
        if by_address && target.address.is_none() {
            return Err(OrderError::NoAddress);
        }
        self.last_ban += 1;
        let address = target.address.filter(|_| by_address);
        let (number, name, identity) = (self.last_ban, target.name.clone(), target.identity);
        push(&mut self.bans, Ban { number, name, identity, address, at });
        Ok(())
    }

    /// Returns the name of a banned person.
    pub(crate) fn banned(&self, number: u64) -> Option<&str> {
        self.bans.iter().find(|ban| ban.number == number).map(|ban| &*ban.name)
    }

    fn unban(&mut self, number: u64) -> Result<(), OrderError> {
        let before = self.bans.len();
        self.bans.retain(|ban| ban.number != number);
        if self.bans.len() < before { Ok(()) } else { Err(OrderError::NoSuchBan) }
    }
}

fn push<T>(list: &mut Vec<T>, one: T) {
    list.push(one);
    if list.len() > LISTED {
        list.remove(0);
    }
}

/// Returns the author that an order names.
pub(crate) fn target_of(action: &Action) -> Option<u32> {
    match action {
        Action::Remove { author }
        | Action::Ban { author, .. }
        | Action::Mute { author, .. }
        | Action::Lend { author, .. }
        | Action::LowerHand { author } => Some(*author),
        _ => None,
    }
}

/// Whether an order changes nothing that is kept.
pub fn is_question(action: &Action) -> bool {
    matches!(action, Action::Rules | Action::Audit)
}

fn name_of(action: &Action) -> &'static str {
    match action {
        Action::Remove { .. } => "remove",
        Action::Ban { address: true, .. } => "banAddress",
        Action::Ban { .. } => "ban",
        Action::Unban { .. } => "unban",
        Action::Mute { .. } => "mute",
        Action::Lend { .. } => "lend",
        Action::Lock { .. } => "lock",
        Action::MakeLink { .. } => "makeLink",
        Action::RevokeLink { .. } => "revokeLink",
        Action::WithoutLink { .. } => "withoutLink",
        Action::Password { .. } => "password",
        Action::LowerHand { .. } => "lowerHand",
        Action::Rules => "rules",
        Action::Audit => "audit",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(secret: u8) -> Digest {
        Digest::of(&[secret; 16])
    }

    fn identity(number: u8) -> Identity {
        Identity::new(ClientId([number; 16]), Some(Token([number; 16])))
    }

    fn request(number: u8, token: Option<u8>) -> JoinRequest {
        let (token, address) = (token.map(digest), Some([10, 0, 0, number].into()));
        JoinRequest { identity: identity(number), token, begins: token.is_some(), address }
    }

    fn with(now: u64, secret: u8) -> OrderContext {
        OrderContext { now, secret: Token([secret; 16]), password: Some("hash".into()) }
    }

    fn target(number: u8, role: Role) -> Target {
        Target { identity: identity(number), address: Some([10, 0, 0, number].into()), name: "Mallory".into(), role }
    }

    fn hosted() -> Access {
        let mut access = Access::default();
        access.begin(digest(1), 0);
        access
    }

    /// A secret as links for others have it.
    const OTHERS: u8 = 0x82;

    #[test]
    fn a_board_that_nobody_hosts_is_everybodys() {
        let access = Access::default();
        assert_eq!(access.admit(&request(1, None), 0), Admission::Welcome(Role::Editor));
        assert_eq!(
            access.admit(&request(1, Some(9)), 0),
            Admission::Welcome(Role::Editor),
            "a secret says nothing here"
        );
        assert_eq!(access.rejects(Role::Viewer, &identity(1), 0), None);
    }

    #[test]
    fn a_link_makes_its_role_until_it_is_revoked_or_expires() {
        let mut access = hosted();
        access.order(&Action::MakeLink { role: Role::Viewer, seconds: 10 }, None, with(1000, OTHERS)).unwrap();
        assert_eq!(access.admit(&request(5, Some(1)), 1000), Admission::Welcome(Role::Host));
        assert_eq!(access.admit(&request(5, Some(OTHERS)), 10_999), Admission::Welcome(Role::Viewer));
        assert_eq!(access.admit(&request(5, Some(OTHERS)), 11_000), Admission::Refused(Reason::Expired));
        assert_eq!(access.admit(&request(5, Some(3)), 0), Admission::Refused(Reason::Forbidden));
        let done = access.order(&Action::RevokeLink { role: Role::Viewer }, None, with(0, 0)).unwrap();
        assert_eq!(done.revoked, Some(digest(OTHERS)));
        assert_eq!(access.admit(&request(5, Some(OTHERS)), 1000), Admission::Refused(Reason::Forbidden));
        let last = access.order(&Action::RevokeLink { role: Role::Host }, None, with(0, 0));
        assert_eq!(last, Err(OrderError::LastHostLink));
    }

    #[test]
    fn a_board_gets_a_host_before_it_gets_other_links() {
        let mut access = Access::default();
        let link = |role| Action::MakeLink { role, seconds: 0 };
        for role in [Role::Viewer, Role::Editor] {
            assert_eq!(access.order(&link(role), None, with(0, 1)), Err(OrderError::NoHostYet));
        }
        access.order(&link(Role::Host), None, with(0, 1)).unwrap();
        access.order(&link(Role::Viewer), None, with(0, 2)).unwrap();
        assert_eq!(access.admit(&request(5, Some(1)), 0), Admission::Welcome(Role::Host));
    }

    #[test]
    fn who_has_no_link_is_what_the_host_says() {
        let mut access = hosted();
        assert_eq!(access.admit(&request(5, None), 0), Admission::Welcome(Role::Editor));
        access.order(&Action::WithoutLink { role: None }, None, with(0, 0)).unwrap();
        assert_eq!(access.admit(&request(5, None), 0), Admission::Refused(Reason::Forbidden));
        let host = access.order(&Action::WithoutLink { role: Some(Role::Host) }, None, with(0, 0));
        assert_eq!(host, Err(OrderError::HostWithoutLink));
    }

    #[test]
    fn a_password_is_asked_of_everybody_but_hosts() {
        let mut access = hosted();
        access.order(&Action::Password { password: "x".into() }, None, with(0, 0)).unwrap();
        assert_eq!(access.admit(&request(5, None), 0), Admission::WithPassword(Role::Editor, "hash".into()));
        assert_eq!(access.admit(&request(5, Some(1)), 0), Admission::Welcome(Role::Host));
    }

    #[test]
    fn a_lock_a_mute_and_a_lent_pen_decide_who_draws() {
        let mut access = hosted();
        let (viewer, editor) = (identity(5), identity(6));
        assert_eq!(access.rejects(Role::Viewer, &viewer, 0), Some(RejectReason::ReadOnly));
        let lend = |access: &mut Access, seconds| {
            let lend = Action::Lend { author: 5, seconds };
            access.order(&lend, Some(&target(5, Role::Viewer)), with(0, 0)).unwrap().what
        };
        assert_eq!(lend(&mut access, 1), "lend 1");
        assert_eq!(access.rejects(Role::Viewer, &viewer, 999), None);
        assert_eq!(access.rejects(Role::Viewer, &viewer, 1000), Some(RejectReason::ReadOnly));
        assert_eq!(lend(&mut access, 0), "unlend");
        assert_eq!(access.rejects(Role::Viewer, &viewer, 0), Some(RejectReason::ReadOnly));
        access.order(&Action::Lock { locked: true }, None, with(0, 0)).unwrap();
        assert_eq!(access.rejects(Role::Editor, &editor, 0), Some(RejectReason::BoardLocked));
        assert_eq!(access.rejects(Role::Host, &editor, 0), None);
        let mute = Action::Mute { author: 6, muted: true };
        access.order(&mute, Some(&target(6, Role::Editor)), with(0, 0)).unwrap();
        assert_eq!(access.rejects(Role::Editor, &editor, 0), Some(RejectReason::Muted));
        assert_eq!(access.order(&mute, Some(&target(6, Role::Host)), with(0, 0)), Err(OrderError::OfHost));
    }

    #[test]
    fn a_banned_browser_stays_out_under_another_client_and_so_does_its_address_by_choice() {
        let mut access = hosted();
        let ban = |address| Action::Ban { author: 5, address };
        access.order(&ban(false), Some(&target(5, Role::Editor)), with(0, 0)).unwrap();
        let again = Identity::new(ClientId([77; 16]), Some(Token([5; 16])));
        let (away, home) = (Some([1, 1, 1, 1].into()), Some([10, 0, 0, 6].into()));
        let comes = |identity, address| JoinRequest { identity, token: None, begins: false, address };
        assert_eq!(access.admit(&comes(again, away), 0), Admission::Refused(Reason::Banned));
        access.order(&ban(true), Some(&target(6, Role::Editor)), with(0, 0)).unwrap();
        assert_eq!(access.admit(&comes(identity(9), home), 0), Admission::Refused(Reason::Banned));
        access.order(&Action::Unban { ban: 2 }, None, with(0, 0)).unwrap();
        assert_eq!(access.admit(&comes(identity(9), home), 0), Admission::Welcome(Role::Editor));
        assert_eq!(access.order(&Action::Unban { ban: 2 }, None, with(0, 0)), Err(OrderError::NoSuchBan));
    }

    #[test]
    fn a_record_says_it_all_again_and_one_that_is_broken_lets_nobody_in() {
        let mut access = hosted();
        access.order(&Action::Lock { locked: true }, None, with(0, 0)).unwrap();
        let of = |text: String| Access::of(&KeptAccess::Record(AccessRecord { text, ..AccessRecord::default() })).0;
        let again = of(access.to_record());
        assert_eq!(again.to_record(), access.to_record());
        assert!(!access.to_record().contains(&"01".repeat(16)), "no secret is in it");
        assert_eq!(of("{".into()).admit(&request(5, Some(1)), 0), Admission::Refused(Reason::Forbidden));
    }

    #[test]
    fn of_a_record_that_is_lost_the_link_of_the_host_still_lets_in_and_nothing_else_does() {
        let link = hosted().record().host_link.expect("a host has a link");
        let (access, problem) = Access::of(&KeptAccess::HostLink(link));
        assert!(problem.is_some());
        assert_eq!(access.admit(&request(5, Some(1)), 0), Admission::Welcome(Role::Host));
        assert_eq!(access.admit(&request(5, Some(2)), 0), Admission::Refused(Reason::Forbidden));
        assert_eq!(access.admit(&request(5, None), 0), Admission::Refused(Reason::Forbidden));
        let (unreadable, _) = Access::of(&KeptAccess::Unreadable);
        assert_eq!(unreadable.admit(&request(5, Some(1)), 0), Admission::Refused(Reason::Forbidden));
    }

    #[test]
    fn only_a_host_clears_what_somebody_else_made_and_ending_a_stroke_is_always_allowed() {
        let access = hosted();
        let clear = |author| Operation::ClearAuthor { gesture_back: 0, author };
        let of = |role, operation: &Operation| access.rejects_operation(None, role, 7, operation);
        assert_eq!(of(Role::Editor, &clear(8)), Some(RejectReason::HostOnly));
        assert_eq!(of(Role::Editor, &clear(7)), None);
        assert_eq!(of(Role::Host, &clear(8)), None);
        let muted = Some(RejectReason::Muted);
        assert_eq!(access.rejects_operation(muted, Role::Editor, 7, &Operation::End { slot: 0 }), None);
        assert_eq!(access.rejects_operation(muted, Role::Editor, 7, &clear(0)), muted);
    }
}

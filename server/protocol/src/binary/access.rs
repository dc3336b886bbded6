//! The binary form of what is said about access and about the past.

use super::packet::{Result, list};
use super::value::{author_number, put_value, value};
use crate::bytes::{Reader, put_number, put_text};
use crate::{
    Action, AuditRecord, AuthorName, BanRecord, DecodeError, LinkRecord, Role, ServerMessage, Timestamp, Token, limits,
};

fn put_flag(out: &mut Vec<u8>, flag: bool) {
    out.push(u8::from(flag));
}

fn put_list<T>(out: &mut Vec<u8>, all: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    put_number(out, all.len() as u64);
    all.iter().for_each(|one| put(out, one));
}

pub(super) fn put_token(out: &mut Vec<u8>, token: Option<Token>) {
    put_flag(out, token.is_some());
    out.extend(token.into_iter().flat_map(|token| token.0));
}

pub(super) fn token(body: &mut Reader<'_>) -> Result<Option<Token>> {
    Ok(if body.flag()? { Some(Token(body.array()?)) } else { None })
}

fn put_role(out: &mut Vec<u8>, role: Option<Role>) {
    put_flag(out, role.is_some());
    role.into_iter().for_each(|role| put_value(out, Role::ALL, &role));
}

fn role(body: &mut Reader<'_>) -> Result<Option<Role>> {
    Ok(if body.flag()? { Some(value(body, Role::ALL)?) } else { None })
}

fn seconds(body: &mut Reader<'_>) -> Result<u64> {
    body.number_up_to(limits::SECONDS, DecodeError::NumberTooLarge)
}

pub(super) fn put_action(out: &mut Vec<u8>, action: &Action) {
    let author_and = |out: &mut Vec<u8>, kind: u8, author: u32| {
        out.push(kind);
        put_number(out, u64::from(author));
    };
    match action {
        Action::Remove { author } => author_and(out, 0, *author),
        Action::Ban { author, address } => {
            author_and(out, 1, *author);
            put_flag(out, *address);
        }
        Action::Unban { ban } => {
            out.push(2);
            put_number(out, *ban);
        }
        Action::Mute { author, muted } => {
            author_and(out, 3, *author);
            put_flag(out, *muted);
        }
        Action::Lend { author, seconds } => {
            author_and(out, 4, *author);
            put_number(out, *seconds);
        }
        Action::Lock { locked } => {
            out.push(5);
            put_flag(out, *locked);
        }
        Action::MakeLink { role, seconds } => {
            out.push(6);
            put_value(out, Role::ALL, role);
            put_number(out, *seconds);
        }
        Action::RevokeLink { role } => {
            out.push(7);
            put_value(out, Role::ALL, role);
        }
        Action::WithoutLink { role } => {
            out.push(8);
            put_role(out, *role);
        }
        Action::Password { password } => {
            out.push(9);
            put_text(out, password);
        }
        Action::LowerHand { author } => author_and(out, 10, *author),
        Action::Rules => out.push(11),
        Action::Audit => out.push(12),
    }
}

pub(super) fn action(body: &mut Reader<'_>) -> Result<Action> {
    Ok(match body.byte()? {
        0 => Action::Remove { author: author_number(body)? },
        1 => Action::Ban { author: author_number(body)?, address: body.flag()? },
        2 => Action::Unban { ban: body.number()? },
        3 => Action::Mute { author: author_number(body)?, muted: body.flag()? },
        4 => Action::Lend { author: author_number(body)?, seconds: seconds(body)? },
        5 => Action::Lock { locked: body.flag()? },
        6 => Action::MakeLink { role: value(body, Role::ALL)?, seconds: seconds(body)? },
        7 => Action::RevokeLink { role: value(body, Role::ALL)? },
        8 => Action::WithoutLink { role: role(body)? },
        9 => Action::Password { password: body.text(limits::PASSWORD)? },
        10 => Action::LowerHand { author: author_number(body)? },
        11 => Action::Rules,
        12 => Action::Audit,
        _ => return Err(DecodeError::UnknownValue),
    })
}

pub(super) fn put_rules(
    out: &mut Vec<u8>,
    without_link: Option<Role>,
    has_password: bool,
    links: &[LinkRecord],
    bans: &[BanRecord],
) {
    put_role(out, without_link);
    put_flag(out, has_password);
    put_list(out, links, |out, link| {
        put_value(out, Role::ALL, &link.role);
        put_number(out, link.made);
        put_number(out, link.expires);
    });
    put_list(out, bans, |out, ban| {
        put_number(out, ban.ban);
        put_text(out, &ban.name);
        put_flag(out, ban.address);
        put_number(out, ban.at);
    });
}

pub(super) fn rules(body: &mut Reader<'_>) -> Result<ServerMessage> {
    Ok(ServerMessage::Rules {
        without_link: role(body)?,
        has_password: body.flag()?,
        links: list(body, |body| {
            Ok(LinkRecord { role: value(body, Role::ALL)?, made: body.number()?, expires: body.number()? })
        })?,
        bans: list(body, |body| {
            Ok(BanRecord {
                ban: body.number()?,
                name: body.text(limits::NAME)?,
                address: body.flag()?,
                at: body.number()?,
            })
        })?,
    })
}

pub(super) fn put_audit(out: &mut Vec<u8>, records: &[AuditRecord]) {
    put_list(out, records, |out, record| {
        put_number(out, record.at);
        [&record.who, &record.what, &record.whom].into_iter().for_each(|text| put_text(out, text));
    });
}

pub(super) fn audit(body: &mut Reader<'_>) -> Result<ServerMessage> {
    let record = |body: &mut Reader<'_>| {
        Ok(AuditRecord {
            at: body.number()?,
            who: body.text(limits::NAME)?,
            what: body.text(limits::NAME)?,
            whom: body.text(limits::NAME)?,
        })
    };
    Ok(ServerMessage::Audit { records: list(body, record)? })
}

pub(super) fn put_chronicle(out: &mut Vec<u8>, moments: &[Timestamp], names: &[AuthorName]) {
    put_list(out, moments, |out, moment| {
        put_number(out, moment.seq);
        put_number(out, moment.at);
    });
    put_author_names(out, names);
}

pub(super) fn put_author_names(out: &mut Vec<u8>, names: &[AuthorName]) {
    put_list(out, names, |out, one| {
        put_number(out, u64::from(one.author));
        put_text(out, &one.name);
    });
}

pub(super) fn chronicle(body: &mut Reader<'_>) -> Result<ServerMessage> {
    Ok(ServerMessage::Chronicle {
        moments: list(body, |body| Ok(Timestamp { seq: body.number()?, at: body.number()? }))?,
        names: author_names(body)?,
    })
}

pub(super) fn author_names(body: &mut Reader<'_>) -> Result<Vec<AuthorName>> {
    list(body, |body| Ok(AuthorName { author: author_number(body)?, name: body.text(limits::NAME)? }))
}

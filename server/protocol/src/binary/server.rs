//! Messages of servers.

use super::access;
use super::element::{author_state, element, put_author, put_element};
use super::operation::{entry, put_entry, put_shape, put_text_element, shape, text_element};
use super::packet::{Result, at_least_one, number_length, put_tagged, until_empty};
use super::tag;
use super::value::{
    author_number, colour, cursor, image, optional, place, put_colour, put_cursor, put_optional, put_place, put_value,
    put_view, value, view,
};
use crate::bytes::{Reader, put_number, put_text};
use crate::limits;
use crate::{
    Change, DecodeError, Element, Epoch, ImageState, Reaction, Reason, RejectReason, Role, ServerMessage, StorageState,
    Token,
};

/// Appends one server message to a packet.
pub fn put_server(out: &mut Vec<u8>, message: &ServerMessage) {
    match message {
        ServerMessage::Welcome { author, epoch, seq, cseq, mark } => put_tagged(out, tag::WELCOME, |out| {
            put_number(out, u64::from(*author));
            out.extend_from_slice(&epoch.0);
            [seq, cseq, mark].into_iter().for_each(|number| put_number(out, *number));
        }),
        ServerMessage::Snapshot { seq, elements, authors } => put_tagged(out, tag::SNAPSHOT, |out| {
            put_number(out, *seq);
            put_number(out, *elements);
            authors.iter().for_each(|author| put_author(out, author));
        }),
        ServerMessage::Elements { elements } => put_tagged(out, tag::ELEMENTS, |out| {
            elements.iter().for_each(|element| put_element(out, element));
        }),
        ServerMessage::SnapshotEnd { hash } => put_tagged(out, tag::SNAPSHOT_END, |out| out.extend_from_slice(hash)),
        ServerMessage::Operations { first_seq, entries } => put_tagged(out, tag::OPERATIONS, |out| {
            put_number(out, *first_seq);
            entries.iter().for_each(|entry| put_entry(out, entry));
        }),
        ServerMessage::Presence { all, changes } => put_tagged(out, tag::PRESENCE, |out| {
            out.push(u8::from(*all));
            changes.iter().for_each(|change| put_change(out, change));
        }),
        ServerMessage::Mark { seq } => put_tagged(out, tag::MARK, |out| put_number(out, *seq)),
        ServerMessage::Reject { cseq, reason } => put_tagged(out, tag::REJECT, |out| {
            put_number(out, *cseq);
            put_value(out, RejectReason::ALL, reason);
        }),
        ServerMessage::Bye { reason, retry_ms, text } => put_tagged(out, tag::BYE, |out| {
            put_value(out, Reason::ALL, reason);
            put_number(out, *retry_ms);
            put_text(out, text);
        }),
        ServerMessage::Pong { nonce } => put_tagged(out, tag::PONG, |out| put_number(out, *nonce)),
        ServerMessage::Storage { state } => {
            put_tagged(out, tag::STORAGE, |out| put_value(out, StorageState::ALL, state));
        }
        ServerMessage::Image { image, state } => put_tagged(out, tag::IMAGE, |out| {
            out.extend_from_slice(&image.0);
            put_value(out, ImageState::ALL, state);
        }),
        ServerMessage::Access { role, draws, locked, muted, hosted } => put_tagged(out, tag::ACCESS, |out| {
            put_value(out, Role::ALL, role);
            out.extend([draws, locked, muted, hosted].map(|flag| u8::from(*flag)));
        }),
        ServerMessage::SlowDown { ms } => put_tagged(out, tag::SLOW_DOWN, |out| put_number(out, *ms)),
        ServerMessage::Link { role, token, expires } => put_tagged(out, tag::LINK, |out| {
            put_value(out, Role::ALL, role);
            out.extend_from_slice(&token.0);
            put_number(out, *expires);
        }),
        ServerMessage::Rules { without_link, has_password, links, bans } => put_tagged(out, tag::RULES, |out| {
            access::put_rules(out, *without_link, *has_password, links, bans);
        }),
        ServerMessage::Audit { records } => put_tagged(out, tag::AUDIT, |out| access::put_audit(out, records)),
        ServerMessage::NotDone { text } => put_tagged(out, tag::NOT_DONE, |out| put_text(out, text)),
        ServerMessage::Past { first_seq, last_seq, hash, entries } => put_tagged(out, tag::PAST, |out| {
            put_number(out, *first_seq);
            put_number(out, *last_seq);
            out.extend_from_slice(hash);
            entries.iter().for_each(|entry| put_entry(out, entry));
        }),
        ServerMessage::Chronicle { moments, names } => {
            put_tagged(out, tag::CHRONICLE, |out| access::put_chronicle(out, moments, names));
        }
        ServerMessage::Authors { names } => {
            put_tagged(out, tag::AUTHORS, |out| access::put_author_names(out, names));
        }
        ServerMessage::Branched { name, token } => put_tagged(out, tag::BRANCHED, |out| {
            put_text(out, name);
            out.extend_from_slice(&token.0);
        }),
        ServerMessage::Unknown { tag, body } => put_tagged(out, *tag, |out| out.extend_from_slice(body)),
    }
}

pub(super) fn server_message(tag: u8, body: &mut Reader<'_>) -> Result<ServerMessage> {
    Ok(match tag {
        tag::WELCOME => ServerMessage::Welcome {
            author: author_number(body)?,
            epoch: Epoch(body.array()?),
            seq: body.number()?,
            cseq: body.number()?,
            mark: body.number()?,
        },
        tag::SNAPSHOT => ServerMessage::Snapshot {
            seq: body.number()?,
            elements: body.number()?,
            authors: until_empty(body, usize::MAX, author_state)?,
        },
        tag::ELEMENTS => ServerMessage::Elements { elements: at_least_one(until_empty(body, usize::MAX, element)?)? },
        tag::SNAPSHOT_END => ServerMessage::SnapshotEnd { hash: body.array()? },
        tag::OPERATIONS => ServerMessage::Operations {
            first_seq: body.number()?,
            entries: at_least_one(until_empty(body, usize::MAX, entry)?)?,
        },
        tag::PRESENCE => ServerMessage::Presence { all: body.flag()?, changes: until_empty(body, usize::MAX, change)? },
        tag::MARK => ServerMessage::Mark { seq: body.number()? },
        tag::REJECT => ServerMessage::Reject { cseq: body.number()?, reason: value(body, RejectReason::ALL)? },
        tag::BYE => ServerMessage::Bye {
            reason: value(body, Reason::ALL)?,
            retry_ms: body.number()?,
            text: body.text(limits::REASON_TEXT)?,
        },
        tag::PONG => ServerMessage::Pong { nonce: body.number()? },
        tag::STORAGE => ServerMessage::Storage { state: value(body, StorageState::ALL)? },
        tag::IMAGE => ServerMessage::Image { image: image(body)?, state: value(body, ImageState::ALL)? },
        tag::ACCESS => ServerMessage::Access {
            role: value(body, Role::ALL)?,
            draws: body.flag()?,
            locked: body.flag()?,
            muted: body.flag()?,
            hosted: body.flag()?,
        },
        tag::SLOW_DOWN => ServerMessage::SlowDown { ms: body.number()? },
        tag::LINK => {
            ServerMessage::Link { role: value(body, Role::ALL)?, token: Token(body.array()?), expires: body.number()? }
        }
        tag::RULES => access::rules(body)?,
        tag::AUDIT => access::audit(body)?,
        tag::NOT_DONE => ServerMessage::NotDone { text: body.text(limits::REASON_TEXT)? },
        tag::PAST => ServerMessage::Past {
            first_seq: body.number()?,
            last_seq: body.number()?,
            hash: body.array()?,
            entries: until_empty(body, usize::MAX, entry)?,
        },
        tag::CHRONICLE => access::chronicle(body)?,
        tag::AUTHORS => ServerMessage::Authors { names: access::author_names(body)? },
        tag::BRANCHED => ServerMessage::Branched { name: body.text(limits::NAME)?, token: Token(body.array()?) },
        tag => ServerMessage::Unknown { tag, body: body.rest().to_vec() },
    })
}

fn put_change(out: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Here { author, name, colour } => {
            out.push(0);
            put_number(out, u64::from(*author));
            put_text(out, name);
            put_colour(out, *colour);
        }
        Change::Cursor { author, at } => {
            out.push(1);
            put_number(out, u64::from(*author));
            put_cursor(out, *at);
        }
        Change::Gone { author } => {
            out.push(2);
            put_number(out, u64::from(*author));
        }
        Change::View { author, view } => {
            out.push(3);
            put_number(out, u64::from(*author));
            put_view(out, view.as_ref());
        }
        Change::Laser { author, at: [x, y] } => {
            out.push(4);
            put_number(out, u64::from(*author));
            put_place(out, *x, *y);
        }
        Change::Standing { author, role, draws, muted, hand } => {
            out.push(5);
            put_number(out, u64::from(*author));
            put_value(out, Role::ALL, role);
            out.extend([draws, muted, hand].map(|flag| u8::from(*flag)));
        }
        Change::Reaction { author, reaction } => {
            out.push(6);
            put_number(out, u64::from(*author));
            put_value(out, Reaction::ALL, reaction);
        }
        Change::Draft { author, shape } => {
            out.push(7);
            put_number(out, u64::from(*author));
            put_optional(out, shape.as_ref(), put_shape);
        }
        Change::Writing { author, text } => {
            out.push(8);
            put_number(out, u64::from(*author));
            put_optional(out, text.as_ref(), put_text_element);
        }
    }
}

pub(super) fn change(body: &mut Reader<'_>) -> Result<Change> {
    Ok(match body.byte()? {
        0 => Change::Here { author: author_number(body)?, name: body.text(limits::NAME)?, colour: colour(body)? },
        1 => Change::Cursor { author: author_number(body)?, at: cursor(body)? },
        2 => Change::Gone { author: author_number(body)? },
        3 => Change::View { author: author_number(body)?, view: view(body)? },
        4 => Change::Laser { author: author_number(body)?, at: place(body)? },
        5 => Change::Standing {
            author: author_number(body)?,
            role: value(body, Role::ALL)?,
            draws: body.flag()?,
            muted: body.flag()?,
            hand: body.flag()?,
        },
        6 => Change::Reaction { author: author_number(body)?, reaction: value(body, Reaction::ALL)? },
        7 => Change::Draft { author: author_number(body)?, shape: optional(body, shape)? },
        8 => Change::Writing { author: author_number(body)?, text: optional(body, text_element)? },
        _ => return Err(DecodeError::UnknownValue),
    })
}

/// Writes the `operations` message of entries that [`put_entry`] has written.
pub fn put_entries(out: &mut Vec<u8>, first_seq: u64, entries: &[u8]) {
    out.push(tag::OPERATIONS);
    // Its length comes first, so that the entries are copied once.
    put_number(out, (number_length(first_seq) + entries.len()) as u64);
    put_number(out, first_seq);
    out.extend_from_slice(entries);
}

/// Writes the packet of one `elements` message, from elements that a board holds.
pub fn encode_elements<'a>(elements: impl Iterator<Item = &'a Element>) -> Vec<u8> {
    let mut out = Vec::new();
    put_tagged(&mut out, tag::ELEMENTS, |out| elements.for_each(|element| put_element(out, element)));
    out
}

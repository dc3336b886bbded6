//! The binary form: a packet is one WebSocket message and holds one or more messages, each a tag, a length and a body.
//!
//! Every message and operation has exactly one encoding, so the server relays the bytes of an operation as they came.

mod access;

use std::ops::Deref;

use smallvec::SmallVec;

use crate::bytes::{Reader, put_body, put_number, put_pair, put_signed, put_text};
use crate::ink::{self, PointsHead};
use crate::limits;
use crate::{
    AuthorState, Begin, Change, ClientId, ClientMessage, Colour, Content, Dash, DecodeError, Element, ElementRef,
    Entry, Epoch, GestureRef, GestureState, ImageHash, ImageState, Ink, Note, Operation, Patch, PatchRecord, Picture,
    Points, Property, Reaction, Reason, RejectReason, Role, ServerMessage, Shape, ShapeKind, StorageState, Text, Token,
    Tool,
};

type Result<T> = std::result::Result<T, DecodeError>;

/// What a client sends at once, mostly one message.
pub type ClientPacket = SmallVec<[ClientMessage; 1]>;

/// Tags of messages and operations, of the values of properties and changes.
mod tag {
    pub(super) const HELLO: u8 = 1;
    pub(super) const CLIENT_OPERATIONS: u8 = 2;
    pub(super) const CLIENT_PRESENCE: u8 = 3;
    pub(super) const PROFILE: u8 = 4;
    pub(super) const PING: u8 = 5;
    pub(super) const CHECK: u8 = 6;
    pub(super) const CLIENT_VIEW: u8 = 7;
    pub(super) const CLIENT_LASER: u8 = 8;
    pub(super) const IMAGE_PART: u8 = 9;
    pub(super) const CREDENTIALS: u8 = 10;
    pub(super) const HAND: u8 = 11;
    pub(super) const REACT: u8 = 12;
    pub(super) const MODERATE: u8 = 13;
    pub(super) const CLIENT_PAST: u8 = 14;
    pub(super) const CLIENT_CHRONICLE: u8 = 15;
    pub(super) const BRANCH: u8 = 16;
    pub(super) const CLIENT_DRAFT: u8 = 17;
    pub(super) const CLIENT_AUTHORS: u8 = 18;
    pub(super) const CLIENT_WRITING: u8 = 19;

    pub(super) const WELCOME: u8 = 32;
    pub(super) const SNAPSHOT: u8 = 33;
    pub(super) const ELEMENTS: u8 = 34;
    pub(super) const SNAPSHOT_END: u8 = 35;
    pub(super) const OPERATIONS: u8 = 36;
    pub(super) const PRESENCE: u8 = 37;
    pub(super) const MARK: u8 = 38;
    pub(super) const REJECT: u8 = 39;
    pub(super) const BYE: u8 = 40;
    pub(super) const PONG: u8 = 41;
    pub(super) const STORAGE: u8 = 42;
    pub(super) const IMAGE: u8 = 43;
    pub(super) const ACCESS: u8 = 44;
    pub(super) const SLOW_DOWN: u8 = 45;
    pub(super) const LINK: u8 = 46;
    pub(super) const RULES: u8 = 47;
    pub(super) const AUDIT: u8 = 48;
    pub(super) const NOT_DONE: u8 = 49;
    pub(super) const PAST: u8 = 50;
    pub(super) const CHRONICLE: u8 = 51;
    pub(super) const BRANCHED: u8 = 52;
    pub(super) const AUTHORS: u8 = 53;

    pub(super) const BEGIN: u8 = 1;
    pub(super) const POINTS: u8 = 2;
    pub(super) const END: u8 = 3;
    pub(super) const CANCEL: u8 = 4;
    pub(super) const SHAPE: u8 = 5;
    pub(super) const TEXT: u8 = 6;
    pub(super) const PATCH: u8 = 7;
    pub(super) const DELETE: u8 = 8;
    pub(super) const UNDO: u8 = 9;
    pub(super) const REDO: u8 = 10;
    pub(super) const CLEAR: u8 = 11;
    pub(super) const NOTE: u8 = 12;
    pub(super) const PICTURE: u8 = 13;
    /// A patch of a property that tag 7 does not have.
    pub(super) const LATER_PATCH: u8 = 14;
    pub(super) const CLEAR_AUTHOR: u8 = 15;
}

/// The tag of a message that carries a part of the log.
pub(crate) const OPERATIONS: u8 = tag::OPERATIONS;

/// Reads a client's packet.
///
/// # Errors
/// The rule that the packet breaks. Never panics, and allocates no more than a small multiple of the packet's length.
pub fn decode_client(packet: &[u8]) -> Result<ClientPacket> {
    decode(packet, limits::CLIENT_MESSAGES, client_message)
}

/// Reads a server's packet; see [`decode_client`].
///
/// # Errors
/// As for [`decode_client`].
pub fn decode_server(packet: &[u8]) -> Result<Vec<ServerMessage>> {
    decode(packet, usize::MAX, server_message)
}

/// Writes a client's packet.
pub fn encode_client(messages: &[ClientMessage]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    messages.iter().for_each(|message| put_client(&mut out, message));
    out
}

/// Writes a server's packet.
pub fn encode_server(messages: &[ServerMessage]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    messages.iter().for_each(|message| put_server(&mut out, message));
    out
}

/// Writes one log entry as it stands in an `operations` message: a room gathers them until it flushes.
pub fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    put_number(out, u64::from(entry.author) << 1 | u64::from(entry.skip > 0));
    if entry.skip > 0 {
        put_number(out, entry.skip);
    }
    put_operation(out, &entry.operation);
}

/// Writes the `operations` message of entries that [`put_entry`] has written.
pub fn put_entries(out: &mut Vec<u8>, first_seq: u64, entries: &[u8]) {
    out.push(tag::OPERATIONS);
    // Its length comes first, so that the entries are copied once.
    put_number(out, (number_length(first_seq) + entries.len()) as u64);
    put_number(out, first_seq);
    out.extend_from_slice(entries);
}

/// The bytes that a number takes.
fn number_length(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// Writes the packet of one `elements` message, from elements that a board holds.
pub fn encode_elements<'a>(elements: impl Iterator<Item = &'a Element>) -> Vec<u8> {
    let mut out = Vec::new();
    put_tagged(&mut out, tag::ELEMENTS, |out| elements.for_each(|element| put_element(out, element)));
    out
}

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

fn put_client(out: &mut Vec<u8>, message: &ClientMessage) {
    match message {
        ClientMessage::Hello { client_id, epoch, seq, hash, name, colour } => put_tagged(out, tag::HELLO, |out| {
            out.extend_from_slice(&client_id.0);
            out.extend_from_slice(&epoch.0);
            put_number(out, *seq);
            out.extend_from_slice(hash);
            put_text(out, name);
            put_colour(out, *colour);
        }),
        ClientMessage::Operations { first_cseq, operations } => put_tagged(out, tag::CLIENT_OPERATIONS, |out| {
            put_number(out, *first_cseq);
            operations.iter().for_each(|operation| put_operation(out, operation));
        }),
        ClientMessage::Presence { cursor } => put_tagged(out, tag::CLIENT_PRESENCE, |out| put_cursor(out, *cursor)),
        ClientMessage::Draft { shape } => {
            put_tagged(out, tag::CLIENT_DRAFT, |out| put_optional(out, shape.as_ref(), put_shape));
        }
        ClientMessage::Writing { text } => {
            put_tagged(out, tag::CLIENT_WRITING, |out| put_optional(out, text.as_ref(), put_text_element));
        }
        ClientMessage::View { view } => put_tagged(out, tag::CLIENT_VIEW, |out| put_view(out, view.as_ref())),
        ClientMessage::Laser { at: [x, y] } => put_tagged(out, tag::CLIENT_LASER, |out| put_place(out, *x, *y)),
        ClientMessage::ImagePart { image, length, offset, bytes } => put_tagged(out, tag::IMAGE_PART, |out| {
            out.extend_from_slice(&image.0);
            put_number(out, *length);
            put_number(out, *offset);
            out.extend_from_slice(bytes);
        }),
        ClientMessage::Credentials { token, visitor, password } => put_tagged(out, tag::CREDENTIALS, |out| {
            access::put_token(out, *token);
            access::put_token(out, *visitor);
            put_text(out, password);
        }),
        ClientMessage::Hand { raised } => put_tagged(out, tag::HAND, |out| out.push(u8::from(*raised))),
        ClientMessage::React { reaction } => {
            put_tagged(out, tag::REACT, |out| put_value(out, Reaction::ALL, reaction));
        }
        ClientMessage::Moderate { action } => put_tagged(out, tag::MODERATE, |out| access::put_action(out, action)),
        ClientMessage::Past { from } => put_tagged(out, tag::CLIENT_PAST, |out| put_number(out, *from)),
        ClientMessage::Chronicle => put_tagged(out, tag::CLIENT_CHRONICLE, |_| {}),
        ClientMessage::Authors { from } => {
            put_tagged(out, tag::CLIENT_AUTHORS, |out| put_number(out, u64::from(*from)));
        }
        ClientMessage::Branch { seq } => put_tagged(out, tag::BRANCH, |out| put_number(out, *seq)),
        ClientMessage::Profile { name, colour } => put_tagged(out, tag::PROFILE, |out| {
            put_text(out, name);
            put_colour(out, *colour);
        }),
        ClientMessage::Ping { nonce } => put_tagged(out, tag::PING, |out| put_number(out, *nonce)),
        ClientMessage::Check { seq, hash } => put_tagged(out, tag::CHECK, |out| {
            put_number(out, *seq);
            out.extend_from_slice(hash);
        }),
        ClientMessage::Unknown { tag, body } => put_tagged(out, *tag, |out| out.extend_from_slice(body)),
    }
}

fn put_operation(out: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::Begin(begin) => put_tagged(out, tag::BEGIN, |out| put_begin(out, begin)),
        Operation::Points(points) => put_tagged(out, tag::POINTS, |out| put_points(out, points)),
        Operation::End { slot } => put_tagged(out, tag::END, |out| out.push(*slot)),
        Operation::Cancel { slot } => put_tagged(out, tag::CANCEL, |out| out.push(*slot)),
        Operation::Shape(shape) => put_tagged(out, tag::SHAPE, |out| put_shape(out, shape)),
        Operation::Text(text) => put_tagged(out, tag::TEXT, |out| put_text_element(out, text)),
        Operation::Note(note) => put_tagged(out, tag::NOTE, |out| put_note(out, note)),
        Operation::Picture(picture) => put_tagged(out, tag::PICTURE, |out| put_picture(out, picture)),
        Operation::Patch(patch) => put_tagged(out, patch_tag(&patch.property), |out| {
            put_number(out, patch.gesture_back);
            put_reference(out, &patch.element);
            put_property(out, &patch.property);
        }),
        Operation::Delete { gesture_back, elements } => put_tagged(out, tag::DELETE, |out| {
            put_number(out, *gesture_back);
            elements.iter().for_each(|element| put_reference(out, element));
        }),
        Operation::Undo { gesture } => put_tagged(out, tag::UNDO, |out| put_number(out, *gesture)),
        Operation::Redo { gesture } => put_tagged(out, tag::REDO, |out| put_number(out, *gesture)),
        Operation::Clear { gesture_back } => put_tagged(out, tag::CLEAR, |out| put_number(out, *gesture_back)),
        Operation::ClearAuthor { gesture_back, author } => put_tagged(out, tag::CLEAR_AUTHOR, |out| {
            put_number(out, *gesture_back);
            put_number(out, u64::from(*author));
        }),
        Operation::Unknown { tag, body } => put_tagged(out, *tag, |out| out.extend_from_slice(body)),
    }
}

fn put_tagged(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    put_body(out, fill);
}

fn put_colour(out: &mut Vec<u8>, colour: Colour) {
    out.extend_from_slice(&colour.0.to_be_bytes());
}

fn put_value<T: PartialEq>(out: &mut Vec<u8>, all: &[T], value: &T) {
    out.push(all.iter().position(|one| one == value).expect("Bug: every value is listed") as u8);
}

fn put_place(out: &mut Vec<u8>, x: i32, y: i32) {
    put_signed(out, i64::from(x));
    put_signed(out, i64::from(y));
}

fn put_cursor(out: &mut Vec<u8>, cursor: Option<[i32; 2]>) {
    out.push(u8::from(cursor.is_some()));
    if let Some([x, y]) = cursor {
        put_place(out, x, y);
    }
}

fn put_view(out: &mut Vec<u8>, view: Option<&[i32; 4]>) {
    out.push(u8::from(view.is_some()));
    view.into_iter().flatten().for_each(|side| put_signed(out, i64::from(*side)));
}

fn put_optional<T>(out: &mut Vec<u8>, value: Option<&T>, put: fn(&mut Vec<u8>, &T)) {
    out.push(u8::from(value.is_some()));
    value.into_iter().for_each(|value| put(out, value));
}

/// Properties that the first version of `patch` had stand in that; the others in another operation, which an older
/// server or page passes over.
fn patch_tag(property: &Property) -> u8 {
    use Property::{Colour, Dash, Fill, Group, Locked, Matrix, Offset, Rank, Text, Width};
    match property {
        Colour { .. } | Fill { .. } | Width { .. } | Offset { .. } | Text { .. } => tag::PATCH,
        Dash { .. } | Matrix { .. } | Rank { .. } | Locked { .. } | Group { .. } => tag::LATER_PATCH,
    }
}

fn put_reference(out: &mut Vec<u8>, reference: &ElementRef) {
    put_number(out, u64::from(reference.author));
    put_number(out, reference.cseq);
}

fn put_begin(out: &mut Vec<u8>, begin: &Begin) {
    out.push(begin.slot);
    put_number(out, begin.gesture_back);
    put_value(out, &Tool::ALL, &begin.tool);
    put_colour(out, begin.colour);
    put_number(out, u64::from(begin.width));
    put_signed(out, i64::from(begin.scale));
    put_place(out, begin.x, begin.y);
    out.push(u8::from(begin.pressure.is_some()));
    out.extend(begin.pressure);
}

fn put_points(out: &mut Vec<u8>, points: &Points) {
    let pressed = !points.pressures.is_empty();
    put_number(out, (points.steps.len() as u64) << 4 | u64::from(pressed) << 3 | u64::from(points.slot & 7));
    if let Some([dx, dy]) = points.steps.first() {
        put_place(out, *dx, *dy);
    }
    for pair in points.steps.windows(2) {
        let change = |axis: usize| i64::from(pair[1][axis]) - i64::from(pair[0][axis]);
        put_pair(out, change(0), change(1));
    }
    if pressed {
        let at = |index: usize| i64::from(points.pressures.get(index).copied().unwrap_or(0));
        for index in (0..points.steps.len()).step_by(2) {
            let second = if index + 1 < points.steps.len() { at(index + 1) } else { 0 };
            put_pair(out, at(index), second);
        }
    }
}

fn put_shape(out: &mut Vec<u8>, shape: &Shape) {
    put_number(out, shape.gesture_back);
    put_value(out, &ShapeKind::ALL, &shape.kind);
    put_colour(out, shape.colour);
    put_colour(out, shape.fill);
    put_number(out, u64::from(shape.width));
    put_signed(out, i64::from(shape.scale));
    put_place(out, shape.x, shape.y);
    put_place(out, shape.dx, shape.dy);
}

fn put_text_element(out: &mut Vec<u8>, text: &Text) {
    put_number(out, text.gesture_back);
    put_colour(out, text.colour);
    put_number(out, u64::from(text.size));
    put_signed(out, i64::from(text.scale));
    put_place(out, text.x, text.y);
    put_text(out, &text.text);
}

fn put_note(out: &mut Vec<u8>, note: &Note) {
    put_number(out, note.gesture_back);
    put_colour(out, note.colour);
    put_colour(out, note.fill);
    put_number(out, u64::from(note.size));
    put_signed(out, i64::from(note.scale));
    put_place(out, note.x, note.y);
    put_place(out, note.dx, note.dy);
    put_text(out, &note.text);
}

fn put_picture(out: &mut Vec<u8>, picture: &Picture) {
    put_number(out, picture.gesture_back);
    out.extend_from_slice(&picture.image.0);
    put_colour(out, picture.colour);
    put_signed(out, i64::from(picture.scale));
    put_place(out, picture.x, picture.y);
    put_place(out, picture.dx, picture.dy);
}

fn put_property(out: &mut Vec<u8>, property: &Property) {
    match property {
        Property::Colour { colour } => {
            out.push(0);
            put_colour(out, *colour);
        }
        Property::Fill { colour } => {
            out.push(1);
            put_colour(out, *colour);
        }
        Property::Width { width } => {
            out.push(2);
            put_number(out, u64::from(*width));
        }
        Property::Offset { x, y } => {
            out.push(3);
            put_place(out, *x, *y);
        }
        Property::Text { text } => {
            out.push(4);
            put_text(out, text);
        }
        Property::Dash { dash } => {
            out.push(5);
            put_value(out, &Dash::ALL, dash);
        }
        Property::Matrix { a, b, c, d } => {
            out.push(6);
            [a, b, c, d].into_iter().for_each(|entry| put_signed(out, i64::from(*entry)));
        }
        Property::Rank { rank } => {
            out.push(7);
            put_signed(out, *rank);
        }
        Property::Locked { locked } => {
            out.push(8);
            out.push(u8::from(*locked));
        }
        Property::Group { group } => {
            out.push(9);
            put_number(out, *group);
        }
    }
}

fn put_author(out: &mut Vec<u8>, author: &AuthorState) {
    put_number(out, u64::from(author.author));
    put_number(out, author.cseq);
    put_number(out, author.gestures.len() as u64);
    for gesture in &author.gestures {
        put_number(out, gesture.gesture << 1 | u64::from(gesture.undone));
    }
}

fn put_gesture_ref(out: &mut Vec<u8>, by: GestureRef) {
    put_number(out, u64::from(by.author));
    put_number(out, by.gesture);
}

fn put_element(out: &mut Vec<u8>, element: &Element) {
    put_number(out, u64::from(element.author));
    for number in [element.cseq, element.seq, element.gesture] {
        put_number(out, number);
    }
    put_content(out, &element.content);
    put_number(out, element.deletions.len() as u64);
    element.deletions.iter().for_each(|by| put_gesture_ref(out, *by));
    put_number(out, element.patches.len() as u64);
    for patch in &element.patches {
        put_gesture_ref(out, patch.by);
        put_property(out, &patch.property);
    }
}

fn put_content(out: &mut Vec<u8>, content: &Content) {
    match content {
        Content::Stroke { begin, points, live } => {
            out.push(0);
            put_begin(out, begin);
            points.put(out);
            out.push(live.map_or(0, |slot| slot + 1));
        }
        Content::Shape(shape) => {
            out.push(1);
            put_shape(out, shape);
        }
        Content::Text(text) => {
            out.push(2);
            put_text_element(out, text);
        }
        Content::Note(note) => {
            out.push(3);
            put_note(out, note);
        }
        Content::Picture(picture) => {
            out.push(4);
            put_picture(out, picture);
        }
    }
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

fn decode<M, All: FromIterator<M> + Deref<Target = [M]>>(
    packet: &[u8],
    most: usize,
    message: fn(u8, &mut Reader<'_>) -> Result<M>,
) -> Result<All> {
    let messages: All = until_empty(&mut Reader::new(packet), most, |reader| tagged(reader, message))?;
    if messages.is_empty() { Err(DecodeError::EmptyPacket) } else { Ok(messages) }
}

/// Reads a tag and its body, and sees that the body is read to its end.
fn tagged<T>(reader: &mut Reader<'_>, read: fn(u8, &mut Reader<'_>) -> Result<T>) -> Result<T> {
    let tag = reader.byte()?;
    let mut body = reader.body()?;
    let value = read(tag, &mut body)?;
    body.finish()?;
    Ok(value)
}

fn until_empty<T, All: FromIterator<T>>(
    reader: &mut Reader<'_>,
    limit: usize,
    read: impl Fn(&mut Reader<'_>) -> Result<T>,
) -> Result<All> {
    let mut left = limit;
    let next = || {
        let is_more = !reader.is_empty();
        is_more.then(|| {
            left = left.checked_sub(1).ok_or(DecodeError::TooMany)?;
            read(reader)
        })
    };
    std::iter::from_fn(next).collect()
}

fn at_least_one<T, All: Deref<Target = [T]>>(all: All) -> Result<All> {
    if all.is_empty() { Err(DecodeError::Empty) } else { Ok(all) }
}

fn client_message(tag: u8, body: &mut Reader<'_>) -> Result<ClientMessage> {
    Ok(match tag {
        tag::HELLO => ClientMessage::Hello {
            client_id: ClientId(body.array()?),
            epoch: Epoch(body.array()?),
            seq: body.number()?,
            hash: body.array()?,
            name: body.text(limits::NAME)?,
            colour: colour(body)?,
        },
        tag::CLIENT_OPERATIONS => {
            let first_cseq = body.number()?;
            if first_cseq == 0 {
                return Err(DecodeError::NumberTooSmall);
            }
            let operations: SmallVec<_> =
                at_least_one(until_empty(body, limits::OPERATIONS, |body| tagged(body, operation))?)?;
            if first_cseq + operations.len() as u64 - 1 > limits::CSEQ {
                return Err(DecodeError::NumberTooLarge);
            }
            ClientMessage::Operations { first_cseq, operations }
        }
        tag::CLIENT_PRESENCE => ClientMessage::Presence { cursor: cursor(body)? },
        tag::CLIENT_DRAFT => ClientMessage::Draft { shape: optional(body, shape)? },
        tag::CLIENT_WRITING => ClientMessage::Writing { text: optional(body, text_element)? },
        tag::CLIENT_VIEW => ClientMessage::View { view: view(body)? },
        tag::CLIENT_LASER => ClientMessage::Laser { at: place(body)? },
        tag::IMAGE_PART => image_part(body)?,
        tag::CREDENTIALS => ClientMessage::Credentials {
            token: access::token(body)?,
            visitor: access::token(body)?,
            password: body.text(limits::PASSWORD)?,
        },
        tag::HAND => ClientMessage::Hand { raised: body.flag()? },
        tag::REACT => ClientMessage::React { reaction: value(body, Reaction::ALL)? },
        tag::MODERATE => ClientMessage::Moderate { action: access::action(body)? },
        tag::CLIENT_PAST => ClientMessage::Past { from: body.number()? },
        tag::CLIENT_CHRONICLE => ClientMessage::Chronicle,
        tag::CLIENT_AUTHORS => ClientMessage::Authors { from: author_number(body)? },
        tag::BRANCH => ClientMessage::Branch { seq: body.number()? },
        tag::PROFILE => ClientMessage::Profile { name: body.text(limits::NAME)?, colour: colour(body)? },
        tag::PING => ClientMessage::Ping { nonce: body.number()? },
        tag::CHECK => ClientMessage::Check { seq: body.number()?, hash: body.array()? },
        tag => ClientMessage::Unknown { tag, body: body.rest().to_vec() },
    })
}

fn server_message(tag: u8, body: &mut Reader<'_>) -> Result<ServerMessage> {
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

fn operation(tag: u8, body: &mut Reader<'_>) -> Result<Operation> {
    Ok(match tag {
        tag::BEGIN => Operation::Begin(begin(body)?),
        tag::POINTS => Operation::Points(points(body)?),
        tag::END => Operation::End { slot: slot(body)? },
        tag::CANCEL => Operation::Cancel { slot: slot(body)? },
        tag::SHAPE => Operation::Shape(shape(body)?),
        tag::TEXT => Operation::Text(text_element(body)?),
        tag::PATCH => Operation::Patch(Patch {
            gesture_back: body.number()?,
            element: reference(body)?,
            property: property(body, tag::PATCH)?,
        }),
        tag::LATER_PATCH => Operation::Patch(Patch {
            gesture_back: body.number()?,
            element: reference(body)?,
            property: property(body, tag::LATER_PATCH)?,
        }),
        tag::NOTE => Operation::Note(note(body)?),
        tag::PICTURE => Operation::Picture(picture(body)?),
        tag::DELETE => Operation::Delete {
            gesture_back: body.number()?,
            elements: at_least_one(until_empty(body, limits::DELETIONS, reference)?)?,
        },
        tag::UNDO => Operation::Undo { gesture: body.number()? },
        tag::REDO => Operation::Redo { gesture: body.number()? },
        tag::CLEAR => Operation::Clear { gesture_back: body.number()? },
        tag::CLEAR_AUTHOR => Operation::ClearAuthor { gesture_back: body.number()?, author: author_number(body)? },
        tag => Operation::Unknown { tag, body: body.rest().to_vec() },
    })
}

fn value<T: Copy>(body: &mut Reader<'_>, all: &[T]) -> Result<T> {
    all.get(usize::from(body.byte()?)).copied().ok_or(DecodeError::UnknownValue)
}

fn colour(body: &mut Reader<'_>) -> Result<Colour> {
    Ok(Colour(u32::from_be_bytes(body.array()?)))
}

fn coordinate(body: &mut Reader<'_>, limit: i64) -> Result<i32> {
    within(body.signed()?, limit)
}

fn within(value: i64, limit: i64) -> Result<i32> {
    if value.abs() <= limit { Ok(value as i32) } else { Err(DecodeError::CoordinateOutOfRange) }
}

fn place(body: &mut Reader<'_>) -> Result<[i32; 2]> {
    let limit = i64::from(limits::COORDINATE);
    Ok([coordinate(body, limit)?, coordinate(body, limit)?])
}

fn cursor(body: &mut Reader<'_>) -> Result<Option<[i32; 2]>> {
    Ok(if body.flag()? { Some(place(body)?) } else { None })
}

fn view(body: &mut Reader<'_>) -> Result<Option<[i32; 4]>> {
    if !body.flag()? {
        return Ok(None);
    }
    let ([left, top], [right, bottom]) = (place(body)?, place(body)?);
    Ok(Some([left, top, right, bottom]))
}

fn optional<T>(body: &mut Reader<'_>, value: fn(&mut Reader<'_>) -> Result<T>) -> Result<Option<T>> {
    if body.flag()? { value(body).map(Some) } else { Ok(None) }
}

fn image(body: &mut Reader<'_>) -> Result<ImageHash> {
    Ok(ImageHash(body.array()?))
}

fn image_part(body: &mut Reader<'_>) -> Result<ClientMessage> {
    let image = image(body)?;
    let length = body.number_up_to(limits::IMAGE_BYTES as u64, DecodeError::ImageTooLarge)?;
    let offset = body.number_up_to(length, DecodeError::ImageTooLarge)?;
    let bytes = body.rest().to_vec();
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if bytes.len() > limits::IMAGE_PART || offset + bytes.len() as u64 > length {
        return Err(DecodeError::ImageTooLarge);
    }
    Ok(ClientMessage::ImagePart { image, length, offset, bytes })
}

fn author_number(body: &mut Reader<'_>) -> Result<u32> {
    Ok(body.number_up_to(u64::from(u32::MAX >> 1), DecodeError::NumberTooLarge)? as u32)
}

fn reference(body: &mut Reader<'_>) -> Result<ElementRef> {
    Ok(ElementRef { author: author_number(body)?, cseq: body.number()? })
}

fn slot(body: &mut Reader<'_>) -> Result<u8> {
    let slot = body.byte()?;
    if slot < limits::LIVE_SLOTS { Ok(slot) } else { Err(DecodeError::SlotOutOfRange) }
}

fn width(body: &mut Reader<'_>) -> Result<u16> {
    let width = body.number_up_to(u64::from(limits::WIDTH), DecodeError::WidthOutOfRange)?;
    if width > 0 { Ok(width as u16) } else { Err(DecodeError::WidthOutOfRange) }
}

fn scale(body: &mut Reader<'_>) -> Result<i8> {
    let scale = body.signed()?;
    let range = i64::from(limits::SCALE_MIN)..=i64::from(limits::SCALE_MAX);
    if range.contains(&scale) { Ok(scale as i8) } else { Err(DecodeError::ScaleOutOfRange) }
}

fn begin(body: &mut Reader<'_>) -> Result<Begin> {
    let slot = slot(body)?;
    let gesture_back = body.number()?;
    let (tool, colour, width, scale) = (value(body, &Tool::ALL)?, colour(body)?, width(body)?, scale(body)?);
    let [x, y] = place(body)?;
    let pressure = if body.flag()? { Some(body.byte()?) } else { None };
    Ok(Begin { slot, gesture_back, tool, colour, width, scale, x, y, pressure })
}

fn points(body: &mut Reader<'_>) -> Result<Points> {
    let PointsHead { count, pressed, slot } = PointsHead::read(body, 1, limits::POINTS)?;
    let mut steps = SmallVec::with_capacity(count);
    let mut before = [0; 2];
    for at in 0..count {
        before = ink::next_step(body, before, at == 0)?;
        steps.push(before);
    }
    Ok(Points { slot, steps, pressures: if pressed { pressures(body, count)? } else { SmallVec::new() } })
}

fn pressures(body: &mut Reader<'_>, count: usize) -> Result<SmallVec<[i16; 4]>> {
    let mut pressures = SmallVec::with_capacity(count);
    for _ in 0..count / 2 {
        pressures.extend(ink::next_pressures(body)?);
    }
    if count % 2 == 1 {
        pressures.push(ink::last_pressure(body)?);
    }
    Ok(pressures)
}

fn shape(body: &mut Reader<'_>) -> Result<Shape> {
    let gesture_back = body.number()?;
    let (kind, colour, fill) = (value(body, &ShapeKind::ALL)?, colour(body)?, colour(body)?);
    let (width, scale) = (width(body)?, scale(body)?);
    let ([x, y], [dx, dy]) = (place(body)?, extent(body)?);
    Ok(Shape { gesture_back, kind, colour, fill, width, scale, x, y, dx, dy })
}

fn text_element(body: &mut Reader<'_>) -> Result<Text> {
    let gesture_back = body.number()?;
    let (colour, size, scale) = (colour(body)?, width(body)?, scale(body)?);
    let [x, y] = place(body)?;
    Ok(Text { gesture_back, colour, size, scale, x, y, text: body.text(limits::TEXT)? })
}

fn note(body: &mut Reader<'_>) -> Result<Note> {
    let gesture_back = body.number()?;
    let (colour, fill, size, scale) = (colour(body)?, colour(body)?, width(body)?, scale(body)?);
    let ([x, y], [dx, dy]) = (place(body)?, extent(body)?);
    Ok(Note { gesture_back, colour, fill, size, scale, x, y, dx, dy, text: body.text(limits::TEXT)? })
}

fn picture(body: &mut Reader<'_>) -> Result<Picture> {
    let gesture_back = body.number()?;
    let (image, colour, scale) = (image(body)?, colour(body)?, scale(body)?);
    let ([x, y], [dx, dy]) = (place(body)?, extent(body)?);
    Ok(Picture { gesture_back, image, colour, scale, x, y, dx, dy })
}

/// A second corner, from the first.
fn extent(body: &mut Reader<'_>) -> Result<[i32; 2]> {
    let limit = 2 * i64::from(limits::COORDINATE);
    Ok([coordinate(body, limit)?, coordinate(body, limit)?])
}

fn matrix(body: &mut Reader<'_>) -> Result<Property> {
    let mut entry = || {
        let entry = body.signed()?;
        let is_within = entry.abs() <= i64::from(limits::MATRIX);
        if is_within { Ok(entry as i32) } else { Err(DecodeError::MatrixOutOfRange) }
    };
    Ok(Property::Matrix { a: entry()?, b: entry()?, c: entry()?, d: entry()? })
}

fn rank(body: &mut Reader<'_>) -> Result<Property> {
    let rank = body.signed()?;
    if rank.abs() <= limits::RANK { Ok(Property::Rank { rank }) } else { Err(DecodeError::NumberTooLarge) }
}

/// The property of a patch of one of the two tags, or of either in a snapshot.
fn property(body: &mut Reader<'_>, patch: u8) -> Result<Property> {
    let property = any_property(body)?;
    if patch_tag(&property) == patch { Ok(property) } else { Err(DecodeError::UnknownValue) }
}

fn any_property(body: &mut Reader<'_>) -> Result<Property> {
    Ok(match body.byte()? {
        0 => Property::Colour { colour: colour(body)? },
        1 => Property::Fill { colour: colour(body)? },
        2 => Property::Width { width: width(body)? },
        3 => {
            let [x, y] = place(body)?;
            Property::Offset { x, y }
        }
        4 => Property::Text { text: body.text(limits::TEXT)? },
        5 => Property::Dash { dash: value(body, &Dash::ALL)? },
        6 => matrix(body)?,
        7 => rank(body)?,
        8 => Property::Locked { locked: body.flag()? },
        9 => Property::Group { group: body.number()? },
        _ => return Err(DecodeError::UnknownValue),
    })
}

fn entry(body: &mut Reader<'_>) -> Result<Entry> {
    let head = body.number_up_to(u64::from(u32::MAX), DecodeError::NumberTooLarge)?;
    let skip = if head & 1 == 1 { body.number()? } else { 0 };
    if head & 1 == 1 && skip == 0 {
        return Err(DecodeError::NumberNotMinimal);
    }
    Ok(Entry { author: (head >> 1) as u32, skip, operation: tagged(body, operation)? })
}

fn list<T>(body: &mut Reader<'_>, read: impl Fn(&mut Reader<'_>) -> Result<T>) -> Result<Vec<T>> {
    let count = body.count(usize::MAX)?;
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(read(body)?);
    }
    Ok(all)
}

fn author_state(body: &mut Reader<'_>) -> Result<AuthorState> {
    Ok(AuthorState {
        author: author_number(body)?,
        cseq: body.number()?,
        gestures: list(body, |body| {
            let number = body.number()?;
            Ok(GestureState { gesture: number >> 1, undone: number & 1 == 1 })
        })?,
    })
}

fn gesture_ref(body: &mut Reader<'_>) -> Result<GestureRef> {
    Ok(GestureRef { author: author_number(body)?, gesture: body.number()? })
}

fn element(body: &mut Reader<'_>) -> Result<Element> {
    Ok(Element {
        author: author_number(body)?,
        cseq: body.number()?,
        seq: body.number()?,
        gesture: body.number()?,
        content: content(body)?,
        deletions: list(body, gesture_ref)?,
        patches: list(body, |body| Ok(PatchRecord { by: gesture_ref(body)?, property: any_property(body)? }))?,
    })
}

fn content(body: &mut Reader<'_>) -> Result<Content> {
    Ok(match body.byte()? {
        0 => {
            let (begin, points) = (begin(body)?, Ink::read(body)?);
            let live = match body.byte()? {
                0 => None,
                slot if slot <= limits::LIVE_SLOTS => Some(slot - 1),
                _ => return Err(DecodeError::SlotOutOfRange),
            };
            Content::Stroke { begin, points, live }
        }
        1 => Content::Shape(shape(body)?),
        2 => Content::Text(text_element(body)?),
        3 => Content::Note(note(body)?),
        4 => Content::Picture(picture(body)?),
        _ => return Err(DecodeError::UnknownValue),
    })
}

fn change(body: &mut Reader<'_>) -> Result<Change> {
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

//! Messages: what a client and the server say to each other, as data.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::access::{Action, AuditRecord, AuthorName, BanRecord, LinkRecord, Reaction, Role, Timestamp, Token};
use crate::enumeration::enumeration;
use crate::operation::{Colour, Content, ImageHash, Operation, Property, Shape, Text};

/// The secret by which a client proves, after a reconnect, that it is the same one: 16 random bytes, hex in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClientId(#[serde(with = "crate::json::hex_array")] pub [u8; 16]);

impl std::fmt::Debug for ClientId {
    /// Shows nothing of the secret, so that it cannot end in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientId(…)")
    }
}

/// The lineage of a board's log: 8 random bytes, hex in JSON; all zero for "none yet".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Epoch(#[serde(with = "crate::json::hex_array")] pub [u8; 8]);

/// A message of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ClientMessage {
    /// Joins the board; the first message, once.
    #[serde(rename_all = "camelCase")]
    Hello {
        /// The identity of the client.
        client_id: ClientId,
        /// The lineage of what it has; zero for nothing.
        epoch: Epoch,
        /// The last sequence number it has; 0 for nothing.
        seq: u64,
        /// The state hash that its board has there: the log goes on from there only where the server had the same.
        #[serde(with = "crate::json::hex_array", default)]
        hash: [u8; 8],
        /// The person's name; the server cleans it.
        name: String,
        /// The person's colour.
        colour: Colour,
    },
    /// Operations with client sequence numbers `first_cseq`, `first_cseq + 1`, …
    #[serde(rename_all = "camelCase")]
    Operations {
        /// The client sequence number of the first; from 1, rising through the life of the client id.
        first_cseq: u64,
        /// The operations, in order.
        operations: SmallVec<[Operation; 1]>,
    },
    /// The position of the pointer; the latest counts, and it is never in the log.
    Presence {
        /// The place in 1/64 board units; absent when the pointer has left the board.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<[i32; 2]>,
    },
    /// The part of the board that the person sees: followers see it too. The latest counts.
    View {
        /// Left, top, right and bottom in 1/64 board units; absent where that is too far out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        view: Option<[i32; 4]>,
    },
    /// The position of the laser: a `presence` whose way is seen for a moment.
    Laser {
        /// The place in 1/64 board units.
        at: [i32; 2],
    },
    /// The shape that is just being dragged out, for the others to see; the latest counts, and it is never in the log.
    Draft {
        /// As it will be when it is let go, with a `gestureBack` that says nothing; absent when it was, or was taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shape: Option<Shape>,
    },
    /// The text that is just being written, for the others to read; the latest counts, and it is never in the log.
    Writing {
        /// As it is now, with a `gestureBack` that says nothing; absent when it is finished, or was given up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Text>,
    },
    /// Some of the bytes of a picture, in order; the answer to the last part is `image`.
    ImagePart {
        /// Their hash.
        image: ImageHash,
        /// Bytes in all, `1..=IMAGE_BYTES`.
        length: u64,
        /// Bytes before these.
        offset: u64,
        /// These bytes, `1..=IMAGE_PART`.
        #[serde(with = "crate::json::hex_bytes")]
        bytes: Vec<u8>,
    },
    /// Credentials, before `hello`, in the same packet or an earlier one; left out by a client that has none.
    Credentials {
        /// The secret of a link.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<Token>,
        /// The secret of the browser, by which it can be banned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visitor: Option<Token>,
        /// The board's password; empty for none.
        #[serde(default)]
        password: String,
    },
    /// Raises a hand, or takes it down.
    Hand {
        /// Which of the two.
        raised: bool,
    },
    /// Shows the others something for a moment.
    React {
        /// The reaction.
        reaction: Reaction,
    },
    /// Orders something that only a host may.
    Moderate {
        /// The order or question.
        action: Action,
    },
    /// Asks for a part of the log from its beginning on; the answer is `past`.
    Past {
        /// The sequence number from which on; from 1.
        from: u64,
    },
    /// Asks when the log was drawn and by whom; the answer is `chronicle`.
    Chronicle,
    /// Asks for more names of authors; the answer is `authors`.
    Authors {
        /// The author number from which on.
        from: u32,
    },
    /// Makes a new board of this one as it was behind an operation; the answer is `branched`.
    Branch {
        /// The sequence number of that operation.
        seq: u64,
    },
    /// A new name or colour.
    Profile {
        /// As in `hello`.
        name: String,
        /// As in `hello`.
        colour: Colour,
    },
    /// Asks for a `pong`.
    Ping {
        /// Comes back in the `pong`.
        nonce: u64,
    },
    /// Compares state hashes; a snapshot follows where they differ.
    Check {
        /// The last sequence number that the client has.
        seq: u64,
        /// The state hash of its board there.
        #[serde(with = "crate::json::hex_array")]
        hash: [u8; 8],
    },
    /// A message of a later version; the server passes over it.
    Unknown {
        /// Its tag on the wire.
        tag: u8,
        /// Its body.
        #[serde(with = "crate::json::hex_bytes")]
        body: Vec<u8>,
    },
}

/// One operation in the log. Its sequence number is that of its message's first entry plus its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its author.
    pub author: u32,
    /// The number of its author's client sequence numbers that were passed over right before it (rejected ones); mostly 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip: u64,
    /// The operation.
    pub operation: Operation,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Names a gesture: its author and the client sequence number at which it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GestureRef {
    /// Whose it is.
    pub author: u32,
    /// The client sequence number at which it began.
    pub gesture: u64,
}

/// A value that a property was given, in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchRecord {
    /// The gesture that gave it.
    pub by: GestureRef,
    /// The property and its value.
    pub property: Property,
}

/// An element with all that undo and redo can still change about it, in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// Its author.
    pub author: u32,
    /// The client sequence number that made it.
    pub cseq: u64,
    /// The sequence number that made it: elements are painted in this order.
    pub seq: u64,
    /// The gesture, of the same author, that made it.
    pub gesture: u64,
    /// Its content.
    pub content: Content,
    /// The gestures that deleted it.
    pub deletions: Vec<GestureRef>,
    /// The values its properties were given, oldest first.
    pub patches: Vec<PatchRecord>,
}

/// A gesture that can still be undone or redone, in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GestureState {
    /// The client sequence number at which it began.
    pub gesture: u64,
    /// Whether it is undone now.
    pub undone: bool,
}

/// The state of an author, in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorState {
    /// The author's number on this board, from 1.
    pub author: u32,
    /// The last client sequence number of that author in the log.
    pub cseq: u64,
    /// Gestures that can be undone or redone, oldest first.
    pub gestures: Vec<GestureState>,
}

/// A change of who is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Change {
    /// Somebody is here, or has a new name or colour.
    Here {
        /// The author.
        author: u32,
        /// The name, cleaned.
        name: String,
        /// The colour.
        colour: Colour,
    },
    /// A pointer is at a place.
    Cursor {
        /// Whose.
        author: u32,
        /// The place in 1/64 board units; absent when the pointer has left the board.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<[i32; 2]>,
    },
    /// The part of the board that somebody sees.
    View {
        /// The author.
        author: u32,
        /// Left, top, right and bottom in 1/64 board units.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        view: Option<[i32; 4]>,
    },
    /// A laser points at a place.
    Laser {
        /// Whose.
        author: u32,
        /// The place in 1/64 board units.
        at: [i32; 2],
    },
    /// The permissions of somebody, and whether they raise a hand.
    Standing {
        /// The author.
        author: u32,
        /// The role.
        role: Role,
        /// Whether what they draw is taken now.
        draws: bool,
        /// Whether a host has muted them.
        muted: bool,
        /// Whether they raise a hand.
        hand: bool,
    },
    /// Somebody shows something for a moment.
    Reaction {
        /// The author.
        author: u32,
        /// The reaction.
        reaction: Reaction,
    },
    /// A shape that somebody is just dragging out.
    Draft {
        /// The author.
        author: u32,
        /// As it is now; absent when it was let go, or taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shape: Option<Shape>,
    },
    /// A text that somebody is just writing.
    Writing {
        /// The author.
        author: u32,
        /// As it is now; absent when it is finished, or was given up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Text>,
    },
    /// Somebody has gone.
    Gone {
        /// The author.
        author: u32,
    },
}

enumeration! {
    /// Why an operation was not done. The connection stays.
    RejectReason {
        /// The operation is of a later version than the server.
        UnknownOperation,
        /// The slot already has a live stroke.
        SlotBusy,
        /// The slot has no live stroke.
        SlotFree,
        /// The gesture is not the author's latest, or it is undone.
        GestureClosed,
        /// The gesture is not one that the author could undo or redo now.
        NoSuchGesture,
        /// The element is not there, or no longer.
        NoSuchElement,
        /// The element has no such property.
        NoSuchProperty,
        /// The stroke has as many points as a stroke may have.
        StrokeFull,
        /// The stroke has pressure and the points have none, or the other way round.
        PressureMismatch,
        /// A point would leave the range of coordinates or of pressure.
        OutOfRange,
        /// A text holds control characters other than line feed and tab.
        ControlCharacter,
        /// The board has as many elements as a board may have.
        BoardFull,
        /// Its author may only look.
        ReadOnly,
        /// Only hosts draw now.
        BoardLocked,
        /// A host has muted whoever did it.
        Muted,
        /// Only a host may do that.
        HostOnly,
    }
}

enumeration! {
    /// Why the server ends the connection.
    Reason {
        /// The server stops; come back after `retry_ms`.
        Restart,
        /// The same client id has joined on another connection.
        Replaced,
        /// The packet is not one; `text` names the rule.
        Malformed,
        /// The first message was not `hello`, or a later one was.
        HelloExpected,
        /// Nothing was heard for too long.
        TimedOut,
        /// The board was deleted.
        Deleted,
        /// Nobody is let in without a link, or not with this one: it was never one, or is revoked.
        Forbidden,
        /// The link has expired.
        Expired,
        /// The board has a password, and this was not it.
        PasswordNeeded,
        /// Too many wrong links or passwords came from this address.
        TooManyTries,
        /// A host has ended this connection.
        Removed,
        /// A host lets this person in no more.
        Banned,
        /// No more people can join this board.
        Full,
        /// Nothing was drawn on this board yet, and no more boards are kept here.
        TooManyBoards,
    }
}

enumeration! {
    /// The state of the storage.
    StorageState {
        /// In memory, as long as the server runs: nothing becomes durable.
        Memory,
        /// On a disk that takes it.
        Disk,
        /// On a disk that takes nothing now, because it is full or broken: what is new becomes durable later.
        Failing,
    }
}

enumeration! {
    /// The result of sending a picture.
    ImageState {
        /// They are kept: whoever has their hash can have them.
        Kept,
        /// They are not those of the hash, or a part is missing.
        Damaged,
        /// They are no PNG, JPEG or WebP, or more pixels than a picture may have.
        NotAnImage,
        /// No more pictures are kept here.
        Full,
        /// Not now: try again later.
        Busy,
    }
}

/// A message of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ServerMessage {
    /// Answers `hello`. What follows is the tail of the log behind the client's `seq`, or a snapshot.
    Welcome {
        /// The client's author number on this board.
        author: u32,
        /// The lineage of the log; another than the client's means that nothing it has counts any more.
        epoch: Epoch,
        /// The last sequence number in the log.
        seq: u64,
        /// The client's last client sequence number that needs no resending.
        cseq: u64,
        /// The durable mark.
        mark: u64,
    },
    /// Begins a snapshot: forget everything; `elements` messages follow, then `snapshotEnd`.
    Snapshot {
        /// The sequence number it stands at.
        seq: u64,
        /// The number of elements that follow.
        elements: u64,
        /// Everybody who has drawn here.
        authors: Vec<AuthorState>,
    },
    /// Elements of a snapshot, in the order of their `seq`.
    Elements {
        /// The next elements.
        elements: Vec<Element>,
    },
    /// Ends a snapshot.
    SnapshotEnd {
        /// The state hash that the snapshot must have.
        #[serde(with = "crate::json::hex_array")]
        hash: [u8; 8],
    },
    /// The next operations of the log.
    #[serde(rename_all = "camelCase")]
    Operations {
        /// The sequence number of the first.
        first_seq: u64,
        /// Operations with dense sequence numbers.
        entries: Vec<Entry>,
    },
    /// People and their pointers.
    Presence {
        /// Whether this is everybody (forget who was here before) or only what changed.
        all: bool,
        /// The changes.
        changes: Vec<Change>,
    },
    /// The durable mark: everything up to this sequence number is on disk.
    Mark {
        /// The sequence number.
        seq: u64,
    },
    /// An operation of this client was not done.
    Reject {
        /// Which one.
        cseq: u64,
        /// Why.
        reason: RejectReason,
    },
    /// The connection ends.
    #[serde(rename_all = "camelCase")]
    Bye {
        /// Why.
        reason: Reason,
        /// After how many milliseconds to come back.
        retry_ms: u64,
        /// More about it, for people and logs.
        text: String,
    },
    /// Answers `ping`.
    Pong {
        /// The ping's.
        nonce: u64,
    },
    /// The state of the storage: after the welcome, and after each change.
    Storage {
        /// The state.
        state: StorageState,
    },
    /// The result of sending a picture.
    Image {
        /// Which.
        image: ImageHash,
        /// The result.
        state: ImageState,
    },
    /// The permissions of this client: after the welcome, and after each change.
    Access {
        /// The role.
        role: Role,
        /// Whether what it draws is taken now.
        draws: bool,
        /// Whether only hosts draw.
        locked: bool,
        /// Whether a host has muted it.
        muted: bool,
        /// Whether the board has a host at all; one that has none is everybody's.
        hosted: bool,
    },
    /// This client draws more than it may for long: soon less will be read from it.
    SlowDown {
        /// The rest, in milliseconds.
        ms: u64,
    },
    /// A link was made. Its secret is told this once.
    Link {
        /// The role of those who come by it.
        role: Role,
        /// Its secret.
        token: Token,
        /// When it expires, in milliseconds since 1970; 0 for never.
        expires: u64,
    },
    /// The rules that hosts have set; for hosts.
    #[serde(rename_all = "camelCase")]
    Rules {
        /// The role without a link.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        without_link: Option<Role>,
        /// Whether there is a password.
        has_password: bool,
        /// The links that there are.
        links: Vec<LinkRecord>,
        /// The bans.
        bans: Vec<BanRecord>,
    },
    /// The audit list, newest first; for hosts.
    Audit {
        /// The records.
        records: Vec<AuditRecord>,
    },
    /// A request of the client was not carried out.
    NotDone {
        /// Why, for people.
        text: String,
    },
    /// A part of the log, as it is kept.
    #[serde(rename_all = "camelCase")]
    Past {
        /// The sequence number of the first entry.
        first_seq: u64,
        /// The last one that there is at all.
        last_seq: u64,
        /// The state hash behind the last of these entries.
        #[serde(with = "crate::json::hex_array")]
        hash: [u8; 8],
        /// The entries; none where none are kept from there on.
        entries: Vec<Entry>,
    },
    /// When the log was drawn, and by whom.
    Chronicle {
        /// Times, in rising order of both.
        moments: Vec<Timestamp>,
        /// Names of the authors with the lowest numbers, in the order of these: at most [`limits::AUTHORS`](crate::limits::AUTHORS).
        names: Vec<AuthorName>,
    },
    /// More names of authors.
    Authors {
        /// In the order of their numbers, at most [`limits::AUTHORS`](crate::limits::AUTHORS); fewer if these are the last ones.
        names: Vec<AuthorName>,
    },
    /// A board was made of this one.
    Branched {
        /// Its name.
        name: String,
        /// The secret by which whoever made it is its host.
        token: Token,
    },
    /// A message of a later version; an old client passes over it.
    Unknown {
        /// Its tag on the wire.
        tag: u8,
        /// Its body.
        #[serde(with = "crate::json::hex_bytes")]
        body: Vec<u8>,
    },
}

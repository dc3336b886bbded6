//! Prints `vectors.json`: bytes, their messages, and the named error of each broken packet.
//!
//! `cargo xtask vectors` writes the file; `tests/vectors.rs` fails when it is stale.

use inkwire_protocol::*;
use serde_json::{Value, json};

#[allow(dead_code, reason = "the test that includes this file calls `document` alone")]
fn main() {
    print!("{}", document());
}

/// The whole file, as committed.
pub fn document() -> String {
    let mut accept = Vec::new();
    accept.extend(client().into_iter().map(|message| {
        let bytes = binary::encode_client(std::slice::from_ref(&message));
        vector(client_name(&message), "client", &bytes, &json!([message]))
    }));
    accept.extend(server().into_iter().map(|message| {
        let bytes = binary::encode_server(std::slice::from_ref(&message));
        vector(server_name(&message), "server", &bytes, &json!([message]))
    }));
    let two = [ClientMessage::Ping { nonce: 1 }, ClientMessage::Presence { cursor: None }];
    accept.push(vector("two messages in one packet".into(), "client", &binary::encode_client(&two), &json!(two)));
    let reject = reject().into_iter().map(
        |(name, from, bytes, error)| json!({ "name": name, "from": from, "bytes": hex::encode(&bytes), "error": error.name() }),
    );
    let reject_json = reject_json()
        .into_iter()
        .map(|(name, text, error)| json!({ "name": name, "from": "client", "json": text, "error": error.name() }));
    format!(
        "{{\n\"accept\": [\n{}\n],\n\"reject\": [\n{}\n],\n\"rejectJson\": [\n{}\n]\n}}\n",
        lines(accept.into_iter()),
        lines(reject),
        lines(reject_json)
    )
}

/// One vector a line, so that a change of one is one line of a diff.
fn lines(vectors: impl Iterator<Item = Value>) -> String {
    vectors.map(|vector| vector.to_string()).collect::<Vec<_>>().join(",\n")
}

fn vector(name: String, from: &str, bytes: &[u8], messages: &Value) -> Value {
    json!({ "name": name, "from": from, "bytes": hex::encode(bytes), "messages": messages })
}

// No wildcards below: a new message or operation does not compile until it is named here, and the test over the names
// fails until it has a vector.

fn client_name(message: &ClientMessage) -> String {
    match message {
        ClientMessage::Hello { .. } => "hello".into(),
        ClientMessage::Operations { operations, .. } => format!("client operations: {}", operation_names(operations)),
        ClientMessage::Presence { cursor: None } => "client presence: off the board".into(),
        ClientMessage::Presence { .. } => "client presence".into(),
        ClientMessage::View { view } => {
            format!("client view: {}", if view.is_some() { "a part" } else { "too far out" })
        }
        ClientMessage::Laser { .. } => "client laser".into(),
        ClientMessage::Draft { shape } => {
            format!("client draft: {}", if shape.is_some() { "a shape" } else { "none any more" })
        }
        ClientMessage::Writing { text } => {
            format!("client writing: {}", if text.is_some() { "a text" } else { "none any more" })
        }
        ClientMessage::ImagePart { .. } => "image part".into(),
        ClientMessage::Credentials { .. } => "credentials".into(),
        ClientMessage::Hand { .. } => "hand".into(),
        ClientMessage::React { reaction } => format!("react: {reaction}"),
        ClientMessage::Moderate { action } => format!("moderate: {}", action_name(action)),
        ClientMessage::Past { .. } => "client past".into(),
        ClientMessage::Chronicle => "client chronicle".into(),
        ClientMessage::Authors { .. } => "client authors".into(),
        ClientMessage::Branch { .. } => "branch".into(),
        ClientMessage::Profile { .. } => "profile".into(),
        ClientMessage::Ping { .. } => "ping".into(),
        ClientMessage::Check { .. } => "check".into(),
        ClientMessage::Unknown { .. } => "unknown client message".into(),
    }
}

fn server_name(message: &ServerMessage) -> String {
    match message {
        ServerMessage::Welcome { .. } => "welcome".into(),
        ServerMessage::Snapshot { .. } => "snapshot".into(),
        ServerMessage::Elements { .. } => "elements".into(),
        ServerMessage::SnapshotEnd { .. } => "snapshot end".into(),
        ServerMessage::Operations { entries, .. } => format!("operations of {} entries", entries.len()),
        ServerMessage::Presence { all, .. } => format!("presence, all: {all}"),
        ServerMessage::Mark { .. } => "mark".into(),
        ServerMessage::Reject { reason, .. } => format!("reject: {reason}"),
        ServerMessage::Bye { reason, .. } => format!("bye: {reason}"),
        ServerMessage::Pong { .. } => "pong".into(),
        ServerMessage::Storage { state } => format!("storage: {state}"),
        ServerMessage::Image { state, .. } => format!("image: {state}"),
        ServerMessage::Access { role, .. } => format!("access: {role}"),
        ServerMessage::SlowDown { .. } => "slow down".into(),
        ServerMessage::Link { .. } => "link".into(),
        ServerMessage::Rules { links, .. } => format!("rules with {} links", links.len()),
        ServerMessage::Audit { .. } => "audit".into(),
        ServerMessage::NotDone { .. } => "not done".into(),
        ServerMessage::Past { entries, .. } => format!("past of {} entries", entries.len()),
        ServerMessage::Chronicle { .. } => "chronicle".into(),
        ServerMessage::Authors { .. } => "authors".into(),
        ServerMessage::Branched { .. } => "branched".into(),
        ServerMessage::Unknown { .. } => "unknown server message".into(),
    }
}

fn action_name(action: &Action) -> &'static str {
    match action {
        Action::Remove { .. } => "remove",
        Action::Ban { .. } => "ban",
        Action::Unban { .. } => "unban",
        Action::Mute { .. } => "mute",
        Action::Lend { .. } => "lend",
        Action::Lock { .. } => "lock",
        Action::MakeLink { .. } => "make link",
        Action::RevokeLink { .. } => "revoke link",
        Action::WithoutLink { .. } => "without link",
        Action::Password { .. } => "password",
        Action::LowerHand { .. } => "lower hand",
        Action::Rules => "rules",
        Action::Audit => "audit",
    }
}

fn actions() -> Vec<Action> {
    let author = 300;
    vec![
        Action::Remove { author },
        Action::Ban { author, address: true },
        Action::Unban { ban: 2 },
        Action::Mute { author, muted: true },
        Action::Lend { author, seconds: limits::SECONDS },
        Action::Lock { locked: true },
        Action::MakeLink { role: Role::Editor, seconds: 3600 },
        Action::RevokeLink { role: Role::Host },
        Action::WithoutLink { role: None },
        Action::WithoutLink { role: Some(Role::Viewer) },
        Action::Password { password: "Geheimwort ✎".into() },
        Action::Password { password: "p".repeat(limits::PASSWORD) },
        Action::LowerHand { author },
        Action::Rules,
        Action::Audit,
    ]
}

fn operation_names(operations: &[Operation]) -> String {
    operations.iter().map(operation_name).collect::<Vec<_>>().join(", ")
}

fn operation_name(operation: &Operation) -> &'static str {
    match operation {
        Operation::Begin(Begin { pressure: None, .. }) => "begin without pressure",
        Operation::Begin(_) => "begin",
        Operation::Points(Points { pressures, .. }) if pressures.is_empty() => "points without pressure",
        Operation::Points(_) => "points",
        Operation::End { .. } => "end",
        Operation::Cancel { .. } => "cancel",
        Operation::Shape(_) => "shape",
        Operation::Text(_) => "text",
        Operation::Patch(Patch { property, .. }) => match property {
            Property::Colour { .. } => "patch colour",
            Property::Fill { .. } => "patch fill",
            Property::Width { .. } => "patch width",
            Property::Offset { .. } => "patch offset",
            Property::Text { .. } => "patch text",
            Property::Dash { .. } => "patch dash",
            Property::Matrix { .. } => "patch matrix",
            Property::Rank { .. } => "patch rank",
            Property::Locked { .. } => "patch locked",
            Property::Group { .. } => "patch group",
        },
        Operation::Note(_) => "note",
        Operation::Picture(_) => "picture",
        Operation::Delete { .. } => "delete",
        Operation::Undo { .. } => "undo",
        Operation::Redo { .. } => "redo",
        Operation::Clear { .. } => "clear",
        Operation::ClearAuthor { .. } => "clear author",
        Operation::Unknown { .. } => "unknown operation",
    }
}

const RED: Colour = Colour(0xe032_31ff);
const CLEAR: Colour = Colour(0);

fn pen(pressure: Option<u8>) -> Begin {
    Begin { slot: 0, gesture_back: 0, tool: Tool::Pen, colour: RED, width: 32, scale: 3, x: -800, y: 1200, pressure }
}

fn steps(count: usize) -> Vec<[i32; 2]> {
    (0..count as i32).map(|index| [20 + index % 3, -7 - index % 5]).collect()
}

fn points(slot: u8, count: usize, pressed: bool) -> Points {
    let pressures = if pressed { (0..count as i16).map(|index| index % 4 - 1).collect() } else { Vec::new() };
    Points { slot, steps: steps(count).into(), pressures: pressures.into() }
}

fn shape(kind: ShapeKind) -> Shape {
    Shape { gesture_back: 0, kind, colour: RED, fill: CLEAR, width: 16, scale: 3, x: 0, y: 8, dx: 640, dy: -480 }
}

fn text(text: &str) -> Text {
    Text { gesture_back: 0, colour: RED, size: 160, scale: 3, x: 16, y: 24, text: text.into() }
}

fn note() -> Note {
    let (colour, fill) = (Colour(0xff), Colour(0xffec_99ff));
    Note {
        gesture_back: 0,
        colour,
        fill,
        size: 160,
        scale: 3,
        x: 0,
        y: -8,
        dx: 1600,
        dy: 1200,
        text: "a note\nof two".into(),
    }
}

fn picture() -> Picture {
    let (image, colour) = (ImageHash([0x5a; 32]), Colour(0xff));
    Picture { gesture_back: 1, image, colour, scale: 3, x: 8, y: 16, dx: 800, dy: -600 }
}

fn patch(property: Property) -> Operation {
    Operation::Patch(Patch { gesture_back: 2, element: ElementRef { author: 3, cseq: 41 }, property })
}

fn operations() -> Vec<Operation> {
    let limit = limits::COORDINATE;
    let far = Begin { slot: 7, x: limit, y: -limit, scale: limits::SCALE_MAX, width: limits::WIDTH, ..pen(Some(255)) };
    vec![
        Operation::Begin(pen(Some(128))),
        Operation::Begin(Begin { tool: Tool::Highlighter, scale: limits::SCALE_MIN, width: 1, ..pen(None) }),
        Operation::Begin(far),
        Operation::Points(points(0, 4, true)),
        Operation::Points(points(7, 5, true)),
        Operation::Points(points(3, 4, false)),
        Operation::Points(points(0, limits::POINTS, true)),
        Operation::Points(Points {
            slot: 0,
            steps: vec![[2 * limit, -2 * limit], [-2 * limit, 2 * limit], [8, -8], [0, 0]].into(),
            pressures: vec![255, -255, 8, -8].into(),
        }),
        Operation::End { slot: 0 },
        Operation::Cancel { slot: 1 },
        Operation::Shape(shape(ShapeKind::Line)),
        Operation::Shape(shape(ShapeKind::Arrow)),
        Operation::Shape(shape(ShapeKind::Rectangle)),
        Operation::Shape(Shape { fill: RED, ..shape(ShapeKind::Ellipse) }),
        Operation::Text(text("two\nlines, grüß dich ✎")),
        Operation::Text(text(&"a".repeat(limits::TEXT))),
        patch(Property::Colour { colour: RED }),
        patch(Property::Fill { colour: CLEAR }),
        patch(Property::Width { width: 300 }),
        patch(Property::Offset { x: 500, y: -500 }),
        patch(Property::Text { text: "new".into() }),
        patch(Property::Dash { dash: Dash::Dotted }),
        patch(Property::Matrix { a: 0, b: 65_536, c: -limits::MATRIX, d: limits::MATRIX }),
        patch(Property::Rank { rank: -limits::RANK }),
        patch(Property::Rank { rank: limits::RANK }),
        patch(Property::Locked { locked: true }),
        patch(Property::Group { group: limits::NUMBER }),
        Operation::Note(note()),
        Operation::Picture(picture()),
        Operation::Delete { gesture_back: 1, elements: vec![ElementRef { author: 0, cseq: 9 }] },
        Operation::Delete { gesture_back: 0, elements: vec![ElementRef { author: 1, cseq: 1 }; limits::DELETIONS] },
        Operation::Undo { gesture: 300 },
        Operation::Redo { gesture: limits::NUMBER },
        Operation::Clear { gesture_back: 0 },
        Operation::ClearAuthor { gesture_back: 2, author: 300 },
        Operation::Unknown { tag: 200, body: vec![1, 2, 3] },
    ]
}

fn client() -> Vec<ClientMessage> {
    let hello = |name: &str| ClientMessage::Hello {
        client_id: ClientId(std::array::from_fn(|index| index as u8 * 17)),
        epoch: Epoch([1, 2, 3, 4, 5, 6, 7, 8]),
        seq: 70_000,
        hash: [0xab; 8],
        name: name.into(),
        colour: RED,
    };
    let mut all = vec![
        hello("Ada"),
        hello(&"n".repeat(limits::NAME)),
        ClientMessage::Presence { cursor: None },
        ClientMessage::Presence { cursor: Some([-64, limits::COORDINATE]) },
        ClientMessage::View { view: None },
        ClientMessage::View { view: Some([-64, -64, 128, limits::COORDINATE]) },
        ClientMessage::Laser { at: [5, -6] },
        ClientMessage::Draft { shape: None },
        ClientMessage::Draft { shape: Some(shape(ShapeKind::Arrow)) },
        ClientMessage::Writing { text: None },
        ClientMessage::Writing { text: Some(text("to be")) },
        ClientMessage::ImagePart { image: ImageHash([0x5a; 32]), length: 9, offset: 6, bytes: vec![1, 2, 3] },
        ClientMessage::ImagePart {
            image: ImageHash([1; 32]),
            length: limits::IMAGE_BYTES as u64,
            offset: 0,
            bytes: vec![7; limits::IMAGE_PART],
        },
        ClientMessage::Credentials { token: None, visitor: None, password: String::new() },
        ClientMessage::Credentials {
            token: Some(Token([0x5a; 16])),
            visitor: Some(Token([7; 16])),
            password: "Geheimwort ✎".into(),
        },
        ClientMessage::Hand { raised: true },
        ClientMessage::Past { from: 70_000 },
        ClientMessage::Chronicle,
        ClientMessage::Authors { from: 501 },
        ClientMessage::Branch { seq: 1234 },
        ClientMessage::Profile { name: "<b>Bob</b>".into(), colour: CLEAR },
        ClientMessage::Ping { nonce: 0 },
        ClientMessage::Check { seq: 300, hash: [8, 7, 6, 5, 4, 3, 2, 1] },
        ClientMessage::Unknown { tag: 99, body: vec![0xff] },
        ClientMessage::Operations {
            first_cseq: 1,
            operations: vec![Operation::End { slot: 0 }; limits::OPERATIONS].into(),
        },
        ClientMessage::Operations { first_cseq: limits::CSEQ, operations: vec![Operation::End { slot: 0 }].into() },
    ];
    all.extend(Reaction::ALL.iter().map(|reaction| ClientMessage::React { reaction: *reaction }));
    all.extend(actions().into_iter().map(|action| ClientMessage::Moderate { action }));
    all.extend(
        operations().into_iter().map(|one| ClientMessage::Operations { first_cseq: 5, operations: [one].into() }),
    );
    all
}

fn server() -> Vec<ServerMessage> {
    let by = GestureRef { author: 2, gesture: 8 };
    let element = |cseq, content| Element {
        author: 1,
        cseq,
        seq: 10 + cseq,
        gesture: 1,
        content,
        deletions: vec![by],
        patches: vec![PatchRecord { by, property: Property::Width { width: 9 } }],
    };
    let stroke = |count, live| {
        let points = points(0, count, count > 0).try_into().expect("even points");
        Content::Stroke { begin: pen(Some(3)), points, live }
    };
    let entry = |author, skip, operation| Entry { author, skip, operation };
    let mut all = vec![
        ServerMessage::Welcome { author: 3, epoch: Epoch([9; 8]), seq: 1234, cseq: 88, mark: 1200 },
        ServerMessage::Snapshot { seq: 0, elements: 0, authors: vec![] },
        ServerMessage::Snapshot {
            seq: 300,
            elements: 4,
            authors: vec![
                AuthorState { author: 1, cseq: 400, gestures: vec![] },
                AuthorState {
                    author: 2,
                    cseq: 9,
                    gestures: vec![
                        GestureState { gesture: 1, undone: false },
                        GestureState { gesture: 8, undone: true },
                    ],
                },
            ],
        },
        ServerMessage::Elements {
            elements: vec![
                element(1, stroke(3, None)),
                element(5, stroke(0, Some(7))),
                element(6, Content::Shape(shape(ShapeKind::Arrow))),
                element(7, Content::Text(text("✎"))),
                element(8, Content::Note(note())),
                element(9, Content::Picture(picture())),
            ],
        },
        ServerMessage::SnapshotEnd { hash: [0xab; 8] },
        ServerMessage::Operations {
            first_seq: 1235,
            entries: operations().into_iter().enumerate().map(|(at, one)| entry(at as u32 + 1, 0, one)).collect(),
        },
        ServerMessage::Operations { first_seq: 1, entries: vec![entry(1, 200, Operation::End { slot: 2 })] },
        ServerMessage::Presence { all: true, changes: vec![] },
        ServerMessage::Presence {
            all: false,
            changes: vec![
                Change::Here { author: 1, name: "Ada".into(), colour: RED },
                Change::Cursor { author: 1, at: Some([64, -64]) },
                Change::Cursor { author: 2, at: None },
                Change::Gone { author: 4 },
                Change::View { author: 1, view: Some([0, 0, 64_000, 44_800]) },
                Change::View { author: 2, view: None },
                Change::Laser { author: 1, at: [64, -64] },
                Change::Standing { author: 1, role: Role::Host, draws: true, muted: false, hand: true },
                Change::Reaction { author: 1, reaction: Reaction::Question },
                Change::Draft { author: 1, shape: Some(shape(ShapeKind::Arrow)) },
                Change::Draft { author: 2, shape: None },
                Change::Writing { author: 1, text: Some(text("to be")) },
                Change::Writing { author: 2, text: None },
            ],
        },
        ServerMessage::Mark { seq: 1235 },
        ServerMessage::Pong { nonce: 12 },
        ServerMessage::SlowDown { ms: 400 },
        ServerMessage::Link { role: Role::Viewer, token: Token([0x5a; 16]), expires: 1_764_144_000_000 },
        ServerMessage::Rules { without_link: None, has_password: false, links: vec![], bans: vec![] },
        ServerMessage::Rules {
            without_link: Some(Role::Viewer),
            has_password: true,
            links: vec![LinkRecord { role: Role::Host, made: 1_764_144_000_000, expires: 0 }],
            bans: vec![BanRecord { ban: 1, name: "Mallory".into(), address: true, at: 1_764_144_000_000 }],
        },
        ServerMessage::Audit {
            records: vec![AuditRecord {
                at: 1_764_144_000_000,
                who: "Ada".into(),
                what: "mute".into(),
                whom: "Mallory".into(),
            }],
        },
        ServerMessage::NotDone { text: "only a host may do that".into() },
        ServerMessage::Past { first_seq: 9, last_seq: 8, hash: [0; 8], entries: vec![] },
        ServerMessage::Past {
            first_seq: 1,
            last_seq: 900,
            hash: [0xab; 8],
            entries: vec![entry(1, 0, Operation::Shape(shape(ShapeKind::Line)))],
        },
        ServerMessage::Chronicle {
            moments: vec![Timestamp { seq: 1, at: 1_764_144_000_000 }],
            names: vec![AuthorName { author: 1, name: "Ada".into() }],
        },
        ServerMessage::Branched { name: "k3v9".into(), token: Token([0xb4; 16]) },
        ServerMessage::Authors { names: vec![AuthorName { author: 501, name: "Bob".into() }] },
        ServerMessage::Unknown { tag: 127, body: vec![] },
    ];
    all.extend(Role::ALL.iter().map(|role| ServerMessage::Access {
        role: *role,
        draws: *role > Role::Viewer,
        locked: false,
        muted: true,
        hosted: true,
    }));
    all.extend(StorageState::ALL.iter().map(|state| ServerMessage::Storage { state: *state }));
    let image = |state: &ImageState| ServerMessage::Image { image: ImageHash([0x5a; 32]), state: *state };
    all.extend(ImageState::ALL.iter().map(image));
    all.extend(RejectReason::ALL.iter().map(|reason| ServerMessage::Reject { cseq: 89, reason: *reason }));
    all.extend(Reason::ALL.iter().map(|reason| ServerMessage::Bye {
        reason: *reason,
        retry_ms: 250,
        text: "why".into(),
    }));
    all
}

/// A client's operations packet around the bytes of one operation.
fn with_operation(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut operation = vec![tag];
    put_length(&mut operation, body.len());
    operation.extend_from_slice(body);
    let mut packet = vec![2];
    put_length(&mut packet, operation.len() + 1);
    packet.push(1);
    packet.extend_from_slice(&operation);
    packet
}

fn put_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn encoded(operation: Operation) -> Vec<u8> {
    binary::encode_client(&[ClientMessage::Operations { first_cseq: 1, operations: [operation].into() }])
}

fn reject() -> Vec<(&'static str, &'static str, Vec<u8>, DecodeError)> {
    use DecodeError::*;
    let above = limits::COORDINATE + 1;
    let begin = |begin: Begin| encoded(Operation::Begin(begin));
    let hello = |name: Vec<u8>| {
        let mut body = vec![7; 24];
        body.extend([0; 9]);
        put_length(&mut body, name.len());
        body.extend(name);
        body.extend([0; 4]);
        let mut packet = vec![1];
        put_length(&mut packet, body.len());
        packet.extend(body);
        packet
    };
    vec![
        ("no message", "client", vec![], EmptyPacket),
        ("no server message", "server", vec![], EmptyPacket),
        ("a tag alone", "client", vec![5], Truncated),
        ("a body shorter than its length", "client", vec![5, 2, 1], Truncated),
        ("a length beyond all memory", "client", vec![5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], Truncated),
        ("a body longer than its fields", "client", vec![5, 2, 1, 0], TrailingBytes),
        ("a number of 9 bytes", "client", [&[5, 9][..], &[0xff; 8], &[1]].concat(), NumberTooLarge),
        ("2^53", "client", vec![5, 8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10], NumberTooLarge),
        ("zero in two bytes", "client", vec![5, 2, 0x80, 0], NumberNotMinimal),
        ("a name that is not UTF-8", "client", hello(vec![0xff]), InvalidUtf8),
        ("a name above the limit", "client", hello(vec![b'n'; limits::NAME + 1]), TextTooLong),
        ("a flag of 2", "client", vec![3, 1, 2], InvalidFlag),
        ("no operations", "client", vec![2, 1, 1], Empty),
        (
            "a client sequence number of 0",
            "client",
            binary::encode_client(&[ClientMessage::Operations {
                first_cseq: 0,
                operations: vec![Operation::End { slot: 0 }].into(),
            }]),
            NumberTooSmall,
        ),
        (
            "a client sequence number above the limit",
            "client",
            binary::encode_client(&[ClientMessage::Operations {
                first_cseq: limits::CSEQ,
                operations: vec![Operation::End { slot: 0 }; 2].into(),
            }]),
            NumberTooLarge,
        ),
        ("a reaction that does not exist", "client", vec![12, 1, 7], UnknownValue),
        ("a role that does not exist", "client", vec![13, 2, 7, 3], UnknownValue),
        ("an order that does not exist", "client", vec![13, 1, 13], UnknownValue),
        (
            "a password above the limit",
            "client",
            binary::encode_client(&[ClientMessage::Moderate {
                action: Action::Password { password: "p".repeat(limits::PASSWORD + 1) },
            }]),
            TextTooLong,
        ),
        (
            "a pen lent for longer than the limit",
            "client",
            binary::encode_client(&[ClientMessage::Moderate {
                action: Action::Lend { author: 1, seconds: limits::SECONDS + 1 },
            }]),
            NumberTooLarge,
        ),
        ("too many messages", "client", [5, 1, 0].repeat(limits::CLIENT_MESSAGES + 1), TooMany),
        (
            "too many operations",
            "client",
            binary::encode_client(&[ClientMessage::Operations {
                first_cseq: 1,
                operations: vec![Operation::End { slot: 0 }; limits::OPERATIONS + 1].into(),
            }]),
            TooMany,
        ),
        ("slot 8 begins", "client", begin(Begin { slot: 8, ..pen(None) }), SlotOutOfRange),
        ("slot 8 ends", "client", encoded(Operation::End { slot: 8 }), SlotOutOfRange),
        ("slot 255 is cancelled", "client", encoded(Operation::Cancel { slot: 255 }), SlotOutOfRange),
        (
            "a tool that does not exist",
            "client",
            with_operation(1, &[0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
            UnknownValue,
        ),
        ("a shape that does not exist", "client", with_operation(5, &[0, 4]), UnknownValue),
        ("a property that does not exist", "client", with_operation(14, &[0, 1, 1, 10]), UnknownValue),
        ("a later property in the first patch", "client", with_operation(7, &[0, 1, 1, 5, 0]), UnknownValue),
        ("a first property in the later patch", "client", with_operation(14, &[0, 1, 1, 2, 9]), UnknownValue),
        ("a dash that does not exist", "client", with_operation(14, &[0, 1, 1, 5, 3]), UnknownValue),
        (
            "a matrix above the limit",
            "client",
            encoded(patch(Property::Matrix { a: 0, b: 0, c: 0, d: limits::MATRIX + 1 })),
            MatrixOutOfRange,
        ),
        ("a rank above the limit", "client", encoded(patch(Property::Rank { rank: limits::RANK + 1 })), NumberTooLarge),
        (
            "a picture wider than the board",
            "client",
            encoded(Operation::Picture(Picture { dx: i32::MIN, ..picture() })),
            CoordinateOutOfRange,
        ),
        ("a note of width 0", "client", encoded(Operation::Note(Note { size: 0, ..note() })), WidthOutOfRange),
        ("an image of too many bytes", "client", image_part(limits::IMAGE_BYTES as u64 + 1, 0, 1), ImageTooLarge),
        ("an image part of no bytes", "client", image_part(9, 0, 0), Empty),
        ("an image part beyond its image", "client", image_part(9, 8, 2), ImageTooLarge),
        (
            "an image part above the limit",
            "client",
            image_part(limits::IMAGE_BYTES as u64, 0, limits::IMAGE_PART + 1),
            ImageTooLarge,
        ),
        ("width 0", "client", begin(Begin { width: 0, ..pen(None) }), WidthOutOfRange),
        ("a width above the limit", "client", begin(Begin { width: limits::WIDTH + 1, ..pen(None) }), WidthOutOfRange),
        ("a scale above the limit", "client", begin(Begin { scale: 17, ..pen(None) }), ScaleOutOfRange),
        ("a scale below the limit", "client", begin(Begin { scale: -9, ..pen(None) }), ScaleOutOfRange),
        ("x above the limit", "client", begin(Begin { x: above, ..pen(None) }), CoordinateOutOfRange),
        ("y below the limit", "client", begin(Begin { y: -above, ..pen(None) }), CoordinateOutOfRange),
        (
            "a cursor above the limit",
            "client",
            binary::encode_client(&[ClientMessage::Presence { cursor: Some([above, 0]) }]),
            CoordinateOutOfRange,
        ),
        (
            "a step above the limit",
            "client",
            encoded(Operation::Points(Points {
                slot: 0,
                steps: vec![[i32::MAX, 0]].into(),
                pressures: Default::default(),
            })),
            CoordinateOutOfRange,
        ),
        ("no points", "client", with_operation(2, &[0]), Empty),
        ("more points promised than bytes", "client", with_operation(2, &[0x40, 2, 2]), Truncated),
        ("too many points", "client", encoded(Operation::Points(points(0, limits::POINTS + 1, false))), TooMany),
        ("a small step in long form", "client", with_operation(2, &[0x20, 0, 0, 0x80, 2]), StepNotMinimal),
        ("an odd pressure with a second half", "client", with_operation(2, &[0x18, 0x00, 0x00, 0x01]), StepNotMinimal),
        (
            "a step of pressure of 256",
            "client",
            encoded(Operation::Points(Points { slot: 0, steps: vec![[0, 0]].into(), pressures: vec![256].into() })),
            PressureOutOfRange,
        ),
        (
            "a text above the limit",
            "client",
            encoded(Operation::Text(text(&"a".repeat(limits::TEXT + 1)))),
            TextTooLong,
        ),
        ("a delete of nothing", "client", encoded(Operation::Delete { gesture_back: 0, elements: vec![] }), Empty),
        (
            "too many deletions",
            "client",
            encoded(Operation::Delete {
                gesture_back: 0,
                elements: vec![ElementRef { author: 0, cseq: 1 }; limits::DELETIONS + 1],
            }),
            TooMany,
        ),
        ("no entries", "server", vec![36, 1, 1], Empty),
        ("a skip of zero", "server", vec![36, 6, 1, 3, 0, 3, 1, 0], NumberNotMinimal),
        ("a reason that does not exist", "server", vec![39, 2, 1, 16], UnknownValue),
        ("a change that does not exist", "server", vec![37, 2, 0, 9], UnknownValue),
        ("a list longer than its bytes", "server", vec![33, 5, 0, 0, 1, 1, 100], Truncated),
        ("points of a slot in a snapshot", "server", element_of_points(&[0x11, 2, 2]), SlotOutOfRange),
        (
            "a slot above the limit in a snapshot",
            "server",
            {
                let content = Content::Stroke { begin: pen(None), points: Ink::default(), live: Some(8) };
                let element =
                    Element { author: 1, cseq: 1, seq: 1, gesture: 1, content, deletions: vec![], patches: vec![] };
                binary::encode_server(&[ServerMessage::Elements { elements: vec![element] }])
            },
            SlotOutOfRange,
        ),
    ]
}

fn image_part(length: u64, offset: u64, bytes: usize) -> Vec<u8> {
    let (image, bytes) = (ImageHash([9; 32]), vec![7; bytes]);
    binary::encode_client(&[ClientMessage::ImagePart { image, length, offset, bytes }])
}

/// A snapshot's stroke around the bytes of its points.
fn element_of_points(points: &[u8]) -> Vec<u8> {
    let content = Content::Stroke { begin: pen(None), points: Ink::default(), live: None };
    let element = Element { author: 1, cseq: 1, seq: 1, gesture: 1, content, deletions: vec![], patches: vec![] };
    let mut packet = binary::encode_server(&[ServerMessage::Elements { elements: vec![element] }]);
    // Behind the points stand the live slot and two empty lists; the points are one byte, 0, for none.
    let at = packet.len() - 4;
    packet.splice(at..=at, points.iter().copied());
    packet[1] += points.len() as u8 - 1;
    packet
}

fn reject_json() -> Vec<(&'static str, &'static str, DecodeError)> {
    use DecodeError::*;
    vec![
        ("not JSON", "hello", MalformedJson),
        ("a type that does not exist", r#"[{"type":"nonsense"}]"#, MalformedJson),
        ("a missing field", r#"[{"type":"ping"}]"#, MalformedJson),
        ("a number that is not whole", r#"[{"type":"ping","nonce":1.5}]"#, MalformedJson),
        ("a number beyond all numbers", r#"[{"type":"ping","nonce":1e999}]"#, MalformedJson),
        ("a negative number", r#"[{"type":"ping","nonce":-1}]"#, MalformedJson),
        ("2^53", r#"[{"type":"ping","nonce":9007199254740992}]"#, NumberTooLarge),
        ("no message", "[]", EmptyPacket),
        ("a field given twice", r#"[{"type":"ping","nonce":1,"nonce":2}]"#, MalformedJson),
        ("a colour that is none", r#"[{"type":"profile","name":"","colour":"red"}]"#, MalformedJson),
        ("a known tag as unknown", r#"[{"type":"unknown","tag":5,"body":"07"}]"#, NotRepresentable),
    ]
}

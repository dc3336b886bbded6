//! Operations: what a person can do to a board, as data.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::Ink;

/// A colour with its opacity, as `0xRRGGBBAA`; in JSON `"#rrggbbaa"`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour(pub u32);

impl std::fmt::Debug for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:08x}", self.0)
    }
}

impl Serialize for Colour {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}

impl<'de> Deserialize<'de> for Colour {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 8 && !digits.starts_with('+'));
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        value.map(Colour).ok_or_else(|| serde::de::Error::custom("a colour is written #rrggbbaa"))
    }
}

/// The tool of a stroke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tool {
    /// Opaque ink.
    Pen,
    /// A broad, see-through line that does not darken where it crosses itself.
    Highlighter,
}

impl Tool {
    /// Every tool, in the order of its number on the wire.
    pub const ALL: [Self; 2] = [Self::Pen, Self::Highlighter];
}

/// The kind of a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShapeKind {
    /// A straight line from the first corner to the second.
    Line,
    /// A line with a head at the second corner.
    Arrow,
    /// The rectangle between the two corners.
    Rectangle,
    /// The ellipse in that rectangle.
    Ellipse,
}

impl ShapeKind {
    /// Every kind, in the order of its number on the wire.
    pub const ALL: [Self; 4] = [Self::Line, Self::Arrow, Self::Rectangle, Self::Ellipse];
}

/// Names an element: the author that made it and the client sequence number of the operation that did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ElementRef {
    /// The element's author; 0 in an operation means the author of that operation.
    pub author: u32,
    /// The client sequence number of the `begin`, `shape` or `text` that made it.
    pub cseq: u64,
}

/// Starts a live stroke at its first point.
///
/// One unit of its coordinates is 2^-`scale` board units; a board unit is a CSS pixel at zoom 1. A pen picks the
/// scale so that a unit is about an eighth of a screen pixel at the zoom of pen-down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Begin {
    /// Which of its author's live strokes this is, `0..LIVE_SLOTS`, until `end` or `cancel` frees the slot.
    pub slot: u8,
    /// The distance to the beginning of this operation's gesture, in client sequence numbers; 0 begins a new one.
    pub gesture_back: u64,
    /// The tool.
    pub tool: Tool,
    /// Its colour.
    pub colour: Colour,
    /// Its width at full pressure, in its units, `1..=WIDTH`.
    pub width: u16,
    /// The exponent of its units, `SCALE_MIN..=SCALE_MAX`.
    pub scale: i8,
    /// The first point, in its units.
    pub x: i32,
    /// The first point, in its units.
    pub y: i32,
    /// The pressure at the first point, 0 to 255; absent where the device has none, and then in the whole stroke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressure: Option<u8>,
}

/// More points of a live stroke, as steps from point to point. What a pen draws in a frame takes no memory of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Points {
    /// The live stroke.
    pub slot: u8,
    /// The way from each point to the next, in the stroke's units; the first from the last point there is.
    pub steps: SmallVec<[[i32; 2]; 4]>,
    /// The change of pressure from each point to the next; as many as steps, or none.
    #[serde(default, skip_serializing_if = "SmallVec::is_empty")]
    pub pressures: SmallVec<[i16; 4]>,
}

/// A line, arrow, rectangle or ellipse between two corners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// As in [`Begin`].
    pub gesture_back: u64,
    /// The kind.
    pub kind: ShapeKind,
    /// The colour of its line.
    pub colour: Colour,
    /// The colour inside; fully transparent for none.
    pub fill: Colour,
    /// The width of its line, in its units.
    pub width: u16,
    /// As in [`Begin`].
    pub scale: i8,
    /// The first corner, in its units.
    pub x: i32,
    /// The first corner, in its units.
    pub y: i32,
    /// The second corner, from the first.
    pub dx: i32,
    /// The second corner, from the first.
    pub dy: i32,
}

/// A text that stands at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Text {
    /// As in [`Begin`].
    pub gesture_back: u64,
    /// Its colour.
    pub colour: Colour,
    /// The height of a line of it, in its units, `1..=WIDTH`.
    pub size: u16,
    /// As in [`Begin`].
    pub scale: i8,
    /// The left end of its first line's top, in its units.
    pub x: i32,
    /// The left end of its first line's top, in its units.
    pub y: i32,
    /// Its characters: plain text, lines split by `\n`.
    pub text: String,
}

/// A coloured note with a text on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// As in [`Begin`].
    pub gesture_back: u64,
    /// The colour of its letters.
    pub colour: Colour,
    /// The colour of its paper.
    pub fill: Colour,
    /// The height of a line of it, in its units, `1..=WIDTH`.
    pub size: u16,
    /// As in [`Begin`].
    pub scale: i8,
    /// The first corner, in its units.
    pub x: i32,
    /// The first corner, in its units.
    pub y: i32,
    /// The second corner, from the first.
    pub dx: i32,
    /// The second corner, from the first.
    pub dy: i32,
    /// Its characters: plain text, its lines split by `\n` where the page broke them.
    pub text: String,
}

/// A picture. Its bytes are kept beside the log, under their hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// As in [`Begin`].
    pub gesture_back: u64,
    /// The picture's bytes, by name.
    pub image: ImageHash,
    /// Its opacity counts; the rest is black.
    pub colour: Colour,
    /// As in [`Begin`].
    pub scale: i8,
    /// The first corner, in its units.
    pub x: i32,
    /// The first corner, in its units.
    pub y: i32,
    /// The second corner, from the first.
    pub dx: i32,
    /// The second corner, from the first.
    pub dy: i32,
}

/// The SHA-256 (FIPS 180-4) of a picture's bytes: its name everywhere; in JSON 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImageHash(#[serde(with = "crate::json::hex_array")] pub [u8; 32]);

impl std::fmt::Display for ImageHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::hex::encode(&self.0))
    }
}

impl std::str::FromStr for ImageHash {
    type Err = ImageHashError;

    fn from_str(text: &str) -> Result<Self, ImageHashError> {
        let is_plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        crate::hex::decode_array(text).filter(|_| is_plain).map(Self).ok_or(ImageHashError)
    }
}

/// A text that is no name of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a picture is 64 hex digits")]
pub struct ImageHashError;

/// The dashes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Dash {
    /// Not at all.
    #[default]
    Solid,
    /// Dashes of three widths, gaps of two.
    Dashed,
    /// Dots two widths apart.
    Dotted,
}

impl Dash {
    /// Every kind, in the order of its number on the wire.
    pub const ALL: [Self; 3] = [Self::Solid, Self::Dashed, Self::Dotted];
}

/// A property of an element with a new value; the last writer wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase")]
pub enum Property {
    /// The colour of its ink, line or letters.
    Colour {
        /// The new value.
        colour: Colour,
    },
    /// The colour inside a shape.
    Fill {
        /// The new value.
        colour: Colour,
    },
    /// The width of its ink or line, or the size of its letters.
    Width {
        /// The new value, in the element's units.
        width: u16,
    },
    /// Its offset from its first place.
    Offset {
        /// The new value, in the element's units.
        x: i32,
        /// The new value, in the element's units.
        y: i32,
    },
    /// The characters of a text.
    Text {
        /// The new value.
        text: String,
    },
    /// The dashes of its line.
    Dash {
        /// The new value.
        dash: Dash,
    },
    /// Its scale and turn about its first point or corner: `x' = a x + c y`, `y' = b x + d y`, in 1/65536. The
    /// width of its line stays.
    Matrix {
        /// The new value, `-MATRIX..=MATRIX`.
        a: i32,
        /// The new value.
        b: i32,
        /// The new value.
        c: i32,
        /// The new value.
        d: i32,
    },
    /// Its place in painting order, `-RANK..=RANK`; until it is given one, its sequence number times `RANKS_BETWEEN`.
    Rank {
        /// The new value.
        rank: i64,
    },
    /// Whether pages leave it alone.
    Locked {
        /// The new value.
        locked: bool,
    },
    /// Its group: elements of the same number are selected together; 0 for none.
    Group {
        /// The new value.
        group: u64,
    },
}

/// Gives one property of one element a new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    /// As in [`Begin`].
    pub gesture_back: u64,
    /// Which element.
    pub element: ElementRef,
    /// Which property, and its value.
    pub property: Property,
}

/// One thing that a person does to a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Operation {
    /// Starts a live stroke.
    Begin(Begin),
    /// Adds points to a live stroke.
    Points(Points),
    /// Finishes a live stroke.
    End {
        /// The live stroke.
        slot: u8,
    },
    /// Takes a live stroke back as if it had never been.
    Cancel {
        /// The live stroke.
        slot: u8,
    },
    /// Adds a shape.
    Shape(Shape),
    /// Adds a text.
    Text(Text),
    /// Changes one property of an element.
    Patch(Patch),
    /// Adds a note.
    Note(Note),
    /// Adds a picture.
    Picture(Picture),
    /// Deletes elements.
    #[serde(rename_all = "camelCase")]
    Delete {
        /// As in [`Begin`].
        gesture_back: u64,
        /// Which ones.
        elements: Vec<ElementRef>,
    },
    /// Takes back one of the author's own gestures.
    Undo {
        /// The client sequence number at which that gesture began.
        gesture: u64,
    },
    /// Does one of the author's own undone gestures again.
    Redo {
        /// The client sequence number at which that gesture began.
        gesture: u64,
    },
    /// Deletes everything that is visible.
    #[serde(rename_all = "camelCase")]
    Clear {
        /// As in [`Begin`].
        gesture_back: u64,
    },
    /// Deletes everything visible that one author made; of somebody else only a host may.
    #[serde(rename_all = "camelCase")]
    ClearAuthor {
        /// As in [`Begin`].
        gesture_back: u64,
        /// Whose elements; 0 for one's own.
        author: u32,
    },
    /// An operation of a later version: an old page passes over it, an old server rejects it.
    Unknown {
        /// Its tag on the wire.
        tag: u8,
        /// Its body.
        #[serde(with = "crate::json::hex_bytes")]
        body: Vec<u8>,
    },
}

/// The content of an element, in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Content {
    /// Ink: how it began, and all its steps. `slot` and `gestureBack` of `begin` are 0 here, and so is `points.slot`.
    Stroke {
        /// Its style and first point.
        begin: Begin,
        /// Every later point.
        points: Ink,
        /// The slot of its author in which it is still being drawn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        live: Option<u8>,
    },
    /// A shape as it was made; `gestureBack` is 0 here.
    Shape(Shape),
    /// A text as it was made; `gestureBack` is 0 here.
    Text(Text),
    /// A note as it was made; `gestureBack` is 0 here.
    Note(Note),
    /// A picture as it was made; `gestureBack` is 0 here.
    Picture(Picture),
}

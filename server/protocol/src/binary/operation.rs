//! Operations, and entries of the log.

use smallvec::SmallVec;

use super::packet::{Result, at_least_one, put_tagged, tagged, until_empty};
use super::tag;
use super::value::{
    author_number, colour, coordinate, image, place, put_colour, put_place, put_reference, put_value, reference, value,
};
use crate::bytes::{Reader, put_number, put_pair, put_signed, put_text};
use crate::ink::{self, PointsHead};
use crate::limits;
use crate::{
    Begin, Dash, DecodeError, Entry, Note, Operation, Patch, Picture, Points, Property, Shape, ShapeKind, Text, Tool,
};

pub(super) fn put_operation(out: &mut Vec<u8>, operation: &Operation) {
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

/// Properties that the first version of `patch` had stand in that; the others in another operation, which an older
/// server or page passes over.
fn patch_tag(property: &Property) -> u8 {
    use Property::{Colour, Dash, Fill, Group, Locked, Matrix, Offset, Rank, Text, Width};
    match property {
        Colour { .. } | Fill { .. } | Width { .. } | Offset { .. } | Text { .. } => tag::PATCH,
        Dash { .. } | Matrix { .. } | Rank { .. } | Locked { .. } | Group { .. } => tag::LATER_PATCH,
    }
}

pub(super) fn put_begin(out: &mut Vec<u8>, begin: &Begin) {
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

pub(super) fn put_shape(out: &mut Vec<u8>, shape: &Shape) {
    put_number(out, shape.gesture_back);
    put_value(out, &ShapeKind::ALL, &shape.kind);
    put_colour(out, shape.colour);
    put_colour(out, shape.fill);
    put_number(out, u64::from(shape.width));
    put_signed(out, i64::from(shape.scale));
    put_place(out, shape.x, shape.y);
    put_place(out, shape.dx, shape.dy);
}

pub(super) fn put_text_element(out: &mut Vec<u8>, text: &Text) {
    put_number(out, text.gesture_back);
    put_colour(out, text.colour);
    put_number(out, u64::from(text.size));
    put_signed(out, i64::from(text.scale));
    put_place(out, text.x, text.y);
    put_text(out, &text.text);
}

pub(super) fn put_note(out: &mut Vec<u8>, note: &Note) {
    put_number(out, note.gesture_back);
    put_colour(out, note.colour);
    put_colour(out, note.fill);
    put_number(out, u64::from(note.size));
    put_signed(out, i64::from(note.scale));
    put_place(out, note.x, note.y);
    put_place(out, note.dx, note.dy);
    put_text(out, &note.text);
}

pub(super) fn put_picture(out: &mut Vec<u8>, picture: &Picture) {
    put_number(out, picture.gesture_back);
    out.extend_from_slice(&picture.image.0);
    put_colour(out, picture.colour);
    put_signed(out, i64::from(picture.scale));
    put_place(out, picture.x, picture.y);
    put_place(out, picture.dx, picture.dy);
}

pub(super) fn put_property(out: &mut Vec<u8>, property: &Property) {
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

pub(super) fn operation(tag: u8, body: &mut Reader<'_>) -> Result<Operation> {
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

pub(super) fn slot(body: &mut Reader<'_>) -> Result<u8> {
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

pub(super) fn begin(body: &mut Reader<'_>) -> Result<Begin> {
    let slot = slot(body)?;
    let gesture_back = body.number()?;
    let (tool, colour, width, scale) = (value(body, &Tool::ALL)?, colour(body)?, width(body)?, scale(body)?);
    let [x, y] = place(body)?;
    let pressure = if body.flag()? { Some(body.byte()?) } else { None };
    Ok(Begin { slot, gesture_back, tool, colour, width, scale, x, y, pressure })
}

pub(super) fn points(body: &mut Reader<'_>) -> Result<Points> {
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

pub(super) fn shape(body: &mut Reader<'_>) -> Result<Shape> {
    let gesture_back = body.number()?;
    let (kind, colour, fill) = (value(body, &ShapeKind::ALL)?, colour(body)?, colour(body)?);
    let (width, scale) = (width(body)?, scale(body)?);
    let ([x, y], [dx, dy]) = (place(body)?, extent(body)?);
    Ok(Shape { gesture_back, kind, colour, fill, width, scale, x, y, dx, dy })
}

pub(super) fn text_element(body: &mut Reader<'_>) -> Result<Text> {
    let gesture_back = body.number()?;
    let (colour, size, scale) = (colour(body)?, width(body)?, scale(body)?);
    let [x, y] = place(body)?;
    Ok(Text { gesture_back, colour, size, scale, x, y, text: body.text(limits::TEXT)? })
}

pub(super) fn note(body: &mut Reader<'_>) -> Result<Note> {
    let gesture_back = body.number()?;
    let (colour, fill, size, scale) = (colour(body)?, colour(body)?, width(body)?, scale(body)?);
    let ([x, y], [dx, dy]) = (place(body)?, extent(body)?);
    Ok(Note { gesture_back, colour, fill, size, scale, x, y, dx, dy, text: body.text(limits::TEXT)? })
}

pub(super) fn picture(body: &mut Reader<'_>) -> Result<Picture> {
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
pub(super) fn property(body: &mut Reader<'_>, patch: u8) -> Result<Property> {
    let property = any_property(body)?;
    if patch_tag(&property) == patch { Ok(property) } else { Err(DecodeError::UnknownValue) }
}

pub(super) fn any_property(body: &mut Reader<'_>) -> Result<Property> {
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

pub(super) fn entry(body: &mut Reader<'_>) -> Result<Entry> {
    let head = body.number_up_to(u64::from(u32::MAX), DecodeError::NumberTooLarge)?;
    let skip = if head & 1 == 1 { body.number()? } else { 0 };
    if head & 1 == 1 && skip == 0 {
        return Err(DecodeError::NumberNotMinimal);
    }
    Ok(Entry { author: (head >> 1) as u32, skip, operation: tagged(body, operation)? })
}

/// Writes one log entry as it stands in an `operations` message.
pub fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    put_entry_head(out, entry.author, entry.skip);
    put_operation(out, &entry.operation);
}

/// Writes one log entry whose operation is encoded already: a room gathers them until it flushes.
#[inline]
pub fn put_encoded_entry(out: &mut Vec<u8>, author: u32, skip: u64, operation: &[u8]) {
    put_entry_head(out, author, skip);
    out.extend_from_slice(operation);
}

#[inline]
fn put_entry_head(out: &mut Vec<u8>, author: u32, skip: u64) {
    put_number(out, u64::from(author) << 1 | u64::from(skip > 0));
    if skip > 0 {
        put_number(out, skip);
    }
}

/// Reads the encoding of one operation.
///
/// # Errors
/// The rule that the bytes break, also if they go on after the operation.
pub fn decode_operation(bytes: &[u8]) -> Result<Operation> {
    let mut reader = Reader::new(bytes);
    let decoded = tagged(&mut reader, operation)?;
    reader.finish()?;
    Ok(decoded)
}

/// Returns the encoding of an operation.
pub fn encode_operation(operation: &Operation) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    put_operation(&mut out, operation);
    out
}

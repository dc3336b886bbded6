//! Values that stand in messages, operations and elements alike.

use super::packet::Result;
use crate::bytes::{Reader, put_number, put_signed};
use crate::limits;
use crate::{Colour, DecodeError, ElementRef, ImageHash};

pub(super) fn put_colour(out: &mut Vec<u8>, colour: Colour) {
    out.extend_from_slice(&colour.0.to_be_bytes());
}

pub(super) fn put_value<T: PartialEq>(out: &mut Vec<u8>, all: &[T], value: &T) {
    out.push(all.iter().position(|one| one == value).expect("Bug: every value is listed") as u8);
}

pub(super) fn put_place(out: &mut Vec<u8>, x: i32, y: i32) {
    put_signed(out, i64::from(x));
    put_signed(out, i64::from(y));
}

pub(super) fn put_cursor(out: &mut Vec<u8>, cursor: Option<[i32; 2]>) {
    out.push(u8::from(cursor.is_some()));
    if let Some([x, y]) = cursor {
        put_place(out, x, y);
    }
}

pub(super) fn put_view(out: &mut Vec<u8>, view: Option<&[i32; 4]>) {
    out.push(u8::from(view.is_some()));
    view.into_iter().flatten().for_each(|side| put_signed(out, i64::from(*side)));
}

pub(super) fn put_optional<T>(out: &mut Vec<u8>, value: Option<&T>, put: fn(&mut Vec<u8>, &T)) {
    out.push(u8::from(value.is_some()));
    value.into_iter().for_each(|value| put(out, value));
}

pub(super) fn put_reference(out: &mut Vec<u8>, reference: &ElementRef) {
    put_number(out, u64::from(reference.author));
    put_number(out, reference.cseq);
}

pub(super) fn value<T: Copy>(body: &mut Reader<'_>, all: &[T]) -> Result<T> {
    all.get(usize::from(body.byte()?)).copied().ok_or(DecodeError::UnknownValue)
}

pub(super) fn colour(body: &mut Reader<'_>) -> Result<Colour> {
    Ok(Colour(u32::from_be_bytes(body.array()?)))
}

pub(super) fn coordinate(body: &mut Reader<'_>, limit: i64) -> Result<i32> {
    within(body.signed()?, limit)
}

fn within(value: i64, limit: i64) -> Result<i32> {
    if value.abs() <= limit { Ok(value as i32) } else { Err(DecodeError::CoordinateOutOfRange) }
}

pub(super) fn place(body: &mut Reader<'_>) -> Result<[i32; 2]> {
    let limit = i64::from(limits::COORDINATE);
    Ok([coordinate(body, limit)?, coordinate(body, limit)?])
}

pub(super) fn cursor(body: &mut Reader<'_>) -> Result<Option<[i32; 2]>> {
    Ok(if body.flag()? { Some(place(body)?) } else { None })
}

pub(super) fn view(body: &mut Reader<'_>) -> Result<Option<[i32; 4]>> {
    if !body.flag()? {
        return Ok(None);
    }
    let ([left, top], [right, bottom]) = (place(body)?, place(body)?);
    Ok(Some([left, top, right, bottom]))
}

pub(super) fn optional<T>(body: &mut Reader<'_>, value: fn(&mut Reader<'_>) -> Result<T>) -> Result<Option<T>> {
    if body.flag()? { value(body).map(Some) } else { Ok(None) }
}

pub(super) fn image(body: &mut Reader<'_>) -> Result<ImageHash> {
    Ok(ImageHash(body.array()?))
}

pub(super) fn author_number(body: &mut Reader<'_>) -> Result<u32> {
    Ok(body.number_up_to(u64::from(limits::AUTHOR), DecodeError::NumberTooLarge)? as u32)
}

pub(super) fn reference(body: &mut Reader<'_>) -> Result<ElementRef> {
    Ok(ElementRef { author: author_number(body)?, cseq: body.number()? })
}

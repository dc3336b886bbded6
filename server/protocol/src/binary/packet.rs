//! Packets: tags, lengths and bodies, and lists.

use std::ops::Deref;

use crate::DecodeError;
use crate::bytes::{Reader, put_body};

pub(super) type Result<T> = std::result::Result<T, DecodeError>;

pub(super) fn decode<M, All: FromIterator<M> + Deref<Target = [M]>>(
    packet: &[u8],
    most: usize,
    message: fn(u8, &mut Reader<'_>) -> Result<M>,
) -> Result<All> {
    let messages: All = until_empty(&mut Reader::new(packet), most, |reader| tagged(reader, message))?;
    if messages.is_empty() { Err(DecodeError::EmptyPacket) } else { Ok(messages) }
}

/// Reads a tag and its body, and sees that the body is read to its end.
pub(super) fn tagged<T>(reader: &mut Reader<'_>, read: fn(u8, &mut Reader<'_>) -> Result<T>) -> Result<T> {
    let tag = reader.byte()?;
    let mut body = reader.body()?;
    let value = read(tag, &mut body)?;
    body.finish()?;
    Ok(value)
}

pub(super) fn until_empty<T, All: FromIterator<T>>(
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

pub(super) fn at_least_one<T, All: Deref<Target = [T]>>(all: All) -> Result<All> {
    if all.is_empty() { Err(DecodeError::Empty) } else { Ok(all) }
}

pub(super) fn list<T>(body: &mut Reader<'_>, read: impl Fn(&mut Reader<'_>) -> Result<T>) -> Result<Vec<T>> {
    let count = body.count(usize::MAX)?;
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(read(body)?);
    }
    Ok(all)
}

pub(super) fn put_tagged(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    put_body(out, fill);
}

/// The bytes that a number takes.
pub(super) fn number_length(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

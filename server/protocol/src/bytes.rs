//! Reading and writing the protocol's primitive fields: numbers, signed numbers, texts, and pairs of steps.

use crate::{DecodeError, limits};

type Result<T> = std::result::Result<T, DecodeError>;

/// A half byte with this value says that its step follows as a signed number.
const ESCAPE: u8 = 8;

/// Walks over the bytes of one packet; every read is checked against what is left.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The bytes from here to where a later reader of the same bytes stands.
    pub(crate) fn until(&self, later: &Self) -> &'a [u8] {
        &self.rest[..self.rest.len() - later.rest.len()]
    }

    /// The next `length` bytes.
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes by value.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn flag(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::InvalidFlag),
        }
    }

    /// A number: LEB128, little end first, at most 2^53 - 1, in as few bytes as it needs.
    pub(crate) fn number(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..56).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 {
                    Err(DecodeError::NumberNotMinimal)
                } else if value > limits::NUMBER {
                    Err(DecodeError::NumberTooLarge)
                } else {
                    Ok(value)
                };
            }
        }
        Err(DecodeError::NumberTooLarge)
    }

    /// A number at most `limit`, else the error of that field's rule.
    pub(crate) fn number_up_to(&mut self, limit: u64, error: DecodeError) -> Result<u64> {
        let value = self.number()?;
        if value <= limit { Ok(value) } else { Err(error) }
    }

    /// The length of a list whose items take at least one byte each, so that it never promises more than is there.
    pub(crate) fn count(&mut self, limit: usize) -> Result<usize> {
        let count = self.number_up_to(limit as u64, DecodeError::TooMany)? as usize;
        if count > self.remaining() { Err(DecodeError::Truncated) } else { Ok(count) }
    }

    /// A signed number in zigzag form.
    pub(crate) fn signed(&mut self) -> Result<i64> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(crate) fn text(&mut self, limit: usize) -> Result<String> {
        let length = self.number_up_to(limit as u64, DecodeError::TextTooLong)? as usize;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| DecodeError::InvalidUtf8)?;
        Ok(text.to_owned())
    }

    /// The length-prefixed body that comes next, as a reader of its own.
    pub(crate) fn body(&mut self) -> Result<Reader<'a>> {
        let length = self.number()?;
        let length = usize::try_from(length).map_err(|_| DecodeError::Truncated)?;
        Ok(Reader::new(self.take(length)?))
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Two small signed steps in one byte; see [`put_pair`].
    pub(crate) fn pair(&mut self) -> Result<(i64, i64)> {
        let byte = self.byte()?;
        Ok((self.step(byte >> 4)?, self.step(byte & 0xf)?))
    }

    fn step(&mut self, half: u8) -> Result<i64> {
        if half != ESCAPE {
            return Ok(i64::from((half << 4) as i8 >> 4));
        }
        let value = self.signed()?;
        if fits_half_byte(value) { Err(DecodeError::StepNotMinimal) } else { Ok(value) }
    }

    pub(crate) fn finish(self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }
}

fn fits_half_byte(value: i64) -> bool {
    (-7..=7).contains(&value)
}

pub(crate) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_number(out, ((value << 1) ^ (value >> 63)) as u64);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Writes two signed steps: a half byte each where both lie in -7..=7; the half byte 8 (-8) says that the step
/// follows as a signed number. A pen moves nearly evenly, so nearly every step fits.
pub(crate) fn put_pair(out: &mut Vec<u8>, first: i64, second: i64) {
    let half = |value: i64| if fits_half_byte(value) { value as u8 & 0xf } else { ESCAPE };
    out.push(half(first) << 4 | half(second));
    for value in [first, second] {
        if !fits_half_byte(value) {
            put_signed(out, value);
        }
    }
}

/// Writes what `fill` writes, with its length in front.
pub(crate) fn put_body(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(0);
    fill(out);
    let length = out.len() - start - 1;
    if length < 0x80 {
        out[start] = length as u8;
    } else {
        let mut prefix = Vec::with_capacity(4);
        put_number(&mut prefix, length as u64);
        out.splice(start..=start, prefix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_small_steps_takes_one_byte_and_large_ones_follow() {
        let mut out = Vec::new();
        put_pair(&mut out, -7, 7);
        assert_eq!(out, [0x97]);
        put_pair(&mut out, -8, 3);
        assert_eq!(out[1..], [0x83, 15]);
        let mut reader = Reader::new(&out);
        assert_eq!(reader.pair(), Ok((-7, 7)));
        assert_eq!(reader.pair(), Ok((-8, 3)));
        assert!(reader.is_empty());
    }

    #[test]
    fn a_body_longer_than_127_bytes_gets_a_longer_prefix() {
        let mut out = Vec::new();
        put_body(&mut out, |out| out.extend_from_slice(&[9; 200]));
        assert_eq!(out[..3], [0xc8, 1, 9]);
        assert_eq!(Reader::new(&out).body().unwrap().remaining(), 200);
    }
}

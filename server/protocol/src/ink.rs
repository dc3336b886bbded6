//! A stroke's points in the form that they have on the wire: a board holds about a byte where a step takes eight.

use serde::{Deserialize, Serialize};

use crate::bytes::{Reader, put_number, put_pair, put_signed};
use crate::{DecodeError, Points, limits};

type Result<T> = std::result::Result<T, DecodeError>;

/// All points of a stroke behind its first one, in wire form; in JSON as [`Points`] of slot 0.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Points", into = "Points")]
pub struct Ink {
    /// The first step, and of every later one what it differs from the step before.
    steps: Vec<u8>,
    /// Pairs of changes of pressure; empty where the stroke has none.
    pressures: Vec<u8>,
    /// The change of pressure that still waits for its second half.
    odd: Option<i16>,
    count: u32,
    last_step: [i32; 2],
}

impl Ink {
    /// The number of points.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// The memory that the points take, in bytes.
    pub fn size(&self) -> usize {
        self.steps.len() + self.pressures.len()
    }

    /// Whether the stroke is a dot so far.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the points have pressure.
    pub fn is_pressed(&self) -> bool {
        self.odd.is_some() || !self.pressures.is_empty()
    }

    /// Adds points; the caller sees to it that all points of a stroke have pressure, or none.
    ///
    /// # Panics
    /// If there are pressures, but not as many as steps.
    pub fn extend(&mut self, points: &Points) {
        assert!(points.pressures.is_empty() || points.pressures.len() == points.steps.len(), "Bug: uneven points");
        for step in &points.steps {
            if self.count == 0 {
                step.iter().for_each(|way| put_signed(&mut self.steps, i64::from(*way)));
            } else {
                let change = |axis: usize| i64::from(step[axis]) - i64::from(self.last_step[axis]);
                put_pair(&mut self.steps, change(0), change(1));
            }
            self.last_step = *step;
            self.count += 1;
        }
        for pressure in &points.pressures {
            match self.odd.take() {
                Some(first) => put_pair(&mut self.pressures, i64::from(first), i64::from(*pressure)),
                None => self.odd = Some(*pressure),
            }
        }
    }

    /// Gives back the room that was kept for more points.
    pub fn shrink(&mut self) {
        self.steps.shrink_to_fit();
        self.pressures.shrink_to_fit();
    }

    /// The way from each point to the next.
    ///
    /// # Panics
    /// Never: what is held was read or written by this type.
    pub fn steps(&self) -> impl Iterator<Item = [i32; 2]> {
        let mut reader = Reader::new(&self.steps);
        let mut before = [0; 2];
        (0..self.count).map(move |at| {
            before = next_step(&mut reader, before, at == 0).expect("Bug: the steps were checked");
            before
        })
    }

    /// The change of pressure from each point to the next; none where the stroke has no pressure.
    ///
    /// # Panics
    /// Never, as [`Ink::steps`].
    pub fn pressures(&self) -> impl Iterator<Item = i16> {
        let mut reader = Reader::new(&self.pressures);
        let pairs = std::iter::from_fn(move || {
            (!reader.is_empty()).then(|| next_pressures(&mut reader).expect("Bug: the pressures were checked"))
        });
        pairs.flatten().chain(self.odd)
    }

    /// Writes the points as a `points` body of slot 0.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_number(out, u64::from(self.count) << 4 | u64::from(self.is_pressed()) << 3);
        out.extend_from_slice(&self.steps);
        out.extend_from_slice(&self.pressures);
        if let Some(odd) = self.odd {
            put_pair(out, i64::from(odd), 0);
        }
    }

    /// Reads what [`Ink::put`] wrote.
    pub(crate) fn read(body: &mut Reader<'_>) -> Result<Self> {
        let head = PointsHead::read(body, 0, limits::STROKE_POINTS)?;
        if head.slot != 0 {
            return Err(DecodeError::SlotOutOfRange);
        }
        let mut ink = Self { count: head.count as u32, ..Self::default() };
        let start = body.clone();
        for at in 0..head.count {
            ink.last_step = next_step(body, ink.last_step, at == 0)?;
        }
        ink.steps = start.until(body).to_vec();
        if head.pressed {
            ink.read_pressures(body)?;
        }
        Ok(ink)
    }

    fn read_pressures(&mut self, body: &mut Reader<'_>) -> Result<()> {
        let start = body.clone();
        for _ in 0..self.count / 2 {
            next_pressures(body)?;
        }
        self.pressures = start.until(body).to_vec();
        if self.count % 2 == 1 {
            self.odd = Some(last_pressure(body)?);
        }
        Ok(())
    }
}

impl From<Ink> for Points {
    fn from(ink: Ink) -> Self {
        Self { slot: 0, steps: ink.steps().collect(), pressures: ink.pressures().collect() }
    }
}

impl TryFrom<Points> for Ink {
    type Error = DecodeError;

    fn try_from(points: Points) -> Result<Self> {
        if points.slot != 0 {
            return Err(DecodeError::SlotOutOfRange);
        }
        if !points.pressures.is_empty() && points.pressures.len() != points.steps.len() {
            return Err(DecodeError::NotRepresentable);
        }
        let mut ink = Self::default();
        ink.extend(&points);
        ink.shrink();
        Ok(ink)
    }
}

/// The head of points: their number, whether with pressure, and their slot.
pub(crate) struct PointsHead {
    pub(crate) count: usize,
    pub(crate) pressed: bool,
    pub(crate) slot: u8,
}

impl PointsHead {
    pub(crate) fn read(body: &mut Reader<'_>, least: usize, most: usize) -> Result<Self> {
        let head = body.number()?;
        let count = usize::try_from(head >> 4).ok().filter(|count| *count <= most).ok_or(DecodeError::TooMany)?;
        if count < least {
            return Err(DecodeError::Empty);
        }
        if count > body.remaining() {
            return Err(DecodeError::Truncated);
        }
        let pressed = head & 8 != 0;
        if pressed && count == 0 {
            return Err(DecodeError::InvalidFlag);
        }
        Ok(Self { count, pressed, slot: (head & 7) as u8 })
    }
}

/// The first step stands as it is, every later one as what it differs from the step before: a pen that moves evenly
/// costs one byte a point.
pub(crate) fn next_step(body: &mut Reader<'_>, before: [i32; 2], is_first: bool) -> Result<[i32; 2]> {
    let limit = 2 * i64::from(limits::COORDINATE);
    let (ddx, ddy) = if is_first { (body.signed()?, body.signed()?) } else { body.pair()? };
    let step = [i64::from(before[0]) + ddx, i64::from(before[1]) + ddy];
    if step.iter().all(|way| way.abs() <= limit) {
        Ok(step.map(|way| way as i32))
    } else {
        Err(DecodeError::CoordinateOutOfRange)
    }
}

/// Two changes of pressure, in one byte where they are small.
pub(crate) fn next_pressures(body: &mut Reader<'_>) -> Result<[i16; 2]> {
    let (first, second) = body.pair()?;
    let limit = i64::from(limits::PRESSURE);
    if first.abs() > limit || second.abs() > limit {
        return Err(DecodeError::PressureOutOfRange);
    }
    Ok([first as i16, second as i16])
}

/// The change of pressure of the last of an odd number of points, whose second half must be 0.
pub(crate) fn last_pressure(body: &mut Reader<'_>) -> Result<i16> {
    let [last, nothing] = next_pressures(body)?;
    if nothing == 0 { Ok(last) } else { Err(DecodeError::StepNotMinimal) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_that_came_in_pieces_are_those_that_came_at_once() {
        let steps = vec![[5, 5], [-900, 7], [0, 0], [i32::MAX / 2, -3], [1, 1]];
        let pressures = vec![200, -200, 3, -3, 0];
        let whole = Points { slot: 0, steps: steps.into(), pressures: pressures.into() };
        for cut in 0..=whole.steps.len() {
            let mut ink = Ink::default();
            for range in [0..cut, cut..whole.steps.len()] {
                let (steps, pressures) = (whole.steps[range.clone()].to_vec(), whole.pressures[range].to_vec());
                ink.extend(&Points { slot: 0, steps: steps.into(), pressures: pressures.into() });
            }
            assert_eq!(ink, Ink::try_from(whole.clone()).unwrap());
            assert_eq!(Points::from(ink), whole);
        }
    }
}

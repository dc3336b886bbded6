//! One element of a board and everything that gestures have done to it.

use inkwire_protocol::{
    Colour, Content, Element, ElementRef, GestureRef, PatchRecord, Points, Property, RejectReason, limits,
};

use crate::hash::{Hasher, StateHash};

/// An element as the board holds it: its wire form, where its ink ends, and its part in the state hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardElement {
    pub(crate) wire: Element,
    tip: Tip,
    ink: Hasher,
    visible: bool,
    hash: StateHash,
    /// The size with which it was last counted.
    counted: u32,
}

/// The size of a patch beside its text.
const PATCH: usize = size_of::<PatchRecord>();

/// Deletions and patches, and bytes of text, that take about as long as a small element.
const RECORDS_PER_WORK: usize = 8;
const TEXT_PER_WORK: usize = 256;

/// The last point of a stroke: the next step counts from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tip {
    x: i32,
    y: i32,
    pressure: i32,
}

impl Tip {
    fn step(self, step: [i32; 2], pressure: i16) -> Option<Self> {
        let within = |value: i64, least: i64, most: i64| (least..=most).contains(&value).then_some(value as i32);
        let limit = i64::from(limits::COORDINATE);
        Some(Self {
            x: within(i64::from(self.x) + i64::from(step[0]), -limit, limit)?,
            y: within(i64::from(self.y) + i64::from(step[1]), -limit, limit)?,
            pressure: within(i64::from(self.pressure) + i64::from(pressure), 0, i64::from(limits::PRESSURE))?,
        })
    }

    fn fold_into(self, ink: &mut Hasher) {
        [self.x, self.y, self.pressure].into_iter().for_each(|value| ink.signed(value));
    }
}

impl BoardElement {
    /// An element as it came in an operation or a snapshot; the caller computes its visibility next.
    ///
    /// # Errors
    /// A stroke whose points leave the range or that mixes points with and without pressure.
    pub(crate) fn new(wire: Element) -> Result<Self, RejectReason> {
        let mut element = Self {
            wire,
            tip: Tip::default(),
            ink: Hasher::default(),
            visible: false,
            hash: StateHash::default(),
            counted: 0,
        };
        if let Content::Stroke { begin, points, .. } = &element.wire.content {
            if !points.is_empty() && points.is_pressed() != begin.pressure.is_some() {
                return Err(RejectReason::PressureMismatch);
            }
            let start = Tip { x: begin.x, y: begin.y, pressure: begin.pressure.map_or(0, i32::from) };
            start.fold_into(&mut element.ink);
            (element.tip, element.ink) = walk(start, element.ink, points.steps(), points.pressures())?;
        }
        Ok(element)
    }

    /// The element's identity.
    pub fn id(&self) -> ElementRef {
        ElementRef { author: self.wire.author, cseq: self.wire.cseq }
    }

    /// Returns the element and its patches, in wire form.
    pub fn wire(&self) -> &Element {
        &self.wire
    }

    /// Whether it is seen: made by a gesture that is not undone, and not deleted by one.
    pub fn is_visible(&self) -> bool {
        self.visible
    }

    pub(crate) fn hash(&self) -> StateHash {
        self.hash
    }

    /// The size with which the board has counted it, in bytes.
    pub(crate) fn counted(&self) -> usize {
        self.counted as usize
    }

    /// Its size from now on.
    pub(crate) fn count(&mut self) -> usize {
        self.counted = self.size() as u32;
        self.counted()
    }

    /// About the memory that it takes, in bytes.
    fn size(&self) -> usize {
        let text = |property: &Property| if let Property::Text { text } = property { text.len() } else { 0 };
        let content = match &self.wire.content {
            Content::Stroke { points, .. } => points.size(),
            Content::Shape(_) => 0,
            Content::Text(text) => text.text.len(),
            Content::Note(note) => note.text.len(),
            Content::Picture(_) => 0,
        };
        let patches: usize = self.wire.patches.iter().map(|patch| PATCH + text(&patch.property)).sum();
        size_of::<Self>() + content + patches + self.wire.deletions.len() * size_of::<GestureRef>()
    }

    /// The cost of looking at all of it: 1, and 1 more for about as much as folding a small element takes.
    pub(crate) fn work(&self) -> u64 {
        let text = |property: &Property| if let Property::Text { text } = property { text.len() } else { 0 };
        let content = match &self.wire.content {
            Content::Text(text) => text.text.len(),
            Content::Note(note) => note.text.len(),
            Content::Stroke { .. } | Content::Shape(_) | Content::Picture(_) => 0,
        };
        let patched: usize = self.wire.patches.iter().map(|patch| text(&patch.property)).sum();
        let records = self.wire.patches.len() + self.wire.deletions.len();
        (1 + records / RECORDS_PER_WORK + (content + patched) / TEXT_PER_WORK) as u64
    }

    /// Adds points to a live stroke.
    pub(crate) fn extend(&mut self, points: &Points) -> Result<(), RejectReason> {
        let Content::Stroke { begin, points: held, .. } = &self.wire.content else {
            return Err(RejectReason::SlotFree);
        };
        if begin.pressure.is_some() == points.pressures.is_empty() {
            return Err(RejectReason::PressureMismatch);
        }
        if held.len() + points.steps.len() > limits::STROKE_POINTS {
            return Err(RejectReason::StrokeFull);
        }
        let pressures = points.pressures.iter().copied();
        (self.tip, self.ink) = walk(self.tip, self.ink, points.steps.iter().copied(), pressures)?;
        if let Content::Stroke { points: held, .. } = &mut self.wire.content {
            held.extend(points);
        }
        Ok(())
    }

    /// The slot in which the stroke is being drawn.
    pub(crate) fn live(&self) -> Option<u8> {
        if let Content::Stroke { live, .. } = &self.wire.content { *live } else { None }
    }

    /// The stroke is finished.
    pub(crate) fn end(&mut self) {
        if let Content::Stroke { points, live, .. } = &mut self.wire.content {
            *live = None;
            points.shrink();
        }
    }

    /// Whether elements of this kind have the property.
    pub(crate) fn has(&self, property: &Property) -> bool {
        match property {
            Property::Colour { .. }
            | Property::Offset { .. }
            | Property::Matrix { .. }
            | Property::Rank { .. }
            | Property::Locked { .. }
            | Property::Group { .. } => true,
            Property::Width { .. } => !matches!(self.wire.content, Content::Picture(_)),
            Property::Fill { .. } => matches!(self.wire.content, Content::Shape(_) | Content::Note(_)),
            Property::Text { .. } => matches!(self.wire.content, Content::Text(_) | Content::Note(_)),
            Property::Dash { .. } => matches!(self.wire.content, Content::Stroke { .. } | Content::Shape(_)),
        }
    }

    /// The gestures that made, deleted or changed it.
    pub(crate) fn touched_by(&self) -> impl Iterator<Item = GestureRef> {
        let made_by = GestureRef { author: self.wire.author, gesture: self.wire.gesture };
        let patched = self.wire.patches.iter().map(|patch| patch.by);
        self.wire.deletions.iter().copied().chain(patched).chain([made_by])
    }

    /// Whether a gesture made, deleted or changed it.
    pub(crate) fn is_touched_by(&self, by: GestureRef) -> bool {
        self.touched_by().any(|touched| touched == by)
    }

    pub(crate) fn delete(&mut self, by: GestureRef) {
        if !self.wire.deletions.contains(&by) {
            self.wire.deletions.push(by);
        }
    }

    /// Records a new value as the latest; one gesture keeps one value of a property.
    pub(crate) fn patch(&mut self, by: GestureRef, property: Property) {
        self.wire.patches.retain(|patch| patch.by != by || !same_property(&patch.property, &property));
        self.wire.patches.push(PatchRecord { by, property });
    }

    /// Forgets everything that an undone gesture did here; it can no longer be redone.
    pub(crate) fn forget(&mut self, by: GestureRef) {
        self.wire.deletions.retain(|deletion| *deletion != by);
        self.wire.patches.retain(|patch| patch.by != by);
    }

    /// A gesture can no longer be undone: the values that it overwrote are gone for good.
    pub(crate) fn settle(&mut self, by: GestureRef) {
        let patches = std::mem::take(&mut self.wire.patches);
        let settled: Vec<(usize, Property)> = patches
            .iter()
            .enumerate()
            .filter(|(_, patch)| patch.by == by)
            .map(|(at, patch)| (at, patch.property.clone()))
            .collect();
        let overwritten = |at: usize, property: &Property| {
            settled.iter().any(|(later, other)| at < *later && same_property(property, other))
        };
        self.wire.patches = patches
            .into_iter()
            .enumerate()
            .filter(|(at, patch)| !overwritten(*at, &patch.property))
            .map(|(_, patch)| patch)
            .collect();
    }

    /// Works out what is seen now, and with it the element's part in the state hash.
    pub(crate) fn refresh(&mut self, is_undone: impl Fn(GestureRef) -> bool) {
        let made_by = GestureRef { author: self.wire.author, gesture: self.wire.gesture };
        self.visible = !is_undone(made_by) && self.wire.deletions.iter().all(|deletion| is_undone(*deletion));
        let mut fold = Hasher::default();
        fold.word(self.wire.author);
        fold.number(self.wire.cseq);
        fold.number(self.wire.seq);
        fold.word(u32::from(self.visible));
        self.fold_content(&mut fold);
        for patch in self.wire.patches.iter().filter(|patch| !is_undone(patch.by)) {
            fold_property(&mut fold, &patch.property);
        }
        self.hash = fold.finish();
    }

    fn fold_content(&self, fold: &mut Hasher) {
        match &self.wire.content {
            Content::Stroke { begin, live, .. } => {
                fold.word(begin.tool as u32);
                fold_style(fold, begin.colour, begin.width, begin.scale);
                fold.word(live.map_or(0, |slot| u32::from(slot) + 1));
                fold.fold(self.ink);
            }
            Content::Shape(shape) => {
                fold.word(16 + shape.kind as u32);
                fold_style(fold, shape.colour, shape.width, shape.scale);
                fold.word(shape.fill.0);
                [shape.x, shape.y, shape.dx, shape.dy].into_iter().for_each(|value| fold.signed(value));
            }
            Content::Text(text) => {
                fold.word(32);
                fold_style(fold, text.colour, text.size, text.scale);
                [text.x, text.y].into_iter().for_each(|value| fold.signed(value));
                fold.text(&text.text);
            }
            Content::Note(note) => {
                fold.word(48);
                fold_style(fold, note.colour, note.size, note.scale);
                fold.word(note.fill.0);
                [note.x, note.y, note.dx, note.dy].into_iter().for_each(|value| fold.signed(value));
                fold.text(&note.text);
            }
            Content::Picture(picture) => {
                fold.word(49);
                fold.word(picture.colour.0);
                fold.signed(i32::from(picture.scale));
                [picture.x, picture.y, picture.dx, picture.dy].into_iter().for_each(|value| fold.signed(value));
                picture.image.0.into_iter().for_each(|byte| fold.word(u32::from(byte)));
            }
        }
    }
}

/// Moves a tip over steps and folds every point, all or nothing.
fn walk(
    mut tip: Tip,
    mut ink: Hasher,
    steps: impl Iterator<Item = [i32; 2]>,
    mut pressures: impl Iterator<Item = i16>,
) -> Result<(Tip, Hasher), RejectReason> {
    for step in steps {
        tip = tip.step(step, pressures.next().unwrap_or(0)).ok_or(RejectReason::OutOfRange)?;
        tip.fold_into(&mut ink);
    }
    Ok((tip, ink))
}

fn fold_style(fold: &mut Hasher, colour: Colour, width: u16, scale: i8) {
    fold.word(colour.0);
    fold.word(u32::from(width));
    fold.signed(i32::from(scale));
}

fn fold_property(fold: &mut Hasher, property: &Property) {
    match property {
        Property::Colour { colour } => [64, colour.0].into_iter().for_each(|word| fold.word(word)),
        Property::Fill { colour } => [65, colour.0].into_iter().for_each(|word| fold.word(word)),
        Property::Width { width } => [66, u32::from(*width)].into_iter().for_each(|word| fold.word(word)),
        Property::Offset { x, y } => [67, *x as u32, *y as u32].into_iter().for_each(|word| fold.word(word)),
        Property::Text { text } => {
            fold.word(68);
            fold.text(text);
        }
        Property::Dash { dash } => [69, *dash as u32].into_iter().for_each(|word| fold.word(word)),
        Property::Matrix { a, b, c, d } => {
            fold.word(70);
            [a, b, c, d].into_iter().for_each(|entry| fold.signed(*entry));
        }
        Property::Rank { rank } => {
            fold.word(71);
            fold.number(*rank as u64);
        }
        Property::Locked { locked } => [72, u32::from(*locked)].into_iter().for_each(|word| fold.word(word)),
        Property::Group { group } => {
            fold.word(73);
            fold.number(*group);
        }
    }
}

fn same_property(one: &Property, other: &Property) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

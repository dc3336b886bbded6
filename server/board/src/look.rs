//! How an element looks now: what it was made with, and the latest value that each property was given.

use inkwire_protocol::{Colour, Content, Property};

use crate::board::Board;
use crate::element::BoardElement;
use crate::ink::InkPoint;

/// The properties of an element as they are seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The colour of its ink, line or letters.
    pub colour: Colour,
    /// The colour inside a shape.
    pub fill: Colour,
    /// The width of its ink or line, or the size of its letters, in its units.
    pub width: u16,
    /// How far it was moved, in its units.
    pub offset: [i32; 2],
    /// What a text says.
    pub text: String,
    /// The exponent of its units: one is 2^-`scale` board units.
    pub scale: i8,
}

impl Board {
    /// How an element of this board looks.
    pub fn look(&self, element: &BoardElement) -> Look {
        let wire = element.wire();
        let (colour, fill, width, text, scale) = match &wire.content {
            Content::Stroke { begin, .. } => (begin.colour, Colour(0), begin.width, "", begin.scale),
            Content::Shape(shape) => (shape.colour, shape.fill, shape.width, "", shape.scale),
            Content::Text(text) => (text.colour, Colour(0), text.size, text.text.as_str(), text.scale),
        };
        let mut look = Look { colour, fill, width, offset: [0, 0], text: text.into(), scale };
        for patch in wire.patches.iter().filter(|patch| !self.is_undone(patch.by)) {
            match &patch.property {
                Property::Colour { colour } => look.colour = *colour,
                Property::Fill { colour } => look.fill = *colour,
                Property::Width { width } => look.width = *width,
                Property::Offset { x, y } => look.offset = [*x, *y],
                Property::Text { text } => look.text.clone_from(text),
            }
        }
        look
    }
}

impl BoardElement {
    /// The points of a stroke, in its units; none for other elements. Without pressure that is 0.
    pub fn points(&self) -> Vec<InkPoint> {
        let Content::Stroke { begin, points, .. } = &self.wire().content else { return Vec::new() };
        let mut point = [begin.x, begin.y, begin.pressure.map_or(0, i32::from)];
        let mut all = vec![point];
        let mut pressures = points.pressures();
        for [dx, dy] in points.steps() {
            point = [point[0] + dx, point[1] + dy, point[2] + i32::from(pressures.next().unwrap_or(0))];
            all.push(point);
        }
        all
    }
}

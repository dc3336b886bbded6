//! The style of an element: its first values, and the latest value of each property.

use inkwire_protocol::{Colour, Content, Dash, Property, limits};

use crate::board::Board;
use crate::element::BoardElement;
use crate::ink::InkPoint;

/// The properties of an element as they are seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// The colour of its ink, line or letters.
    pub colour: Colour,
    /// The colour inside a shape.
    pub fill: Colour,
    /// The width of its ink or line, or the size of its letters, in its units.
    pub width: u16,
    /// Its offset, in its units.
    pub offset: [i32; 2],
    /// The characters of a text.
    pub text: String,
    /// The exponent of its units: one is 2^-`scale` board units.
    pub scale: i8,
    /// The dashes of its line.
    pub dash: Dash,
    /// The place of its points.
    pub placement: Placement,
    /// Its place in painting order; where two are the same, the one made first comes first.
    pub rank: i64,
}

/// The place of an element's points: scaled and turned about its first point, then moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    anchor: [f64; 2],
    matrix: [f64; 4],
    offset: [f64; 2],
}

// Every entry is an integer over a power of two.
impl Eq for Placement {}

impl Placement {
    /// Returns the place of a point; both in the element's units.
    pub fn of(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [a, b, c, d] = self.matrix;
        let [dx, dy] = [x - self.anchor[0], y - self.anchor[1]];
        [self.anchor[0] + self.offset[0] + (a * dx + c * dy), self.anchor[1] + self.offset[1] + (b * dx + d * dy)]
    }

    /// Whether points are only moved, which leaves round things round.
    pub fn only_moves(&self) -> bool {
        self.matrix == [1.0, 0.0, 0.0, 1.0]
    }

    /// The placement as an affine map `a b c d e f`, as SVG and canvas write it.
    pub fn map(&self) -> [f64; 6] {
        let [a, b, c, d] = self.matrix;
        let [e, f] = self.of([0.0, 0.0]);
        [a, b, c, d, e, f]
    }
}

impl Board {
    /// Returns the style of an element of this board.
    pub fn style(&self, element: &BoardElement) -> Style {
        let wire = element.wire();
        let (colour, fill, width, text, scale) = match &wire.content {
            Content::Stroke { begin, .. } => (begin.colour, Colour(0), begin.width, "", begin.scale),
            Content::Shape(shape) => (shape.colour, shape.fill, shape.width, "", shape.scale),
            Content::Text(text) => (text.colour, Colour(0), text.size, text.text.as_str(), text.scale),
            Content::Note(note) => (note.colour, note.fill, note.size, note.text.as_str(), note.scale),
            Content::Picture(picture) => (picture.colour, Colour(0), 0, "", picture.scale),
        };
        let placement = Placement { anchor: anchor(&wire.content), matrix: [1.0, 0.0, 0.0, 1.0], offset: [0.0; 2] };
        let (dash, rank) = (Dash::Solid, wire.seq as i64 * limits::RANKS_BETWEEN);
        let mut style = Style { colour, fill, width, offset: [0, 0], text: text.into(), scale, dash, placement, rank };
        for patch in wire.patches.iter().filter(|patch| !self.is_undone(patch.by)) {
            match &patch.property {
                Property::Colour { colour } => style.colour = *colour,
                Property::Fill { colour } => style.fill = *colour,
                Property::Width { width } => style.width = *width,
                Property::Offset { x, y } => style.offset = [*x, *y],
                Property::Text { text } => style.text.clone_from(text),
                Property::Dash { dash } => style.dash = *dash,
                Property::Matrix { a, b, c, d } => {
                    style.placement.matrix =
                        [a, b, c, d].map(|entry| f64::from(*entry) / f64::from(limits::MATRIX_ONE));
                }
                Property::Rank { rank } => style.rank = *rank,
                Property::Locked { .. } | Property::Group { .. } => {}
            }
        }
        style.placement.offset = style.offset.map(f64::from);
        style
    }

    /// The visible elements with their looks, in painting order: by rank, and among equals by sequence number.
    pub fn painted(&self) -> Vec<(&BoardElement, Style)> {
        let visible = self.elements().filter(|element| element.is_visible());
        let mut all: Vec<_> = visible.map(|element| (element, self.style(element))).collect();
        all.sort_by_key(|(_, style)| style.rank);
        all
    }
}

/// The point about which an element is scaled and turned.
fn anchor(content: &Content) -> [f64; 2] {
    let [x, y] = match content {
        Content::Stroke { begin, .. } => [begin.x, begin.y],
        Content::Shape(shape) => [shape.x, shape.y],
        Content::Text(text) => [text.x, text.y],
        Content::Note(note) => [note.x, note.y],
        Content::Picture(picture) => [picture.x, picture.y],
    };
    [x, y].map(f64::from)
}

impl BoardElement {
    /// The points of a stroke, in its units; none for other elements. Without pressure that is 0.
    pub fn points(&self) -> Vec<InkPoint> {
        let Content::Stroke { begin, points, .. } = &self.wire().content else { return Vec::new() };
        let mut point = [begin.x, begin.y, begin.pressure.map_or(0, i32::from)];
        let mut all = vec![point.map(f64::from)];
        let mut pressures = points.pressures();
        for [dx, dy] in points.steps() {
            point = [point[0] + dx, point[1] + dy, point[2] + i32::from(pressures.next().unwrap_or(0))];
            all.push(point.map(f64::from));
        }
        all
    }
}

//! A board as SVG: the same outlines that the page draws, byte for byte the same every time, and the same bytes that the page
//! writes (`static/js/files/svg.js`).

use std::borrow::Cow;
use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use inkwire_board::{
    Board, BoardElement, InkPoint, Path, Style, add_box, add_line, add_outline, add_shape, head_length,
};
use inkwire_protocol::{Colour, Content, Dash, ImageHash, ShapeKind};

use crate::storage::Image;

/// Around everything that is drawn, in board units.
const MARGIN: f64 = 16.0;
/// Of text, in sizes of its letters: the height of a line, its first base line, and what is left free at the edge of a note.
const LINE_HEIGHT: f64 = 1.25;
const BASE_LINE: f64 = 0.95;
const NOTE_EDGE: f64 = 0.6;
/// The placeholder of a missing picture.
const MISSING: Colour = Colour(0xced4_daff);

/// The picture of a board; board units are pixels.
pub(super) fn svg(board: &Board, image: impl Fn(ImageHash) -> Option<Image>) -> String {
    let mut body = String::new();
    let mut bounds: Option<[f64; 4]> = None;
    for (element, style) in board.painted() {
        let unit = (-f64::from(style.scale)).exp2();
        bounds = Some(join(bounds, area(element, &style).map(|side| side * unit)));
        draw(&mut body, element, &style, unit, &image);
    }
    let [left, top, right, bottom] = bounds.unwrap_or([0.0; 4]);
    let (x, y) = (left - MARGIN, top - MARGIN);
    let (width, height) = (right - left + 2.0 * MARGIN, bottom - top + 2.0 * MARGIN);
    let [x, y, width, height] = [x, y, width, height].map(short);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{x} {y} {width} {height}\" width=\"{width}\" \
         height=\"{height}\">\n<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"#fbfaf7\"/>\n\
         {body}</svg>\n"
    )
}

fn join(known: Option<[f64; 4]>, more: [f64; 4]) -> [f64; 4] {
    let Some(known) = known else { return more };
    [known[0].min(more[0]), known[1].min(more[1]), known[2].max(more[2]), known[3].max(more[3])]
}

/// Returns the bounds of an element in its units: left, top, right, bottom.
fn area(element: &BoardElement, style: &Style) -> [f64; 4] {
    let half = f64::from(style.width) / 2.0;
    let corners = |x: i32, y: i32, dx: i32, dy: i32| box_corners([x, y, dx, dy].map(f64::from));
    let (points, margin) = match &element.wire().content {
        Content::Stroke { .. } => (element.points().iter().map(|[x, y, _]| [*x, *y]).collect(), half),
        Content::Shape(shape) => {
            let head = if shape.kind == ShapeKind::Arrow { head_length(f64::from(style.width)) } else { 0.0 };
            (corners(shape.x, shape.y, shape.dx, shape.dy), half + head)
        }
        Content::Text(text) => {
            let [width, height] = extent(style);
            (box_corners([f64::from(text.x), f64::from(text.y), width, height]), 0.0)
        }
        Content::Note(note) => (corners(note.x, note.y, note.dx, note.dy), 0.0),
        Content::Picture(picture) => (corners(picture.x, picture.y, picture.dx, picture.dy), 0.0),
    };
    let mut bounds = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    for [x, y] in points.into_iter().map(|point| style.placement.of(point)) {
        bounds = join(Some(bounds), [x, y, x, y]);
    }
    let [left, top, right, bottom] = bounds;
    [left - margin, top - margin, right + margin, bottom + margin]
}

fn box_corners([x, y, dx, dy]: [f64; 4]) -> Vec<[f64; 2]> {
    vec![[x, y], [x + dx, y], [x + dx, y + dy], [x, y + dy]]
}

/// About how wide and high a text is, in its units.
fn extent(style: &Style) -> [f64; 2] {
    let size = f64::from(style.width);
    let longest = style.text.split('\n').map(|line| line.chars().count()).max().unwrap_or(0) as f64;
    [longest * size, style.text.split('\n').count() as f64 * size * LINE_HEIGHT]
}

fn draw(
    out: &mut String,
    element: &BoardElement,
    style: &Style,
    unit: f64,
    image: &impl Fn(ImageHash) -> Option<Image>,
) {
    let mut path = Data::default();
    match &element.wire().content {
        Content::Stroke { begin, .. } => {
            let points: Vec<InkPoint> = element.points().into_iter().map(|point| placed(style, point)).collect();
            if begin.pressure.is_some() {
                add_outline(&mut path, &points, f64::from(style.width));
                fill(out, unit, style.colour, &path);
            } else {
                add_line(&mut path, &points);
                stroke(out, style, unit, "fill=\"none\"", &path);
            }
        }
        Content::Shape(shape) => {
            add_shape(&mut path, shape, f64::from(style.width), &style.placement);
            let has_inside = matches!(shape.kind, ShapeKind::Rectangle | ShapeKind::Ellipse);
            let inside = if has_inside { paint("fill", style.fill) } else { "fill=\"none\"".into() };
            stroke(out, style, unit, &inside, &path);
        }
        Content::Text(text) => lines(out, style, unit, [text.x, text.y].map(f64::from)),
        Content::Note(note) => {
            let sides = [note.x, note.y, note.dx, note.dy].map(f64::from);
            add_box(&mut path, sides, &style.placement);
            fill(out, unit, style.fill, &path);
            let [x, y, dx, dy] = sides;
            let edge = NOTE_EDGE * f64::from(style.width);
            lines(out, style, unit, [x.min(x + dx) + edge, y.min(y + dy) + edge]);
        }
        Content::Picture(picture) => {
            let sides = [picture.x, picture.y, picture.dx, picture.dy].map(f64::from);
            match image(picture.image) {
                Some(image) => show(out, style, unit, sides, &image),
                None => {
                    add_box(&mut path, sides, &style.placement);
                    fill(out, unit, MISSING, &path);
                }
            }
        }
    }
}

/// A point of ink where it is seen.
fn placed(style: &Style, [x, y, pressure]: InkPoint) -> InkPoint {
    let [x, y] = style.placement.of([x, y]);
    [x, y, pressure]
}

/// The transform of what is drawn in the element's own units and place.
fn place(style: &Style, unit: f64) -> String {
    let [a, b, c, d, e, f] = style.placement.map().map(number);
    format!("transform=\"scale({}) matrix({a} {b} {c} {d} {e} {f})\"", number(unit))
}

fn fill(out: &mut String, unit: f64, colour: Colour, path: &Data) {
    let fill = paint("fill", colour);
    line(out, format_args!("<path transform=\"scale({})\" {fill} d=\"{}\"/>", number(unit), path.0));
}

fn stroke(out: &mut String, style: &Style, unit: f64, fill: &str, path: &Data) {
    let (unit, width, dash) = (number(unit), style.width, dashes(style));
    let colour = paint("stroke", style.colour);
    let round = "stroke-linecap=\"round\" stroke-linejoin=\"round\"";
    let data = &path.0;
    line(
        out,
        format_args!(
            "<path transform=\"scale({unit})\" {fill} {colour} stroke-width=\"{width}\" {round}{dash} d=\"{data}\"/>"
        ),
    );
}

/// With round ends a dash is a width longer, and a gap that much shorter.
fn dashes(style: &Style) -> String {
    let width = u32::from(style.width);
    match style.dash {
        Dash::Solid => String::new(),
        Dash::Dashed => format!(" stroke-dasharray=\"{} {}\"", 3 * width, 3 * width),
        Dash::Dotted => format!(" stroke-dasharray=\"0 {}\"", 2 * width),
    }
}

fn lines(out: &mut String, style: &Style, unit: f64, [x, y]: [f64; 2]) {
    let (size, colour, place) = (f64::from(style.width), paint("fill", style.colour), place(style, unit));
    let font = format!("font-family=\"system-ui, sans-serif\" font-size=\"{size}\" xml:space=\"preserve\"");
    for (at, words) in style.text.split('\n').enumerate() {
        let (x, y) = (short(x), short(y + (BASE_LINE + at as f64 * LINE_HEIGHT) * size));
        let words = escaped(&directed(words));
        line(out, format_args!("<text {place} x=\"{x}\" y=\"{y}\" {font} {colour}>{words}</text>"));
    }
}

fn show(out: &mut String, style: &Style, unit: f64, [x, y, dx, dy]: [f64; 4], image: &Image) {
    let [x, y, width, height] = [x.min(x + dx), y.min(y + dy), dx.abs(), dy.abs()].map(short);
    let (place, opacity) = (place(style, unit), short(f64::from(style.colour.0 & 0xff) / 255.0));
    let (media_type, data) = (image.media_type, BASE64_STANDARD.encode(&image.bytes));
    let area = format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\"");
    line(out, format_args!("<image {place} {area} opacity=\"{opacity}\" href=\"data:{media_type};base64,{data}\"/>"));
}

fn line(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a string takes everything");
}

/// A colour with its opacity as attributes.
fn paint(what: &str, Colour(colour): Colour) -> String {
    let (rgb, alpha) = (colour >> 8, colour & 0xff);
    match alpha {
        0xff => format!("{what}=\"#{rgb:06x}\""),
        alpha => format!("{what}=\"#{rgb:06x}\" {what}-opacity=\"{}\"", short(f64::from(alpha) / 255.0)),
    }
}

/// A line of text as it is drawn: one with letters that are written from right to left (of the blocks that are kept for such
/// scripts: UAX 9, table 4) goes in the direction of its first strong letter, because it stands in an isolate that does (X5c).
fn directed(line: &str) -> Cow<'_, str> {
    let is_right_to_left = |letter| {
        matches!(letter, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}')
            || matches!(letter, '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
    };
    if line.contains(is_right_to_left) { format!("\u{2068}{line}\u{2069}").into() } else { line.into() }
}

/// Text as it may stand in XML 1.0: controls other than tab and line feed cannot.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            letter if letter.is_control() && letter != '\t' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

/// A number with at most three digits behind the point: a thousandth of an eighth of a pixel is seen by nobody.
fn short(value: f64) -> String {
    number((value * 1000.0 + 0.5).floor() / 1000.0)
}

/// Returns a number as JavaScript writes it: in the fewest digits, of two nearest ones the even one (ECMA-262, Number::toString). Rust
/// takes the larger one.
fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let shortest = value.to_string();
    let Some((_, decimals)) = shortest.split_once('.') else { return shortest };
    // Only a value whose next digit is a 5, and the last one, lies in the middle of two; few are looked at more closely.
    let longer = format!("{value:.*}", decimals.len() + 1);
    let Some(smaller) = longer.strip_suffix('5') else { return shortest };
    let is_tie = format!("{value:.1074}").trim_end_matches('0') == longer;
    let is_even = smaller.ends_with(['0', '2', '4', '6', '8']);
    if is_tie && is_even && smaller.parse() == Ok(value) { smaller.into() } else { shortest }
}

/// The data of an SVG path.
#[derive(Default)]
struct Data(String);

impl Data {
    fn add(&mut self, command: char, numbers: &[f64]) {
        self.0.push(command);
        let numbers: Vec<String> = numbers.iter().map(|number| short(*number)).collect();
        self.0.push_str(&numbers.join(" "));
    }

    /// Two halves: an arc that ends where it began is none (SVG 1.1 section 8.3.8).
    fn ellipse(&mut self, [x, y]: [f64; 2], [rx, ry]: [f64; 2]) {
        self.add('M', &[x + rx, y]);
        self.add('A', &[rx, ry, 0.0, 0.0, 1.0, x - rx, y]);
        self.add('A', &[rx, ry, 0.0, 0.0, 1.0, x + rx, y]);
        self.close();
    }
}

impl Path for Data {
    fn move_to(&mut self, x: f64, y: f64) {
        self.add('M', &[x, y]);
    }

    fn line_to(&mut self, x: f64, y: f64) {
        self.add('L', &[x, y]);
    }

    fn quadratic_to(&mut self, control_x: f64, control_y: f64, x: f64, y: f64) {
        self.add('Q', &[control_x, control_y, x, y]);
    }

    fn cubic_to(&mut self, first: [f64; 2], second: [f64; 2], end: [f64; 2]) {
        self.add('C', &[first, second, end].concat());
    }

    fn close(&mut self) {
        self.0.push('Z');
    }

    fn disc(&mut self, x: f64, y: f64, radius: f64) {
        self.ellipse([x, y], [radius, radius]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_text_is_text() {
        assert_eq!([1.0, -0.0001, 2.5, 1.0 / 3.0].map(short), ["1", "0", "2.5", "0.333"]);
        assert_eq!(escaped("<b>\u{1}&\u{ffff}"), "&lt;b&gt;\u{fffd}&amp;\u{fffd}");
    }

    #[test]
    fn of_two_nearest_numbers_the_even_one_is_written_as_in_javascript() {
        assert_eq!(number(-826.814_270_019_531_2), "-826.8142700195312");
        assert_eq!([number(0.5), number(-3.0), number(0.1), number(0.0)], ["0.5", "-3", "0.1", "0"]);
    }

    #[test]
    fn an_empty_board_is_an_empty_picture() {
        assert!(svg(&Board::default(), |_| None).contains("viewBox=\"-16 -16 32 32\""));
    }
}

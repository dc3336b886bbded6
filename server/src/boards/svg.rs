//! A board as SVG: the same outlines that the page draws, byte for byte the same every time.

use std::fmt::Write;

use inkwire_board::{Board, BoardElement, Look, Path, add_line, add_outline};
use inkwire_protocol::{Colour, Content, Shape, ShapeKind};

/// Around everything that is drawn, in board units.
const MARGIN: f64 = 16.0;
/// The head of an arrow, in widths of its line; and the turn of either side of it. As in `static/js/painter.js`.
const ARROW_HEAD: f64 = 4.0;
const HEAD_TURN: f64 = 0.45;
/// The height of a line of text, in sizes of its letters.
const LINE_HEIGHT: f64 = 1.25;

/// The picture of a board; board units are pixels.
pub(super) fn svg(board: &Board) -> String {
    let visible = || board.elements().filter(|element| element.is_visible());
    let mut body = String::new();
    let mut bounds: Option<[f64; 4]> = None;
    for element in visible() {
        let look = board.look(element);
        let unit = (-f64::from(look.scale)).exp2();
        bounds = Some(join(bounds, area(element, &look).map(|side| side * unit)));
        draw(&mut body, element, &look, unit);
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

/// Where an element is, in its units: left, top, right, bottom.
fn area(element: &BoardElement, look: &Look) -> [f64; 4] {
    let half = f64::from(look.width) / 2.0;
    let [left, top, right, bottom] = match &element.wire().content {
        Content::Stroke { .. } => {
            let points = element.points();
            let around = |axis: usize| {
                let values = points.iter().map(move |point| f64::from(point[axis]));
                values.fold([f64::INFINITY, f64::NEG_INFINITY], |[least, most], it| [least.min(it), most.max(it)])
            };
            let ([left, right], [top, bottom]) = (around(0), around(1));
            [left, top, right, bottom]
        }
        Content::Shape(shape) => {
            let head = if shape.kind == ShapeKind::Arrow { f64::from(look.width) * ARROW_HEAD } else { 0.0 };
            let [x, y] = [shape.x, shape.y].map(f64::from);
            let [to_x, to_y] = [x + f64::from(shape.dx), y + f64::from(shape.dy)];
            [x.min(to_x) - head, y.min(to_y) - head, x.max(to_x) + head, y.max(to_y) + head]
        }
        Content::Text(text) => {
            let longest = look.text.split('\n').map(|line| line.chars().count()).max().unwrap_or(0) as f64;
            let size = f64::from(look.width);
            let [x, y] = [text.x, text.y].map(f64::from);
            [x, y, x + longest * size, y + look.text.split('\n').count() as f64 * size * LINE_HEIGHT]
        }
    };
    let [dx, dy] = look.offset.map(f64::from);
    [left + dx - half, top + dy - half, right + dx + half, bottom + dy + half]
}

fn draw(out: &mut String, element: &BoardElement, look: &Look, unit: f64) {
    let [dx, dy] = look.offset.map(f64::from);
    let place = format!("transform=\"scale({unit}) translate({dx} {dy})\"");
    let round = format!("stroke-width=\"{}\" stroke-linecap=\"round\" stroke-linejoin=\"round\"", look.width);
    match &element.wire().content {
        Content::Stroke { begin, .. } => {
            let (points, mut path) = (element.points(), Data::default());
            if begin.pressure.is_some() {
                add_outline(&mut path, &points, f64::from(look.width));
                line(out, format_args!("<path {place} {} d=\"{}\"/>", paint("fill", look.colour), path.0));
            } else {
                add_line(&mut path, &points);
                let stroke = paint("stroke", look.colour);
                line(out, format_args!("<path {place} fill=\"none\" {stroke} {round} d=\"{}\"/>", path.0));
            }
        }
        Content::Shape(shape) => {
            let (stroke, fill) = (paint("stroke", look.colour), fill(shape, look));
            line(out, format_args!("<path {place} {fill} {stroke} {round} d=\"{}\"/>", outline(shape, look)));
        }
        Content::Text(text) => {
            let (size, colour) = (f64::from(look.width), paint("fill", look.colour));
            for (at, words) in look.text.split('\n').enumerate() {
                let (x, y) = (text.x, short(f64::from(text.y) + at as f64 * size * LINE_HEIGHT));
                let words = escaped(words);
                line(
                    out,
                    format_args!(
                        "<text {place} x=\"{x}\" y=\"{y}\" font-family=\"system-ui, sans-serif\" font-size=\"{size}\" dominant-baseline=\"text-before-edge\" xml:space=\"preserve\" {colour}>{words}</text>"
                    ),
                );
            }
        }
    }
}

fn line(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a string takes everything");
}

fn fill(shape: &Shape, look: &Look) -> String {
    let has_inside = matches!(shape.kind, ShapeKind::Rectangle | ShapeKind::Ellipse);
    if has_inside { paint("fill", look.fill) } else { "fill=\"none\"".into() }
}

fn outline(shape: &Shape, look: &Look) -> String {
    let mut path = Data::default();
    let [x, y, dx, dy] = [shape.x, shape.y, shape.dx, shape.dy].map(f64::from);
    match shape.kind {
        ShapeKind::Rectangle => {
            path.move_to(x, y);
            [(x + dx, y), (x + dx, y + dy), (x, y + dy)].into_iter().for_each(|(x, y)| path.line_to(x, y));
            path.close();
        }
        ShapeKind::Ellipse => path.ellipse([x + dx / 2.0, y + dy / 2.0], [dx.abs() / 2.0, dy.abs() / 2.0]),
        ShapeKind::Line | ShapeKind::Arrow => {
            path.move_to(x, y);
            path.line_to(x + dx, y + dy);
            if shape.kind == ShapeKind::Arrow {
                let (direction, length) = (dy.atan2(dx), f64::from(look.width) * ARROW_HEAD);
                for side in [direction - HEAD_TURN, direction + HEAD_TURN] {
                    path.move_to(x + dx, y + dy);
                    path.line_to(x + dx - length * side.cos(), y + dy - length * side.sin());
                }
            }
        }
    }
    path.0
}

/// A colour with its opacity as attributes.
fn paint(what: &str, Colour(colour): Colour) -> String {
    let (rgb, alpha) = (colour >> 8, colour & 0xff);
    match alpha {
        0xff => format!("{what}=\"#{rgb:06x}\""),
        alpha => format!("{what}=\"#{rgb:06x}\" {what}-opacity=\"{}\"", short(f64::from(alpha) / 255.0)),
    }
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
fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
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
    fn an_empty_board_is_an_empty_picture() {
        assert!(svg(&Board::default()).contains("viewBox=\"-16 -16 32 32\""));
    }
}

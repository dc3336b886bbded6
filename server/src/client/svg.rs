//! An SVG as strokes: its lines are followed as a pen would. What is filled becomes an outline; pictures in it are left out.

use inkwire_protocol::{Begin, Colour, Operation, Points, Tool, limits};
use resvg::usvg::tiny_skia_path::{PathSegment, Point};
use resvg::usvg::{self, Node, Paint};

use crate::export::fonts;

/// The largest SVG that is read, in bytes.
pub(super) const LARGEST: u64 = 16 << 20;
/// Points that are drawn of one SVG at most.
const MOST_POINTS: usize = 1_000_000;
/// Eighths of a board unit: the scale of the strokes.
const SCALE: i8 = 3;
const UNITS: f32 = 8.0;
/// The width of a line that has none, in board units.
const WIDTH: f32 = 1.5;
/// A curve is followed in steps of about so many board units.
const STEP: f32 = 3.0;

/// A text that is no drawing.
#[derive(Debug, thiserror::Error)]
pub(super) enum SvgError {
    /// It is larger than is read.
    #[error("the SVG has more than {LARGEST} bytes")]
    Large,
    /// It is not an SVG.
    #[error("that is no SVG: {0}")]
    Parse(#[from] usvg::Error),
    /// There is nothing in it to draw.
    #[error("there is nothing to draw in that SVG")]
    Empty,
    /// It would be too many points.
    #[error("the SVG has more than {MOST_POINTS} points")]
    TooMany,
}

/// A line of a drawing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    colour: Colour,
    /// In units.
    width: u16,
    /// In units, at least one.
    places: Vec<[i32; 2]>,
}

/// The lines of an SVG, moved by some board units and made larger. Nothing that it refers to is read.
pub(super) fn lines(text: &str, [x, y]: [f32; 2], larger: f32) -> Result<Vec<Line>, SvgError> {
    let mut options = fonts::options();
    options.image_href_resolver =
        usvg::ImageHrefResolver { resolve_data: Box::new(|_, _, _| None), resolve_string: Box::new(|_, _| None) };
    let tree = usvg::Tree::from_str(text, &options)?;
    let mut drawing = Drawing { at: [x, y], larger, lines: Vec::new(), points: 0 };
    drawing.group(tree.root())?;
    if drawing.lines.is_empty() { Err(SvgError::Empty) } else { Ok(drawing.lines) }
}

struct Drawing {
    at: [f32; 2],
    larger: f32,
    lines: Vec<Line>,
    points: usize,
}

impl Drawing {
    fn group(&mut self, group: &usvg::Group) -> Result<(), SvgError> {
        for node in group.children() {
            match node {
                Node::Group(group) => self.group(group)?,
                Node::Path(path) if path.is_visible() => self.path(path)?,
                Node::Text(text) => self.group(text.flattened())?,
                Node::Path(_) | Node::Image(_) => {}
            }
        }
        Ok(())
    }

    fn path(&mut self, path: &usvg::Path) -> Result<(), SvgError> {
        let transform = path.abs_transform();
        let (sx, sy) = transform.get_scale();
        let (paint, opacity, width) = match (path.stroke(), path.fill()) {
            (Some(stroke), _) => {
                let width = stroke.width().get() * (sx * sy).abs().sqrt();
                (stroke.paint(), stroke.opacity().to_u8(), width)
            }
            (None, Some(fill)) => (fill.paint(), fill.opacity().to_u8(), WIDTH),
            (None, None) => return Ok(()),
        };
        let Some(data) = path.data().clone().transform(transform) else { return Ok(()) };
        let width = (width * self.larger * UNITS).round().clamp(1.0, f32::from(limits::WIDTH)) as u16;
        let style = Line { colour: colour(paint, opacity), width, places: Vec::new() };
        let mut line = style.clone();
        let (mut start, mut last) = (Point::zero(), Point::zero());
        for segment in data.segments() {
            match segment {
                PathSegment::MoveTo(to) => {
                    self.finish(std::mem::replace(&mut line, style.clone()));
                    self.go(&mut line, to)?;
                    (start, last) = (to, to);
                }
                PathSegment::LineTo(to) => {
                    self.go(&mut line, to)?;
                    last = to;
                }
                PathSegment::QuadTo(by, to) => {
                    self.curve(&mut line, [last, lerp(last, by, 2.0 / 3.0), lerp(to, by, 2.0 / 3.0), to])?;
                    last = to;
                }
                PathSegment::CubicTo(one, other, to) => {
                    self.curve(&mut line, [last, one, other, to])?;
                    last = to;
                }
                PathSegment::Close => {
                    self.go(&mut line, start)?;
                    last = start;
                }
            }
        }
        self.finish(line);
        Ok(())
    }

    /// A cubic Bézier curve, in steps (De Casteljau).
    fn curve(&mut self, line: &mut Line, [a, b, c, d]: [Point; 4]) -> Result<(), SvgError> {
        let length = (a.distance(b) + b.distance(c) + c.distance(d)) * self.larger;
        let steps = (length / STEP).ceil().clamp(1.0, 200.0) as u32;
        for step in 1..=steps {
            let t = step as f32 / steps as f32;
            let (ab, bc, cd) = (lerp(a, b, t), lerp(b, c, t), lerp(c, d, t));
            self.go(line, lerp(lerp(ab, bc, t), lerp(bc, cd, t), t))?;
        }
        Ok(())
    }

    fn go(&mut self, line: &mut Line, to: Point) -> Result<(), SvgError> {
        let most = limits::COORDINATE as f32 / 2.0;
        let unit = |value: f32, at: f32| ((value * self.larger + at) * UNITS).clamp(-most, most) as i32;
        line.places.push([unit(to.x, self.at[0]), unit(to.y, self.at[1])]);
        self.points += 1;
        if self.points > MOST_POINTS { Err(SvgError::TooMany) } else { Ok(()) }
    }

    fn finish(&mut self, line: Line) {
        if !line.places.is_empty() {
            self.lines.push(line);
        }
    }
}

fn lerp(from: Point, to: Point, t: f32) -> Point {
    Point::from_xy(from.x + (to.x - from.x) * t, from.y + (to.y - from.y) * t)
}

/// The colour of a paint; of a gradient, that at its end.
fn colour(paint: &Paint, opacity: u8) -> Colour {
    let rgb = match paint {
        Paint::Color(colour) => Some(*colour),
        Paint::LinearGradient(gradient) => gradient.stops().last().map(usvg::Stop::color),
        Paint::RadialGradient(gradient) => gradient.stops().last().map(usvg::Stop::color),
        Paint::Pattern(_) => None,
    };
    let [red, green, blue] = rgb.map_or([0x1c, 0x1c, 0x28], |colour| [colour.red, colour.green, colour.blue]);
    Colour(u32::from_be_bytes([red, green, blue, opacity]))
}

/// The operations that draw a line, in parts of some points: a pen that is seen moving. `gesture_back` counts from the first
/// of them.
pub(super) fn operations(line: &Line, part: usize, mut gesture_back: u64) -> Vec<Operation> {
    let mut all = Vec::new();
    // A longer line goes on as a new stroke from where it is.
    for places in pieces(&line.places) {
        let [x, y] = places[0];
        let (colour, width, tool, scale) = (line.colour, line.width, Tool::Pen, SCALE);
        all.push(Operation::Begin(Begin { slot: 0, gesture_back, tool, colour, width, scale, x, y, pressure: None }));
        let steps: Vec<[i32; 2]> =
            places.windows(2).map(|pair| [pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]]).collect();
        let points = |steps: &[[i32; 2]]| {
            Operation::Points(Points { slot: 0, steps: steps.into(), pressures: Default::default() })
        };
        all.extend(steps.chunks(part.clamp(1, limits::POINTS)).map(points));
        all.push(Operation::End { slot: 0 });
        gesture_back += all.len() as u64;
    }
    all
}

fn pieces(places: &[[i32; 2]]) -> impl Iterator<Item = &[[i32; 2]]> {
    let mut left = Some(places);
    std::iter::from_fn(move || {
        let all = left.take()?;
        let piece = &all[..all.len().min(limits::STROKE_POINTS)];
        left = (piece.len() < all.len()).then(|| &all[piece.len() - 1..]);
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "<svg xmlns='http://www.w3.org/2000/svg' width='100' height='100'>";

    fn of(body: &str) -> Result<Vec<Line>, SvgError> {
        lines(&format!("{OPEN}{body}</svg>"), [0.0, 0.0], 1.0)
    }

    #[test]
    fn a_line_is_followed_where_it_is_with_its_colour_and_width() {
        let lines =
            of("<g transform='translate(10 0)'><path d='M0 0L10 20' stroke='#1971c2' stroke-width='2'/></g>").unwrap();
        assert_eq!(lines, [Line { colour: Colour(0x1971_c2ff), width: 16, places: vec![[80, 0], [160, 160]] }]);
    }

    #[test]
    fn what_is_filled_is_outlined_and_closed_and_curves_are_followed() {
        let square = of("<rect width='10' height='10' fill='red'/>").unwrap();
        assert_eq!(square[0].places.first(), square[0].places.last());
        let circle = of("<circle cx='50' cy='50' r='40' fill='none' stroke='black'/>").unwrap();
        assert!(circle[0].places.len() > 20);
        let far = |[x, y]: &[i32; 2]| (f64::from(x - 400).hypot(f64::from(y - 400)) - 320.0).abs();
        assert!(circle[0].places.iter().all(|place| far(place) < 3.0), "every point lies on it");
    }

    #[test]
    fn a_line_that_is_too_long_for_one_stroke_goes_on_as_another_of_the_same_gesture() {
        let places = (0..25_000).map(|x| [x, 0]).collect();
        let all = operations(&Line { colour: Colour(0xff), width: 8, places }, 1_000, 0);
        let begins: Vec<(usize, &Begin)> = all
            .iter()
            .enumerate()
            .filter_map(|(at, it)| match it {
                Operation::Begin(begin) => Some((at, begin)),
                _ => None,
            })
            .collect();
        let [(0, first), (at, second)] = begins[..] else { panic!("two strokes") };
        assert_eq!((first.gesture_back, second.gesture_back), (0, at as u64));
        assert_eq!(second.x, limits::STROKE_POINTS as i32 - 1);
    }

    #[test]
    fn what_is_no_drawing_is_refused_and_nothing_it_names_is_read() {
        assert!(matches!(lines("<html/>", [0.0; 2], 1.0), Err(SvgError::Parse(_))));
        assert!(matches!(lines("<svg", [0.0; 2], 1.0), Err(SvgError::Parse(_))));
        assert!(matches!(of(""), Err(SvgError::Empty)));
        assert!(matches!(
            of("<image href='/etc/passwd' width='9' height='9'/><script>x</script>"),
            Err(SvgError::Empty)
        ));
    }
}

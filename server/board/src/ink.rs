//! The shape of ink: from the points of a stroke to a smooth outline. The twin of `static/js/plane/ink.js`, held to it by
//! `ink.json`: what is exported has the outline that everybody saw.

/// Part of the full width that ink has at no pressure at all.
const LEAST_PRESSURE: f64 = 0.15;
/// Maximum distance of straight pieces from the curve, in units: a sixteenth of a pixel at the zoom of pen-down.
const FLATNESS: f64 = 0.5;
const MOST_PIECES: f64 = 24.0;
/// The cosine of a turn that gets a round corner: 50 degrees.
const SHARP: f64 = 0.64;
/// Discs of one piece of an outline.
const RUN: usize = 64;

type Point = [f64; 2];
/// x, y, radius.
type Disc = [f64; 3];

/// A point of ink: x, y and pressure, in the stroke's units.
pub type InkPoint = [f64; 3];

/// A sink for the outline of ink.
pub trait Path {
    /// Goes to a point without drawing.
    fn move_to(&mut self, x: f64, y: f64);
    /// Draws a straight line.
    fn line_to(&mut self, x: f64, y: f64);
    /// Draws a quadratic curve around a control point.
    fn quadratic_to(&mut self, control_x: f64, control_y: f64, x: f64, y: f64);
    /// Draws a cubic curve around two control points.
    fn cubic_to(&mut self, first: [f64; 2], second: [f64; 2], end: [f64; 2]);
    /// Closes the piece that was begun last.
    fn close(&mut self);
    /// Draws a whole disc, as a piece of its own.
    fn disc(&mut self, x: f64, y: f64, radius: f64);
}

/// Draws the middle line of a stroke without pressure, to be stroked with round caps and joins.
pub fn add_line(path: &mut impl Path, points: &[InkPoint]) {
    let at = |index: usize| [points[index][0], points[index][1]];
    let [x, y] = at(0);
    path.move_to(x, y);
    // A dot: a line of no length gets its round cap only where it has a direction.
    path.line_to(x + 0.01, y);
    let last = points.len() - 1;
    for index in 1..last {
        let (control, [x, y]) = (at(index), halfway(at(index), at(index + 1)));
        path.quadratic_to(control[0], control[1], x, y);
    }
    if last >= 1 {
        let [x, y] = if last == 1 { at(0) } else { halfway(at(last - 1), at(last)) };
        path.move_to(x, y);
        path.line_to(at(last)[0], at(last)[1]);
    }
}

/// Draws the outline of a stroke with pressure, to be filled by the non-zero rule.
pub fn add_outline(path: &mut impl Path, points: &[InkPoint], width: f64) {
    let mut chain: Vec<Disc> = Vec::new();
    for at in 1..points.len().saturating_sub(1) {
        curve_discs(&mut chain, points, width, at);
    }
    let mut from = 0;
    while chain.len() > from + RUN + 1 {
        outline(path, &chain, from, from + RUN);
        from += RUN - 1;
    }
    let first = chain.first().copied();
    let mut rest = chain.split_off(from);
    let last = points.len() - 1;
    if last == 1 {
        rest.push(disc(points, width, 0));
    }
    rest.push(disc(points, width, last));
    add_disc(path, first.unwrap_or(rest[0]));
    outline(path, &rest, 0, rest.len() - 1);
    add_disc(path, rest[rest.len() - 1]);
}

fn disc(points: &[InkPoint], width: f64, at: usize) -> Disc {
    let [x, y, pressure] = points[at];
    [x, y, (width / 2.0) * (LEAST_PRESSURE + (1.0 - LEAST_PRESSURE) * (pressure / 255.0))]
}

fn halfway(a: Point, b: Point) -> Point {
    [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0]
}

fn middle(a: Disc, b: Disc) -> Disc {
    std::array::from_fn(|axis| (a[axis] + b[axis]) / 2.0)
}

/// The discs that a stroke gains when the point after `at` is known: along the curve from the middle before the point to
/// the middle behind it. Before the first curve there is the first point itself.
fn curve_discs(chain: &mut Vec<Disc>, points: &[InkPoint], width: f64, at: usize) {
    let [before, control, after] = [at - 1, at, at + 1].map(|at| disc(points, width, at));
    let (start, end) = (middle(before, control), middle(control, after));
    if at == 1 {
        chain.extend([before, start]);
    }
    // A quadratic curve is nowhere further from its pieces than this bend, over the square of their number.
    let bend = length(start[0] - 2.0 * control[0] + end[0], start[1] - 2.0 * control[1] + end[1]) / 4.0;
    let pieces = (bend / FLATNESS).sqrt().ceil().clamp(1.0, MOST_PIECES);
    for piece in 1..=pieces as u32 {
        let t = f64::from(piece) / pieces;
        let [a, b, c] = [(1.0 - t).powi(2), 2.0 * t * (1.0 - t), t.powi(2)];
        chain.push(std::array::from_fn(|axis| a * start[axis] + b * control[axis] + c * end[axis]));
    }
}

/// Draws the outline around the discs `from` to `to` of a chain: forth along one side and back along the other. Where the
/// chain turns sharply, or so tightly that a side would run backwards, it goes on with a new piece behind a disc.
fn outline(path: &mut impl Path, chain: &[Disc], from: usize, to: usize) {
    let mut piece: Vec<[Point; 2]> = Vec::new();
    for at in from..to {
        let Some(step) = direction(chain[at], chain[at + 1]) else { continue };
        if piece.is_empty() {
            let along = if at > from { step } else { around(chain, at).unwrap_or(step) };
            piece.push(sides(chain[at], along));
        }
        let next = if at + 2 < chain.len() { direction(chain[at + 1], chain[at + 2]) } else { None };
        let is_sharp = next.is_some_and(|next| step[0] * next[0] + step[1] * next[1] < SHARP);
        let along = if is_sharp { step } else { around(chain, at + 1).unwrap_or(step) };
        let end = sides(chain[at + 1], along);
        if runs_backwards(piece[piece.len() - 1], end, step) {
            add_piece(path, &piece);
            add_disc(path, chain[at]);
            add_disc(path, chain[at + 1]);
            add_piece(path, &[sides(chain[at], step), sides(chain[at + 1], step)]);
            piece.clear();
            continue;
        }
        piece.push(end);
        if is_sharp {
            add_piece(path, &piece);
            add_disc(path, chain[at + 1]);
            piece.clear();
        }
    }
    add_piece(path, &piece);
}

/// Not `hypot`, whose last digit is left open: this one is the same in every language (IEEE 754).
fn length(x: f64, y: f64) -> f64 {
    (x * x + y * y).sqrt()
}

/// The unit vector from one disc to another; nothing where they lie on each other.
fn direction(a: Disc, b: Disc) -> Option<Point> {
    let far = length(b[0] - a[0], b[1] - a[1]);
    (far > 1e-9).then(|| [(b[0] - a[0]) / far, (b[1] - a[1]) / far])
}

/// The direction of the chain at a disc: from the one before to the one behind.
fn around(chain: &[Disc], at: usize) -> Option<Point> {
    direction(chain[at.saturating_sub(1)], chain[(at + 1).min(chain.len() - 1)])
}

/// The points of a disc on either side of a direction.
fn sides([x, y, r]: Disc, [dx, dy]: Point) -> [Point; 2] {
    [[x + dy * r, y - dx * r], [x - dy * r, y + dx * r]]
}

fn runs_backwards([left, right]: [Point; 2], [next_left, next_right]: [Point; 2], [dx, dy]: Point) -> bool {
    let goes = |a: Point, b: Point| (b[0] - a[0]) * dx + (b[1] - a[1]) * dy;
    goes(left, next_left) <= 0.0 || goes(right, next_right) <= 0.0
}

fn add_piece(path: &mut impl Path, piece: &[[Point; 2]]) {
    let [first, .., _] = piece else { return };
    path.move_to(first[0][0], first[0][1]);
    piece[1..].iter().for_each(|[left, _]| path.line_to(left[0], left[1]));
    piece.iter().rev().for_each(|[_, right]| path.line_to(right[0], right[1]));
    path.close();
}

fn add_disc(path: &mut impl Path, [x, y, r]: Disc) {
    path.disc(x, y, r);
}

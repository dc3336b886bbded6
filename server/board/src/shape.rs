//! The outlines of shapes, notes and pictures, where they are seen. The page's twin is `static/js/plane/shape.js`.

use inkwire_protocol::{Shape, ShapeKind};

use crate::ink::Path;
use crate::style::Placement;

/// The head of an arrow, in widths of its line; and the turn of either side of it.
const HEAD: f64 = 4.0;
const HEAD_TURN: f64 = 0.45;
/// The control points of a quarter of a circle of radius 1: off by 0.03 % at most.
const QUARTER: f64 = 0.552_284_749_830_793_6;

/// The length of an arrow's head, for a line of some width.
pub fn head_length(width: f64) -> f64 {
    width * HEAD
}

/// Draws the line of a shape.
pub fn add_shape(path: &mut impl Path, shape: &Shape, width: f64, placement: &Placement) {
    let [x, y, dx, dy] = [shape.x, shape.y, shape.dx, shape.dy].map(f64::from);
    match shape.kind {
        ShapeKind::Rectangle => add_box(path, [x, y, dx, dy], placement),
        ShapeKind::Ellipse => add_ellipse(path, [x + dx / 2.0, y + dy / 2.0], [dx / 2.0, dy / 2.0], placement),
        ShapeKind::Line | ShapeKind::Arrow => {
            let (from, to) = (placement.of([x, y]), placement.of([x + dx, y + dy]));
            path.move_to(from[0], from[1]);
            path.line_to(to[0], to[1]);
            if shape.kind == ShapeKind::Arrow {
                let direction = (to[1] - from[1]).atan2(to[0] - from[0]);
                for side in [direction - HEAD_TURN, direction + HEAD_TURN] {
                    path.move_to(to[0], to[1]);
                    path.line_to(to[0] - head_length(width) * side.cos(), to[1] - head_length(width) * side.sin());
                }
            }
        }
    }
}

/// Draws the box between two corners, the second given from the first.
pub fn add_box(path: &mut impl Path, [x, y, dx, dy]: [f64; 4], placement: &Placement) {
    let corners = [[x, y], [x + dx, y], [x + dx, y + dy], [x, y + dy]].map(|corner| placement.of(corner));
    path.move_to(corners[0][0], corners[0][1]);
    corners[1..].iter().for_each(|[x, y]| path.line_to(*x, *y));
    path.close();
}

fn add_ellipse(path: &mut impl Path, [x, y]: [f64; 2], [rx, ry]: [f64; 2], placement: &Placement) {
    let at = |u: f64, v: f64| placement.of([x + u * rx, y + v * ry]);
    let start = at(1.0, 0.0);
    path.move_to(start[0], start[1]);
    for [u, v] in [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]] {
        // A quarter turn from (u, v) to (-v, u).
        path.cubic_to(at(u - QUARTER * v, v + QUARTER * u), at(-v + QUARTER * u, u + QUARTER * v), at(-v, u));
    }
    path.close();
}

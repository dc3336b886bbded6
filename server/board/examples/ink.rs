//! Prints `ink.json`: strokes and the shapes that they are drawn as. The page's twin passes it too.
//!
//! `cargo xtask vectors` writes the file; `tests/ink.rs` fails when it is stale.

#[path = "../tests/session.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "shared with the tests, which use more of it")]
mod session;

use inkwire_board::{InkPoint, Path, add_line, add_outline};
use session::Dice;

#[allow(dead_code, reason = "the test that includes this file calls `document` alone")]
fn main() {
    print!("{}", document());
}

/// The whole file, as committed.
pub fn document() -> String {
    let mut dice = Dice(7);
    let mut strokes: Vec<String> = Vec::new();
    for (count, reach) in [(1, 9), (2, 9), (3, 40), (7, 3), (40, 60), (200, 25), (90, 200), (60, 1)] {
        let points = walk(&mut dice, count, reach);
        for is_pressed in [false, true] {
            strokes.push(stroke(&points, is_pressed));
        }
    }
    format!("[\n{}\n]\n", strokes.join(",\n"))
}

fn walk(dice: &mut Dice, count: usize, reach: u64) -> Vec<InkPoint> {
    let mut point = [-100, 250, 128];
    let way = |dice: &mut Dice| dice.below(2 * reach + 1) as i32 - reach as i32;
    (0..count)
        .map(|_| {
            let here = point;
            let pressure = (point[2] + way(dice) % 20).clamp(0, 255);
            point = [point[0] + way(dice) + 3, point[1] + way(dice), pressure];
            here.map(f64::from)
        })
        .collect()
}

fn stroke(points: &[InkPoint], is_pressed: bool) -> String {
    let mut recorder = Recorder::default();
    if is_pressed {
        add_outline(&mut recorder, points, 48.0);
    } else {
        add_line(&mut recorder, points);
    }
    let points: Vec<String> = points.iter().map(|point| format!("{:?}", point.map(|it| it as i32))).collect();
    format!(
        "{{\"isPressed\":{is_pressed},\"width\":48,\"points\":[{}],\"path\":[{}]}}",
        points.join(",").replace(' ', ""),
        recorder.0.join(",")
    )
}

/// Notes what is drawn.
#[derive(Default)]
struct Recorder(Vec<String>);

impl Recorder {
    fn note(&mut self, what: &str, numbers: &[f64]) {
        let numbers: String = numbers.iter().map(|number| format!(",{number:.4}")).collect();
        self.0.push(format!("[\"{what}\"{numbers}]"));
    }
}

impl Path for Recorder {
    fn move_to(&mut self, x: f64, y: f64) {
        self.note("move", &[x, y]);
    }

    fn line_to(&mut self, x: f64, y: f64) {
        self.note("line", &[x, y]);
    }

    fn quadratic_to(&mut self, control_x: f64, control_y: f64, x: f64, y: f64) {
        self.note("curve", &[control_x, control_y, x, y]);
    }

    fn cubic_to(&mut self, first: [f64; 2], second: [f64; 2], end: [f64; 2]) {
        self.note("cubic", &[first, second, end].concat());
    }

    fn close(&mut self) {
        self.note("close", &[]);
    }

    fn disc(&mut self, x: f64, y: f64, radius: f64) {
        self.note("disc", &[x, y, radius]);
    }
}

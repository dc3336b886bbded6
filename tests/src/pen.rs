//! The ink of a pen, and the operations in which a page sends it.

use inkwire_protocol::{Begin, Colour, Operation, Points, Tool};

/// A stroke of a pen at 240 Hz, as a model of a hand makes it: positions in eighths of a pixel with pressure: two seconds of a looping
/// hand at about 700 px/s, with the tremor of a hand and the rounding of a tablet.
///
/// # Panics
/// Never: the file is committed.
pub fn recorded() -> Vec<[i32; 3]> {
    let recording = include_str!("../recordings/pen-240hz.txt");
    let numbers = |line: &str| line.split(' ').map(|number| number.parse().expect("a number")).collect::<Vec<i32>>();
    recording
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| numbers(line).try_into().expect("x, y, pressure"))
        .collect()
}

/// The beginning of a stroke of a usual pen, without pressure.
pub fn begin() -> Operation {
    let (tool, colour, width, scale) = (Tool::Pen, Colour(0x1c1c_28ff), 32, 3);
    Operation::Begin(Begin { slot: 0, gesture_back: 0, tool, colour, width, scale, x: 0, y: 0, pressure: None })
}

/// The points operations of a stroke whose page sends `per_chunk` points at once.
pub fn chunks(points: &[[i32; 3]], per_chunk: usize) -> Vec<Operation> {
    let steps: Vec<[i32; 3]> =
        points.windows(2).map(|pair| std::array::from_fn(|axis| pair[1][axis] - pair[0][axis])).collect();
    let operation = |chunk: &[[i32; 3]]| {
        let pressures = chunk.iter().map(|step| step[2] as i16).collect();
        Operation::Points(Points { slot: 0, steps: chunk.iter().map(|step| [step[0], step[1]]).collect(), pressures })
    };
    steps.chunks(per_chunk).map(operation).collect()
}

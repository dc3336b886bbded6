//! Random but repeatable sessions: several people who draw, erase, patch, undo and redo, mostly within the rules.

use inkwire_board::{Board, Submitted};
use inkwire_protocol::*;

/// A small repeatable source of numbers (Knuth's MMIX constants).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// The beginning of a stroke in a slot, as a gesture of its own.
pub fn begin(dice: &mut Dice, slot: u8) -> Begin {
    let some = |dice: &mut Dice| dice.below(2000) as i32 - 1000;
    Begin {
        slot,
        gesture_back: 0,
        tool: if dice.below(4) == 0 { Tool::Highlighter } else { Tool::Pen },
        colour: Colour(0x1e1e_1eff),
        width: 1 + dice.below(60) as u16,
        scale: dice.below(5) as i8,
        x: some(dice),
        y: some(dice),
        pressure: Some(dice.below(256) as u8),
    }
}

/// One person's next operation: from a small world, so that people often mean the same element.
pub fn operation(dice: &mut Dice, people: u64, cseq: u64) -> Operation {
    let gesture_back = if dice.below(3) == 0 { dice.below(4) } else { 0 };
    let slot = dice.below(2) as u8;
    let some = |dice: &mut Dice| dice.below(2000) as i32 - 1000;
    let element =
        |dice: &mut Dice| ElementRef { author: dice.below(people + 1) as u32, cseq: 1 + dice.below(cseq.max(1)) };
    let colour = Colour(dice.below(1 << 32) as u32);
    match dice.below(18) {
        0..=2 => Operation::Begin(Begin { slot, gesture_back, colour, ..begin(dice, slot) }),
        3..=5 => {
            let steps = (0..1 + dice.below(6)).map(|_| [some(dice) / 50, some(dice) / 50]).collect::<Vec<_>>();
            let pressures: Vec<i16> = steps.iter().map(|_| dice.below(7) as i16 - 3).collect();
            Operation::Points(Points { slot, steps: steps.into(), pressures: pressures.into() })
        }
        6 | 7 => Operation::End { slot },
        8 => Operation::Cancel { slot },
        9 => {
            let kind = ShapeKind::ALL[dice.below(4) as usize];
            let (x, y, dx, dy) = (some(dice), some(dice), some(dice), some(dice));
            Operation::Shape(Shape { gesture_back, kind, colour, fill: Colour(0), width: 9, scale: 3, x, y, dx, dy })
        }
        10 => {
            let text = ["", "two\nlines", "grüß ✎", "<b>"][dice.below(4) as usize].into();
            Operation::Text(Text { gesture_back, colour, size: 100, scale: 3, x: some(dice), y: some(dice), text })
        }
        11 => {
            let property = match dice.below(10) {
                0 => Property::Colour { colour },
                1 => Property::Fill { colour },
                2 => Property::Width { width: 1 + dice.below(99) as u16 },
                3 => Property::Offset { x: some(dice), y: some(dice) },
                4 => Property::Text { text: "new ✎".into() },
                5 => Property::Dash { dash: Dash::ALL[dice.below(3) as usize] },
                6 => Property::Matrix { a: some(dice), b: some(dice), c: some(dice), d: some(dice) },
                7 => Property::Rank { rank: i64::from(some(dice)) << 32 },
                8 => Property::Locked { locked: dice.below(2) == 0 },
                _ => Property::Group { group: dice.below(limits::NUMBER) },
            };
            Operation::Patch(Patch { gesture_back, element: element(dice), property })
        }
        12 | 13 if dice.below(8) > 0 => {
            let elements = (0..1 + dice.below(3)).map(|_| element(dice)).collect();
            Operation::Delete { gesture_back, elements }
        }
        12 => Operation::ClearAuthor { gesture_back, author: dice.below(4) as u32 },
        13 => Operation::Clear { gesture_back },
        14 => {
            let (x, y, dx, dy) = (some(dice), some(dice), some(dice), some(dice));
            let (fill, text) = (Colour(0xffec_99ff), "a\nnote".into());
            Operation::Note(Note { gesture_back, colour, fill, size: 90, scale: 3, x, y, dx, dy, text })
        }
        15 => {
            let (x, y, dx, dy) = (some(dice), some(dice), some(dice), some(dice));
            let image = ImageHash([dice.below(256) as u8; 32]);
            Operation::Picture(Picture { gesture_back, image, colour, scale: 3, x, y, dx, dy })
        }
        16 => Operation::Undo { gesture: 1 + dice.below(cseq.max(1)) },
        _ => Operation::Redo { gesture: 1 + dice.below(cseq.max(1)) },
    }
}

/// Plays a session and gives back the board and its whole log.
pub fn play(seed: u64, people: u64, turns: u64) -> (Board, Vec<Entry>) {
    let mut dice = Dice(seed);
    let mut board = Board::default();
    let mut log = Vec::new();
    let mut cseqs = vec![0u64; people as usize + 1];
    for _ in 0..turns {
        let author = 1 + dice.below(people);
        cseqs[author as usize] += 1;
        let cseq = cseqs[author as usize];
        if let Ok(Submitted::Logged(entry)) = board.submit(author as u32, cseq, operation(&mut dice, people, cseq)) {
            log.push(entry);
        }
    }
    (board, log)
}

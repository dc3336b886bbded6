//! The rolling state hash: a sum over the elements, so that a change costs only the element that changed.
//!
//! It finds mistakes, not forgers. Arithmetic is 32 bits wide in two lanes because the page's twin
//! (`static/js/board/hash.js`) has no 64-bit integers; the final mixing is MurmurHash3's `fmix32`.

/// Folds words into two lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hasher {
    lanes: [u32; 2],
}

const SEEDS: [u32; 2] = [0x9747_b28c, 0x3c6e_f372];
const FACTORS: [u32; 2] = [0x9e37_79b1, 0x85eb_ca77];
const TURNS: [u32; 2] = [15, 13];

impl Default for Hasher {
    fn default() -> Self {
        Self { lanes: SEEDS }
    }
}

impl Hasher {
    pub(crate) fn word(&mut self, word: u32) {
        for ((lane, factor), turn) in self.lanes.iter_mut().zip(FACTORS).zip(TURNS) {
            *lane = (*lane ^ word).wrapping_mul(factor).rotate_left(turn);
        }
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.word(number as u32);
        self.word((number >> 32) as u32);
    }

    pub(crate) fn signed(&mut self, value: i32) {
        self.word(value as u32);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.word(text.len() as u32);
        text.bytes().for_each(|byte| self.word(u32::from(byte)));
    }

    pub(crate) fn fold(&mut self, other: Hasher) {
        other.lanes.into_iter().for_each(|lane| self.word(lane));
    }

    pub(crate) fn finish(self) -> StateHash {
        StateHash(self.lanes.map(fmix32))
    }
}

fn fmix32(mut value: u32) -> u32 {
    value = (value ^ value >> 16).wrapping_mul(0x85eb_ca6b);
    value = (value ^ value >> 13).wrapping_mul(0xc2b2_ae35);
    value ^ value >> 16
}

/// The hash of a board's state, or of one element of it. Printed as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct StateHash([u32; 2]);

impl StateHash {
    /// The hash as it stands in a `snapshotEnd` message: two lanes, big end first.
    pub fn to_bytes(self) -> [u8; 8] {
        (u64::from(self.0[0]) << 32 | u64::from(self.0[1])).to_be_bytes()
    }

    /// The hash that [`StateHash::to_bytes`] wrote.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        let value = u64::from_be_bytes(bytes);
        Self([(value >> 32) as u32, value as u32])
    }

    pub(crate) fn add(&mut self, other: StateHash) {
        self.0 = [self.0[0].wrapping_add(other.0[0]), self.0[1].wrapping_add(other.0[1])];
    }

    pub(crate) fn subtract(&mut self, other: StateHash) {
        self.0 = [self.0[0].wrapping_sub(other.0[0]), self.0[1].wrapping_sub(other.0[1])];
    }
}

impl std::fmt::Debug for StateHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}{:08x}", self.0[0], self.0[1])
    }
}

impl std::fmt::Display for StateHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

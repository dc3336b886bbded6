//! A small repeatable source of numbers, so that a failure can be had again by its seed.

/// Numbers that look random (Knuth's MMIX constants).
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// A source whose [`seed`] is printed.
    pub fn of_a_new_seed() -> Self {
        let seed = seed();
        println!("seed {seed} (INKWIRE_SEED={seed} does it again)");
        Self(seed)
    }

    /// Another source for a part of the work, which does not depend on how far this one has come.
    pub fn part(seed: u64, part: u64) -> Self {
        let mut dice = Self(seed ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.below(1);
        dice
    }

    /// A number below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A seed: INKWIRE_SEED where a failure is to be had again, else one that was never had before.
pub fn seed() -> u64 {
    let given = std::env::var("INKWIRE_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(1, |since| since.as_nanos() as u64 % 1_000_000_000)
    })
}

//! Random bytes of the kernel, for names, secrets and lineages.

use inkwire_protocol::{Epoch, Token};

/// Returns so many random bytes.
///
/// # Panics
/// If the kernel gives none.
pub fn bytes<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}

/// Returns a secret that nobody has, of a host who is not there yet.
pub fn token() -> Token {
    Token(bytes()).made(false)
}

/// Returns a lineage that no other log has.
pub fn epoch() -> Epoch {
    Epoch(bytes())
}

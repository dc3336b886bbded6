//! Names of boards.

use std::str::FromStr;

use crate::random;
use inkwire_protocol::Token;

/// A board's name: 1 to 64 of `A-Z a-z 0-9 _ -`, so that it is the same in a URL, a file name and a log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BoardName(String);

/// A name that no board can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a board's name is 1 to 64 of A-Z a-z 0-9 _ -")]
pub struct NameError;

impl FromStr for BoardName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if (1..=64).contains(&name.len()) && name.bytes().all(plain) { Ok(Self(name.into())) } else { Err(NameError) }
    }
}

impl std::fmt::Display for BoardName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl BoardName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The way to the board's page with the secret of a link, from the start page.
    pub fn link(&self, token: Token) -> String {
        format!("b/{self}#t={}", token.digits())
    }

    /// A new name that nobody can guess: 20 letters and digits that are not easily mistaken, about 100 bits.
    pub fn unguessable() -> Self {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnopqrstuvwxyz2345678";
        let bytes: [u8; 20] = random::bytes();
        Self(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        assert!("Board_7-x".parse::<BoardName>().is_ok());
        assert!("n".repeat(64).parse::<BoardName>().is_ok());
        for wrong in ["", &"n".repeat(65), "a/b", "..", "é", "a b", "a%20b", "\u{202e}x"] {
            assert_eq!(wrong.parse::<BoardName>(), Err(NameError), "{wrong}");
        }
        let name = BoardName::unguessable();
        assert_eq!(name.to_string().parse(), Ok(name.clone()));
        assert_ne!(name, BoardName::unguessable());
    }
}

//! Bytes as people paste them: hex digits in pairs, with whatever stands between them.

/// Why a text is not hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// Something that is neither a digit nor a separator; its place in characters, from 1 on.
    #[error("{character:?} at character {at} is no hex digit")]
    NotADigit {
        /// The character.
        character: char,
        /// Its column.
        at: usize,
    },
    /// A digit without its second half.
    #[error("a byte has two hex digits, the one at character {at} has one")]
    HalfAByte {
        /// Its column.
        at: usize,
    },
}

/// Reads hex: `81 05 48`, `8105`, `81:05`, `0x81, 0x05` or `\x81\x05`.
///
/// # Errors
/// If something else stands in it.
pub fn parse(text: &str) -> Result<Vec<u8>, HexError> {
    let mut bytes = Vec::new();
    let mut half: Option<(u32, usize)> = None;
    let mut characters = text.chars().enumerate().peekable();
    while let Some((at, character)) = characters.next() {
        let is_prefix = matches!(character, '0' | '\\') && half.is_none();
        if is_prefix && characters.next_if(|(_, next)| *next == 'x').is_some() {
            continue;
        }
        match (character.to_digit(16), half.take()) {
            (Some(digit), None) => half = Some((digit, at)),
            (Some(digit), Some((first, _))) => bytes.push((first << 4 | digit) as u8),
            (None, Some((_, at))) => return Err(HexError::HalfAByte { at: at + 1 }),
            (None, None) if character.is_whitespace() || ",:;-".contains(character) => {}
            (None, None) => return Err(HexError::NotADigit { character, at: at + 1 }),
        }
    }
    match half {
        Some((_, at)) => Err(HexError::HalfAByte { at: at + 1 }),
        None => Ok(bytes),
    }
}

/// Writes bytes as pairs of digits with a space between.
pub fn write(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// The bytes as a dump: their place, sixteen in a line, and what of them is printable ASCII.
pub fn dump(bytes: &[u8]) -> Vec<String> {
    let printable = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
    let row = |(at, row): (usize, &[u8])| {
        let text: String = row.iter().map(printable).collect();
        format!("{:08x}  {:<47}  |{text}|", at * 16, write(row))
    };
    bytes.chunks(16).enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ways_to_write_bytes_are_read() {
        for text in ["81 05 0f", "81050f", "81:05:0F", "0x81, 0x05, 0x0f", "\\x81\\x05\\x0f", " 81\n05\t0f "] {
            assert_eq!(parse(text), Ok(vec![0x81, 5, 0x0f]), "{text}");
        }
        assert_eq!(parse(""), Ok(vec![]));
        assert_eq!(write(&[0x81, 5]), "81 05");
    }

    #[test]
    fn what_is_no_hex_is_told_with_its_place() {
        assert_eq!(parse("81 0g"), Err(HexError::HalfAByte { at: 4 }));
        assert_eq!(parse("81 z"), Err(HexError::NotADigit { character: 'z', at: 4 }));
        assert_eq!(parse("81 5"), Err(HexError::HalfAByte { at: 4 }));
    }
}

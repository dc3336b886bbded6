//! Bytes as hex digits (RFC 4648 section 8, in lower case): the one form of identifiers, secrets and hashes in text.

use std::fmt::Write;

/// The digits of bytes, two for each.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("Bug: writing to a string cannot fail");
        text
    })
}

/// The bytes of pairs of digits, in either case; nothing if the text is something else.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// The bytes of an identifier of a fixed length.
pub fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_they_are_written_and_nothing_else_is() {
        assert_eq!(encode(&[0, 0x5a, 0xff]), "005aff");
        assert_eq!(decode("005aFF"), Some(vec![0, 0x5a, 0xff]));
        assert_eq!(decode_array::<2>("005a"), Some([0, 0x5a]));
        assert_eq!(decode_array::<3>("005a"), None);
        for wrong in ["0", "+1", "0x", " 1", "é"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}

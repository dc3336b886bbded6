//! The JSON mirror: a packet is a JSON array of message objects (or one object), and says exactly what its binary
//! form says.

use std::ops::Deref;

use serde::{Serialize, de::DeserializeOwned};

use crate::binary::{self, ClientPacket};
use crate::{DecodeError, ServerMessage};

/// Writes a packet of messages of either side as JSON.
pub fn encode<M: Serialize>(messages: &[M]) -> String {
    serde_json::to_string(messages).expect("Bug: messages always serialize")
}

/// Reads a client's packet: an array of messages, or a single message as a person would type it.
///
/// # Errors
/// The rule that the packet breaks. Every rule of the binary form holds here too, because the messages are put
/// through it.
pub fn decode_client(text: &str) -> Result<ClientPacket, DecodeError> {
    decode(text, binary::encode_client, binary::decode_client)
}

/// Reads a server's packet; see [`decode_client`].
///
/// # Errors
/// As for [`decode_client`].
pub fn decode_server(text: &str) -> Result<Vec<ServerMessage>, DecodeError> {
    decode(text, binary::encode_server, binary::decode_server)
}

fn decode<M: DeserializeOwned + PartialEq, All: Deref<Target = [M]>>(
    text: &str,
    to_binary: impl Fn(&[M]) -> Vec<u8>,
    from_binary: impl Fn(&[u8]) -> Result<All, DecodeError>,
) -> Result<All, DecodeError> {
    let messages: Vec<M> = if text.trim_ascii_start().starts_with('{') {
        vec![serde_json::from_str(text).map_err(|_| DecodeError::MalformedJson)?]
    } else {
        serde_json::from_str(text).map_err(|_| DecodeError::MalformedJson)?
    };
    let same = from_binary(&to_binary(&messages))?;
    if *same == *messages { Ok(same) } else { Err(DecodeError::NotRepresentable) }
}

/// Serde form of byte strings: hex digits.
pub(crate) mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&crate::hex::encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        crate::hex::decode(&text).ok_or_else(|| D::Error::custom("bytes are written as pairs of hex digits"))
    }
}

/// Serde form of identifiers of a fixed length: hex digits.
pub(crate) mod hex_array {
    use serde::{Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
        super::hex_bytes::serialize(bytes, serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
        let bytes = super::hex_bytes::deserialize(deserializer)?;
        bytes.try_into().map_err(|_| D::Error::custom("an identifier of the wrong length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClientMessage;

    #[test]
    fn a_person_may_type_a_single_message() {
        assert_eq!(decode_client(r#"{"type":"ping","nonce":7}"#), Ok([ClientMessage::Ping { nonce: 7 }].into()));
    }

    #[test]
    fn the_rules_of_the_binary_form_hold_in_json() {
        let delete = r#"{"type":"operations","firstCseq":1,"operations":[{"type":"end","slot":99}]}"#;
        assert_eq!(decode_client(delete), Err(DecodeError::SlotOutOfRange));
        assert_eq!(decode_client("[]"), Err(DecodeError::EmptyPacket));
        assert_eq!(decode_client(&"[".repeat(10_000)), Err(DecodeError::MalformedJson));
    }

    #[test]
    fn what_the_binary_form_cannot_say_is_refused() {
        let known = r#"{"type":"unknown","tag":5,"body":"07"}"#;
        assert_eq!(decode_client(known), Err(DecodeError::NotRepresentable));
        let uneven = r#"{"type":"operations","firstCseq":1,"operations":
            [{"type":"points","slot":0,"steps":[[1,1],[2,2]],"pressures":[1]}]}"#;
        assert_eq!(decode_client(uneven), Err(DecodeError::NotRepresentable));
    }
}

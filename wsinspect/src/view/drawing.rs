//! The drawing protocol (`inkwire.v1`): what its binary packets say, as their JSON mirror.

use inkwire_protocol::{DecodeError, SUBPROTOCOL_BINARY, binary, json};
use serde_json::Value;

use crate::frame::Sender;

/// Whether a sub-protocol is this one.
pub fn is_agreed(subprotocol: Option<&str>) -> bool {
    subprotocol == Some(SUBPROTOCOL_BINARY)
}

/// The messages in a packet: operations with their strokes, authors and sequence numbers, as `PROTOCOL.md` writes them in JSON.
///
/// # Errors
/// If it is no packet of this side.
pub fn decode(sender: Sender, packet: &[u8]) -> Result<Vec<Value>, DecodeError> {
    let text = match sender {
        Sender::Client => json::encode(&binary::decode_client(packet)?),
        Sender::Server => json::encode(&binary::decode_server(packet)?),
    };
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_the_messages_of_its_side() {
        let presence = r#"[{"type":"presence","cursor":[64,-64]}]"#;
        let packet = binary::encode_client(&json::decode_client(presence).unwrap());
        assert_eq!(
            Value::from(decode(Sender::Client, &packet).unwrap()),
            serde_json::from_str::<Value>(presence).unwrap()
        );
        assert!(decode(Sender::Server, &[0xff; 3]).is_err());
    }
}

//! Decoders of messages: JSON, MessagePack, the drawing protocol, or a program.

use serde_json::{Value, json};

use crate::frame::message::Message;
use crate::frame::{Opcode, Sender};
use crate::view::drawing;

/// Reads messages.
pub trait Decode: Send + std::fmt::Debug {
    /// Its name, as it stands in JSON lines.
    fn name(&self) -> &'static str;

    /// The values in a message, or why it has none; `None` for one that is none of its own.
    fn decode(&mut self, sender: Sender, message: &Message) -> Option<Result<Vec<Value>, String>>;

    /// Whether values are written in several lines, for people.
    fn is_pretty(&self) -> bool {
        false
    }
}

/// JSON, of whatever kind the message is.
#[derive(Debug, Clone, Copy)]
pub struct Json;

impl Decode for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn decode(&mut self, _: Sender, message: &Message) -> Option<Result<Vec<Value>, String>> {
        let is_data = matches!(message.opcode, Opcode::TEXT | Opcode::BINARY) && message.is_whole();
        is_data.then(|| match serde_json::from_slice(&message.data) {
            Ok(value) => Ok(vec![value]),
            Err(error) => Err(error.to_string()),
        })
    }

    fn is_pretty(&self) -> bool {
        true
    }
}

/// MessagePack: binary messages, which may have several values one behind the other.
#[derive(Debug, Clone, Copy)]
pub struct MessagePack;

impl Decode for MessagePack {
    fn name(&self) -> &'static str {
        "msgpack"
    }

    fn decode(&mut self, _: Sender, message: &Message) -> Option<Result<Vec<Value>, String>> {
        if message.opcode != Opcode::BINARY || !message.is_whole() {
            return None;
        }
        let (mut rest, mut values) = (&message.data[..], Vec::new());
        while !rest.is_empty() {
            match rmpv::decode::read_value(&mut rest) {
                Ok(value) => values.push(plain(value)),
                Err(error) => return Some(Err(error.to_string())),
            }
        }
        Some(Ok(values))
    }
}

/// JSON in place of MessagePack: bytes as `{"hex": …}`, extensions with their type.
fn plain(value: rmpv::Value) -> Value {
    use rmpv::Value as V;
    let hex = |bytes: &[u8]| crate::hex::write(bytes).replace(' ', "");
    match value {
        V::Nil => Value::Null,
        V::Boolean(is) => is.into(),
        V::Integer(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into(),
            (None, number) => number.into(),
        },
        V::F32(number) => f64::from(number).into(),
        V::F64(number) => number.into(),
        V::String(text) => String::from_utf8_lossy(text.as_bytes()).into(),
        V::Binary(bytes) => json!({"hex": hex(&bytes)}),
        V::Ext(kind, bytes) => json!({"type": kind, "hex": hex(&bytes)}),
        V::Array(values) => values.into_iter().map(plain).collect::<Vec<_>>().into(),
        V::Map(pairs) => {
            let key = |key: rmpv::Value| match plain(key) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            pairs.into_iter().map(|(name, value)| (key(name), plain(value))).collect::<serde_json::Map<_, _>>().into()
        }
    }
}

/// The drawing protocol's binary packets.
#[derive(Debug, Clone, Copy)]
pub struct Drawing;

impl Decode for Drawing {
    fn name(&self) -> &'static str {
        inkwire_protocol::SUBPROTOCOL_BINARY
    }

    fn decode(&mut self, sender: Sender, message: &Message) -> Option<Result<Vec<Value>, String>> {
        let is_packet = message.opcode == Opcode::BINARY && message.is_whole();
        is_packet.then(|| drawing::decode(sender, &message.data).map_err(|error| error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(decoder: &mut dyn Decode, opcode: Opcode, data: &[u8]) -> Option<Result<Vec<Value>, String>> {
        let length = data.len() as u64;
        let message = Message { number: 1, opcode, data: data.to_vec(), length, wire: length, frames: 1 };
        decoder.decode(Sender::Client, &message)
    }

    #[test]
    fn json_is_read_in_every_kind_of_message() {
        assert_eq!(decoded(&mut Json, Opcode::TEXT, b"{\"a\":1}"), Some(Ok(vec![json!({"a": 1})])));
        assert!(decoded(&mut Json, Opcode::TEXT, b"{").unwrap().is_err());
        assert_eq!(decoded(&mut Json, Opcode::BINARY, b"{}"), Some(Ok(vec![json!({})])));
        assert_eq!(decoded(&mut Json, Opcode::PING, b"{}"), None);
    }

    #[test]
    fn every_kind_of_messagepack_has_its_json() {
        // The specification's examples: {"compact": true, "schema": 0}, and then one of each other kind.
        let map = b"\x82\xa7compact\xc3\xa6schema\x00";
        assert_eq!(
            decoded(&mut MessagePack, Opcode::BINARY, map),
            Some(Ok(vec![json!({"compact": true, "schema": 0})]))
        );
        let others = b"\xc0\xff\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xcb\x3f\xf8\0\0\0\0\0\0\xc4\x02\x00\xff\xd4\x05\x07\x92\x01\xa1a\x81\x01\x02";
        assert_eq!(
            decoded(&mut MessagePack, Opcode::BINARY, others),
            Some(Ok(vec![
                json!(null),
                json!(-1),
                json!(u64::MAX),
                json!(1.5),
                json!({"hex": "00ff"}),
                json!({"type": 5, "hex": "07"}),
                json!([1, "a"]),
                json!({"1": 2})
            ]))
        );
        assert!(decoded(&mut MessagePack, Opcode::BINARY, b"\xa5ab").unwrap().is_err());
        assert_eq!(decoded(&mut MessagePack, Opcode::TEXT, b""), None);
    }
}

//! Decoding is total: no bytes make it panic, and what decodes has exactly one encoding, in binary and in JSON.

#![no_main]

use inkwire_protocol::{binary, json};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(packet) = binary::decode_client(bytes) {
        assert_eq!(binary::encode_client(&packet), bytes);
        assert_eq!(json::decode_client(&json::encode(&packet)).as_ref(), Ok(&packet));
    }
    if let Ok(packet) = binary::decode_server(bytes) {
        assert_eq!(binary::encode_server(&packet), bytes);
        assert_eq!(json::decode_server(&json::encode(&packet)).as_ref(), Ok(&packet));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = json::decode_client(text);
    }
});

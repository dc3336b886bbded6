//! The committed vectors: current, and true of this crate. The page's codec is held to the same file.

use inkwire_protocol::{DecodeError, binary, json};
use serde_json::Value;

#[allow(missing_docs, unreachable_pub)]
#[path = "../examples/vectors.rs"]
mod generator;

const COMMITTED: &str = include_str!("../vectors.json");

fn vectors(list: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(COMMITTED).expect("vectors.json is JSON");
    document[list].as_array().expect("a list of vectors").clone()
}

fn bytes(vector: &Value) -> Vec<u8> {
    let hex = vector["bytes"].as_str().expect("hex");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

/// Decodes as the side that the vector names and gives back bytes and JSON made anew from what was read.
fn round_trip(vector: &Value, bytes: &[u8]) -> Result<(Vec<u8>, String), DecodeError> {
    if vector["from"] == "client" {
        binary::decode_client(bytes).map(|all| (binary::encode_client(&all), json::encode(&all)))
    } else {
        binary::decode_server(bytes).map(|all| (binary::encode_server(&all), json::encode(&all)))
    }
}

#[test]
fn the_committed_file_is_current() {
    assert!(COMMITTED == generator::document(), "vectors.json is stale: run `cargo xtask vectors` and read its diff");
}

#[test]
fn every_accepted_packet_decodes_to_its_messages_and_back() {
    for vector in vectors("accept") {
        let bytes = bytes(&vector);
        let (again, json) = round_trip(&vector, &bytes).unwrap_or_else(|error| panic!("{}: {error}", vector["name"]));
        assert_eq!(again, bytes, "{}", vector["name"]);
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), vector["messages"], "{}", vector["name"]);
    }
}

#[test]
fn every_accepted_packet_is_the_same_in_json() {
    for vector in vectors("accept") {
        let text = vector["messages"].to_string();
        let again = if vector["from"] == "client" {
            json::decode_client(&text).map(|all| binary::encode_client(&all))
        } else {
            json::decode_server(&text).map(|all| binary::encode_server(&all))
        };
        assert_eq!(again, Ok(bytes(&vector)), "{}", vector["name"]);
    }
}

#[test]
fn every_strict_prefix_is_rejected_as_truncated() {
    for vector in vectors("accept").iter().filter(|vector| vector["messages"].as_array().unwrap().len() == 1) {
        let bytes = bytes(vector);
        for length in 1..bytes.len() {
            assert_eq!(round_trip(vector, &bytes[..length]), Err(DecodeError::Truncated), "{}", vector["name"]);
        }
    }
}

#[test]
fn every_broken_packet_is_rejected_with_its_named_error() {
    for vector in vectors("reject") {
        let error = round_trip(&vector, &bytes(&vector)).expect_err(&vector["name"].to_string());
        assert_eq!(error.name(), vector["error"], "{}", vector["name"]);
    }
    for vector in vectors("rejectJson") {
        let error = json::decode_client(vector["json"].as_str().unwrap()).expect_err(&vector["name"].to_string());
        assert_eq!(error.name(), vector["error"], "{}", vector["name"]);
    }
}

#[test]
fn every_error_has_a_vector() {
    let named: Vec<Value> =
        vectors("reject").iter().chain(&vectors("rejectJson")).map(|vector| vector["error"].clone()).collect();
    use DecodeError::*;
    for error in [
        Truncated,
        TrailingBytes,
        EmptyPacket,
        NumberTooLarge,
        NumberTooSmall,
        NumberNotMinimal,
        StepNotMinimal,
        InvalidUtf8,
        TextTooLong,
        TooMany,
        Empty,
        CoordinateOutOfRange,
        WidthOutOfRange,
        ScaleOutOfRange,
        PressureOutOfRange,
        SlotOutOfRange,
        UnknownValue,
        InvalidFlag,
        NotRepresentable,
        MalformedJson,
    ] {
        assert!(named.contains(&error.name().into()), "no vector for {}", error.name());
    }
}

#[test]
fn every_example_in_the_document_is_a_vector() {
    let document = include_str!("../PROTOCOL.md");
    let known: Vec<Value> = vectors("accept").iter().map(|vector| vector["bytes"].clone()).collect();
    let examples: Vec<String> = document
        .lines()
        .filter_map(|line| line.strip_prefix("    bytes  "))
        .map(|line| line.split(" — ").next().unwrap().replace(' ', ""))
        .collect();
    assert!(examples.len() >= 6, "PROTOCOL.md has lost its examples");
    for example in examples {
        assert!(known.contains(&example.clone().into()), "PROTOCOL.md: {example} is no vector");
    }
}

//! Properties of the codec over random values and random bytes.

use inkwire_protocol::binary::ClientPacket;
use inkwire_protocol::*;
use proptest::prelude::*;

fn colour() -> impl Strategy<Value = Colour> {
    any::<u32>().prop_map(Colour)
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..300u64, 0..=limits::NUMBER]
}

fn coordinate() -> impl Strategy<Value = i32> {
    prop_oneof![-2000..2000, -limits::COORDINATE..=limits::COORDINATE]
}

fn begin() -> impl Strategy<Value = Operation> {
    let head = (0..limits::LIVE_SLOTS, number(), colour(), 1..=limits::WIDTH);
    let place = (limits::SCALE_MIN..=limits::SCALE_MAX, coordinate(), coordinate(), any::<Option<u8>>());
    (head, place, any::<bool>()).prop_map(|((slot, gesture_back, colour, width), (scale, x, y, pressure), pen)| {
        let tool = if pen { Tool::Pen } else { Tool::Highlighter };
        Operation::Begin(Begin { slot, gesture_back, tool, colour, width, scale, x, y, pressure })
    })
}

fn points() -> impl Strategy<Value = Operation> {
    let step = prop_oneof![[-9..9i32, -9..9i32], [coordinate(), coordinate()]];
    let point = (step, -255..=255i16);
    (0..limits::LIVE_SLOTS, prop::collection::vec(point, 1..40), any::<bool>()).prop_map(|(slot, points, pressed)| {
        let (steps, pressures): (Vec<_>, Vec<_>) = points.into_iter().unzip();
        let pressures = if pressed { pressures } else { Vec::new() };
        Operation::Points(Points { slot, steps: steps.into(), pressures: pressures.into() })
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    let reference = (0..99u32, number()).prop_map(|(author, cseq)| ElementRef { author, cseq });
    let text = (number(), colour(), coordinate(), "\\PC{0,40}").prop_map(|(gesture_back, colour, x, text)| {
        Operation::Text(Text { gesture_back, colour, size: 9, scale: 3, x, y: -x, text })
    });
    let delete = (number(), prop::collection::vec(reference, 1..9))
        .prop_map(|(gesture_back, elements)| Operation::Delete { gesture_back, elements });
    let unknown = (16..=255u8, any::<Vec<u8>>()).prop_map(|(tag, body)| Operation::Unknown { tag, body });
    prop_oneof![begin(), points(), text, delete, number().prop_map(|gesture| Operation::Undo { gesture }), unknown]
}

fn client_packet() -> impl Strategy<Value = ClientPacket> {
    let operations = (1..limits::CSEQ - 9, prop::collection::vec(operation(), 1..9))
        .prop_map(|(first_cseq, operations)| ClientMessage::Operations { first_cseq, operations: operations.into() });
    let presence = any::<bool>().prop_map(|here| ClientMessage::Presence { cursor: here.then_some([5, -5]) });
    prop::collection::vec(prop_oneof![operations, presence], 1..4).prop_map(Into::into)
}

proptest! {
    #[test]
    fn binary_round_trips(packet in client_packet()) {
        prop_assert_eq!(binary::decode_client(&binary::encode_client(&packet)), Ok(packet));
    }

    #[test]
    fn the_operations_in_a_packet_are_found_by_their_bytes(packet in client_packet()) {
        let bytes = binary::encode_client(&packet);
        let operations = packet.iter().flat_map(|message| match message {
            ClientMessage::Operations { operations, .. } => operations.to_vec(),
            _ => Vec::new(),
        });
        let operations: Vec<_> = operations.collect();
        let encoded: Vec<_> = operations.iter().map(binary::encode_operation).collect();
        for (bytes, operation) in encoded.iter().zip(operations) {
            prop_assert_eq!(binary::decode_operation(bytes), Ok(operation));
            prop_assert_eq!(binary::decode_operation(&[bytes, &[0][..]].concat()), Err(DecodeError::TrailingBytes));
        }
        prop_assert_eq!(binary::operations_in(&bytes).collect::<Vec<_>>(), encoded);
    }

    #[test]
    fn json_round_trips(packet in client_packet()) {
        prop_assert_eq!(json::decode_client(&json::encode(&packet)), Ok(packet));
    }

    #[test]
    fn entries_round_trip(operations in prop::collection::vec((0..9u32, 0..3u64, operation()), 1..20)) {
        let entries: Vec<Entry> =
            operations.into_iter().map(|(author, skip, operation)| Entry { author, skip, operation }).collect();
        let message = vec![ServerMessage::Operations { first_seq: 7, entries: entries.clone() }];
        let bytes = binary::encode_server(&message);
        let mut gathered = Vec::new();
        entries.iter().for_each(|entry| binary::put_entry(&mut gathered, entry));
        let mut joined = Vec::new();
        binary::put_entries(&mut joined, 7, &gathered);
        prop_assert_eq!(&joined, &bytes);
        prop_assert_eq!(binary::decode_server(&bytes), Ok(message));
    }

    #[test]
    fn what_decodes_has_exactly_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(packet) = binary::decode_client(&bytes) {
            prop_assert_eq!(binary::encode_client(&packet), bytes.clone());
        }
        if let Ok(packet) = binary::decode_server(&bytes) {
            prop_assert_eq!(binary::encode_server(&packet), bytes);
        }
    }

    #[test]
    fn a_changed_byte_never_panics(packet in client_packet(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = binary::encode_client(&packet);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(packet) = binary::decode_client(&bytes) {
            prop_assert_eq!(binary::encode_client(&packet), bytes);
        }
    }
}

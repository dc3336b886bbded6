//! The form in which operations are sent and sent again: in runs that fit a message, and without other people's elements.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use inkwire_protocol::{ClientMessage, Operation, Patch, Property, limits};

/// Weight of one message at most, in bytes: well below the limit of a packet.
const MESSAGE_WEIGHT: usize = 32 * 1024;

/// An operation with its client sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// The client sequence number.
    pub cseq: u64,
    /// The operation.
    pub operation: Operation,
}

/// Operations with dense numbers go into one message, as long as it is not too heavy.
pub(crate) fn runs<'a>(operations: impl Iterator<Item = &'a Numbered>) -> Vec<ClientMessage> {
    let mut messages = Vec::new();
    let mut weight = 0;
    for Numbered { cseq, operation } in operations {
        weight += weight_of(operation);
        match messages.last_mut() {
            Some(ClientMessage::Operations { first_cseq, operations })
                if *first_cseq + operations.len() as u64 == *cseq
                    && operations.len() < limits::OPERATIONS
                    && weight < MESSAGE_WEIGHT =>
            {
                operations.push(operation.clone());
            }
            _ => {
                messages.push(ClientMessage::Operations { first_cseq: *cseq, operations: [operation.clone()].into() });
                weight = weight_of(operation);
            }
        }
    }
    messages
}

/// The bytes that an operation may take at most.
fn weight_of(operation: &Operation) -> usize {
    let letters = |text: &str| text.encode_utf16().count() * 3;
    64 + match operation {
        Operation::Points(points) => points.steps.len() * 16,
        Operation::Delete { elements, .. } => elements.len() * 16,
        Operation::Text(text) => letters(&text.text),
        Operation::Note(note) => letters(&note.text),
        Operation::Patch(Patch { property: Property::Text { text }, .. }) => letters(text),
        _ => 0,
    }
}

/// The operations without what they say of other people's elements: in another lineage author numbers may have changed. A gesture
/// whose first operation is let go begins with its next one, and undo and redo name that.
pub(crate) fn own_only(operations: VecDeque<Numbered>) -> VecDeque<Numbered> {
    let (mut let_go, mut moved) = (BTreeSet::new(), BTreeMap::new());
    let mut kept = VecDeque::new();
    for Numbered { cseq, mut operation } in operations {
        let begins = gesture_back(&mut operation).map(|back| cseq.saturating_sub(*back));
        let is_of_none = gesture(&mut operation).is_some_and(|gesture| let_go.contains(gesture));
        let Some(mut operation) = without_others(operation).filter(|_| !is_of_none) else {
            if begins == Some(cseq) {
                let_go.insert(cseq);
            }
            continue;
        };
        if let Some(begins) = begins.filter(|begins| let_go.remove(begins)) {
            moved.insert(begins, cseq);
        }
        if let (Some(first), Some(back)) = (begins.and_then(|it| moved.get(&it)), gesture_back(&mut operation)) {
            *back = cseq - first;
        }
        if let Some(gesture) = gesture(&mut operation) {
            *gesture = moved.get(gesture).copied().unwrap_or(*gesture);
        }
        kept.push_back(Numbered { cseq, operation });
    }
    kept
}

/// The operation without other people's elements, if anything is left of it.
fn without_others(operation: Operation) -> Option<Operation> {
    match operation {
        Operation::Clear { .. } => None,
        Operation::ClearAuthor { author, .. } if author > 0 => None,
        Operation::Patch(patch) if patch.element.author > 0 => None,
        Operation::Delete { gesture_back, mut elements } => {
            elements.retain(|element| element.author == 0);
            (!elements.is_empty()).then_some(Operation::Delete { gesture_back, elements })
        }
        operation => Some(operation),
    }
}

/// Returns the field that says how far back the gesture of an operation began, in client sequence numbers.
fn gesture_back(operation: &mut Operation) -> Option<&mut u64> {
    match operation {
        Operation::Begin(begin) => Some(&mut begin.gesture_back),
        Operation::Shape(shape) => Some(&mut shape.gesture_back),
        Operation::Text(text) => Some(&mut text.gesture_back),
        Operation::Note(note) => Some(&mut note.gesture_back),
        Operation::Picture(picture) => Some(&mut picture.gesture_back),
        Operation::Patch(patch) => Some(&mut patch.gesture_back),
        Operation::Delete { gesture_back, .. }
        | Operation::Clear { gesture_back }
        | Operation::ClearAuthor { gesture_back, .. } => Some(gesture_back),
        Operation::Points(_)
        | Operation::End { .. }
        | Operation::Cancel { .. }
        | Operation::Undo { .. }
        | Operation::Redo { .. }
        | Operation::Unknown { .. } => None,
    }
}

/// The gesture that an operation undoes or redoes.
fn gesture(operation: &mut Operation) -> Option<&mut u64> {
    match operation {
        Operation::Undo { gesture } | Operation::Redo { gesture } => Some(gesture),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use inkwire_protocol::ElementRef;

    use super::*;

    fn numbered(operations: impl IntoIterator<Item = Operation>) -> VecDeque<Numbered> {
        (1..).zip(operations).map(|(cseq, operation)| Numbered { cseq, operation }).collect()
    }

    #[test]
    fn messages_are_not_too_large_and_have_dense_numbers() {
        let all = numbered((0..2_000).map(|_| Operation::End { slot: 0 }));
        let lengths: Vec<usize> = runs(all.iter().filter(|it| it.cseq != 7))
            .iter()
            .map(|message| match message {
                ClientMessage::Operations { operations, .. } => operations.len(),
                _ => 0,
            })
            .collect();
        assert_eq!(lengths[0], 6, "a number that is missing ends a run");
        assert_eq!(lengths.iter().sum::<usize>(), 1_999);
        assert!(lengths.iter().all(|length| length * 64 <= MESSAGE_WEIGHT));
    }

    #[test]
    fn another_lineage_is_sent_nothing_of_other_peoples_elements() {
        let delete = |gesture_back, authors: &[u32]| {
            let elements = authors.iter().map(|author| ElementRef { author: *author, cseq: 1 }).collect();
            Operation::Delete { gesture_back, elements }
        };
        let operations = [
            Operation::End { slot: 0 },
            delete(0, &[7]),
            delete(1, &[0, 7]),
            delete(2, &[0]),
            Operation::Undo { gesture: 2 },
            delete(0, &[7]),
            Operation::Undo { gesture: 6 },
        ];
        let kept = own_only(numbered(operations));
        let expected = [
            (1, Operation::End { slot: 0 }),
            (3, delete(0, &[0])),
            (4, delete(1, &[0])),
            (5, Operation::Undo { gesture: 3 }),
        ];
        assert_eq!(kept, expected.map(|(cseq, operation)| Numbered { cseq, operation }));
    }
}

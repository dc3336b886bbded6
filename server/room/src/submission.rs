//! Operations on their way into the log, each with the bytes as which it is relayed.

use std::borrow::Cow;

use inkwire_protocol::{Operation, binary};

/// An operation of a member.
#[derive(Debug, Clone)]
pub struct Submission<'a> {
    /// Its client sequence number.
    pub cseq: u64,
    /// The operation.
    pub operation: Operation,
    /// Its encoding, of which there is exactly one.
    pub(crate) bytes: Cow<'a, [u8]>,
}

impl<'a> Submission<'a> {
    /// Of an operation that was decoded from `bytes`, which are relayed as they are.
    #[inline]
    pub fn relayed(cseq: u64, operation: Operation, bytes: &'a [u8]) -> Self {
        // Decoding allocates nothing for most operations, so a test can count what a stroke allocates in a debug build too.
        debug_assert_eq!(
            binary::decode_operation(bytes).as_ref(),
            Ok(&operation),
            "Bug: these are the bytes of another operation"
        );
        Self { cseq, operation, bytes: Cow::Borrowed(bytes) }
    }

    /// Of an operation that did not come in binary: it is encoded here.
    pub fn encoded(cseq: u64, operation: Operation) -> Self {
        let bytes = binary::encode_operation(&operation);
        Self { cseq, operation, bytes: Cow::Owned(bytes) }
    }

    /// Copies the bytes, so that it can wait.
    pub fn into_owned(self) -> Submission<'static> {
        let Self { cseq, operation, bytes } = self;
        Submission { cseq, operation, bytes: Cow::Owned(bytes.into_owned()) }
    }
}

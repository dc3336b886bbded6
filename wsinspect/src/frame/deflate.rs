//! permessage-deflate: what compressed messages say (RFC 7692 section 7.2.2), and compressing one (section 7.2.1).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The bytes that a sender leaves out at the end of each message (section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Bytes that are inflated at once.
const CHUNK: usize = 16 * 1024;
/// The largest window, as an exponent of 2.
pub const LARGEST_WINDOW: u8 = 15;
/// The smallest one that zlib has: 8 bits are taken for 9.
const SMALLEST_WINDOW: u8 = 9;

/// Why a message cannot be inflated. Where the sender keeps its context, none after it can be either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// The bytes are no DEFLATE stream.
    #[error("the message is no DEFLATE stream")]
    Corrupt,
    /// The message becomes larger than is worth the work: an inflation bomb.
    #[error("the message becomes larger than {0} bytes and is not inflated further")]
    TooLarge(u64),
    /// It refers to a message before it, against what was agreed on (section 7.1.1).
    #[error("the message refers to one before it")]
    ContextTakenOver,
    /// A message before this one could not be inflated, and this one refers to it.
    #[error("a message before this one could not be inflated")]
    ContextLost,
}

/// A message without its compression.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inflated {
    /// Its beginning, as far as it is kept.
    pub kept: Vec<u8>,
    /// All of its bytes.
    pub length: u64,
}

/// Inflates the messages of one direction.
#[derive(Debug)]
pub struct Inflate {
    stream: Decompress,
    keeps_context: bool,
    keep: usize,
    most: u64,
    message: Inflated,
    failed: Option<InflateError>,
}

impl Inflate {
    /// `keeps_context` is false where `*_no_context_takeover` was agreed on for this direction (section 7.1.1): then a message
    /// that fails costs no other, and none may refer to another. Of each message `keep` bytes are kept, and it is not inflated
    /// beyond `most`. Any window is understood; that one refers further back than `*_max_window_bits` lets it is not noticed.
    pub fn new(keeps_context: bool, keep: usize, most: u64) -> Self {
        let stream = Decompress::new(false);
        Self { stream, keeps_context, keep, most, message: Inflated::default(), failed: None }
    }

    /// Takes the payload of a frame of a compressed message.
    pub fn push(&mut self, payload: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.inflate(payload).err();
        }
    }

    /// A part of the message is not at hand.
    pub fn skip(&mut self) {
        self.failed.get_or_insert(InflateError::ContextLost);
    }

    /// The message has come to its end.
    ///
    /// # Errors
    /// If it, or one that it refers to, cannot be inflated.
    pub fn finish(&mut self) -> Result<Inflated, InflateError> {
        self.push(&TAIL);
        let message = std::mem::take(&mut self.message);
        let failed = self.failed;
        if !self.keeps_context {
            self.stream.reset(false);
            self.failed = None;
        } else if failed.is_some() {
            self.failed = Some(InflateError::ContextLost);
        }
        failed.map_or(Ok(message), Err)
    }

    fn inflate(&mut self, mut input: &[u8]) -> Result<(), InflateError> {
        let mut chunk = [0; CHUNK];
        loop {
            let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.decompress(input, &mut chunk, FlushDecompress::None);
            let status = status.map_err(|error| match error.message() {
                // There is nothing before the message, so a reference to it has no place to lead to.
                Some("invalid distance too far back") if !self.keeps_context => InflateError::ContextTakenOver,
                _ => InflateError::Corrupt,
            })?;
            input = &input[(self.stream.total_in() - before_in) as usize..];
            let (read, out) = (self.stream.total_in() - before_in, (self.stream.total_out() - before_out) as usize);
            self.take(&chunk[..out])?;
            match status {
                // A block with BFINAL ends the stream; what follows begins another one (section 7.2.3.4).
                Status::StreamEnd => self.stream.reset(false),
                _ if out < CHUNK && input.is_empty() => return Ok(()),
                _ if read == 0 && out == 0 => return Err(InflateError::Corrupt),
                _ => {}
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), InflateError> {
        self.message.length += bytes.len() as u64;
        if self.message.length > self.most {
            return Err(InflateError::TooLarge(self.most));
        }
        let room = self.keep - self.message.kept.len();
        self.message.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(())
    }
}

/// Compresses the messages of one direction.
#[derive(Debug)]
pub struct Deflater {
    stream: Compress,
    keeps_context: bool,
}

impl Deflater {
    /// `keeps_context` is false where `*_no_context_takeover` was agreed on for this direction (section 7.1.1), `window` what
    /// `*_max_window_bits` says (section 7.1.2).
    pub fn new(keeps_context: bool, window: u8) -> Self {
        let window = window.clamp(SMALLEST_WINDOW, LARGEST_WINDOW);
        Self { stream: Compress::new_with_window_bits(Compression::default(), false, window), keeps_context }
    }

    /// A message, compressed to a flush and without its tail.
    ///
    /// # Panics
    /// Never: the stream is not ended, so it takes whatever comes.
    pub fn message(&mut self, message: &[u8]) -> Vec<u8> {
        if message.is_empty() {
            // Section 7.2.3.6. zlib flushes nothing where nothing has come since it last did.
            return vec![0];
        }
        let (mut out, begun) = (Vec::with_capacity(message.len() / 2 + 64), self.stream.total_in());
        loop {
            let rest = &message[(self.stream.total_in() - begun) as usize..];
            self.stream.compress_vec(rest, &mut out, FlushCompress::Sync).expect("the stream goes on");
            // Room that is left means that all is out (zlib's manual, on Z_SYNC_FLUSH).
            if out.len() < out.capacity() {
                break;
            }
            out.reserve(out.len());
        }
        if !self.keeps_context {
            self.stream.reset();
        }
        out.truncate(out.len() - TAIL.len());
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(inflate: &mut Inflate, payload: &[u8]) -> Result<Vec<u8>, InflateError> {
        inflate.push(payload);
        inflate.finish().map(|message| message.kept)
    }

    /// Section 7.2.3: one block, sharing the window, no compression, BFINAL, two blocks.
    #[test]
    fn the_examples_of_the_rfc_say_hello() {
        let mut inflate = Inflate::new(true, 100, 100);
        let hello = Ok(b"Hello".to_vec());
        assert_eq!(read(&mut inflate, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), hello);
        assert_eq!(read(&mut inflate, &[0xf2, 0x00, 0x11, 0x00, 0x00]), hello);
        for payload in [
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00][..],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        ] {
            assert_eq!(read(&mut Inflate::new(true, 100, 100), payload), hello, "{payload:x?}");
        }
    }

    #[test]
    fn fragments_of_any_size_are_one_message_and_the_context_goes_on() {
        let message: Vec<u8> = (0..200_000u32).flat_map(|at| (at % 977).to_be_bytes()).collect();
        let (mut sender, mut inflate) = (Deflater::new(true, LARGEST_WINDOW), Inflate::new(true, 1_000_000, 1 << 20));
        for size in [1, 7, 100_000] {
            let payload = sender.message(&message);
            payload.chunks(size).for_each(|fragment| inflate.push(fragment));
            let inflated = inflate.finish().unwrap();
            assert!(inflated.kept == message && inflated.length == message.len() as u64, "in fragments of {size}");
        }
    }

    #[test]
    fn a_bomb_is_not_inflated_and_only_its_beginning_is_kept() {
        let bomb = Deflater::new(true, LARGEST_WINDOW).message(&vec![0; 10_000_000]);
        let mut inflate = Inflate::new(false, 1000, 1_000_000);
        assert_eq!(read(&mut inflate, &bomb), Err(InflateError::TooLarge(1_000_000)));
        let hello = Deflater::new(true, LARGEST_WINDOW).message(b"Hello");
        assert_eq!(read(&mut inflate, &hello), Ok(b"Hello".to_vec()), "without a context the next one is whole again");
        let mut inflate = Inflate::new(true, 1000, 1 << 30);
        inflate.push(&bomb);
        let inflated = inflate.finish().unwrap();
        assert_eq!((inflated.kept.len(), inflated.length), (1000, 10_000_000));
    }

    #[test]
    fn what_cannot_be_inflated_is_told_and_takes_the_context_along() {
        let mut inflate = Inflate::new(true, 100, 100);
        assert_eq!(read(&mut inflate, &[0xff; 9]), Err(InflateError::Corrupt));
        assert_eq!(read(&mut inflate, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), Err(InflateError::ContextLost));
    }

    #[test]
    fn a_reference_to_a_message_before_is_noticed_where_there_may_be_none() {
        // "Hello", and the same again by a reference to the first one (section 7.2.3.2).
        let (hello, again) = ([0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], [0xf2, 0x00, 0x11, 0x00, 0x00]);
        let mut inflate = Inflate::new(false, 100, 100);
        assert!(read(&mut inflate, &hello).is_ok());
        assert_eq!(read(&mut inflate, &again), Err(InflateError::ContextTakenOver));
        assert!(read(&mut inflate, &hello).is_ok(), "it costs no other");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_or_take_for_ever(messages: Vec<Vec<u8>>, keeps_context: bool) {
            let mut inflate = Inflate::new(keeps_context, 10, 100_000);
            for message in messages {
                inflate.push(&message);
                if let Ok(inflated) = inflate.finish() {
                    prop_assert!(inflated.kept.len() <= 10 && inflated.length <= 100_000);
                }
            }
        }
    }
}

//! A board at one sequence number: as a value, and as the packets that a member and the disk get.

use std::ops::Range;

use inkwire_protocol::{AuthorState, Content, Element, GestureRef, ServerMessage, binary};

use crate::board::{Author, Board};
use crate::element::BoardElement;
use crate::hash::StateHash;
use crate::history::History;

/// Elements of one `elements` message are cut at about this many points, so that no message is very long.
const POINTS_PER_MESSAGE: usize = 16_384;

/// A board at one sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The sequence number.
    pub seq: u64,
    /// Everybody who has drawn.
    pub authors: Vec<AuthorState>,
    /// Every element that is held, in painting order.
    pub elements: Vec<Element>,
    /// The state hash.
    pub hash: StateHash,
}

/// Why a snapshot is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// An author is there twice, or the gestures are not in order.
    #[error("the authors are inconsistent")]
    Authors,
    /// An element is there twice, out of order, or breaks a rule.
    #[error("the elements are inconsistent")]
    Elements,
    /// There are more or fewer elements than were announced.
    #[error("another number of elements than announced")]
    Count,
    /// The state does not have the hash that it was saved with.
    #[error("the state hash does not fit")]
    Hash,
}

/// A board that is put together from a snapshot, element by element, so that it is never held twice.
#[derive(Debug, Clone)]
pub(crate) struct Assembly {
    board: Board,
    announced: u64,
}

impl Assembly {
    /// # Errors
    /// If the authors are inconsistent.
    pub(crate) fn new(seq: u64, announced: u64, authors: &[AuthorState]) -> Result<Self, RestoreError> {
        let mut board = Board { seq, ..Board::default() };
        for state in authors {
            let history = History::from_states(&state.gestures).ok_or(RestoreError::Authors)?;
            let author = Author { cseq: state.cseq, history, ..Author::default() };
            if board.authors.insert(state.author, author).is_some() {
                return Err(RestoreError::Authors);
            }
            board.last_author = board.last_author.max(state.author);
        }
        Ok(Self { board, announced })
    }

    /// # Errors
    /// If the element does not follow or breaks a rule.
    pub(crate) fn add(&mut self, element: Element) -> Result<(), RestoreError> {
        self.board.put_back(element)
    }

    /// # Errors
    /// If elements are missing, or it is not the board that had that hash.
    pub(crate) fn finish(self, hash: StateHash) -> Result<Board, RestoreError> {
        if self.board.elements.len() as u64 != self.announced {
            return Err(RestoreError::Count);
        }
        if self.board.hash == hash { Ok(self.board) } else { Err(RestoreError::Hash) }
    }
}

fn weight(element: &Element) -> usize {
    let own = match &element.content {
        Content::Stroke { points, .. } => points.len(),
        Content::Shape(_) | Content::Picture(_) => 8,
        Content::Text(text) => text.text.len(),
        Content::Note(note) => note.text.len(),
    };
    8 + own
}

impl Board {
    /// The board as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            seq: self.seq,
            authors: self.author_states(),
            elements: self.elements.values().map(|element| element.wire().clone()).collect(),
            hash: self.hash,
        }
    }

    fn author_states(&self) -> Vec<AuthorState> {
        let state = |(number, author): (&u32, &Author)| AuthorState {
            author: *number,
            cseq: author.cseq,
            gestures: author.history.states(),
        };
        self.authors.iter().map(state).collect()
    }

    /// The packets of one message each that bring a member, or a server that reads its disk, to this state: `snapshot`,
    /// `elements` as often as needed, `snapshotEnd`.
    pub fn packets(&self) -> impl Iterator<Item = Vec<u8>> {
        let [head, end] = self.packets_around();
        let mut next = 0;
        let chunks = std::iter::from_fn(move || {
            let (packet, after) = self.elements_packet(next..u64::MAX)?;
            next = after;
            Some(packet)
        });
        std::iter::once(head).chain(chunks).chain(std::iter::once(end))
    }

    /// The first and the last of [`Board::packets`], between which those of the elements stand.
    pub fn packets_around(&self) -> [Vec<u8>; 2] {
        let (seq, elements) = (self.seq, self.elements.len() as u64);
        let head = ServerMessage::Snapshot { seq, elements, authors: self.author_states() };
        let end = ServerMessage::SnapshotEnd { hash: self.hash.to_bytes() };
        [head, end].map(|message| binary::encode_server(&[message]))
    }

    /// An `elements` packet of the first elements in a range of sequence numbers, and the sequence number with which the next
    /// packet goes on; `None` if there are no elements.
    pub fn elements_packet(&self, range: Range<u64>) -> Option<(Vec<u8>, u64)> {
        let mut rest = self.elements.range(range.clone()).map(|(seq, element)| (*seq, element.wire())).peekable();
        rest.peek()?;
        let mut points = 0;
        let packet = binary::encode_elements(std::iter::from_fn(|| {
            let (_, element) = rest.next_if(|_| points < POINTS_PER_MESSAGE)?;
            points += weight(element);
            Some(element)
        }));
        Some((packet, rest.peek().map_or(range.end, |(seq, _)| *seq)))
    }

    /// From now on, or no longer, [`Board::take_changes`] returns what changes.
    pub fn track_changes(&mut self, tracks: bool) {
        self.changes.track(tracks);
    }

    /// Ranges of sequence numbers in which the wire form of elements was made, changed or removed since this was last called.
    pub fn take_changes(&mut self) -> impl Iterator<Item = Range<u64>> + use<> {
        self.changes.take()
    }

    /// The board of a snapshot.
    ///
    /// # Errors
    /// The rule that the snapshot breaks.
    pub fn restore(snapshot: Snapshot) -> Result<Self, RestoreError> {
        let mut assembly = Assembly::new(snapshot.seq, snapshot.elements.len() as u64, &snapshot.authors)?;
        snapshot.elements.into_iter().try_for_each(|element| assembly.add(element))?;
        assembly.finish(snapshot.hash)
    }

    fn put_back(&mut self, wire: Element) -> Result<(), RestoreError> {
        let seq = wire.seq;
        let in_order = self.elements.last_key_value().is_none_or(|(last, _)| *last < seq) && seq <= self.seq;
        let element = BoardElement::new(wire).map_err(|_| RestoreError::Elements)?;
        let fresh = self.by_id.insert(element.id(), seq).is_none();
        if !in_order || !fresh {
            return Err(RestoreError::Elements);
        }
        if let Some(slot) = element.live() {
            let author = self.authors.get_mut(&element.wire().author).ok_or(RestoreError::Elements)?;
            author.live[usize::from(slot)] = Some(seq);
        }
        let touched: Vec<GestureRef> = element.touched_by().collect();
        self.elements.insert(seq, Box::new(element));
        for by in touched {
            if let Some(author) = self.authors.get_mut(&by.author) {
                author.history.touch(by.gesture, seq);
            }
        }
        self.refresh(seq);
        Ok(())
    }
}

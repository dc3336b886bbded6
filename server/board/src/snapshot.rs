//! A board at one sequence number, as messages for a member and as bytes for the disk.

use inkwire_protocol::{AuthorState, ClientId, Element, GestureRef, ServerMessage, binary};

use crate::board::{Author, Board};
use crate::element::BoardElement;
use crate::hash::StateHash;
use crate::history::History;

/// The first bytes of a board on disk; the last one is the version of the form.
const MAGIC: [u8; 8] = *b"inkwire\x01";

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
    /// The bytes are not a board of this version.
    #[error("not a board of this version")]
    Format,
    /// An author is there twice, or the gestures are not in order.
    #[error("the authors are inconsistent")]
    Authors,
    /// An element is there twice, out of order, or breaks a rule.
    #[error("the elements are inconsistent")]
    Elements,
    /// The state does not have the hash that it was saved with.
    #[error("the state hash does not fit")]
    Hash,
}

impl Snapshot {
    /// The messages that bring a member to this state.
    pub fn into_messages(self) -> Vec<ServerMessage> {
        let mut messages = vec![ServerMessage::Snapshot {
            seq: self.seq,
            elements: self.elements.len() as u64,
            authors: self.authors,
        }];
        let mut chunk = Vec::new();
        let mut points = 0;
        for element in self.elements {
            points += 8 + weight(&element);
            chunk.push(element);
            if points >= POINTS_PER_MESSAGE {
                points = 0;
                messages.push(ServerMessage::Elements { elements: std::mem::take(&mut chunk) });
            }
        }
        if !chunk.is_empty() {
            messages.push(ServerMessage::Elements { elements: chunk });
        }
        messages.push(ServerMessage::SnapshotEnd { hash: self.hash.to_bytes() });
        messages
    }
}

fn weight(element: &Element) -> usize {
    match &element.content {
        inkwire_protocol::Content::Stroke { points, .. } => points.steps.len(),
        inkwire_protocol::Content::Shape(_) => 8,
        inkwire_protocol::Content::Text(text) => text.text.len(),
    }
}

impl Board {
    /// The board as it is now.
    pub fn snapshot(&self) -> Snapshot {
        let author = |(number, author): (&u32, &Author)| AuthorState {
            author: *number,
            cseq: author.cseq,
            gestures: author.history.states(),
        };
        Snapshot {
            seq: self.seq,
            authors: self.authors.iter().map(author).collect(),
            elements: self.elements.values().map(|element| element.wire().clone()).collect(),
            hash: self.hash,
        }
    }

    /// The board of a snapshot.
    ///
    /// # Errors
    /// What is wrong with the snapshot.
    pub fn restore(snapshot: Snapshot) -> Result<Self, RestoreError> {
        let mut board = Self { seq: snapshot.seq, ..Self::default() };
        for state in &snapshot.authors {
            let history = History::from_states(&state.gestures).ok_or(RestoreError::Authors)?;
            let author = Author { cseq: state.cseq, history, ..Author::default() };
            if board.authors.insert(state.author, author).is_some() {
                return Err(RestoreError::Authors);
            }
            board.last_author = board.last_author.max(state.author);
        }
        for element in snapshot.elements {
            board.put_back(element)?;
        }
        if board.hash == snapshot.hash { Ok(board) } else { Err(RestoreError::Hash) }
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
        let made_by = GestureRef { author: element.wire().author, gesture: element.wire().gesture };
        let patched = element.wire().patches.iter().map(|patch| patch.by);
        let touched: Vec<GestureRef> =
            element.wire().deletions.iter().copied().chain(patched).chain([made_by]).collect();
        self.elements.insert(seq, element);
        for by in touched {
            if let Some(author) = self.authors.get_mut(&by.author) {
                author.history.touch(by.gesture, seq);
            }
        }
        self.refresh(seq);
        Ok(())
    }

    /// The board as bytes for the disk: with the secrets of its clients, so never for the network.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.last_author.to_be_bytes());
        bytes.extend_from_slice(&(self.clients.len() as u32).to_be_bytes());
        for (client, author) in &self.clients {
            bytes.extend_from_slice(&client.0);
            bytes.extend_from_slice(&author.to_be_bytes());
        }
        bytes.extend(binary::encode_server(&self.snapshot().into_messages()));
        bytes
    }

    /// The board of bytes that [`Board::to_bytes`] made.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RestoreError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(RestoreError::Format)?;
        let (last_author, rest) = split_u32(rest)?;
        let (count, rest) = split_u32(rest)?;
        let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(20)).ok_or(RestoreError::Format)?;
        let (clients, rest) = rest.split_at_checked(length).ok_or(RestoreError::Format)?;
        let packet = binary::decode_server(rest).map_err(|_| RestoreError::Format)?;
        let mut replica = crate::Replica::default();
        for message in packet {
            replica.receive(message).map_err(|error| match error {
                crate::ReplicaError::Restore(error) => error,
                _ => RestoreError::Format,
            })?;
        }
        let mut board = replica.into_board();
        board.last_author = board.last_author.max(last_author);
        let (clients, _) = clients.as_chunks::<20>();
        for client in clients {
            let (id, author) = client.split_first_chunk::<16>().ok_or(RestoreError::Format)?;
            board.clients.insert(ClientId(*id), split_u32(author)?.0);
        }
        Ok(board)
    }
}

fn split_u32(bytes: &[u8]) -> Result<(u32, &[u8]), RestoreError> {
    let (head, rest) = bytes.split_first_chunk::<4>().ok_or(RestoreError::Format)?;
    Ok((u32::from_be_bytes(*head), rest))
}

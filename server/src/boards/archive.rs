//! A board as JSON: everything on it, with what can still be undone, and nothing secret. What is exported can be imported.

use inkwire_board::{Board, RestoreError, Snapshot, StateHash};
use inkwire_protocol::{AuthorState, Element};
use serde::{Deserialize, Serialize};

/// What the first field of every archive says.
const FORMAT: &str = "inkwire board 1";

/// A file that is no archive of a board.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Not JSON, or other fields.
    #[error("not the JSON of a board")]
    Json(#[from] serde_json::Error),
    /// Another format.
    #[error("not a board in the format that this version knows, {FORMAT:?}")]
    Format,
    /// The content breaks a rule of boards.
    #[error("not a board")]
    Content(#[from] RestoreError),
    /// An element that the protocol cannot carry.
    #[error("not a board: an element breaks the rule {0}")]
    Element(&'static str),
    /// The hash is none.
    #[error("not a board: the hash is not 16 hex digits")]
    Hash,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Archive {
    format: String,
    name: String,
    seq: u64,
    hash: String,
    authors: Vec<AuthorState>,
    elements: Vec<Element>,
}

/// The archive of a board, with an element a line: two of them can be compared by `diff`.
pub(super) fn write(name: &str, board: &Board) -> String {
    let Snapshot { seq, authors, elements, hash } = board.snapshot();
    let lines = |all: Vec<String>| if all.is_empty() { String::new() } else { format!("\n{}\n", all.join(",\n")) };
    let authors = lines(authors.iter().map(json).collect());
    let elements = lines(elements.iter().map(json).collect());
    format!(
        "{{\"format\":{},\"name\":{},\"seq\":{seq},\"hash\":\"{hash}\",\n\"authors\":[{authors}],\n\"elements\":[{elements}]}}\n",
        json(&FORMAT),
        json(&name)
    )
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("Bug: what a board holds always serializes")
}

/// The board of an archive, and the name that it had.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(text: &str) -> Result<(String, Board), ArchiveError> {
    let archive: Archive = serde_json::from_str(text)?;
    if archive.format != FORMAT {
        return Err(ArchiveError::Format);
    }
    let hash = u64::from_str_radix(&archive.hash, 16).ok().filter(|_| archive.hash.len() == 16);
    let hash = StateHash::from_bytes(hash.ok_or(ArchiveError::Hash)?.to_be_bytes());
    let (seq, authors, elements) = (archive.seq, archive.authors, archive.elements);
    if seq > inkwire_protocol::limits::NUMBER {
        return Err(ArchiveError::Element("numberTooLarge"));
    }
    check(&elements)?;
    Ok((archive.name, Board::restore(Snapshot { seq, authors, elements, hash })?))
}

/// JSON can say what the protocol cannot: every element must come through its binary form unchanged.
fn check(elements: &[Element]) -> Result<(), ArchiveError> {
    use inkwire_protocol::{ServerMessage, binary};
    for element in elements {
        let packet = binary::encode_elements(std::iter::once(element));
        let read = binary::decode_server(&packet).map_err(|error| ArchiveError::Element(error.name()))?;
        if !matches!(&read[..], [ServerMessage::Elements { elements }] if elements[..] == [element.clone()]) {
            return Err(ArchiveError::Element("notRepresentable"));
        }
    }
    Ok(())
}

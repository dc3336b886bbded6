//! A board as JSON: everything on it, with what can still be undone, and nothing secret. What is exported can be imported.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use inkwire_board::{Board, RestoreError, Snapshot, StateHash};
use inkwire_protocol::{AuthorState, Content as ElementContent, Element, ImageHash, hex};
use serde::{Deserialize, Serialize};

use crate::storage::{Image, ImageError};

/// The value of the first field of every archive.
const FORMAT: &str = "inkwire board 1";

/// A file that is no archive of a board.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
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
    /// The bytes of a picture are not its own.
    #[error("not a board: the picture {0}: {1}")]
    Image(String, ImageError),
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
    /// The bytes of pictures, in Base64 (RFC 4648 section 4), by their hash.
    #[serde(default)]
    images: BTreeMap<String, String>,
}

/// The content of an archive.
pub(crate) struct Content {
    /// The name that the board had.
    pub(crate) name: String,
    /// The board.
    pub(crate) board: Board,
    /// The pictures on it.
    pub(crate) pictures: Vec<(ImageHash, Image)>,
}

/// The archive of a board, with an element a line: two of them can be compared by `diff`.
pub(crate) fn write(name: &str, board: &Board, image: impl Fn(ImageHash) -> Option<Image>) -> String {
    let Snapshot { seq, authors, elements, hash } = board.snapshot();
    let lines = |all: Vec<String>| if all.is_empty() { String::new() } else { format!("\n{}\n", all.join(",\n")) };
    let images = images(&elements, image);
    let authors = lines(authors.iter().map(json).collect());
    let elements = lines(elements.iter().map(json).collect());
    format!(
        "{{\"format\":{},\"name\":{},\"seq\":{seq},\"hash\":\"{hash}\",\n\"authors\":[{authors}],\n\"elements\":[{elements}]{images}}}\n",
        json(&FORMAT),
        json(&name)
    )
}

/// The field of the pictures, where there are any.
fn images(elements: &[Element], image: impl Fn(ImageHash) -> Option<Image>) -> String {
    let hash = |element: &Element| match &element.content {
        ElementContent::Picture(picture) => Some(picture.image),
        _ => None,
    };
    let named: BTreeMap<ImageHash, Image> =
        elements.iter().filter_map(hash).filter_map(|hash| Some((hash, image(hash)?))).collect();
    if named.is_empty() {
        return String::new();
    }
    let line = |(hash, image): (&ImageHash, &Image)| format!("\"{hash}\":\"{}\"", BASE64_STANDARD.encode(&image.bytes));
    format!(",\n\"images\":{{\n{}\n}}", named.iter().map(line).collect::<Vec<_>>().join(",\n"))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("Bug: what a board holds always serializes")
}

/// Reads the content of an archive.
///
/// # Errors
/// The rule that it breaks.
pub(crate) fn read(text: &str) -> Result<Content, ArchiveError> {
    let archive: Archive = serde_json::from_str(text)?;
    if archive.format != FORMAT {
        return Err(ArchiveError::Format);
    }
    let hash = hex::decode_array(&archive.hash).map(StateHash::from_bytes).ok_or(ArchiveError::Hash)?;
    let (seq, authors, elements) = (archive.seq, archive.authors, archive.elements);
    if seq > inkwire_protocol::limits::NUMBER {
        return Err(ArchiveError::Element("numberTooLarge"));
    }
    check(&elements)?;
    let pictures = archive.images.iter().map(|(hash, bytes)| picture(hash, bytes)).collect::<Result<_, _>>()?;
    Ok(Content { name: archive.name, board: Board::restore(Snapshot { seq, authors, elements, hash })?, pictures })
}

fn picture(hash: &str, bytes: &str) -> Result<(ImageHash, Image), ArchiveError> {
    let wrong = |error| ArchiveError::Image(hash.chars().take(64).collect(), error);
    let name: ImageHash = hash.parse().map_err(|_| wrong(ImageError::Hash))?;
    let bytes = BASE64_STANDARD.decode(bytes).map_err(|_| wrong(ImageError::Hash))?;
    Ok((name, Image::named(name, bytes.into()).map_err(wrong)?))
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

//! A board as a file: JSON to be imported again, SVG, PNG.

pub(crate) mod archive;
pub(crate) mod fonts;
mod png;
mod svg;

use anyhow::Context;
use clap::ValueEnum;
use inkwire_board::Board;

use crate::storage::{Archive, BoardRecord, StorageError};

/// As what a board is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Everything on it, to be imported again.
    Json,
    /// A picture of lines.
    Svg,
    /// A picture of pixels.
    Png,
}

/// A board as a file.
///
/// # Errors
/// If it cannot be drawn.
pub(crate) fn exported(archive: &dyn Archive, name: &str, board: &Board, format: Format) -> anyhow::Result<Vec<u8>> {
    // One that cannot be read is drawn as one that is missing.
    let image = |hash| archive.image(hash).ok().flatten();
    Ok(match format {
        Format::Json => archive::write(name, board, image).into_bytes(),
        Format::Svg => svg::svg(board, image).into_bytes(),
        Format::Png => png::png(&svg::svg(board, image)).with_context(|| format!("board {name} cannot be drawn"))?,
    })
}

/// A board whose records are good.
pub(crate) fn good(archive: &dyn Archive, record: &BoardRecord, at: Option<u64>) -> anyhow::Result<Board> {
    let loaded = archive.load(record, at)?;
    match loaded.damage {
        // A snapshot that is damaged is told by `verify`; the log alone came to the same board.
        Some(damage) if loaded.board.seq() < at.unwrap_or(record.seq) => {
            Err(StorageError::Damaged { name: record.name.clone(), damage }.into())
        }
        _ => Ok(loaded.board),
    }
}

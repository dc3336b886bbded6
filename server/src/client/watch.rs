//! `inkwire watch`: prints what happens on a board, for people or, as lines of JSON, for programs.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use inkwire_protocol::{Change, Entry, Operation, ServerMessage};
use serde_json::{Value, json};

use super::{Guest, Who};

/// The flags of `watch`.
#[derive(Debug, Clone, Args)]
pub struct Watch {
    /// Where, and as whom.
    #[command(flatten)]
    pub who: Who,
    /// Print a line of JSON for everything that happens.
    #[arg(long)]
    pub json: bool,
    /// End after so many operations, instead of never.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

/// Prints what happens on a board from now on, until it is stopped.
///
/// # Errors
/// If the server cannot be reached, or does not let this member in.
pub fn run(flags: Watch) -> anyhow::Result<()> {
    let mut guest = Guest::join(flags.who.clone())?;
    let mut seen = guest.session.board().seq();
    let mut left = flags.count.unwrap_or(u64::MAX);
    if !line(
        &flags,
        || json!({ "joined": guest.who.name, "author": guest.session.author(), "seq": seen }),
        || format!("watching {}", guest.who.url),
    )? {
        return Ok(());
    }
    while left > 0 {
        for message in guest.turn(Duration::from_millis(100))? {
            let goes_on = match message {
                ServerMessage::Operations { first_seq, entries } => {
                    let (mut goes_on, known) = (true, seen);
                    for (seq, entry) in (first_seq..).zip(&entries).filter(|(seq, _)| *seq > known).take(left as usize)
                    {
                        goes_on &= operation(&flags, &guest, seq, entry)?;
                        (seen, left) = (seq, left - 1);
                    }
                    goes_on
                }
                ServerMessage::Presence { changes, .. } => presence(&flags, &guest, &changes)?,
                // What happened meanwhile is in it; from here on it goes on.
                ServerMessage::SnapshotEnd { .. } => {
                    seen = seen.max(guest.session.board().seq());
                    true
                }
                _ => true,
            };
            if !goes_on {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Prints a line; says whether anybody still reads.
fn line(flags: &Watch, value: impl FnOnce() -> Value, words: impl FnOnce() -> String) -> anyhow::Result<bool> {
    let text = if flags.json { value().to_string() } else { words() };
    let mut out = std::io::stdout();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("standard output"),
    }
}

fn operation(flags: &Watch, guest: &Guest, seq: u64, entry: &Entry) -> anyhow::Result<bool> {
    let Entry { author, operation, .. } = entry;
    let name = guest.name(*author);
    if !flags.json && matches!(operation, Operation::Points(_)) {
        // A line for every few points would say nothing to a person.
        return Ok(true);
    }
    let value = || json!({ "seq": seq, "author": author, "name": name, "operation": operation });
    line(flags, value, || format!("{seq:>8}  {name} {}", deed(operation)))
}

/// Describes an operation in words.
fn deed(operation: &Operation) -> String {
    match operation {
        Operation::Begin(begin) => format!("begins a stroke at {},{}", begin.x, begin.y),
        Operation::Points(points) => format!("draws {} points", points.steps.len()),
        Operation::End { .. } => "ends the stroke".into(),
        Operation::Cancel { .. } => "takes the stroke back".into(),
        Operation::Shape(shape) => format!("draws: {}", json!(shape.kind).as_str().unwrap_or("shape")),
        Operation::Text(text) => format!("writes {:?}", text.text),
        Operation::Note(note) => format!("sticks a note {:?}", note.text),
        Operation::Picture(_) => "puts up a picture".into(),
        Operation::Patch(_) => "changes something".into(),
        Operation::Delete { elements, .. } => format!("deletes {} things", elements.len()),
        Operation::Undo { .. } => "undoes".into(),
        Operation::Redo { .. } => "redoes".into(),
        Operation::Clear { .. } => "clears the board".into(),
        Operation::ClearAuthor { .. } => "deletes all that one person drew".into(),
        Operation::Unknown { tag, .. } => format!("does something that this version does not know ({tag})"),
    }
}

fn presence(flags: &Watch, guest: &Guest, changes: &[Change]) -> anyhow::Result<bool> {
    for change in changes {
        let words = match change {
            Change::Here { author, name, .. } if *author != guest.session.author() => {
                format!("          {name} is here")
            }
            Change::Gone { author } => format!("          {} has gone", guest.name(*author)),
            Change::Reaction { author, reaction } => format!("          {}: {reaction}", guest.name(*author)),
            _ if flags.json => String::new(),
            _ => continue,
        };
        if !line(flags, || json!({ "presence": change }), || words)? {
            return Ok(false);
        }
    }
    Ok(true)
}

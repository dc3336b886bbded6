//! Scenario scripts: a small language in which several people draw, run against the board alone and over real sockets.
//!
//! A line is a comment (`#`), or says who does what:
//!
//! ```text
//! ada joins                      ada leaves | vanishes | returns
//! ada begins 0 at 10,10          a live stroke in slot 0; `pressed 200` gives it pressure
//! ada adds 0 5,5 6,7             points of it, as steps; `5,5,3` also changes the pressure by 3
//! ada ends 0                     ada cancels 0
//! ada writes "hello" at 0,0      ada boxes 10,10 by 40,20
//! ada moves bob.3 by 10,0        the element that bob's operation 3 made
//! ada erases bob.3 ada.1         ada clears
//! ada undoes 3                   ada redoes 3
//! ada repeats 2                  sends her operation 2 again
//! bob is slow 500                everything takes 500 ms to bob (in simulated time)
//! all settle                     everybody hears everything; the transcript shows what each one sees
//! ```
//!
//! `… in 3` at the end of a line joins the gesture that began with that person's operation 3.

mod parse;
mod simulated;
mod sockets;

use std::collections::BTreeMap;
use std::fmt::Write;

use inkwire_board::Board;
use inkwire_protocol::{Content, Operation, RejectReason};

pub use parse::ScriptError;
use parse::{Line, Verb, parse};
pub use simulated::Simulated;
pub use sockets::Sockets;

/// What became of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is the log's operation of this number.
    Logged(u64),
    /// It was not done.
    Rejected(RejectReason),
    /// It waits until its author returns.
    Kept,
}

/// Something that scripts run against.
pub trait World {
    /// Somebody joins, or comes back.
    fn joins(&mut self, name: &str);
    /// Somebody goes, with a word or without.
    fn goes(&mut self, name: &str, with_a_word: bool);
    /// Somebody does something, with a client sequence number that rises.
    fn does(&mut self, name: &str, operation: Operation) -> Outcome;
    /// Somebody sends an operation again that the log has.
    fn repeats(&mut self, name: &str, cseq: u64, operation: Operation);
    /// From now on everything takes so many milliseconds to somebody.
    fn slows(&mut self, name: &str, milliseconds: u64);
    /// Waits until everybody who is here has heard everything.
    fn settles(&mut self);
    /// The author number of somebody.
    fn author(&self, name: &str) -> u32;
    /// The board as somebody sees it.
    fn board(&self, name: &str) -> &Board;
    /// Who is here, in the order of joining.
    fn present(&self) -> Vec<String>;
}

/// Runs a script and gives back its transcript: every line, and what came of it.
///
/// # Errors
/// The first line that is not of the language.
pub fn run(script: &str, world: &mut impl World) -> Result<String, ScriptError> {
    let mut done: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    let mut transcript = String::new();
    for line in parse(script)? {
        writeln!(transcript, "{}", line.text).expect("a string takes everything");
        let news = perform(&line, world, &mut done);
        news.iter().for_each(|news| writeln!(transcript, "    {news}").expect("a string takes everything"));
    }
    Ok(transcript)
}

fn perform(line: &Line, world: &mut impl World, done: &mut BTreeMap<String, Vec<Operation>>) -> Vec<String> {
    let name = &line.who;
    match &line.verb {
        Verb::Joins => world.joins(name),
        Verb::Leaves => world.goes(name, true),
        Verb::Vanishes => world.goes(name, false),
        Verb::Slows(milliseconds) => world.slows(name, *milliseconds),
        Verb::Settle => {
            world.settles();
            let present = world.present();
            return present.iter().map(|name| format!("{name} sees {}", picture(world.board(name), world))).collect();
        }
        Verb::Repeats(cseq) => {
            let operation = done.get(name).and_then(|all| all.get(*cseq as usize - 1)).cloned();
            world.repeats(name, *cseq, operation.expect("a script repeats what was done"));
        }
        Verb::Does(make) => {
            let operations = done.entry(name.clone()).or_default();
            let cseq = operations.len() as u64 + 1;
            let operation = make(cseq, &|who| world.author(who));
            operations.push(operation.clone());
            let outcome = match world.does(name, operation) {
                Outcome::Logged(seq) => format!("{name}.{cseq} is operation {seq}"),
                Outcome::Rejected(reason) => format!("{name}.{cseq} is rejected: {reason}"),
                Outcome::Kept => format!("{name}.{cseq} is kept"),
            };
            return vec![outcome];
        }
    }
    Vec::new()
}

/// A board in one line, with people's names in place of author numbers.
fn picture(board: &Board, world: &impl World) -> String {
    let names: BTreeMap<u32, String> = world.present().into_iter().map(|name| (world.author(&name), name)).collect();
    let name = |author: u32| names.get(&author).cloned().unwrap_or_else(|| format!("author{author}"));
    let elements: Vec<String> = board
        .elements()
        .filter(|element| element.is_visible())
        .map(|element| format!("{}.{} {}", name(element.id().author), element.id().cseq, kind(&element.wire().content)))
        .collect();
    let elements = if elements.is_empty() { "nothing".into() } else { elements.join(", ") };
    format!("{elements} (operation {}, hash {})", board.seq(), board.hash())
}

fn kind(content: &Content) -> String {
    match content {
        Content::Stroke { points, live, .. } => {
            let live = if live.is_some() { " live" } else { "" };
            format!("stroke of {}{live}", points.len() + 1)
        }
        Content::Shape(shape) => format!("{:?}", shape.kind).to_lowercase(),
        Content::Text(text) => format!("text {:?}", text.text),
        Content::Note(note) => format!("note {:?}", note.text),
        Content::Picture(picture) => format!("picture {}", picture.image),
    }
}

//! `inkwire draw`: draws what it reads on a board, at a chosen speed, while everybody there watches.

use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use inkwire_protocol::Operation;

use super::{Guest, Who, lines, svg};

/// Operations that are read ahead.
const AHEAD: usize = 1_024;
/// Operations that may be on their way.
const UNDER_WAY: usize = 4_096;
/// So late what is drawn may be to be made up for.
const LATEST: Duration = Duration::from_millis(50);
/// So often a second a line grows.
const GROWS: f64 = 30.0;

/// The flags of `draw`.
#[derive(Debug, Clone, Args)]
pub struct Draw {
    /// Where, and as whom.
    #[command(flatten)]
    pub who: Who,
    /// Points a second; 0 for as fast as the server takes them.
    #[arg(long, default_value_t = 400.0, value_name = "N", value_parser = speed)]
    pub speed: f64,
    /// Where the top left corner of an SVG comes to lie, in board units.
    #[arg(long, default_value = "0,0", value_name = "X,Y", value_parser = place, allow_hyphen_values = true)]
    pub at: [f32; 2],
    /// How many times as large as it is an SVG is drawn.
    #[arg(long, default_value_t = 1.0, value_name = "N", value_parser = larger)]
    pub scale: f32,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.0..=1e9).contains(speed));
    speed.ok_or_else(|| "a speed is a number of points a second, from 0".into())
}

fn place(text: &str) -> Result<[f32; 2], String> {
    let number = |text: &str| text.trim().parse().ok().filter(|it: &f32| it.abs() <= 1e7);
    let place = text.split_once(',').and_then(|(x, y)| Some([number(x)?, number(y)?]));
    place.ok_or_else(|| "a place is written X,Y".into())
}

fn larger(text: &str) -> Result<f32, String> {
    let larger = text.parse().ok().filter(|larger| (0.001..=1_000.0).contains(larger));
    larger.ok_or_else(|| "must be between 0.001 and 1000".into())
}

/// The next operation, and its line in the input.
type Next = Result<(String, Operation), String>;

/// Draws what standard input says, and waits until the board has it for good.
///
/// # Errors
/// If the input is not a drawing, the server cannot be reached or does not let this member in, or rejects something.
pub fn run(flags: Draw) -> anyhow::Result<()> {
    let next = read(&flags)?;
    let mut guest = Guest::join(flags.who.clone())?;
    if let Some(refusal) = guest.refusal() {
        bail!("{}: {refusal}", flags.who.url);
    }
    let mut told = Told::default();
    let mut pace = Pace { speed: flags.speed, next: Instant::now() };
    let mut places = Vec::new();
    let broken = loop {
        guest.turn(Duration::from_millis(2))?;
        told.of(&guest);
        if let ControlFlow::Break(broken) = submit_due(&mut guest, &next, &mut pace, &mut places) {
            break broken;
        }
    };
    while !guest.is_done() {
        guest.turn(Duration::from_millis(20))?;
        told.of(&guest);
    }
    report(&guest, &places, broken)
}

/// Draws all that is due; breaks behind the last, with what is wrong where the input is broken there.
fn submit_due(
    guest: &mut Guest,
    next: &Receiver<Next>,
    pace: &mut Pace,
    places: &mut Vec<(u64, String)>,
) -> ControlFlow<Option<String>> {
    pace.catches_up(Instant::now());
    while guest.refusal().is_none() && guest.session.pending().len() < UNDER_WAY && pace.next <= Instant::now() {
        match next.recv_timeout(Duration::from_millis(20)) {
            Ok(Ok((place, operation))) => {
                pace.spend(&operation);
                let cseq = guest.submit(operation);
                places.push((cseq, place));
            }
            Ok(Err(words)) => return ControlFlow::Break(Some(words)),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return ControlFlow::Break(None),
        }
    }
    ControlFlow::Continue(())
}

/// The last reason that was shown for waiting.
#[derive(Default)]
struct Told(Option<&'static str>);

impl Told {
    /// Says why nothing is drawn, or that it goes on, where that is new.
    fn of(&mut self, guest: &Guest) {
        let refusal = guest.refusal();
        if std::mem::replace(&mut self.0, refusal) != refusal {
            let goes_on = refusal.map_or("goes on".into(), |refusal| format!("waits: {refusal}"));
            eprintln!("inkwire: {}: {goes_on}", guest.who.url);
        }
    }
}

/// Says what came of it.
fn report(guest: &Guest, places: &[(u64, String)], broken: Option<String>) -> anyhow::Result<()> {
    let rejects = guest.session.rejects();
    for (cseq, reason) in rejects {
        let place = places.iter().find(|(it, _)| it == cseq).map_or("?", |(_, place)| place.as_str());
        eprintln!("{place}: the server did not take it: {reason}");
    }
    let drawn = places.len() - rejects.len();
    println!("drew {drawn} operations on {}", guest.who.url);
    if let Some(words) = broken {
        bail!("{words}; what stands before it is drawn");
    }
    if !rejects.is_empty() {
        bail!("{} operations were rejected", rejects.len());
    }
    Ok(())
}

/// When the next operation is due.
struct Pace {
    speed: f64,
    next: Instant,
}

impl Pace {
    /// A pen that waited, for the input or a lock, does not hurry; a turn that took long is made up for.
    fn catches_up(&mut self, now: Instant) {
        self.next = self.next.max(now.checked_sub(LATEST).unwrap_or(now));
    }

    fn spend(&mut self, operation: &Operation) {
        let points = match operation {
            Operation::Points(points) => points.steps.len(),
            _ => 1,
        };
        if self.speed > 0.0 {
            self.next += Duration::from_secs_f64(points as f64 / self.speed);
        }
    }
}

/// Reads standard input on a thread of its own; an SVG whole, before anything is drawn.
fn read(flags: &Draw) -> anyhow::Result<Receiver<Next>> {
    let mut input = BufReader::new(std::io::stdin());
    let is_svg = starts_with_tag(&mut input)?;
    let (sender, receiver) = sync_channel(AHEAD);
    let all: Box<dyn Iterator<Item = Next> + Send> =
        if is_svg { Box::new(strokes(input, flags)?.into_iter()) } else { Box::new(operations(input)) };
    std::thread::spawn(move || {
        for next in all {
            let is_over = next.is_err();
            if sender.send(next).is_err() || is_over {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Whether the first letter that is no space is `<`, or the first bytes are all spaces and end there.
fn starts_with_tag(input: &mut impl BufRead) -> anyhow::Result<bool> {
    let bytes = input.fill_buf().context("standard input")?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    Ok(bytes.trim_ascii_start().starts_with(b"<"))
}

fn operations(input: impl BufRead + Send) -> impl Iterator<Item = Next> + Send {
    lines::operations(input).map(|next| match next {
        Ok((line, operation)) => Ok((format!("line {line}"), operation)),
        Err(error) => Err(error.to_string()),
    })
}

/// An SVG as one gesture.
fn strokes(input: impl Read, flags: &Draw) -> anyhow::Result<Vec<Next>> {
    let mut text = String::new();
    input.take(svg::LARGEST + 1).read_to_string(&mut text).context("standard input")?;
    if text.len() as u64 > svg::LARGEST {
        bail!(svg::SvgError::Large);
    }
    let part = (flags.speed / GROWS).ceil().max(1.0) as usize;
    let part = if flags.speed > 0.0 { part } else { usize::MAX };
    let mut all = Vec::new();
    for (number, line) in svg::lines(&text, flags.at, flags.scale)?.iter().enumerate() {
        let operations = svg::operations(line, part, all.len() as u64);
        all.extend(operations.into_iter().map(|operation| Ok((format!("line {} of the SVG", number + 1), operation))));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_speed_is_kept_however_long_turns_take_and_nobody_who_waited_hurries() {
        let start = Instant::now();
        let mut pace = Pace { speed: 1_000.0, next: start };
        let mut drawn_at = |ms| {
            let now = start + Duration::from_millis(ms);
            pace.catches_up(now);
            let mut drawn = 0;
            while pace.next <= now {
                pace.spend(&Operation::End { slot: 0 });
                drawn += 1;
            }
            drawn
        };
        let in_a_second: i32 = (0..=1_000).step_by(8).map(&mut drawn_at).sum();
        assert_eq!(in_a_second, 1_001);
        assert_eq!(drawn_at(60_000), 51);
    }
}

//! Reads scenario scripts.

use std::fmt;

use inkwire_protocol::{Begin, Colour, ElementRef, Operation, Patch, Points, Property, Shape, ShapeKind, Text, Tool};

const INK: Colour = Colour(0x1c1c_28ff);

/// A line that is not of the language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// Its number, from 1.
    pub line: usize,
    /// Its text on standard error.
    pub text: String,
    /// What was expected.
    pub expected: &'static str,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {:?}: expected {}", self.line, self.text, self.expected)
    }
}

impl std::error::Error for ScriptError {}

/// Makes an operation from its client sequence number and the author numbers of names.
pub(super) type Make = Box<dyn Fn(u64, &dyn Fn(&str) -> u32) -> Operation>;

/// What somebody does.
pub(super) enum Verb {
    /// Joins or returns.
    Joins,
    /// Goes, with a close frame.
    Leaves,
    /// Goes, without one.
    Vanishes,
    /// Sends an operation again.
    Repeats(u64),
    /// Hears everything so many milliseconds later.
    Slows(u64),
    /// Everybody hears everything.
    Settle,
    /// Submits an operation.
    Does(Make),
}

/// One line of a script.
pub(super) struct Line {
    /// As it stands there.
    pub(super) text: String,
    /// Whose it is.
    pub(super) who: String,
    /// Its text on standard error.
    pub(super) verb: Verb,
}

/// Reads a script.
///
/// # Errors
/// The first line that is not of the language.
pub(super) fn parse(script: &str) -> Result<Vec<Line>, ScriptError> {
    let lines = script.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let said = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    said.map(|(number, text)| {
        let (who, rest) = text.split_once(' ').unwrap_or((text, ""));
        let verb = verb(rest).map_err(|expected| ScriptError { line: number, text: text.into(), expected })?;
        Ok(Line { text: text.into(), who: who.into(), verb })
    })
    .collect()
}

fn verb(rest: &str) -> Result<Verb, &'static str> {
    let (rest, gesture) = match rest.rsplit_once(" in ") {
        Some((before, number)) if !rest.ends_with('"') => (before, Some(self::number::<u64>(number)?)),
        _ => (rest, None),
    };
    let back = move |cseq: u64| gesture.map_or(0, |gesture| cseq - gesture);
    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok(match word {
        "joins" | "returns" => Verb::Joins,
        "leaves" => Verb::Leaves,
        "vanishes" => Verb::Vanishes,
        "settle" => Verb::Settle,
        "is" => Verb::Slows(number(rest.strip_prefix("slow ").ok_or("is slow MILLISECONDS")?)?),
        "repeats" => Verb::Repeats(number(rest)?),
        "begins" => begins(rest, back)?,
        "adds" => adds(rest)?,
        "ends" => {
            let slot = number(rest)?;
            does(move |_, _| Operation::End { slot })
        }
        "cancels" => {
            let slot = number(rest)?;
            does(move |_, _| Operation::Cancel { slot })
        }
        "writes" => writes(rest, back)?,
        "boxes" => {
            let ([x, y], [dx, dy]) = two_places(rest, " by ", "X,Y by WIDTH,HEIGHT")?;
            let (kind, colour, fill, width, scale) = (ShapeKind::Rectangle, INK, Colour(0), 16, 3);
            does(move |cseq, _| {
                Operation::Shape(Shape { gesture_back: back(cseq), kind, colour, fill, width, scale, x, y, dx, dy })
            })
        }
        "moves" => {
            let (element, by) = rest.split_once(" by ").ok_or("WHO.NUMBER by X,Y")?;
            let (element, [x, y]) = (reference(element)?, place(by)?);
            does(move |cseq, author| {
                let property = Property::Offset { x, y };
                Operation::Patch(Patch { gesture_back: back(cseq), element: element.resolve(author), property })
            })
        }
        "erases" => {
            let elements = rest.split(' ').map(reference).collect::<Result<Vec<_>, _>>()?;
            does(move |cseq, author| Operation::Delete {
                gesture_back: back(cseq),
                elements: elements.iter().map(|element| element.resolve(author)).collect(),
            })
        }
        "clears" => does(move |cseq, _| Operation::Clear { gesture_back: back(cseq) }),
        "undoes" => {
            let gesture = number(rest)?;
            does(move |_, _| Operation::Undo { gesture })
        }
        "redoes" => {
            let gesture = number(rest)?;
            does(move |_, _| Operation::Redo { gesture })
        }
        _ => return Err("a verb of the language, see tests/src/scenario/mod.rs"),
    })
}

fn does(make: impl Fn(u64, &dyn Fn(&str) -> u32) -> Operation + 'static) -> Verb {
    Verb::Does(Box::new(make))
}

fn begins(rest: &str, back: impl Fn(u64) -> u64 + 'static) -> Result<Verb, &'static str> {
    let (rest, pressure) = match rest.split_once(" pressed ") {
        Some((rest, pressure)) => (rest, Some(number(pressure)?)),
        None => (rest, None),
    };
    let (slot, at) = rest.split_once(" at ").ok_or("SLOT at X,Y")?;
    let (slot, [x, y]) = (number(slot)?, place(at)?);
    let (tool, colour, width, scale) = (Tool::Pen, INK, 32, 3);
    Ok(does(move |cseq, _| {
        Operation::Begin(Begin { slot, gesture_back: back(cseq), tool, colour, width, scale, x, y, pressure })
    }))
}

fn adds(rest: &str) -> Result<Verb, &'static str> {
    let mut words = rest.split(' ');
    let slot = number(words.next().unwrap_or_default())?;
    let mut points = Points { slot, steps: Default::default(), pressures: Default::default() };
    for word in words {
        let numbers = word.split(',').map(number::<i32>).collect::<Result<Vec<_>, _>>()?;
        match numbers[..] {
            [dx, dy] => points.steps.push([dx, dy]),
            [dx, dy, pressure] => {
                points.steps.push([dx, dy]);
                points.pressures.push(i16::try_from(pressure).map_err(|_| "a step of pressure")?);
            }
            _ => return Err("steps DX,DY or DX,DY,PRESSURE"),
        }
    }
    Ok(does(move |_, _| Operation::Points(points.clone())))
}

fn writes(rest: &str, back: impl Fn(u64) -> u64 + 'static) -> Result<Verb, &'static str> {
    let (text, at) = rest.rsplit_once(" at ").ok_or("\"TEXT\" at X,Y")?;
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or("\"TEXT\" at X,Y")?.to_owned();
    let [x, y] = place(at)?;
    Ok(does(move |cseq, _| {
        let text = text.clone();
        Operation::Text(Text { gesture_back: back(cseq), colour: INK, size: 160, scale: 3, x, y, text })
    }))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, &'static str> {
    text.trim().parse().map_err(|_| "a number in its range")
}

fn place(text: &str) -> Result<[i32; 2], &'static str> {
    let (x, y) = text.split_once(',').ok_or("a place X,Y")?;
    Ok([number(x)?, number(y)?])
}

fn two_places(text: &str, between: &str, expected: &'static str) -> Result<([i32; 2], [i32; 2]), &'static str> {
    let (one, other) = text.split_once(between).ok_or(expected)?;
    Ok((place(one)?, place(other)?))
}

/// An element as a script names it.
struct Named {
    who: String,
    cseq: u64,
}

impl Named {
    fn resolve(&self, author: &dyn Fn(&str) -> u32) -> ElementRef {
        ElementRef { author: author(&self.who), cseq: self.cseq }
    }
}

fn reference(text: &str) -> Result<Named, &'static str> {
    let (who, cseq) = text.trim().split_once('.').ok_or("an element WHO.NUMBER")?;
    Ok(Named { who: who.into(), cseq: number(cseq)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_line_is_named_with_what_was_expected() {
        let error = parse("ada joins\n\n# fine\nada begins 0 near 1,1").err().expect("it is wrong");
        assert_eq!(error.to_string(), r#"line 4: "ada begins 0 near 1,1": expected SLOT at X,Y"#);
        assert!(parse("ada dances").is_err());
        assert!(parse("ada begins 999 at 1,1").is_err());
    }
}

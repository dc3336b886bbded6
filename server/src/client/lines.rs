//! The input of `inkwire draw`: operations as lines of JSON, the mirror of the protocol.

use std::io::{BufRead, Read};

use inkwire_protocol::{ClientMessage, DecodeError, Operation, binary};
use serde_json::Value;

/// The longest line that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// A line that is not one.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// It cannot be read.
    #[error("line {line}: {error}")]
    Read { line: usize, error: std::io::Error },
    /// It is longer than any operation.
    #[error("line {line} has more than {LONGEST} bytes")]
    Long { line: usize },
    /// It is not the JSON of an operation.
    #[error("line {line} is no operation: {error}")]
    Json { line: usize, error: serde_json::Error },
    /// It breaks a rule of the protocol.
    #[error("line {line} breaks a rule of the protocol: {error}")]
    Rule { line: usize, error: DecodeError },
}

/// The operations of lines, with the number of the line of each. An empty line, and one that begins with `#`, is passed over;
/// `gestureBack` may be left out where it is 0. Ends at the first line that is none.
pub(super) fn operations(mut input: impl BufRead) -> impl Iterator<Item = Result<(usize, Operation), LineError>> {
    let (mut line, mut is_over) = (0, false);
    std::iter::from_fn(move || {
        while !is_over {
            line += 1;
            let next = next(&mut input, line);
            is_over = !matches!(next, Ok(Some(_)));
            match next {
                Ok(Some(text)) if text.trim().is_empty() || text.trim_start().starts_with('#') => {}
                Ok(Some(text)) => {
                    let operation = operation(&text, line);
                    is_over = operation.is_err();
                    return Some(operation.map(|operation| (line, operation)));
                }
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
        None
    })
}

fn next(input: &mut impl BufRead, line: usize) -> Result<Option<String>, LineError> {
    let mut text = String::new();
    let read = input.take(LONGEST + 1).read_line(&mut text).map_err(|error| LineError::Read { line, error })?;
    if text.len() as u64 > LONGEST {
        return Err(LineError::Long { line });
    }
    Ok((read > 0).then_some(text))
}

fn operation(text: &str, line: usize) -> Result<Operation, LineError> {
    let json = |error| LineError::Json { line, error };
    let mut value: Value = serde_json::from_str(text).map_err(json)?;
    if let Value::Object(fields) = &mut value {
        fields.entry("gestureBack").or_insert(0.into());
    }
    let operation: Operation = serde_json::from_value(value).map_err(json)?;
    // Through the binary form, whose rules are the protocol's.
    let message = ClientMessage::Operations { first_cseq: 1, operations: [operation.clone()].into() };
    binary::decode_client(&binary::encode_client(&[message])).map_err(|error| LineError::Rule { line, error })?;
    Ok(operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<(usize, Operation), String>> {
        operations(text.as_bytes()).map(|it| it.map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn lines_are_operations_as_the_protocol_writes_them() {
        let all = read("# a comment\n\n{\"type\":\"end\",\"slot\":0}\n{\"type\":\"clear\"}");
        let expected = [Ok((3, Operation::End { slot: 0 })), Ok((4, Operation::Clear { gesture_back: 0 }))];
        assert_eq!(all, expected);
    }

    #[test]
    fn the_first_line_that_is_none_is_the_last_that_is_read() {
        for (text, words) in [
            ("hello", "line 1 is no operation"),
            ("[1]", "line 1 is no operation"),
            ("{\"type\":\"sing\"}", "line 1 is no operation"),
            ("{\"type\":\"end\",\"slot\":9}\n{\"type\":\"clear\"}", "line 1 breaks a rule of the protocol: a slot"),
        ] {
            let all = read(text);
            assert_eq!(all.len(), 1, "{text}");
            assert!(all[0].as_ref().is_err_and(|error| error.starts_with(words)), "{:?}", all[0]);
        }
        let long = format!("{{\"type\":\"{}\"}}", "x".repeat(2 << 20));
        assert!(read(&long)[0].as_ref().is_err_and(|error| error.contains("more than")));
    }
}

//! Faults that are known and borne with: one file, each entry with its reason, and none that is not needed. Pure.

use super::finding::{Check, Finding};

/// A suppression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suppression {
    check: Check,
    /// Parts of function names, in the order in which they stand in a stack, innermost first.
    functions: Vec<String>,
    /// Its line, from 1.
    line: usize,
}

/// Reads `CHECK FUNCTION [FUNCTION…]` a line, each below a comment that says why.
///
/// # Errors
/// The first line that is not like that.
pub(super) fn read(text: &str) -> Result<Vec<Suppression>, String> {
    let mut all = Vec::new();
    let mut has_reason = false;
    for (line, content) in (1..).zip(text.lines().map(str::trim)) {
        if content.is_empty() || content.starts_with('#') {
            has_reason = content.trim_start_matches('#').trim().len() > 10;
            continue;
        }
        let mut words = content.split_whitespace();
        let check = words.next().and_then(|name| <Check as clap::ValueEnum>::from_str(name, false).ok());
        let check = check.ok_or_else(|| format!("line {line}: {content:?} does not begin with a check"))?;
        let functions: Vec<String> = words.map(str::to_owned).collect();
        if functions.is_empty() {
            return Err(format!("line {line}: no function is named, which would bear with everything"));
        }
        if !std::mem::take(&mut has_reason) {
            return Err(format!("line {line}: there is no comment above it that says why"));
        }
        all.push(Suppression { check, functions, line });
    }
    Ok(all)
}

impl Suppression {
    fn covers(&self, finding: &Finding) -> bool {
        let mut frames = finding.fault.stack.iter();
        self.check == finding.check
            && self.functions.iter().all(|part| frames.any(|frame| frame.function.contains(part.as_str())))
    }
}

/// Takes away what is borne with; gives the lines that nothing needed, of the checks that were made.
pub(super) fn apply(all: &[Suppression], made: &[Check], findings: &mut Vec<Finding>) -> Vec<usize> {
    let unused = |suppression: &&Suppression| {
        made.contains(&suppression.check) && !findings.iter().any(|finding| suppression.covers(finding))
    };
    let unused = all.iter().filter(unused).map(|suppression| suppression.line).collect();
    findings.retain(|finding| !all.iter().any(|suppression| suppression.covers(finding)));
    unused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leakcheck::finding::{Class, Fault};
    use crate::leakcheck::stack::Frame;

    fn finding(check: Check, functions: &[&str]) -> Finding {
        let frame = |function: &&str| Frame { function: (*function).into(), file: None, line: None };
        let stack = functions.iter().map(frame).collect();
        let fault =
            Fault { class: Class::Leak, kind: "lost".into(), detail: String::new(), bytes: 1, blocks: 1, stack };
        Finding { check, setting: "", connections: 1, fault, each: Vec::new() }
    }

    const TEXT: &str = "# The pool keeps what it has opened.\nmemcheck calloc sqlite3PagerOpen\n\n# One for each thread, for ever.\ngrowth dlopen\n";

    #[test]
    fn what_is_named_in_order_is_borne_with_and_nothing_else() {
        let all = read(TEXT).unwrap();
        let mut findings = vec![
            finding(Check::Memcheck, &["calloc", "f", "sqlite3PagerOpen"]),
            finding(Check::Memcheck, &["sqlite3PagerOpen", "calloc"]),
            finding(Check::Growth, &["calloc", "sqlite3PagerOpen"]),
        ];
        assert_eq!(apply(&all, &[Check::Memcheck, Check::Growth], &mut findings), [5]);
        assert_eq!(findings.len(), 2);
    }

    #[test]
    fn one_of_a_check_that_was_not_made_is_not_called_unused() {
        assert_eq!(apply(&read(TEXT).unwrap(), &[Check::Asan], &mut Vec::new()), [0; 0]);
    }

    #[test]
    fn what_has_no_reason_or_no_function_is_refused() {
        for (text, why) in [
            ("growth dlopen\n", "line 1: there is no comment above it that says why"),
            ("# why\ngrowth dlopen\n", "line 2: there is no comment above it that says why"),
            ("# It is borne with.\n\ngrowth dlopen\n", "line 3: there is no comment above it that says why"),
            ("# It is borne with.\ngrowth\n", "line 2: no function is named, which would bear with everything"),
            ("# It is borne with.\neverything malloc\n", "line 2: \"everything malloc\" does not begin with a check"),
        ] {
            assert_eq!(read(text), Err(why.to_owned()));
        }
    }
}

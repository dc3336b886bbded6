//! Findings for people, as JSON, and as annotations of GitHub. Pure.

use std::fmt::Write;

use serde_json::{Value, json};

use super::finding::{Checked, Finding};
use super::stack::{Sources, short};

/// The version of the JSON document; it changes when a reader must.
const VERSION: u64 = 1;

/// Findings that blame one line for one kind of fault are one: the largest, with the sizes of all.
pub(super) fn merged(findings: Vec<Finding>, sources: &Sources) -> Vec<Finding> {
    let place = |finding: &Finding| {
        let blame = sources.blame(&finding.fault.stack).map(|blame| (blame.file.to_owned(), blame.line));
        (blame, finding.check.name(), finding.fault.kind.clone(), finding.setting)
    };
    let mut all: Vec<Finding> = Vec::new();
    for finding in findings {
        let same = |other: &&mut Finding| !finding.fault.stack.is_empty() && place(other) == place(&finding);
        match all.iter_mut().find(same) {
            Some(first) if place(first).0.is_some() => {
                first.fault.bytes += finding.fault.bytes;
                first.fault.blocks += finding.fault.blocks;
            }
            _ => all.push(finding),
        }
    }
    all
}

/// Everything in words.
pub(super) fn text(all: &[Checked], sources: &Sources) -> String {
    let mut text = String::new();
    for (number, finding) in (1..).zip(all.iter().flat_map(|checked| &checked.findings)) {
        let _ = writeln!(text, "{}", one(number, finding, sources));
    }
    for checked in all {
        let lines = checked.notes.iter().map(|note| format!("{:9} {note}\n", checked.check.name()));
        text.extend(lines);
    }
    text.push('\n');
    let _ = writeln!(text, "{:9} {:8} {:>8} {:>9}", "check", "result", "findings", "seconds");
    for checked in all {
        let why = checked.failure.as_ref().map(ToString::to_string).or(checked.skipped.clone()).unwrap_or_default();
        let (name, count) = (checked.check.name(), checked.findings.len());
        let line = format!("{name:9} {:8} {count:>8} {:>9.1}  {why}", outcome(checked), checked.seconds);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn outcome(checked: &Checked) -> &'static str {
    match () {
        () if !checked.findings.is_empty() => "FAULTS",
        () if checked.failure.is_some() => "FAILED",
        () if checked.skipped.is_some() => "SKIPPED",
        () => "clean",
    }
}

fn one(number: usize, finding: &Finding, sources: &Sources) -> String {
    let Finding { check, setting, connections, fault, each } = finding;
    let setting = if setting.is_empty() { String::new() } else { format!(", {setting}") };
    let place = sources.blame(&fault.stack).map_or("no line of ours".to_owned(), |blame| {
        format!("{}:{} in {}", blame.file.display(), blame.line, short(&blame.frame.function))
    });
    let mut text = format!("{number}. {}: {place}  [{}{setting}]\n   {}\n", fault.kind, check.name(), fault.detail);
    if fault.blocks > 0 && !fault.stack.is_empty() {
        let per = |what: u64| what as f64 / (*connections).max(1) as f64;
        let rounds = if each.is_empty() { String::new() } else { format!("; in each round {}", list(each)) };
        let _ = writeln!(
            text,
            "   {} bytes in {} over {connections} connections: {:.1} bytes and {:.3} a connection{rounds}",
            fault.bytes,
            fault.blocks,
            per(fault.bytes),
            per(fault.blocks)
        );
    }
    for line in sources.folded(&fault.stack) {
        let _ = writeln!(text, "     {line}");
    }
    text
}

fn list(each: &[i64]) -> String {
    each.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// One document.
pub(super) fn json(all: &[Checked], exit: u8, sources: &Sources) -> Value {
    let check = |checked: &Checked| {
        json!({
            "check": checked.check.name(),
            "outcome": outcome(checked).to_lowercase(),
            "seconds": checked.seconds,
            "notes": checked.notes,
            "why": checked.failure.as_ref().map(ToString::to_string).or(checked.skipped.clone()),
            "findings": checked.findings.iter().map(|finding| found(finding, sources)).collect::<Vec<_>>(),
        })
    };
    json!({"version": VERSION, "exit": exit, "checks": all.iter().map(check).collect::<Vec<_>>()})
}

fn found(finding: &Finding, sources: &Sources) -> Value {
    let Finding { setting, connections, fault, each, .. } = finding;
    let blame = sources.blame(&fault.stack);
    let frame =
        |frame: &super::stack::Frame| json!({"function": frame.function, "file": frame.file, "line": frame.line});
    json!({
        "kind": fault.kind,
        "class": if fault.class == super::finding::Class::Leak { "leak" } else { "memory" },
        "detail": fault.detail,
        "setting": setting,
        "file": blame.map(|blame| blame.file.display().to_string()),
        "line": blame.map(|blame| blame.line),
        "function": blame.map(|blame| blame.frame.function.clone()),
        "bytes": fault.bytes,
        "blocks": fault.blocks,
        "connections": connections,
        "rounds": each,
        "stack": fault.stack.iter().map(frame).collect::<Vec<_>>(),
    })
}

/// Lines that GitHub shows beside the code (its documentation, "Workflow commands").
pub(super) fn annotations(all: &[Checked], sources: &Sources) -> String {
    let mut text = String::new();
    for finding in all.iter().flat_map(|checked| &checked.findings) {
        let place = sources.blame(&finding.fault.stack).map_or(String::new(), |blame| {
            format!(" file={},line={},", property(&blame.file.display().to_string()), blame.line)
        });
        let title = format!("{}: {}", finding.check.name(), finding.fault.kind);
        let place = if place.is_empty() { " ".to_owned() } else { place };
        let _ = writeln!(text, "::error{place}title={}::{}", property(&title), data(&finding.fault.detail));
    }
    for checked in all {
        if let Some(failure) = &checked.failure {
            let _ = writeln!(text, "::error title={} failed::{}", checked.check.name(), data(&failure.to_string()));
        }
    }
    text
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leakcheck::finding::{Check, Class, Failure, Fault};
    use crate::leakcheck::stack::Frame;

    fn checked() -> Vec<Checked> {
        let own = crate::root().join("server/src/main.rs").display().to_string();
        let stack = vec![
            Frame { function: "malloc".into(), file: None, line: None },
            Frame { function: "inkwire::run<A>".into(), file: Some(own), line: Some(23) },
        ];
        let fault = Fault {
            class: Class::Leak,
            kind: "growing memory".into(),
            detail: "100% more, after every round".into(),
            bytes: 1200,
            blocks: 60,
            stack,
        };
        let finding =
            Finding { check: Check::Growth, setting: "on disk", connections: 60, fault, each: vec![20, 20, 20] };
        let mut growth = Checked::new(Check::Growth);
        growth.findings.push(finding);
        let mut asan = Checked::new(Check::Asan);
        asan.failure = Some(Failure::Server("the server ended".into()));
        let mut miri = Checked::new(Check::Miri);
        miri.skipped = Some("miri is not installed".into());
        vec![growth, asan, miri]
    }

    fn sources() -> Sources {
        Sources::below(crate::root())
    }

    #[test]
    fn a_report_says_what_where_and_how_much() {
        let expected = "\
1. growing memory: server/src/main.rs:23 in inkwire::run  [growth, on disk]
   100% more, after every round
   1200 bytes in 60 over 60 connections: 20.0 bytes and 1.000 a connection; in each round 20, 20, 20
     … malloc of unknown code
     inkwire::run (server/src/main.rs:23)


check     result   findings   seconds
growth    FAULTS          1       0.0
asan      FAILED          0       0.0  the server ended
miri      SKIPPED         0       0.0  miri is not installed
";
        assert_eq!(text(&checked(), &sources()), expected);
    }

    #[test]
    fn the_json_document_has_the_same() {
        let document = json(&checked(), 3, &sources());
        assert_eq!((&document["version"], &document["exit"]), (&json!(1), &json!(3)));
        let found = &document["checks"][0]["findings"][0];
        assert_eq!(
            (&found["file"], &found["line"], &found["class"]),
            (&json!("server/src/main.rs"), &json!(23), &json!("leak"))
        );
        assert_eq!(
            (&document["checks"][1]["outcome"], &document["checks"][1]["why"]),
            (&json!("failed"), &json!("the server ended"))
        );
    }

    #[test]
    fn annotations_escape_what_github_would_take_for_its_own() {
        let expected = "\
::error file=server/src/main.rs,line=23,title=growth%3A growing memory::100%25 more, after every round
::error title=asan failed::the server ended
";
        assert_eq!(annotations(&checked(), &sources()), expected);
    }

    #[test]
    fn findings_that_blame_one_line_are_one() {
        let one = checked().remove(0).findings.remove(0);
        let all = merged(vec![one.clone(), one.clone()], &sources());
        assert_eq!((all.len(), all[0].fault.bytes, all[0].fault.blocks), (1, 2400, 120));
    }
}

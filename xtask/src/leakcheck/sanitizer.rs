//! Reports of AddressSanitizer and LeakSanitizer, with each frame in the form that [`FORMAT`] asks for. Pure.

use super::finding::{Class, Fault};
use super::stack::Frame;

/// The format of a frame: number, function, file, line (compiler-rt's `stack_trace_format`).
pub(super) const FORMAT: &str = "F|%n|%f|%s|%l";

/// Reads a report.
///
/// # Errors
/// If LeakSanitizer gave up: then nothing is known about leaks, whatever else stands there.
pub(super) fn read(text: &str) -> Result<Vec<Fault>, String> {
    if text.contains("LeakSanitizer has encountered a fatal error") {
        let hint = text
            .lines()
            .find_map(|line| Some(line[line.find("HINT: ")?..].trim()).filter(|hint| hint.contains("ptrace")));
        let hint = hint.map_or(String::new(), |hint| format!(" ({hint})"));
        return Err(format!(
            "LeakSanitizer has given up, so nothing is known about leaks: ptrace must be allowed{hint}"
        ));
    }
    let mut faults: Vec<Fault> = Vec::new();
    let mut is_first_stack = false;
    for line in text.lines() {
        if let Some(frame) = frame(line) {
            if let (Some(fault), true) = (faults.last_mut(), is_first_stack) {
                fault.stack.push(frame);
            }
        } else if let Some(fault) = error(line).or_else(|| leak(line)) {
            faults.push(fault);
            is_first_stack = true;
        } else if faults.last().is_some_and(|fault| !fault.stack.is_empty()) {
            // Behind it come where the block was allocated and freed, which are other stacks.
            is_first_stack = false;
        }
    }
    Ok(faults)
}

/// `==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x… at pc …`
fn error(line: &str) -> Option<Fault> {
    let (_, what) = line.split_once("ERROR: AddressSanitizer: ")?;
    let kind = what.split(' ').next().unwrap_or(what).to_owned();
    Some(Fault { class: Class::Memory, kind, detail: what.to_owned(), bytes: 0, blocks: 0, stack: Vec::new() })
}

/// `Direct leak of 1400 byte(s) in 2 object(s) allocated from:`
fn leak(line: &str) -> Option<Fault> {
    let (how, rest) = line.split_once(" leak of ")?;
    let (bytes, rest) = rest.split_once(" byte(s) in ")?;
    let (blocks, _) = rest.split_once(" object(s)")?;
    let kind = match how {
        "Direct" => "lost",
        "Indirect" => "indirectly lost",
        _ => return None,
    };
    Some(Fault {
        class: Class::Leak,
        kind: kind.into(),
        detail: line.trim_end_matches(" allocated from:").to_owned(),
        bytes: bytes.parse().ok()?,
        blocks: blocks.parse().ok()?,
        stack: Vec::new(),
    })
}

fn frame(line: &str) -> Option<Frame> {
    let mut parts = line.trim_start().strip_prefix("F|")?.splitn(4, '|').skip(1);
    let function = parts.next()?.to_owned();
    let file = parts.next().filter(|file| !file.is_empty() && !file.starts_with("<null>")).map(str::to_owned);
    let line = parts.next().and_then(|line| line.trim().parse().ok()).filter(|line| *line > 0);
    Some(Frame { function, file, line })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaks_are_read_each_with_its_stack() {
        let text = "\n=====\n==7==ERROR: LeakSanitizer: detected memory leaks\n\n\
            Direct leak of 1400 byte(s) in 2 object(s) allocated from:\n    F|0|malloc|/asan_malloc_linux.cpp|67\n\
            \x20   F|1|boxes|/w/main.rs|5\n\nIndirect leak of 8 byte(s) in 1 object(s) allocated from:\n    F|0|malloc||0\n\n\
            SUMMARY: AddressSanitizer: 1408 byte(s) leaked in 3 allocation(s).\n";
        let faults = read(text).unwrap();
        let all: Vec<_> =
            faults.iter().map(|fault| (&fault.kind[..], fault.bytes, fault.blocks, fault.stack.len())).collect();
        assert_eq!(all, [("lost", 1400, 2, 2), ("indirectly lost", 8, 1, 1)]);
        assert_eq!(
            faults[0].stack[1],
            Frame { function: "boxes".into(), file: Some("/w/main.rs".into()), line: Some(5) }
        );
        assert_eq!((&faults[1].stack[0].file, faults[1].stack[0].line), (&None, None));
    }

    #[test]
    fn only_the_stack_of_the_access_belongs_to_a_memory_error() {
        let text = "==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x1 at pc 0x2\n\
            READ of size 1 at 0x1 thread T0\n    F|0|reads|/w/main.rs|9\n    F|1|main|/w/main.rs|1\n\n\
            0x1 is located 0 bytes inside of 16-byte region\nfreed by thread T0 here:\n    F|0|free|/asan.cpp|3\n";
        let faults = read(text).unwrap();
        assert_eq!((faults.len(), &faults[0].kind[..], faults[0].class), (1, "heap-use-after-free", Class::Memory));
        assert_eq!(faults[0].stack.iter().map(|frame| &frame.function[..]).collect::<Vec<_>>(), ["reads", "main"]);
    }

    #[test]
    fn a_leak_sanitizer_that_gave_up_has_found_nothing_out() {
        let text = "==7==LeakSanitizer has encountered a fatal error.\n==7==HINT: LeakSanitizer does not work under ptrace (strace, gdb, etc)\n";
        assert!(read(text).unwrap_err().contains("does not work under ptrace"));
    }
}

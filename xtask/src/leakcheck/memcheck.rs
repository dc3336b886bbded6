//! Valgrind's report at exit, in XML (protocol 4 and later; `docs/internals/xml-output-protocol4.txt` of Valgrind). Pure.

use roxmltree::{Document, Node};

use super::finding::{Class, Fault};
use super::stack::Frame;

/// Reads a report: what was lost, and what was done to memory that must not be. What is possibly lost is only counted,
/// because every thread that lives at the end is (a pointer into its block is all that is left of it).
///
/// # Errors
/// An error of a report; one that was cut must not read as one without errors.
pub(super) fn read(xml: &str) -> Result<Report, String> {
    if !xml.trim_end().ends_with("</valgrindoutput>") {
        return Err("Valgrind's report is cut: it was killed before it had written all of it".into());
    }
    let document = Document::parse(xml).map_err(|error| format!("Valgrind's report is no XML: {error}"))?;
    let errors = document.root_element().children().filter(|node| node.has_tag_name("error"));
    let mut report = Report::default();
    for error in errors {
        let kind = text(error, "kind").unwrap_or_default();
        match kind {
            "Leak_PossiblyLost" => report.possibly += 1,
            // Descriptors are counted between the rounds: some are open at the end of every server.
            "Leak_StillReachable" | "FdNotClosed" => {}
            _ => report.faults.push(fault(error, kind)),
        }
    }
    Ok(report)
}

/// The content of a report.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Report {
    pub(super) faults: Vec<Fault>,
    /// Records of what is possibly lost.
    pub(super) possibly: usize,
}

fn fault(error: Node<'_, '_>, kind: &str) -> Fault {
    let lost = error.children().find(|node| node.has_tag_name("xwhat"));
    let number = |name| lost.and_then(|lost| text(lost, name)?.parse().ok()).unwrap_or(0);
    let is_leak = kind.starts_with("Leak_") || kind.starts_with("Fd");
    let what = lost.and_then(|lost| text(lost, "text")).or_else(|| text(error, "what"));
    let stack = error.children().find(|node| node.has_tag_name("stack"));
    Fault {
        class: if is_leak { Class::Leak } else { Class::Memory },
        kind: kind_in_words(kind).into(),
        detail: what.unwrap_or(kind).to_owned(),
        bytes: number("leakedbytes"),
        blocks: number("leakedblocks"),
        stack: stack.map_or_else(Vec::new, |stack| {
            stack.children().filter(|node| node.has_tag_name("frame")).map(frame).collect()
        }),
    }
}

fn kind_in_words(kind: &str) -> &str {
    match kind {
        "Leak_DefinitelyLost" => "definitely lost",
        "Leak_IndirectlyLost" => "indirectly lost",
        "InvalidRead" => "invalid read",
        "InvalidWrite" => "invalid write",
        "InvalidFree" => "invalid free",
        "UninitCondition" | "UninitValue" => "uninitialised value",
        other => other,
    }
}

fn frame(node: Node<'_, '_>) -> Frame {
    let file = text(node, "file").map(|file| match text(node, "dir") {
        Some(dir) => format!("{dir}/{file}"),
        None => file.to_owned(),
    });
    let function = text(node, "fn").unwrap_or("???").to_owned();
    Frame { function, file, line: text(node, "line").and_then(|line| line.parse().ok()) }
}

fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.children().find(|child| child.has_tag_name(name))?.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "<?xml version=\"1.0\"?>
<valgrindoutput>
<protocolversion>4</protocolversion>
<error><unique>0x0</unique><kind>InvalidWrite</kind><what>Invalid write of size 1</what>
  <stack><frame><ip>0x1</ip><fn>overrun&lt;u8&gt;</fn><dir>/work/faulty/src</dir><file>main.rs</file><line>41</line></frame></stack>
  <auxwhat>Address 0x2 is 0 bytes after a block of size 16 alloc'd</auxwhat>
  <stack><frame><ip>0x3</ip><fn>malloc</fn></frame></stack></error>
<error><unique>0x1</unique><kind>Leak_DefinitelyLost</kind>
  <xwhat><text>1,400 bytes in 2 blocks are definitely lost</text><leakedbytes>1400</leakedbytes><leakedblocks>2</leakedblocks></xwhat>
  <stack><frame><ip>0x1</ip><obj>/x</obj></frame></stack></error>
<error><unique>0x2</unique><kind>Leak_PossiblyLost</kind><xwhat><text>t</text><leakedbytes>1</leakedbytes><leakedblocks>1</leakedblocks></xwhat><stack/></error>
</valgrindoutput>
";

    #[test]
    fn a_report_is_read_with_kinds_sizes_and_stacks() {
        let report = read(REPORT).unwrap();
        let [write, lost] = &report.faults[..] else { panic!("{report:?}") };
        assert_eq!(
            (write.class, &write.kind[..], &write.detail[..]),
            (Class::Memory, "invalid write", "Invalid write of size 1")
        );
        assert_eq!(
            write.stack,
            [Frame { function: "overrun<u8>".into(), file: Some("/work/faulty/src/main.rs".into()), line: Some(41) }]
        );
        assert_eq!((lost.class, lost.bytes, lost.blocks), (Class::Leak, 1400, 2));
        assert_eq!(report.possibly, 1);
    }

    #[test]
    fn a_report_that_was_cut_is_refused_wherever_it_was() {
        for length in 0..REPORT.trim_end().len() {
            assert!(read(&REPORT[..length]).is_err(), "cut at {length}");
        }
    }
}

//! Growth between rounds of traffic: the text in which vgdb answers, and which stacks grow in every round. Pure.
//!
//! The text is that of `leak_check full reachable increased` and of `v.info open_fds` (Valgrind's manual, sections 4.6 and
//! 3.2); it is text also where Valgrind writes its own report as XML.

use std::collections::HashMap;

use super::stack::{Frame, Stack};

/// Memory that was allocated at one place and is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Increase {
    /// More bytes than at the last look; fewer where it is negative.
    pub(super) bytes: i64,
    /// More blocks than at the last look.
    pub(super) blocks: i64,
    pub(super) stack: Stack,
}

/// Reads the answer to `leak_check full reachable increased`; `None` where it is not whole.
pub(super) fn increases(text: &str) -> Option<Vec<Increase>> {
    if !text.contains("LEAK SUMMARY") && !text.contains("All heap blocks were freed") {
        return None;
    }
    let mut all = Vec::new();
    for (head, stack) in records(text, |line| line.contains(" loss record ")) {
        let (bytes, rest) = head.split_once(" bytes in ")?;
        let (blocks, _) = rest.split_once(" blocks are ")?;
        all.push(Increase { bytes: delta(bytes)?, blocks: delta(blocks)?, stack });
    }
    Some(all)
}

/// Reads the answer to `v.info open_fds`: where each descriptor was opened, those that came from the parent apart; `None`
/// where it is not whole.
pub(super) fn descriptors(text: &str) -> Option<Vec<(String, Stack)>> {
    if !text.contains("FILE DESCRIPTORS:") {
        return None;
    }
    let opened = records(text, |line| line.starts_with("Open ") && line.contains(':'));
    Some(opened.into_iter().filter(|(_, stack)| !stack.is_empty()).collect())
}

/// Lines that begin a record, each with the frames that follow.
fn records(text: &str, begins: impl Fn(&str) -> bool) -> Vec<(String, Stack)> {
    let mut all: Vec<(String, Stack)> = Vec::new();
    let mut is_in_record = false;
    for line in text.lines() {
        let line = line.strip_prefix("==").and_then(|line| line.split_once("== ")).map_or(line, |(_, rest)| rest);
        if let (Some(frame), true) = (frame(line), is_in_record) {
            all.last_mut().expect("a record has begun").1.push(frame);
        } else if begins(line) {
            all.push((line.to_owned(), Vec::new()));
            is_in_record = true;
        } else {
            is_in_record = false;
        }
    }
    all
}

/// `   at 0x4A53090: open (io/open64.c:41)`.
fn frame(line: &str) -> Option<Frame> {
    let rest = line.trim_start();
    let rest = rest.strip_prefix("at 0x").or_else(|| rest.strip_prefix("by 0x"))?;
    let (_, call) = rest.split_once(": ")?;
    let Some((function, place)) = call.strip_suffix(')').and_then(|call| call.rsplit_once(" (")) else {
        return Some(Frame { function: call.to_owned(), file: None, line: None });
    };
    let function = function.to_owned();
    match place.rsplit_once(':') {
        Some((file, line)) if line.parse::<u32>().is_ok() => {
            Some(Frame { function, file: Some(file.to_owned()), line: line.parse().ok() })
        }
        _ => Some(Frame { function, file: None, line: None }),
    }
}

/// The first `(+16,000)` or `(-16,000)`.
fn delta(text: &str) -> Option<i64> {
    let sign = text.find("(+").or_else(|| text.find("(-"))?;
    let number = text[sign + 1..].split(')').next()?.replace(',', "");
    number.parse().ok()
}

/// Returns the stacks that have grown in each of several rounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grown {
    pub(super) stack: Stack,
    /// Bytes of all rounds.
    pub(super) bytes: i64,
    /// Blocks, or descriptors, of each round.
    pub(super) each: Vec<i64>,
}

/// Stacks with more blocks after every round than before it.
pub(super) fn in_every_round(rounds: &[Vec<Increase>]) -> Vec<Grown> {
    let mut all: HashMap<&Stack, Vec<(i64, i64)>> = HashMap::new();
    for (at, round) in rounds.iter().enumerate() {
        for increase in round {
            let each = all.entry(&increase.stack).or_insert_with(|| vec![(0, 0); rounds.len()]);
            each[at].0 += increase.bytes;
            each[at].1 += increase.blocks;
        }
    }
    let grown = all.into_iter().filter(|(_, each)| !each.is_empty() && each.iter().all(|(_, blocks)| *blocks > 0));
    let mut grown: Vec<Grown> = grown
        .map(|(stack, each)| Grown {
            stack: stack.clone(),
            bytes: each.iter().map(|(bytes, _)| bytes).sum(),
            each: each.iter().map(|(_, blocks)| *blocks).collect(),
        })
        .collect();
    grown.sort_by_key(|grown| (-grown.bytes, format!("{:?}", grown.stack)));
    grown
}

/// Stacks at which more descriptors are open after every round than before it; the first look is that before them all.
pub(super) fn opened_in_every_round(looks: &[Vec<(String, Stack)>]) -> Vec<Grown> {
    let count = |look: &[(String, Stack)]| {
        let mut counts: HashMap<Stack, i64> = HashMap::new();
        look.iter().for_each(|(_, stack)| *counts.entry(stack.clone()).or_default() += 1);
        counts
    };
    let counts: Vec<HashMap<Stack, i64>> = looks.iter().map(|look| count(look)).collect();
    let rounds: Vec<Vec<Increase>> = counts
        .windows(2)
        .map(|pair| {
            let more = |(stack, count): (&Stack, &i64)| Increase {
                bytes: 0,
                blocks: count - pair[0].get(stack).copied().unwrap_or(0),
                stack: stack.clone(),
            };
            pair[1].iter().map(more).collect()
        })
        .collect();
    in_every_round(&rounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "\
sending command leak_check full reachable increased to pid 7
==7== 24,000 (+16,000) bytes in 30 (+20) blocks are still reachable in loss record 8 of 9
==7==    at 0x48407B4: malloc (in /usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so)
==7==    by 0x1234: keep<(u8, u8)> (/work/faulty/src/main.rs:17)
==7==    by 0x1235: ???
==7== 
==7== 1,234 (+10) (1,000 (+4) direct, 234 (+6) indirect) bytes in 3 (-1) blocks are definitely lost in loss record 9 of 9
==7==    at 0x1: calloc (vg_replace_malloc.c:1328)
==7== 
==7== LEAK SUMMARY:
==7==    definitely lost: 0 (+0) bytes in 0 (+0) blocks
==7==    still reachable: 24,000 (+16,000) bytes in 30 (+20) blocks
";

    fn increase(blocks: i64, at: &str) -> Increase {
        Increase { bytes: blocks * 100, blocks, stack: vec![frame(&format!("at 0x1: {at} (a.rs:1)")).unwrap()] }
    }

    #[test]
    fn an_answer_of_vgdb_is_read_with_its_stacks() {
        let all = increases(ANSWER).unwrap();
        assert_eq!((all[0].bytes, all[0].blocks), (16_000, 20));
        let keep = &all[0].stack[1];
        assert_eq!(
            (&keep.function[..], keep.file.as_deref(), keep.line),
            ("keep<(u8, u8)>", Some("/work/faulty/src/main.rs"), Some(17))
        );
        assert_eq!((&all[0].stack[2].function[..], &all[0].stack[2].file), ("???", &None));
        assert_eq!((all[1].bytes, all[1].blocks), (10, -1));
    }

    #[test]
    fn an_answer_that_was_cut_is_none() {
        assert_eq!(increases(&ANSWER[..400]), None);
        assert_eq!(increases(""), None);
        assert_eq!(descriptors("sending command v.info open_fds to pid 7\n"), None);
    }

    #[test]
    fn only_what_grows_in_every_round_has_grown() {
        let rounds = [
            vec![increase(20, "map"), increase(5, "cache"), increase(1, "once")],
            vec![increase(20, "map"), increase(5, "cache")],
            vec![increase(19, "map"), increase(-2, "cache")],
        ];
        let grown = in_every_round(&rounds);
        assert_eq!(grown.len(), 1);
        assert_eq!((grown[0].bytes, &grown[0].each[..]), (5900, &[20, 20, 19][..]));
        assert_eq!(in_every_round(&[]), []);
    }

    #[test]
    fn descriptors_are_counted_by_where_they_were_opened() {
        let text = "\
==7== FILE DESCRIPTORS: 5 open (3 std) .
==7== Open file descriptor 9: /dev/null
==7==    at 0x1: open (open64.c:41)
==7== 
==7== Open AF_INET socket 8: 127.0.0.1:1 <-> unbound
==7==    at 0x1: socket (syscall.S:1)
==7== 
==7== Open file descriptor 3: /x
==7==    <inherited from parent>
==7== 
";
        let open = descriptors(text).unwrap();
        assert_eq!(
            open.iter().map(|(what, _)| &what[..]).collect::<Vec<_>>(),
            ["Open file descriptor 9: /dev/null", "Open AF_INET socket 8: 127.0.0.1:1 <-> unbound"]
        );
        let one = open[..1].to_vec();
        let more = |times| one.iter().cycle().take(times).cloned().chain(open[1..].to_vec()).collect::<Vec<_>>();
        let grown = opened_in_every_round(&[more(1), more(4), more(6)]);
        assert_eq!(grown.iter().map(|grown| &grown.each[..]).collect::<Vec<_>>(), [&[3, 2][..]]);
    }
}

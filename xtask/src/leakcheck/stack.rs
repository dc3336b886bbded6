//! Stacks of an allocation or an access: frames, which of them are ours, and the rest folded away. Pure.

use std::path::{Path, PathBuf};

/// One call, as a tool saw it; inlined calls are frames too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    pub(super) function: String,
    /// As the debug information has it.
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
}

/// Calls, innermost first.
pub(super) type Stack = Vec<Frame>;

/// Folders of our own code.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    root: PathBuf,
}

impl Sources {
    /// All of it below one folder, but for what Cargo has put there.
    pub(super) fn below(root: PathBuf) -> Self {
        Self { root }
    }

    /// The file of a frame, from the root, where it is ours.
    fn own<'a>(&self, frame: &'a Frame) -> Option<&'a Path> {
        let file = Path::new(frame.file.as_deref()?);
        let own = if file.is_absolute() { file.strip_prefix(&self.root).ok()? } else { file };
        // A relative path may be a C library's, from where that was built.
        let is_foreign = own.starts_with("target") || own.starts_with("..") || own.iter().any(|part| part == ".cargo");
        (!is_foreign && self.root.join(own).is_file()).then_some(own)
    }

    /// The first frame in our own code, as `FILE:LINE` from the root: whom to ask.
    pub(super) fn blame<'a>(&self, stack: &'a [Frame]) -> Option<Blame<'a>> {
        stack.iter().find_map(|frame| Some(Blame { file: self.own(frame)?, line: frame.line?, frame }))
    }

    /// The stack in a few lines: our own frames, and how many of others stand between them.
    pub(super) fn folded(&self, stack: &[Frame]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut others: Vec<&Frame> = Vec::new();
        for frame in stack {
            if let (Some(file), Some(line)) = (self.own(frame), frame.line) {
                lines.extend(fold(&others));
                others.clear();
                lines.push(format!("{} ({}:{line})", short(&frame.function), file.display()));
            } else {
                others.push(frame);
            }
        }
        lines.extend(fold(&others));
        lines
    }
}

/// The frame that is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blame<'a> {
    pub(super) file: &'a Path,
    pub(super) line: u32,
    pub(super) frame: &'a Frame,
}

fn fold(others: &[&Frame]) -> Option<String> {
    let mut homes: Vec<String> = Vec::new();
    for home in others.iter().map(|frame| home(frame)) {
        if homes.last() != Some(&home) && homes.len() < 4 {
            homes.push(home);
        }
    }
    match others {
        [] => None,
        [one] => Some(format!("… {} of {}", short(&one.function), homes[0])),
        _ => Some(format!("… {} frames of {}", others.len(), homes.join(", "))),
    }
}

/// The crate or library to which a frame that is not ours belongs.
fn home(frame: &Frame) -> String {
    let Some(file) = &frame.file else { return "unknown code".into() };
    let parts: Vec<&str> = file.split('/').collect();
    let after = |name: &str, skip: usize| {
        parts.iter().position(|part| *part == name).and_then(|at| parts.get(at + 1 + skip)).copied()
    };
    if let Some(package) = after("registry", 2) {
        return package.to_owned();
    }
    match after("library", 0) {
        Some(library) if file.starts_with("/rustc/") || file.contains("rustlib") => library.to_owned(),
        _ => parts.last().copied().unwrap_or(file).to_owned(),
    }
}

/// A function without its hash and its type arguments, which fill the screen and tell nothing.
pub(super) fn short(function: &str) -> String {
    let mut depth = 0u32;
    let mut text = String::new();
    let mut before = ' ';
    for (at, letter) in function.char_indices() {
        // `<T as Trait>::method` begins with what is to be kept.
        let opens = letter == '<' && at > 0;
        if opens {
            depth += 1;
        }
        if depth == 0 {
            text.push(letter);
        }
        if letter == '>' && before != '-' && depth > 0 {
            depth -= 1;
        }
        before = letter;
    }
    text.replace("::::", "::").trim_end_matches("::").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str, line: u32) -> Frame {
        Frame { function: function.into(), file: Some(file.into()), line: Some(line) }
    }

    fn sources() -> Sources {
        Sources::below(crate::root())
    }

    fn at_home(file: &str) -> String {
        crate::root().join(file).display().to_string()
    }

    fn stack() -> Stack {
        vec![
            Frame { function: "malloc".into(), file: None, line: None },
            frame("alloc::alloc::alloc", "/rustc/abc/library/alloc/src/alloc.rs", 95),
            frame("hashbrown::raw::RawTable<T>::new", "/rustc/abc/library/hashbrown/src/raw.rs", 1),
            frame("inkwire::rooms::Rooms::room", &at_home("server/src/rooms/registry.rs"), 81),
            frame("run<F>", "/root/.cargo/registry/src/index.crates.io-1/async-task-4.7.1/src/raw.rs", 5),
            frame("inkwire::main", &at_home("server/src/main.rs"), 12),
        ]
    }

    #[test]
    fn the_first_frame_of_our_own_is_to_blame() {
        let stack = stack();
        let blame = sources().blame(&stack).unwrap();
        assert_eq!((blame.file.to_str(), blame.line), (Some("server/src/rooms/registry.rs"), 81));
        assert_eq!(blame.frame.function, "inkwire::rooms::Rooms::room");
    }

    #[test]
    fn what_cargo_has_put_below_our_root_is_not_ours() {
        let elsewhere = frame("f", &at_home("target/debug/build/x/out/gen.rs"), 1);
        let vanished = frame("f", &at_home("server/src/no-such-file.rs"), 1);
        let of_a_library = frame("f", "src/sqlite3.c", 1);
        assert_eq!(sources().blame(&[elsewhere, vanished, of_a_library]), None);
    }

    #[test]
    fn the_rest_is_folded_by_where_it_belongs() {
        assert_eq!(
            sources().folded(&stack()),
            [
                "… 3 frames of unknown code, alloc, hashbrown",
                "inkwire::rooms::Rooms::room (server/src/rooms/registry.rs:81)",
                "… run of async-task-4.7.1",
                "inkwire::main (server/src/main.rs:12)",
            ]
        );
    }

    #[test]
    fn type_arguments_are_left_out_of_names() {
        assert_eq!(short("hashbrown::RawTable<(K, V), A<B>>::grow"), "hashbrown::RawTable::grow");
        assert_eq!(short("<T as core::fmt::Debug>::fmt"), "<T as core::fmt::Debug>::fmt");
        assert_eq!(short("call<fn(u8) -> bool>"), "call");
    }
}

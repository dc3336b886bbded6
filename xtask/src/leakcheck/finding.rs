//! Results of a check: faults with their places, or why it could not be made. Pure.

use std::fmt;

use clap::ValueEnum;

use super::stack::Stack;

/// One way to look for faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Check {
    /// Valgrind, asked between equal rounds of traffic: what has grown in every one.
    Growth,
    /// Valgrind's report at exit: what is lost, and what was done to memory that must not be.
    Memcheck,
    /// AddressSanitizer and LeakSanitizer.
    Asan,
    /// The release build without tools: memory, descriptors, threads and gauges per connection.
    Slope,
    /// The tests of the pure crates under Miri.
    Miri,
}

impl Check {
    /// As it is typed.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Growth => "growth",
            Self::Memcheck => "memcheck",
            Self::Asan => "asan",
            Self::Slope => "slope",
            Self::Miri => "miri",
        }
    }
}

/// The kind of a fault, which decides on the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Something is never given back.
    Leak,
    /// Memory is touched that must not be.
    Memory,
}

/// A fault, as a tool describes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    pub(super) class: Class,
    /// In a few words: "definitely lost", "heap-use-after-free".
    pub(super) kind: String,
    /// In the tool's own words.
    pub(super) detail: String,
    pub(super) bytes: u64,
    pub(super) blocks: u64,
    /// Empty where a check knows none.
    pub(super) stack: Stack,
}

/// A fault that a check has found in a server that ran.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    pub(super) check: Check,
    /// The setting of the server; empty if there is only one.
    pub(super) setting: &'static str,
    /// Over how many connections.
    pub(super) connections: u64,
    pub(super) fault: Fault,
    /// Blocks, or descriptors, of each round, where rounds were compared.
    pub(super) each: Vec<i64>,
}

/// Why a check could not be made. Each has an exit code of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// A tool is not there, or does not work here.
    Tool(String),
    /// The server did not start, did not stop, or was killed.
    Server(String),
    /// The traffic did not do what it should.
    Traffic(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Tool(why) | Self::Server(why) | Self::Traffic(why) | Self::Other(why)) = self;
        f.write_str(why)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(format!("{error:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.to_string())
    }
}

/// The outcome of a check.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Checked {
    pub(super) check: Check,
    pub(super) findings: Vec<Finding>,
    /// Measured values, in a line for each setting.
    pub(super) notes: Vec<String>,
    /// Why it could not be made to its end.
    pub(super) failure: Option<Failure>,
    /// Why it was not made at all, though nobody insisted.
    pub(super) skipped: Option<String>,
    pub(super) seconds: f64,
}

impl Checked {
    /// One that has found nothing yet.
    pub(super) fn new(check: Check) -> Self {
        Self { check, findings: Vec::new(), notes: Vec::new(), failure: None, skipped: None, seconds: 0.0 }
    }

    /// Keeps what was measured in a setting.
    pub(super) fn note(&mut self, setting: &str, words: &str) {
        self.notes.push(if setting.is_empty() { words.to_owned() } else { format!("{setting}: {words}") });
    }
}

/// Exit codes; 1 and 2 are those of every command.
pub(super) mod exit {
    pub(in crate::leakcheck) const CLEAN: u8 = 0;
    pub(in crate::leakcheck) const OTHER: u8 = 1;
    pub(in crate::leakcheck) const USAGE: u8 = 2;
    pub(in crate::leakcheck) const LEAK: u8 = 3;
    pub(in crate::leakcheck) const MEMORY: u8 = 4;
    pub(in crate::leakcheck) const TOOL: u8 = 5;
    pub(in crate::leakcheck) const SERVER: u8 = 6;
    pub(in crate::leakcheck) const TRAFFIC: u8 = 7;
}

/// The exit code of everything together: what was found comes before what could not be looked at, because a server with a
/// memory error is one that dies under its traffic.
pub(super) fn exit_code(all: &[Checked]) -> u8 {
    let class = |class| all.iter().flat_map(|checked| &checked.findings).any(|finding| finding.fault.class == class);
    let failure = |is: fn(&Failure) -> bool| all.iter().filter_map(|checked| checked.failure.as_ref()).any(is);
    match () {
        () if class(Class::Memory) => exit::MEMORY,
        () if class(Class::Leak) => exit::LEAK,
        () if failure(|why| matches!(why, Failure::Server(_))) => exit::SERVER,
        () if failure(|why| matches!(why, Failure::Traffic(_))) => exit::TRAFFIC,
        () if failure(|why| matches!(why, Failure::Tool(_))) => exit::TOOL,
        () if failure(|_| true) => exit::OTHER,
        () => exit::CLEAN,
    }
}
